"""Bad input: the right type of error, before anything is computed, naming the argument and the remedy."""

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import Split, explain

PARAMS = networks.parameters()
X, REFS, KEY = networks.images(3), networks.images(4, seed=2), jax.random.key(0)


pytestmark = pytest.mark.usefixtures("unannotated")


def never(params, x):
    """A network that may be traced, but not run."""
    jax.debug.callback(lambda: pytest.fail("computed before the check"))
    return networks.apply_fn(params, x)


NAN = X.copy()
NAN[1, 2, 2, 0] = np.nan


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"x": X[0, 0]}, ValueError, ["x must have shape", "(7, 2)"]),
        ({"x": X[None]}, ValueError, ["x must have shape", "(1, 3, 7, 7, 2)"]),
        ({"x": np.zeros((2, 3, 32, 32), "f4")}, ValueError, ["channels-first", "moveaxis(x, 1, -1)"]),
        ({"x": np.zeros((3, 32, 32), "f4")}, ValueError, ["channels-first", "moveaxis(x, 0, -1)"]),
        ({"x": np.zeros((2, 7, 7, 2), np.uint8)}, TypeError, ["x must be floating", "uint8", "/ 255"]),
        ({"x": [[1.0]]}, TypeError, ["x must be a JAX or NumPy array", "list"]),
        ({"x": X[:0]}, ValueError, ["x is empty", "(0, 7, 7, 2)"]),
        ({"x": NAN}, ValueError, ["x has 1 entries that are NaN or infinite"]),
        ({"x": X[..., :1], "refs": REFS[..., :1]}, ValueError, ["apply_fn", "(1, 7, 7, 1)"]),
        ({"refs": None}, ValueError, ["refs must be an array of shape (R, 7, 7, 2)", "got None"]),
        ({"refs": REFS[:0]}, ValueError, ["refs is empty"]),
        ({"refs": REFS[0]}, ValueError, ["refs[None]"]),
        ({"refs": REFS[:, :5]}, ValueError, ["refs must have shape (R, 7, 7, 2)", "(4, 5, 7, 2)"]),
        ({"refs": REFS.astype(int)}, TypeError, ["refs must be floating"]),
        ({"refs": REFS * np.inf}, ValueError, ["refs has", "NaN or infinite"]),
        ({"key": None}, ValueError, ["key must be a PRNG key", "jax.random.key(0)"]),
        ({"key": 3}, TypeError, ["key must be one PRNG key", "3 (int)"]),
        ({"key": jax.random.split(KEY, 3)}, TypeError, ["key must be one PRNG key", "(3,)"]),
        ({"target": 4}, ValueError, ["target 4 is out of range", "4 classes, 0 to 3"]),
        ({"target": -1}, ValueError, ["target -1 is out of range"]),
        ({"target": jnp.array([0, 1, 9])}, ValueError, ["target 9"]),
        ({"target": jnp.array([0, 1])}, ValueError, ["target must be one class index or have shape (3,)", "(2,)"]),
        ({"target": 1.0}, TypeError, ["target must be None", "1.0 (float)"]),
        ({"target": True}, TypeError, ["target must be None"]),
        ({"method": "grad_cam"}, ValueError, ["'grad_cam'", "'gradcam'"]),
        ({"method": "expected"}, ValueError, ["'expected_gradcam'"]),
        ({"layer": "nowhere"}, ValueError, ["nowhere"]),
        ({"difference": "latnet"}, ValueError, ["difference must be one of 'none', 'latent', 'encoded', 'tangent'"]),
        ({"noises": "none"}, TypeError, ["no option 'noises'", "difference, normalizer, noise"]),
        ({"method": "gradcam", "noise": "none"}, TypeError, ["'gradcam' has no option 'noise'"]),
        ({"noise_scale": -0.1}, ValueError, ["noise_scale must be finite and at least 0", "-0.1"]),
        ({"noise_scale": "much"}, TypeError, ["noise_scale must be a single number", "much"]),
        ({"alpha": [0.5, 1.5, 0, 0, 0, 0]}, ValueError, ["alpha must lie in [0, 1]"]),
        ({"alpha": [0.5, 0.5]}, ValueError, ["alpha", "num_samples=6", "(2,)"]),
        ({"num_samples": 0}, ValueError, ["num_samples must be at least 1", "0"]),
        ({"num_samples": 2.0}, TypeError, ["num_samples must be a whole number", "2.0"]),
        ({"chunk_size": 0}, ValueError, ["chunk_size must be at least 1"]),
        ({"index": 1.5}, TypeError, ["index must be whole numbers"]),
        ({"index": jnp.arange(2)}, ValueError, ["index", "(3,)", "(2,)"]),
        ({"params": {"kernel": PARAMS["kernel"]}}, ValueError, ["params", "bias"]),
        ({"apply_fn": 3}, TypeError, ["apply_fn must be a function", "int"]),
        ({"apply_fn": lambda params, x: x}, ValueError, ["logits"]),
        ({"compute_dtype": "int8"}, TypeError, ["compute_dtype", "int8"]),
        *(
            ({name: None}, (TypeError, ValueError), [f"{name} must be"])
            for name in (
                "difference",
                "normalizer",
                "noise",
                "path",
                "sampling",
                "noise_scale",
            )
        ),
        ({"alpha": "a"}, TypeError, ["alpha must be a number"]),
        ({"target": np.array([2**32 + 1] * 3)}, ValueError, ["target 4294967297 is out of range"]),
        ({"target": 2**40}, ValueError, ["target 1099511627776 is out of range"]),
        ({"target": lambda logits: logits}, TypeError, ["target", "floating scalar", "(4,)"]),
        (
            {"apply_fn": Split(networks.features, lambda params, a: a)},
            ValueError,
            ["head must return logits of shape (b, classes)", "got shape (1, 3, 3, 3)"],
        ),
        ({"apply_fn": Split(lambda params, x: x[0], networks.head)}, ValueError, ["features must return (1, h, w, K)"]),
        (
            {"apply_fn": networks.SPLIT, "params": {k: v for k, v in PARAMS.items() if k != "out"}},
            ValueError,
            ["head(params, x) failed", "out"],
        ),
    ],
)
def test_bad_input_is_refused(changed, error, words):
    arguments = {"params": PARAMS, "apply_fn": never, "x": X, "refs": REFS, "key": KEY, "num_samples": 6} | changed
    with pytest.raises(error) as caught:
        explain(**arguments)
    for word in words:
        assert word in str(caught.value)


def test_nan_logits_are_reported_and_not_drawn():
    broken = dict(PARAMS) | {"out": PARAMS["out"] * np.nan}
    with pytest.warns(RuntimeWarning, match=r"logits of image\(s\) \[0, 1, 2\] are NaN"):
        got = explain(broken, networks.SPLIT, X, method="gradcam")
    assert np.isnan(got.saliency).all()


def test_one_image_with_broken_logits_leaves_the_others_alone():
    def head(params, a):
        return networks.head(params, a) + jnp.where(a.max() > 50, jnp.nan, 0.0)

    x = X.copy()
    x[1, :3, :3] = 100
    assert networks.features(PARAMS, x).max() > 50
    with pytest.warns(RuntimeWarning, match=r"\[1\]"):
        got = explain(PARAMS, Split(networks.features, head), x, method="gradcam")
    assert np.isnan(got.saliency[1]).all()
    assert np.isfinite(np.asarray(got.saliency)[[0, 2]]).all()


def test_values_are_not_looked_at_under_a_transformation():
    got = jax.jit(lambda x: explain(PARAMS, networks.SPLIT, x, REFS, KEY, num_samples=4).saliency)(NAN)
    assert np.isnan(got[1]).all()
    assert np.isfinite(np.asarray(got)[[0, 2]]).all()


def test_a_low_and_wide_picture_of_many_channels_is_not_taken_for_channels_first():
    x = np.random.default_rng(0).standard_normal((2, 1, 16, 64)).astype(np.float32)
    got = explain({}, Split(lambda params, x: x, lambda params, a: a.sum(axis=(1, 2))), x, method="gradcam")
    assert got.saliency.shape == (2, 1, 16)


def test_references_of_another_dtype_are_taken_in_that_of_the_images():
    low = explain(PARAMS, networks.SPLIT, X, REFS.astype(np.float16), KEY, num_samples=4)
    full = explain(PARAMS, networks.SPLIT, X, REFS.astype(np.float16).astype(np.float32), KEY, num_samples=4)
    np.testing.assert_array_equal(low.cam, full.cam)


def test_a_raw_key_of_another_generator_is_accepted():
    raw = jax.random.key_data(jax.random.key(0, impl="rbg"))
    with jax.default_prng_impl("rbg"):
        assert explain(PARAMS, networks.SPLIT, X, REFS, raw, num_samples=4).cam.shape == (3, 3, 3)
