"""Ours against the published implementations, where they compute the same thing: coarse maps of one small network.

``arrays.npz`` holds what they answered (``make_arrays.py``); the test marked ``live`` asks them again.

What is not compared, and why:
- Grad-CAM++ and Smooth Grad-CAM++ with torch-cam: it computes other formulas, see ``methods.aggregators`` and
  ``methods.smooth``. No library computes our Smooth Grad-CAM++; without noise it is Grad-CAM++.
- Score-CAM at a layer coarser than the image: pytorch-grad-cam upsamples the masks with aligned corners and torch-cam
  scales them before it upsamples. At ``first``, which is as large as the image, all three are the same.
- Integrated Grad-CAM is in none of them: captum's Grad-CAM with its ReLU is averaged over the same points.
"""

from pathlib import Path

import jax
import numpy as np
import pytest
import small_network

import egcam_jax

# Fractions of a map's largest value. All sums are of at most a few thousand float32 terms, and the epsilons of the
# others lie below their rounding (1e-6 beside squared gradients of order 1, 1e-8 to 1e-7 beside sums of order 0.1):
# measured, at most 1e-6. Ablation-CAM's drops are differences of scores that are close: measured, 2.4e-6.
TOLERANCE = 1e-5
CANCELLING = 5e-5

# library/method: our method, its options, layer, field that is compared
SAME = {
    "pgc/gradcam": ("gradcam", {}, "middle", "signed"),
    "torchcam/gradcam": ("gradcam", {}, "middle", "cam"),
    "captum/gradcam": ("gradcam", {}, "middle", "signed"),
    "pgc/gradcam++": ("gradcam++", {}, "middle", "signed"),
    "pgc/xgradcam": ("xgradcam", {}, "middle", "signed"),
    "torchcam/xgradcam": ("xgradcam", {}, "middle", "cam"),
    "pgc/hirescam": ("hirescam", {}, "middle", "signed"),
    "captum/hirescam": ("hirescam", {}, "middle", "signed"),
    "pgc/layercam": ("layercam", {}, "middle", "signed"),
    "torchcam/layercam": ("layercam", {}, "middle", "cam"),
    "pgc/ablationcam": ("ablationcam", {"denominator": "score"}, "middle", "signed"),
    "pgc/scorecam": ("scorecam", {}, "first", "signed"),
    "torchcam/scorecam": ("scorecam", {}, "first", "cam"),
    "captum/integrated_gradcam left": ("integrated_gradcam", {"num_samples": 10}, "middle", "cam"),
    "captum/integrated_gradcam midpoint": (
        "integrated_gradcam",
        {"num_samples": 10, "rule": "midpoint"},
        "middle",
        "cam",
    ),
    "captum/expected_attribution middle": (
        "expected_attribution",
        {"num_samples": 10, "alpha": (np.arange(10) + 0.5) / 10},
        "middle",
        "signed",
    ),
    "captum/expected_attribution right": (
        "expected_attribution",
        {"num_samples": 10, "alpha": (np.arange(10) + 1) / 10},
        "middle",
        "signed",
    ),
    "captum/integrated_gradcam right": ("integrated_gradcam", {"num_samples": 10, "rule": "right"}, "middle", "cam"),
}


@pytest.fixture(scope="module")
def stored():
    with np.load(Path(__file__).parent / "arrays.npz") as file:
        return dict(file)


def ours(stored, target, method, layer="middle", **options):
    params = {name.removeprefix("weights/"): stored[name] for name in stored if name.startswith("weights/")}
    refs, key = stored["images"][:1], jax.random.key(0)  # the reference of those that have any, which draw no positions
    return egcam_jax.explain(
        params,
        small_network.apply_fn,
        stored["images"],
        refs,
        key,
        target=target,
        method=method,
        layer=layer,
        **options,
    )


def assert_same(got, wanted, tolerance=TOLERANCE):
    """Agree, image by image, to a fraction of the map's largest value, which must not be 0."""
    scale = np.abs(wanted).max(axis=(1, 2), keepdims=True)
    scale = np.where(scale == 0, 1, scale)  # of the image that is its own reference
    assert (np.abs(wanted).max(axis=(1, 2)) > 0).sum() >= len(wanted) - 1
    np.testing.assert_allclose(np.asarray(got) / scale, wanted / scale, rtol=0, atol=tolerance)


def theirs(stored, name, target):
    """Their map; pytorch-grad-cam's Ablation-CAM divides by a score that may be negative, which turns its map over."""
    wanted = stored[f"{name}/{target}"]
    if name != "pgc/ablationcam":
        return wanted
    rows = np.arange(len(wanted))
    return wanted * np.sign(stored["logits"][rows, stored[target]])[:, None, None]


def tolerance_of(method):
    return CANCELLING if method == "ablationcam" else TOLERANCE


def test_the_network_is_the_same(stored):
    params = {name.removeprefix("weights/"): stored[name] for name in stored if name.startswith("weights/")}
    logits = small_network.apply_fn(params, stored["images"])
    np.testing.assert_allclose(logits, stored["logits"], rtol=1e-5, atol=1e-4)
    assert (stored["logits"].max(1) > 0).all()
    assert (stored["logits"].min(1) < 0).all()  # so that both signs of Ablation-CAM's denominator occur


@pytest.mark.parametrize("target", ["top", "low"])
@pytest.mark.parametrize("name", SAME)
def test_the_map_is_that_of_the_published_implementation(stored, name, target):
    method, options, layer, field = SAME[name]
    explanation = ours(stored, stored[target], method, layer, **options)
    assert_same(getattr(explanation, field), theirs(stored, name, target), tolerance_of(method))


def test_smooth_gradcam_plus_plus_without_noise_is_their_gradcam_plus_plus(stored):
    explanation = ours(stored, stored["top"], "smooth_gradcam++", sigma=0.0, num_samples=2)
    assert_same(explanation.signed, stored["pgc/gradcam++/top"])


def test_the_classes_are_chosen_alike(stored):
    np.testing.assert_array_equal(ours(stored, None, "gradcam").target, stored["top"])


@pytest.mark.live
@pytest.mark.filterwarnings("ignore")  # theirs
def test_the_stored_arrays_are_what_the_libraries_answer(stored):
    for module in ("torch", "pytorch_grad_cam", "torchcam", "captum"):
        pytest.importorskip(module, reason=f"{module} is not installed: see tests/parity/make_arrays.py")
    import published

    weights = small_network.weights()
    for name, value in weights.items():
        np.testing.assert_array_equal(value, stored[f"weights/{name}"])
    found = published.maps(weights, small_network.images())
    assert set(found) == set(stored) - {f"weights/{name}" for name in weights} - {"images", "versions"}
    for path, value in found.items():
        if value.ndim == 3:
            assert_same(value, stored[path], tolerance_of(path.split("/")[1]))
        else:
            np.testing.assert_allclose(value, stored[path], rtol=1e-5, atol=1e-4)
