"""Every method and every option of it against loops in float64."""

import itertools

import jax
import networks
import numpy as np
import oracle
import oracle_weights
import pytest

from egcam_jax import explain
from egcam_jax.core import perturb
from egcam_jax.methods import aggregators

PARAMS = networks.parameters()
TRUE = networks.Numpy(PARAMS)
IMAGES, REFS = jax.numpy.asarray(networks.images(2)), jax.numpy.asarray(networks.images(5, seed=2))
KEY = jax.random.key(7)
N = 6
DIFFERENCES = ("latent", "encoded", "tangent", "none")
AGGREGATORS = tuple(oracle_weights.AGGREGATORS)
NETWORKS = {
    networks.SPLIT: TRUE,
    networks.LINEAR: networks.Numpy(PARAMS, linear=True),
    networks.SIGNED: networks.Numpy(PARAMS, rectified=False),
}


def combination(logits):
    """A target that is a function, and its coefficients."""
    return logits[1] - 0.5 * logits[3]


COEFFICIENTS = np.array([0.0, 1.0, 0.0, -0.5])


def near(got, want, rtol=1e-5):
    """To ``rtol`` of each entry, or of the largest one: what is small by cancellation has no more."""
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.abs(want).max())


def agrees(got, want, i):
    """The coarse maps and the weights of one image are those of the oracle."""
    scale = np.abs(want.signed).max()
    assert scale > 0.01
    np.testing.assert_allclose(got.signed[i], want.signed, rtol=1e-5, atol=1e-5 * scale)
    np.testing.assert_allclose(got.cam[i], want.cam, rtol=1e-5, atol=1e-5 * scale)
    pixelwise = want.weights is None or want.weights.ndim > 1
    assert (got.weights is None) == pixelwise
    if not pixelwise:
        near(got.weights[i], want.weights)


def every(method, want, split=networks.SPLIT, target=3, coefficients=None, **options):
    """Compare ``explain`` with ``want(network, image number, image, target)`` on each image."""
    got = explain(PARAMS, split, IMAGES, REFS, KEY, target=target, method=method, **options)
    for i, x in enumerate(IMAGES):
        agrees(got, want(NETWORKS[split], i, x, target if coefficients is None else coefficients), i)
    return got


def draws_of(index, noise, noise_scale, sampling):
    """What the library draws for an image, as plain numbers."""
    drawn = perturb.draw(perturb.image_key(KEY, index), N, len(REFS), sampling=sampling)
    pairs = [(int(r), float(a)) for r, a in zip(drawn.reference, drawn.alpha, strict=True)]
    if noise == "none":
        return pairs, [np.zeros(IMAGES[0].shape)] * N
    return pairs, [np.asarray(perturb.noise(k, IMAGES[index], kind=noise, scale=noise_scale)) for k in drawn.noise]


def smoothing(index, *, noise_scale=0.15, sigma=None):
    """The noise that the smooth estimator draws for an image."""
    x = np.asarray(IMAGES[index], np.float64)
    spread = noise_scale * (x.max() - x.min()) if sigma is None else sigma
    key, _ = jax.random.split(perturb.image_key(KEY, index))
    return [spread * np.asarray(jax.random.normal(jax.random.fold_in(key, s), x.shape)) for s in range(N)]


@pytest.mark.parametrize("split", [networks.SPLIT, networks.SIGNED, networks.LINEAR], ids=["relu", "signed", "linear"])
@pytest.mark.parametrize("method", AGGREGATORS)
def test_an_aggregator_of_the_plain_gradient_equals_its_equation(method, split):
    every(method, lambda network, i, x, target: oracle.vanilla(network, x, target, aggregator=method), split)


@pytest.mark.parametrize("method", AGGREGATORS)
def test_a_target_that_is_a_function_and_the_map_against_a_class(method):
    want = lambda network, i, x, target: oracle.vanilla(network, x, target, aggregator=method)
    every(method, want, target=combination, coefficients=-COEFFICIENTS, negative=True)


@pytest.mark.parametrize("split", [networks.SPLIT, networks.SIGNED], ids=["relu", "signed"])
@pytest.mark.parametrize(("normalize_alphas", "clamp"), [(True, False), (False, True), (True, True)])
def test_the_options_of_gradcam_plus_plus(normalize_alphas, clamp, split):
    options = {"normalize_alphas": normalize_alphas, "clamp": clamp}
    want = lambda network, i, x, target: oracle.vanilla(network, x, target, aggregator="gradcam++", **options)
    every("gradcam++", want, split, **options)


@pytest.mark.parametrize(
    ("aggregator", "noise"),
    [
        *((aggregator, {"sigma": 0.7}) for aggregator in AGGREGATORS),
        *(("gradcam++", noise) for noise in ({}, {"noise_scale": 0.4}, {"noise_scale": 0.4, "sigma": 0.2})),
    ],
)
def test_the_smooth_estimator_under_every_aggregator(aggregator, noise):
    want = lambda network, i, x, target: oracle.smooth(network, x, target, smoothing(i, **noise), aggregator=aggregator)
    got = every(aggregator, want, gradients="smooth", num_samples=N, chunk_size=4, **noise)
    assert got.method == ("smooth_gradcam++" if aggregator == "gradcam++" else f"smooth_{aggregator}")


@pytest.mark.parametrize("split", [networks.SPLIT, networks.SIGNED], ids=["relu", "signed"])
@pytest.mark.parametrize("options", [{}, {"clamp": True}, {"normalize_alphas": True}])
def test_smooth_gradcam_plus_plus_with_noise_that_turns_gradients_over(options, split):
    want = lambda network, i, x, target: oracle.smooth(network, x, target, smoothing(i, sigma=2.0), **options)
    every("smooth_gradcam++", want, split, num_samples=N, sigma=2.0, **options)


BASELINE = networks.images(1, seed=5)[0]


@pytest.mark.parametrize(
    ("rule", "subtract_baseline", "baseline"),
    [
        *itertools.product(("left", "right", "midpoint"), (False, True), (-0.8,)),
        ("left", False, 0.0),
        ("left", False, BASELINE),
        ("right", True, BASELINE),
    ],
)
def test_integrated_gradcam_equals_its_equation(rule, subtract_baseline, baseline):
    options = {"rule": rule, "subtract_baseline": subtract_baseline, "baseline": baseline}
    want = lambda network, i, x, target: oracle.integrated(network, x, target, N, **options)
    got = every("integrated_gradcam", want, num_samples=N, chunk_size=4, **options)
    gaps = [oracle.integrated(TRUE, x, 3, N, **options).gap for x in IMAGES]
    np.testing.assert_allclose(got.completeness_gap, gaps, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_the_integrated_estimator_under_every_aggregator(aggregator):
    want = lambda network, i, x, target: oracle.integrated(network, x, target, N, aggregator=aggregator)
    every(
        aggregator, want, gradients="integrated", num_samples=N, target=1,
        coefficients=-np.eye(networks.CLASSES)[1], negative=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "top_channels", "split"),
    [
        ("softmax", None, networks.SPLIT),
        ("softmax", 2, networks.SPLIT),
        ("prob", 1, networks.SPLIT),
        ("prob", None, networks.SIGNED),
        ("softmax", 2, networks.SIGNED),
    ],
)
def test_scorecam_equals_its_equation(weights, top_channels, split):
    options = {"weights": weights, "top_channels": top_channels}
    every("scorecam", lambda network, i, x, target: oracle.scorecam(network, x, target, **options), split, **options)


def test_scorecam_of_a_function_and_against_a_class():
    want = lambda network, i, x, target: oracle.scorecam(network, x, target)
    every("scorecam", want, target=combination, coefficients=-COEFFICIENTS, negative=True)


@pytest.mark.parametrize("denominator", ["none", "score", "norm"])
@pytest.mark.parametrize("split", [networks.SPLIT, networks.SIGNED, networks.LINEAR], ids=["relu", "signed", "linear"])
def test_ablationcam_equals_its_equation(denominator, split):
    want = lambda network, i, x, target: oracle.ablationcam(network, x, target, denominator=denominator)
    every("ablationcam", want, split, denominator=denominator)


def test_ablationcam_of_a_function_and_against_it():
    want = lambda network, i, x, target: oracle.ablationcam(network, x, target)
    every("ablationcam", want, target=combination, coefficients=-COEFFICIENTS, negative=True)


@pytest.mark.parametrize(
    ("difference", "normalizer", "noise", "path"),
    [
        *itertools.product(DIFFERENCES, ("global", "elementwise", "none"), ("uniform",), ("input",)),
        *itertools.product(DIFFERENCES, ("global",), ("uniform",), ("latent",)),
        *itertools.product(DIFFERENCES, ("global",), ("none",), ("input",)),
        ("latent", "elementwise", "uniform", "latent"),
        ("none", "none", "uniform", "latent"),
        ("encoded", "none", "none", "latent"),
        ("none", "elementwise", "none", "input"),
        ("latent", "global", "gaussian", "input"),
        ("latent", "global", "gaussian", "latent"),
    ],
)
def test_expected_gradcam_equals_the_equations(difference, normalizer, noise, path):
    scale = 0.25
    options = {"difference": difference, "normalizer": normalizer, "path": path}
    got = explain(
        PARAMS, networks.SPLIT, IMAGES, REFS, KEY, target=3, num_samples=N, chunk_size=4, noise=noise,
        noise_scale=scale, **options,
    )  # fmt: skip
    for i, x in enumerate(IMAGES):
        want = oracle.expected(TRUE, x, REFS, 3, *draws_of(i, noise, scale, "stratified"), **options)
        agrees(got, want, i)
        if got.completeness_gap is not None:
            np.testing.assert_allclose(got.completeness_gap[i], want.gap, rtol=1e-4, atol=2e-5)
    undefined = difference == "none" or (
        noise != "none" and difference == "encoded" and normalizer != "global" and path == "input"
    )
    assert (got.completeness_gap is None) == undefined


@pytest.mark.parametrize(("normalizer", "path"), [("global", "input"), ("elementwise", "latent")])
@pytest.mark.parametrize("aggregator", AGGREGATORS[1:])
def test_the_expected_estimator_under_every_aggregator(aggregator, normalizer, path):
    options = {"difference": "latent", "normalizer": normalizer, "path": path}

    def want(network, i, x, target):
        pairs, etas = draws_of(i, "uniform", 0.1, "stratified")
        return oracle.expected(network, x, REFS, target, pairs, etas, aggregator=aggregator, **options)

    every(f"expected_{aggregator}", want, num_samples=N, chunk_size=4, **options)


@pytest.mark.parametrize("split", [networks.SPLIT, networks.SIGNED, networks.LINEAR], ids=["relu", "signed", "linear"])
@pytest.mark.parametrize(
    ("path", "difference", "noise", "sampling"),
    [
        ("latent", "tangent", "none", "stratified"),
        ("latent", "latent", "uniform", "stratified"),
        ("input", "tangent", "gaussian", "stratified"),
        ("input", "tangent", "none", "iid"),
        ("input", "latent", "none", "stratified"),
    ],
)
def test_the_attribution_equals_its_equation(path, difference, noise, sampling, split):
    options = {"path": path, "difference": difference}
    gaps = []

    def want(network, i, x, target):
        truth = oracle.attribution(network, x, REFS, target, *draws_of(i, noise, 0.1, sampling), **options)
        gaps.append(truth.gap)
        return truth

    got = every(
        "expected_attribution", want, split, num_samples=N, chunk_size=4, noise=noise, sampling=sampling, **options
    )
    assert got.weights is None
    np.testing.assert_allclose(got.completeness_gap, gaps, rtol=1e-4, atol=2e-5)


def test_the_attribution_is_the_latent_path_without_noise_unless_told_otherwise():
    want = lambda network, i, x, target: oracle.attribution(
        network, x, REFS, target, *draws_of(i, "none", 0.1, "stratified")
    )
    assert every("expected_attribution", want, num_samples=N).passes == 1


CONTRASTED = ["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "ablationcam"]


@pytest.mark.parametrize("split", [networks.SPLIT, networks.SIGNED], ids=["relu", "signed"])
@pytest.mark.parametrize("method", CONTRASTED)
def test_contrast_to_the_references_under_every_aggregator(method, split):
    def want(network, i, x, target):
        plain = oracle.ablationcam(network, x, target) if method == "ablationcam" else (
            oracle.vanilla(network, x, target, aggregator=method)
        )  # fmt: skip
        return oracle.contrasted(plain, network.encode(x), [network.encode(r) for r in REFS])

    every(method, want, split, contrast="references")


@pytest.mark.parametrize("aggregator", ["gradcam", "layercam"])
def test_contrast_of_the_expected_estimator_keeps_its_gap(aggregator):
    options = {"difference": "latent", "normalizer": "global", "path": "latent"}

    def want(network, i, x, target):
        pairs, etas = draws_of(i, "uniform", 0.1, "stratified")
        plain = oracle.expected(network, x, REFS, target, pairs, etas, aggregator=aggregator, **options)
        return oracle.contrasted(plain, network.encode(x), [network.encode(r) for r in REFS])

    got = every(f"expected_{aggregator}", want, num_samples=N, contrast="references", **options)
    plain = explain(
        PARAMS, networks.SPLIT, IMAGES, REFS, KEY, target=3, num_samples=N, method=f"expected_{aggregator}", **options
    )
    near(got.completeness_gap, plain.completeness_gap)


def test_contrast_along_a_path_from_one_baseline():
    def want(network, i, x, target):
        steps = [network.encode(np.asarray(x, np.float64) * t / N) for t in range(N)]
        mean = np.mean([network.encode(r) for r in REFS], axis=0)
        each = [
            oracle.weighted(oracle_weights.gradcam(network.gradient(a, target), a), a - mean) for a in steps
        ]  # fmt: skip
        return oracle.Truth(np.mean([e.signed for e in each], 0), np.mean([e.cam for e in each], 0))

    every("integrated_gradcam", want, num_samples=N, contrast="references")


@pytest.mark.parametrize("normalize_alphas", [False, True])
def test_the_options_of_both_axes_go_together(normalize_alphas):
    own = {"clamp": True, "normalize_alphas": normalize_alphas}
    options = {"difference": "tangent", "normalizer": "none", "path": "input"}

    def want(network, i, x, target):
        pairs, etas = draws_of(i, "none", 0.1, "iid")
        return oracle.expected(network, x, REFS, target, pairs, etas, aggregator="gradcam++", **own, **options)

    every("expected_gradcam++", want, num_samples=N, noise="none", sampling="iid", **own, **options)


def test_gradcam_equals_its_equations_for_each_images_top_class():
    got = explain(PARAMS, networks.SPLIT, IMAGES, method="gradcam")
    for i, x in enumerate(IMAGES):
        scores = TRUE.logits(TRUE.encode(x))
        np.testing.assert_allclose(got.logits[i], scores, rtol=1e-5)
        assert got.target[i] == np.argmax(scores)
        agrees(got, oracle.vanilla(TRUE, x, np.argmax(scores)), i)


def test_iid_sampling_equals_the_equations_too():
    reading = {"difference": "latent", "normalizer": "global", "path": "input"}
    options = {"index": 1, "target": 0, "num_samples": N, "sampling": "iid", **reading}
    got = explain(PARAMS, networks.SPLIT, IMAGES[1], REFS, KEY, **options)
    pairs, etas = draws_of(1, "uniform", 0.1, "iid")
    want = oracle.expected(TRUE, IMAGES[1], REFS, 0, pairs, etas, **reading)
    np.testing.assert_allclose(got.weights, want.weights, rtol=1e-5, atol=1e-6)


def test_the_pole_of_gradcam_plus_plus_on_a_signed_layer():
    """``2 + S_k g`` is 0 at the first place, -1 at the second: the first counts for nothing."""
    a, g = np.array([[-1.0], [-1.0]], np.float32), np.array([[1.0], [1.5]], np.float32)
    got = aggregators.gradcam_plus_plus(
        jax.numpy.asarray(g), jax.numpy.asarray(a), None, normalize_alphas=False, clamp=False
    )
    np.testing.assert_allclose(got, oracle_weights.gradcam_plus_plus(g.astype(float), a.astype(float)), rtol=1e-6)
    np.testing.assert_allclose(got, [-1.5], rtol=1e-6)
