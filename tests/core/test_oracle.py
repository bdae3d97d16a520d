"""Every option of the expected estimator against loops in float64."""

import itertools

import jax
import networks
import numpy as np
import oracle
import pytest

from egcam_jax import explain, perturb

PARAMS = networks.parameters()
TRUE = networks.Numpy(PARAMS)
IMAGES, REFS = jax.numpy.asarray(networks.images(2)), jax.numpy.asarray(networks.images(5, seed=2))
KEY = jax.random.key(7)
N = 6
DIFFERENCES = ("latent", "encoded", "tangent", "none")


def draws_of(index, noise, noise_scale, sampling):
    """What the library draws for an image, as plain numbers."""
    drawn = perturb.draw(perturb.image_key(KEY, index), N, len(REFS), sampling=sampling)
    pairs = [(int(r), float(a)) for r, a in zip(drawn.reference, drawn.alpha, strict=True)]
    if noise == "none":
        return pairs, [np.zeros(IMAGES[0].shape)] * N
    return pairs, [np.asarray(perturb.noise(k, IMAGES[index], kind=noise, scale=noise_scale)) for k in drawn.noise]


@pytest.mark.parametrize(
    ("difference", "normalizer", "noise", "path"),
    [
        *itertools.product(DIFFERENCES, ("global", "elementwise", "none"), ("uniform",), ("input", "latent")),
        *itertools.product(DIFFERENCES, ("global",), ("none",), ("input", "latent")),
        ("none", "elementwise", "none", "input"),
        ("latent", "global", "gaussian", "input"),
        ("latent", "global", "gaussian", "latent"),
    ],
)
def test_expected_gradcam_equals_the_equations(difference, normalizer, noise, path):
    target, scale = 3, 0.25
    got = explain(
        PARAMS,
        networks.SPLIT,
        IMAGES,
        REFS,
        KEY,
        target=target,
        num_samples=N,
        chunk_size=4,
        difference=difference,
        normalizer=normalizer,
        noise=noise,
        noise_scale=scale,
        path=path,
    )
    for i, x in enumerate(IMAGES):
        pairs, etas = draws_of(i, noise, scale, "stratified")
        want = oracle.expected(
            TRUE, x, REFS, target, pairs, etas, difference=difference, normalizer=normalizer, path=path
        )
        np.testing.assert_allclose(got.weights[i], want.weights, rtol=1e-5, atol=1e-5 * np.abs(want.weights).max())
        cam = np.maximum(want.signed, 0)
        np.testing.assert_allclose(got.cam[i], cam, rtol=1e-5, atol=1e-5 * np.abs(want.signed).max())
        if got.completeness_gap is not None:
            np.testing.assert_allclose(got.completeness_gap[i], want.gap, rtol=1e-4, atol=2e-5)
    undefined = difference == "none" or (
        noise != "none" and difference == "encoded" and normalizer != "global" and path == "input"
    )
    assert (got.completeness_gap is None) == undefined


def test_gradcam_equals_its_equations_for_each_images_top_class():
    got = explain(PARAMS, networks.SPLIT, IMAGES, method="gradcam")
    for i, x in enumerate(IMAGES):
        scores = [TRUE.score(TRUE.encode(x), c) for c in range(networks.CLASSES)]
        np.testing.assert_allclose(got.logits[i], scores, rtol=1e-5)
        assert got.target[i] == np.argmax(scores)
        signed, weights = oracle.gradcam(TRUE, x, np.argmax(scores))
        np.testing.assert_allclose(got.weights[i], weights, rtol=1e-5)
        np.testing.assert_allclose(got.cam[i], np.maximum(signed, 0), rtol=1e-5, atol=1e-6)


def test_iid_sampling_equals_the_equations_too():
    got = explain(PARAMS, networks.SPLIT, IMAGES[1], REFS, KEY, index=1, target=0, num_samples=N, sampling="iid")
    pairs, etas = draws_of(1, "uniform", 0.1, "iid")
    want = oracle.expected(
        TRUE, IMAGES[1], REFS, 0, pairs, etas, difference="latent", normalizer="global", path="input"
    )
    np.testing.assert_allclose(got.weights, want.weights, rtol=1e-5, atol=1e-6)


def test_the_standard_error_of_iid_samples_equals_the_formula():
    """Ratio of two means: the residuals' sample variance, from the per-sample maps of the oracle."""
    got = explain(PARAMS, networks.SPLIT, IMAGES[0], REFS, KEY, target=1, num_samples=N, sampling="iid")
    pairs, etas = draws_of(0, "uniform", 0.1, "iid")
    one = [
        oracle.expected(TRUE, IMAGES[0], REFS, 1, [p], [e], difference="latent", normalizer="none", path="input").signed
        for p, e in zip(pairs, etas, strict=True)
    ]
    size = np.array([np.abs(TRUE.encode(IMAGES[0] + e)).mean() for e in etas])
    ratio = np.mean(one, axis=0) / size.mean()
    residuals = (np.array(one) - ratio * size[:, None, None]) / size.mean()
    np.testing.assert_allclose(got.stderr, residuals.std(axis=0, ddof=1) / np.sqrt(N), rtol=1e-4)
