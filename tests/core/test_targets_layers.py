"""Several targets and several layers: the values of one at a time, for the work of one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from egcam_jax import explain

SIZE, CLASSES = 12, 5


def parameters():
    draw = np.random.default_rng(4).standard_normal
    shapes = {"stem": (3, 3, 2, 24), "body": (3, 3, 24, 24), "early": (3, 3, 24, 4), "late": (3, 3, 4, 3)}
    kernels = {name: draw(s).astype(np.float32) / np.prod(s[:3]) ** 0.5 for name, s in shapes.items()}
    return kernels | {"hidden": draw((108, 6)).astype(np.float32) * 0.4, "out": draw((6, CLASSES)).astype(np.float32)}


def convolve(x, kernel, stride=1):
    out = jax.lax.conv_general_dilated(x, kernel, (stride,) * 2, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(out)


def apply_fn(params, x):
    """A network whose first two convolutions, before any layer explained here, are nearly all of its work."""
    for name in ("stem", "body"):
        with jax.named_scope(name):
            x = convolve(x, params[name])
    with jax.named_scope("early"):
        x = convolve(x, params["early"])
    with jax.named_scope("late"):
        x = convolve(x, params["late"], 2)
    return jax.nn.softplus(x.reshape(len(x), -1) @ params["hidden"]) @ params["out"]


PARAMS = parameters()
draw = np.random.default_rng(6).standard_normal
IMAGES, REFS = (jnp.asarray(draw((n, SIZE, SIZE, 2)), jnp.float32) for n in (3, 2))
KEY = jax.random.key(2)
BOTH = ["early", "late"]
RUN = functools.partial(explain, PARAMS, apply_fn, num_samples=4)
PAIRS = [
    ("gradcam", None),
    ("layercam", "smooth"),
    ("integrated_gradcam", None),
    ("expected_hirescam", None),
    ("expected_attribution", None),
    ("scorecam", None),
    ("ablationcam", None),
]
"""One for each way that an estimate is made; the aggregators have no part in what is shared."""
pairs = pytest.mark.parametrize(("method", "gradients"), PAIRS)


def close(got, want, rtol=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        scale = float(np.nanmax(np.abs(b), initial=0.1))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


@pairs
def test_several_targets_are_the_targets_one_by_one(method, gradients):
    run = functools.partial(RUN, refs=REFS, key=KEY, method=method, gradients=gradients, layer="late")
    targets = jnp.array([[0, 3], [4, 1], [2, 2]])
    got = run(IMAGES, target=targets)
    assert got.cam.shape == (3, 2, 6, 6)
    assert got.saliency.shape == (3, 2, SIZE, SIZE)
    assert got.logits.shape == (3, CLASSES)
    assert got.empty.shape == (3, 2)
    np.testing.assert_array_equal(got.target, targets)
    for t in range(2):
        one = run(IMAGES, target=targets[:, t])
        for name in ("cam", "saliency", "signed", "weights", "stderr", "completeness_gap"):
            want = getattr(one, name)
            assert (getattr(got, name) is None) == (want is None)
            close(None if want is None else getattr(got, name)[:, t], want)
    if method == "gradcam":
        close(run(IMAGES[1], target=targets[1]), jax.tree.map(lambda leaf: leaf[1], got))


def fused(cams, how):
    """Scaled by their maxima, and brought to the finest grid."""
    finest = max((cam.shape for cam in cams), key=np.prod)
    scaled = [oracle.bilinear(np.asarray(cam, np.float64) / (cam.max() or 1), finest) for cam in cams]
    return np.max(np.tanh(2 * np.array(scaled)), axis=0) if how == "max" else np.mean(scaled, axis=0)


@pytest.mark.parametrize(
    ("method", "gradients", "how"), [("gradcam", None, "max"), *((*pair, "mean") for pair in PAIRS)]
)
def test_several_layers_are_the_layers_one_by_one_and_their_fusion(method, gradients, how):
    run = functools.partial(RUN, IMAGES, REFS, KEY, method=method, gradients=gradients)
    got = run(layer=BOTH, fusion=how)
    if how == "mean":
        for name, part in zip(BOTH, got.by_layer, strict=True):
            close(part, run(layer=name))
            assert part.layer == name
    assert got.layer == "early + late"
    assert got.weights is got.stderr is None
    assert got.cam.shape == (3, SIZE, SIZE)
    if method == "expected_attribution":
        return  # its mean is that of its contributions, see below
    assert got.signed is None
    for i in range(len(IMAGES)):
        want = fused([part.cam[i] for part in got.by_layer], how)
        np.testing.assert_allclose(got.cam[i], want, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(got.saliency[i], (want - want.min()) / (np.ptp(want) or 1), rtol=1e-4, atol=1e-5)
    assert all((np.ptp(part.cam, axis=(1, 2)) > 0).any() for part in got.by_layer)


def test_maps_in_logits_fuse_to_a_map_in_logits():
    """Each is shared out over the finest grid, and so adds up to what it did: the mean has the mean of the sums."""
    got = RUN(IMAGES, REFS, KEY, method="expected_attribution", layer=BOTH)
    early, late = got.by_layer
    shared = np.repeat(np.repeat(late.signed / 4, 2, axis=1), 2, axis=2)
    for axis in (1, 2):  # two for one: neighbours mixed 3 to 1, the edges kept
        rows = np.moveaxis(shared, axis, 0)
        beside = np.clip(np.arange(SIZE) + np.where(np.arange(SIZE) % 2, 1, -1), 0, SIZE - 1)
        shared = np.moveaxis(0.75 * rows + 0.25 * rows[beside], 0, axis)
    want = (early.signed + shared) / 2
    np.testing.assert_allclose(got.signed, want, rtol=1e-5, atol=1e-6 * np.abs(want).max())
    np.testing.assert_array_equal(got.cam, np.maximum(got.signed, 0))
    np.testing.assert_allclose(late.score_difference, early.score_difference, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got.score_difference, early.score_difference, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        got.signed.sum(axis=(1, 2)) - got.score_difference, got.completeness_gap, rtol=1e-3, atol=1e-5
    )
    several = RUN(IMAGES, REFS, KEY, method="expected_attribution", layer=BOTH, target=jnp.array([[0, 3]] * 3))
    one = RUN(IMAGES, REFS, KEY, method="expected_attribution", layer=BOTH, target=3)
    close((several.signed[:, 1], several.completeness_gap[:, 1]), (one.signed, one.completeness_gap))


@pytest.mark.parametrize("method", ["gradcam", "expected_attribution"])
def test_the_geometric_mean_of_maps_is_that_of_each_over_its_maximum(method):
    got = RUN(IMAGES, REFS, KEY, method=method, layer=BOTH, fusion="geometric")
    assert got.signed is got.score_difference is None
    for i in range(len(IMAGES)):
        finest = (SIZE, SIZE)
        cams = [np.asarray(part.cam[i], np.float64) for part in got.by_layer]
        both = [oracle.bilinear(cam / cam.max(), finest) for cam in cams]
        np.testing.assert_allclose(got.cam[i], np.sqrt(both[0] * both[1]), rtol=1e-4, atol=1e-5)
    assert (got.cam > 0).any()


def test_the_fusion_of_an_empty_map_leaves_the_other():
    silent = dict(PARAMS) | {"late": -np.abs(PARAMS["late"])}
    with pytest.warns(RuntimeWarning, match="no gradient of the score reaches"):
        got = explain(silent, apply_fn, IMAGES, method="gradcam", layer=BOTH, target=0)
    assert got.by_layer[1].empty.all()
    assert np.isfinite(got.cam).all()
    assert got.empty.all()  # without the late layer nothing reaches the logits from the early one either


def test_several_targets_at_several_layers():
    run = functools.partial(RUN, IMAGES, method="gradcam")
    got = run(layer=BOTH, target=jnp.array([[0, 1]] * 3))
    assert got.cam.shape == (3, 2, SIZE, SIZE)
    assert got.logits.shape == got.by_layer[0].logits.shape == (3, CLASSES)
    one = run(layer=BOTH, target=1)
    close(got.cam[:, 1], one.cam)
    close(got.by_layer[0].signed[:, 1], one.by_layer[0].signed)


def test_one_layer_in_a_list_is_that_layer():
    close(RUN(IMAGES, method="gradcam", layer=["late"]), RUN(IMAGES, method="gradcam", layer="late"))


@pytest.mark.parametrize("target", [np.zeros((2, 2), int), np.zeros((3, 2, 1), int), np.array([[0, 9]] * 3)])
def test_targets_of_a_wrong_shape_or_value(target):
    with pytest.raises(ValueError, match="target"):
        RUN(IMAGES, method="gradcam", target=target)


def test_one_trace_for_all_layers_and_none_for_targets():
    calls = []

    def counted(params, x):
        calls.append(x.shape)
        return apply_fn(params, x)

    for shift in (0, 1):
        targets = jnp.array([[0, 1]] * 3) + shift
        explain(PARAMS, counted, IMAGES + shift, method="gradcam", layer=BOTH, target=targets)
    assert len(calls) == 1


def flops(function, *arguments):
    """Of the compiled program; what XLA finds twice it computes once, as it does when the program runs."""
    return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]


def cost(**options):
    """Of one image with everything an argument: of constants, the features would be computed in advance."""
    run = lambda params, x, refs, key: explain(params, apply_fn, x, refs, key, num_samples=4, chunk_size=64, **options)
    return flops(run, PARAMS, IMAGES[:1], REFS, KEY)


FORWARD = flops(apply_fn, PARAMS, IMAGES[:1])


@pairs
def test_several_targets_and_layers_share_the_features(method, gradients):
    """One run of the features more, be it of a clean image only, would be a fifth or more of any method's work."""
    run = functools.partial(cost, method=method, gradients=gradients)
    several, one = run(layer="late", target=jnp.array([[0, 1, 2]])), run(layer="late", target=1)
    assert several < one + 0.5 * FORWARD, (several / FORWARD, one / FORWARD)
    if method != "scorecam":  # whose masked images differ from layer to layer
        both, early = run(layer=BOTH, target=1), run(layer="early", target=1)
        assert both < max(one, early) + 0.5 * FORWARD, (both / FORWARD, one / FORWARD, early / FORWARD)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "ablationcam"])
def test_a_method_of_the_head_runs_the_features_once(method):
    assert 0.9 * FORWARD < cost(method=method, layer="late", target=1) < 1.3 * FORWARD


@pytest.mark.parametrize("method", ["expected_gradcam", "expected_gradcam++"])
def test_the_latent_path_without_noise_runs_the_features_for_the_image_and_the_references(method):
    once = 1 + len(REFS)
    options = {"method": method, "layer": "late", "target": 1, "noise": "none"}
    assert 0.9 * once * FORWARD < cost(path="latent", **options) < 1.2 * once * FORWARD
    assert 0.9 * (1 + 4) * FORWARD < cost(path="input", **options) < 1.3 * (1 + 4) * FORWARD


def test_a_layer_that_is_named_twice_is_refused():
    with pytest.raises(ValueError, match="names a layer twice"):
        RUN(IMAGES, method="gradcam", layer=["early", "late", "early"])


def segmentation(params, x):
    with jax.named_scope("late"):
        a = convolve(jax.nn.relu(x @ params["pixels"]), params["late"])
    return jnp.tanh(a) @ params["classes"]


def test_a_function_of_dense_outputs_is_explained_by_its_gradient():
    """Grad-CAM of a segmentation: one class's logits, summed over a region."""
    draw = np.random.default_rng(5).standard_normal
    shapes = {"pixels": (2, 4), "late": (3, 3, 4, 3), "classes": (3, CLASSES)}
    params = {name: draw(shape).astype(np.float32) for name, shape in shapes.items()}
    x = jnp.asarray(draw((2, SIZE, SIZE, 2)), jnp.float32)
    region = lambda logits: logits[2:6, 3:8, 1].sum()
    got = explain(params, segmentation, x, target=region, method="gradcam", layer="late")
    assert got.logits.shape == (2, SIZE, SIZE, CLASSES)
    a = convolve(jax.nn.relu(x @ params["pixels"]), params["late"])
    inside = jnp.zeros((SIZE, SIZE)).at[2:6, 3:8].set(1)[None, ..., None]
    gradient = inside * (1 - jnp.tanh(a) ** 2) * params["classes"][:, 1]
    want = jax.nn.relu((gradient.mean((1, 2), keepdims=True) * a).sum(-1))
    np.testing.assert_allclose(got.cam, want, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"got shape \(1, 12, 12, 5\).*explain takes a function of them as target"):
        explain(params, segmentation, x, target=1, method="gradcam")
