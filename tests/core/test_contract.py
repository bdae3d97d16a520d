"""What every method keeps, each in its turn: one table over the registry, and two pairs that have no name there."""

import functools
import warnings

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import METHODS, explain
from egcam_jax.methods import find

PARAMS = networks.parameters()
IMAGES, REFS = jnp.asarray(networks.images(3)), jnp.asarray(networks.images(5, seed=2))
KEY = jax.random.key(3)
ROWS = [*((name, None) for name in METHODS), ("layercam", "smooth"), ("gradcam++", "integrated")]
NAMES = {"ids": lambda row: row[0] if row[1] is None else f"{row[1]}_{row[0]}"}
every = pytest.mark.parametrize("row", ROWS, **NAMES)
SOME = (
    "gradcam",
    "expected_gradcam++",
    "expected_attribution",
    "smooth_gradcam++",
    "integrated_gradcam",
    "ablationcam",
    "scorecam",
)
"""One of each kind: what follows from how the estimator runs does not depend on the aggregator."""
some = pytest.mark.parametrize("row", [(name, None) for name in SOME], **NAMES)


@functools.cache
def network(row):
    """A network that counts how often Python calls it, one for each row, so that one compilation serves its tests."""
    calls = []

    def apply_fn(params, x):
        calls.append(x.shape)
        return networks.apply_fn(params, x)

    return apply_fn, calls


def run(row, params=PARAMS, x=IMAGES, refs=REFS, key=KEY, **options):
    method, gradients = row
    return explain(params, network(row)[0], x, refs, key, method=method, gradients=gradients, num_samples=6, **options)


@functools.cache
def plain(row):
    return run(row)


def close(got, want, rtol=1e-5):
    """Leaf by leaf, to float32 rounding of the leaf's own scale, or of 0.1, a small difference of logits."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        scale = float(np.nanmax(np.abs(b), initial=0.1))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


@every
def test_one_trace_for_all_values(row):
    """The user's function is called by Python once in all: for the checks, the split and the kernel together."""
    plain(row)
    before = len(network(row)[1])
    run(row)
    run(row, jax.tree.map(lambda leaf: leaf * 0.5, PARAMS), IMAGES + 1, REFS - 1, jax.random.key(9), index=40)
    assert before >= 1
    assert len(network(row)[1]) == before
    fresh = network.__wrapped__(row)
    jax.eval_shape(
        lambda x: explain(PARAMS, fresh[0], x, REFS, KEY, method=row[0], gradients=row[1], num_samples=6), IMAGES
    )
    assert len(fresh[1]) == 1


@every
def test_what_an_explanation_holds(row):
    got, method = plain(row), find(*row)
    assert got.cam.shape == got.signed.shape == (3, networks.GRID, networks.GRID)
    assert got.saliency.shape == IMAGES.shape[:3]
    for leaf in (got.cam, got.signed, got.saliency, got.logits):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()
    assert (got.cam >= 0).all()
    if method.gradients != "integrated":
        np.testing.assert_array_equal(got.cam, np.maximum(got.signed, 0))
    pixelwise = method.aggregator in {"hirescam", "layercam", "attribution"} or method.gradients == "integrated"
    assert (got.weights is None) == pixelwise
    if not pixelwise:
        assert got.weights.shape == (3, networks.FILTERS)
    assert (got.stderr is None) == (not method.needs_key)
    attributes = method.gradients in {"integrated", "expected"} and method.options.get("difference") != "none"
    assert (got.completeness_gap is None) == (not attributes)
    assert got.method == method.name
    assert got.by_layer == ()
    np.testing.assert_array_equal(got.empty, (got.cam == 0).all(axis=(1, 2)))


@some
def test_jit_equals_eager(row):
    jitted = jax.jit(lambda params, x, refs, key: run(row, params, x, refs, key))
    close(jitted(PARAMS, IMAGES, REFS, KEY), plain(row))


@some
def test_results_do_not_depend_on_the_chunk_size(row):
    """Two at a time: the third image is padded, and samples and channels go through one by one."""
    close(run(row, chunk_size=2), plain(row))


@some
def test_an_image_alone_is_the_image_in_a_batch(row):
    for i in (0, 2):
        close(run(row, x=IMAGES[i], index=i), jax.tree.map(lambda leaf, i=i: leaf[i], plain(row)))


@some
def test_bfloat16_goes_through_the_network_and_sums_stay_float32(row):
    low, full = run(row, compute_dtype=jnp.bfloat16, target=plain(row).target), plain(row)
    for name in ("cam", "signed", "saliency", "weights", "logits"):
        got, want = getattr(low, name), getattr(full, name)
        if want is not None:
            assert got.dtype == jnp.float32
            np.testing.assert_allclose(got, want, atol=0.08 * np.abs(want).max())
    assert np.abs(low.signed - full.signed).max() > 0


OBLONG = {
    "kernel": PARAMS["kernel"][:, :, :1],
    "hidden": np.random.default_rng(5).standard_normal((36, 6)).astype(np.float32) * 0.3,
    "out": PARAMS["out"][:, :1],
}


def one_logit(params, x):
    dims = ("NHWC", "HWIO", "NHWC")
    a = jax.nn.relu(jax.lax.conv_general_dilated(x, params["kernel"], (2, 2), "VALID", dimension_numbers=dims) + 0.2)
    return jax.nn.softplus(a.reshape(len(x), -1) @ params["hidden"]) @ params["out"]


def both_logits(params, x):
    z = one_logit(params, x)
    return jnp.concatenate([-z, z], axis=1)


@some
def test_one_logit_is_that_of_class_1_and_its_negative_that_of_class_0(row):
    """Both classes of an oblong image of one channel, alone in its batch, beside a network with both logits."""
    draw = np.random.default_rng(7).standard_normal
    x, refs = (jnp.asarray(draw((count, 7, 9, 1)), jnp.float32) for count in (1, 3))
    method, gradients = row
    options = {"target": jnp.array([[0, 1]]), "method": method, "gradients": gradients, "num_samples": 3}
    got, want = (explain(OBLONG, apply_fn, x, refs, KEY, **options) for apply_fn in (one_logit, both_logits))
    assert got.cam.shape == (1, 2, 3, 4)
    assert np.abs(got.signed[:, 0] - got.signed[:, 1]).max() > 0
    for name in ("cam", "signed", "saliency", "weights", "stderr", "completeness_gap", "reached"):
        close(getattr(got, name), getattr(want, name))
    np.testing.assert_array_equal(got.logits, want.logits[:, 1:])


def test_the_class_of_one_logit_is_its_sign_and_there_is_no_third():
    x = jnp.asarray(np.random.default_rng(8).standard_normal((6, 7, 9, 1)), jnp.float32)
    middle = one_logit(OBLONG, x).mean()
    centred = lambda params, x: one_logit(params, x) - middle
    got = explain(OBLONG, centred, x, method="gradcam")
    np.testing.assert_array_equal(got.target, one_logit(OBLONG, x)[:, 0] > middle)
    assert set(got.target.tolist()) == {0, 1}
    with pytest.raises(ValueError, match="target 2 is out of range: the model has 2 classes"):
        explain(OBLONG, centred, x, method="gradcam", target=2)


def with_(**changed):
    return dict(PARAMS) | changed


DEAD = with_(bias=PARAMS["bias"] - 100)
AGAINST = with_(hidden=np.abs(PARAMS["hidden"]), out=-np.abs(PARAMS["out"]))
CONSTANT = with_(kernel=PARAMS["kernel"] * 0, bias=PARAMS["bias"] * 0 + 0.5)
SATURATED = with_(hidden=-1e4 * np.abs(PARAMS["hidden"]))
ONE_DEAD = with_(bias=PARAMS["bias"] - 100 * np.eye(networks.FILTERS, dtype=np.float32)[1])
CASES = {"dead": DEAD, "against": AGAINST, "constant": CONSTANT, "saturated": SATURATED, "one dead": ONE_DEAD}


@every
def test_degenerate_cases_are_defined_and_an_empty_map_is_said_to_be(row):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no gradient of the score reaches", RuntimeWarning)
        got = {name: run(row, params) for name, params in CASES.items()}
    method = find(*row)
    if method.name != "scorecam":
        assert not got["saturated"].reached.any()
        assert got["against"].reached.all()
    for name, explanation in got.items():
        for leaf in jax.tree.leaves(explanation):
            assert np.isfinite(leaf).all(), name
        np.testing.assert_array_equal(explanation.empty, (explanation.cam == 0).all(axis=(1, 2)))
    assert got["dead"].empty.all()
    np.testing.assert_array_equal(got["dead"].saliency, 0)
    if method.name == "scorecam":  # a constant channel is no mask, and its weights are never negative
        assert got["constant"].empty.all()
        assert not got["against"].empty.any()
    else:
        assert got["saturated"].empty.all()
        np.testing.assert_array_equal(got["saturated"].saliency, 0)
    if method.gradients != "expected" and method.name != "scorecam":
        assert got["against"].empty.all()
        assert not got["one dead"].empty.all()
        if method.aggregator not in {"gradcam++", "layercam"}:
            assert (got["against"].signed < 0).any()


@every
def test_the_derivative_is_finite_there_too(row):
    def summed(params):
        got = run(row, params)
        return got.saliency.sum() + got.signed.sum()

    gradient = jax.jit(jax.grad(summed))
    for name, params in {"plain": PARAMS, **CASES}.items():
        for leaf in jax.tree.leaves(gradient(params)):
            assert np.isfinite(leaf).all(), name


def test_the_registry_is_the_one_of_the_issue():
    named = ["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam"]
    others = ["smooth_gradcam++", "integrated_gradcam", "scorecam", "ablationcam"]
    assert set(METHODS) == {*named, *others, *(f"expected_{name}" for name in [*named, "attribution"])}
    assert all(method.source for method in METHODS.values())


@pytest.mark.parametrize("row", ROWS)
def test_an_unknown_option_is_answered_with_those_there_are(row):
    method = find(*row)
    with pytest.raises(TypeError, match="has no option 'sharpness'") as caught:
        run(row, sharpness=1)
    assert repr(method.name) in str(caught.value)
    for name in method.options or ["none"]:
        assert name in str(caught.value).partition("its options:")[2]


@pytest.mark.parametrize(
    ("method", "options", "error", "words"),
    [
        ("gradcam++", {"clamp": 1}, TypeError, ["clamp", "True or False", "1"]),
        ("gradcam++", {"normalize_alphas": "yes"}, TypeError, ["normalize_alphas", "yes"]),
        ("gradcam", {"clamp": True}, TypeError, ["'gradcam' has no option 'clamp'"]),
        ("gradcam++", {"sigma": 1.0}, TypeError, ["'gradcam++' has no option 'sigma'", "normalize_alphas, clamp"]),
        ("smooth_gradcam++", {"sigma": -1.0}, ValueError, ["sigma", "at least 0", "-1.0"]),
        ("smooth_gradcam++", {"sigma": "wide"}, TypeError, ["sigma must be a single number", "wide"]),
        ("smooth_gradcam++", {"noise_scale": None}, (TypeError, ValueError), ["noise_scale must be"]),
        ("smooth_gradcam++", {"noise_scale": np.nan}, ValueError, ["noise_scale must be finite"]),
        ("smooth_gradcam++", {"key": None}, ValueError, ["key must be a PRNG key", "smooth_gradcam++"]),
        ("integrated_gradcam", {"rule": "trapezium"}, ValueError, ["rule must be one of 'left', 'right', 'midpoint'"]),
        ("integrated_gradcam", {"subtract_baseline": 0}, TypeError, ["subtract_baseline"]),
        ("integrated_gradcam", {"baseline": "black"}, TypeError, ["baseline", "black"]),
        ("integrated_gradcam", {"baseline": np.nan}, ValueError, ["baseline", "finite"]),
        ("integrated_gradcam", {"baseline": np.zeros((3, 3), "f4")}, ValueError, ["baseline", "(3, 3)", "(7, 7, 2)"]),
        ("integrated_gradcam", {"subtract_baseline": True, "contrast": "references"}, ValueError, ["contrast must be"]),
        ("gradcam", {"contrast": "baseline"}, ValueError, ["contrast must be one of 'none', 'references'"]),
        ("expected_attribution", {"contrast": "references"}, TypeError, ["has no option 'contrast'"]),
        ("expected_attribution", {"difference": "none"}, ValueError, ["difference must be one of 'tangent', 'latent'"]),
        ("expected_attribution", {"normalizer": "global"}, ValueError, ["normalizer must be one of 'none'"]),
        ("attribution", {}, ValueError, ["method 'attribution' is unknown", "'expected_attribution'"]),
        ("scorecam", {"weights": "sigmoid"}, ValueError, ["weights must be one of 'softmax', 'prob'"]),
        ("scorecam", {"top_channels": 0}, ValueError, ["top_channels must be at least 1", "0"]),
        ("scorecam", {"top_channels": 1.5}, TypeError, ["top_channels must be a whole number", "1.5"]),
        ("ablationcam", {"denominator": "y"}, ValueError, ["denominator must be one of 'none', 'score', 'norm'"]),
        ("layercam", {"gradients": "smoth"}, ValueError, ["gradients must be one of", "'smooth'"]),
        ("scorecam", {"gradients": "smooth"}, ValueError, ["'scorecam' takes no gradients"]),
        ("ablationcam", {"gradients": "expected"}, ValueError, ["'ablationcam' takes no gradients"]),
        ("expected_layercam", {"gradients": "smooth"}, ValueError, ["has its own, 'expected'", "'layercam'"]),
        ("gradcam", {"negative": 1}, TypeError, ["negative", "1"]),
        ("gradcam", {"fusion": "sum"}, ValueError, ["fusion must be one of 'mean', 'max'"]),
        ("gradcam", {"layer": []}, TypeError, ["layer must be a name"]),
        ("gradcam", {"layer": ["a", 3]}, TypeError, ["layer must be a name"]),
        ("gradcam", {"spatial_dims": 4}, ValueError, ["spatial_dims must be 1, 2 or 3"]),
        ("gradcam", {"grid": (3, 3)}, ValueError, ["grid is (3, 3)", "has a grid already"]),
    ],
)
@pytest.mark.usefixtures("unannotated")
def test_a_wrong_option_is_refused(method, options, error, words):
    with pytest.raises(error) as caught:
        run((method, options.pop("gradients", None)), **options)
    for word in words:
        assert word in str(caught.value)


def test_the_pairs_that_have_a_name_go_by_it():
    assert find("gradcam++", "smooth") is METHODS["smooth_gradcam++"]
    assert find("gradcam", "integrated") is METHODS["integrated_gradcam"]
    assert find("expected_gradcam", "expected") is METHODS["expected_gradcam"]
    assert find("hirescam", "smooth").name == "smooth_hirescam"
