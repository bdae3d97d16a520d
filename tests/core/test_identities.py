"""What the methods have in common on a head of global average pooling and a matrix, where the gradient is constant."""

import functools

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import Split, explain
from egcam_jax.methods import _affine

PARAMS = networks.parameters()
IMAGES, KEY = jnp.asarray(networks.images(4)), jax.random.key(5)
ALIVE = networks.features(PARAMS, IMAGES)
SUMS = np.asarray(ALIVE.sum(axis=(1, 2)))
CLASS = 2
COLUMN = PARAMS["out"][: networks.FILTERS, CLASS]
RUN = functools.partial(explain, PARAMS, networks.LINEAR, IMAGES, target=CLASS)


@functools.cache
def signed(method, gradients=None, **options):
    """The map before its ReLU, on the linear head."""
    return RUN(key=KEY, method=method, gradients=gradients, **options).signed


def close(got, want, rtol=2e-6):
    assert np.abs(want).max() > 0.01
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.abs(want).max())


def test_the_head_has_weights_of_both_signs():
    assert (COLUMN > 0.1).any()
    assert (COLUMN < -0.1).any()


@pytest.mark.parametrize("method", ["hirescam", "xgradcam"])
def test_gradcam_is_hirescam_and_xgradcam(method):
    close(signed(method), signed("gradcam"))


@pytest.mark.parametrize("sigma", [0.1, 3.0])
@pytest.mark.parametrize(("method", "plain"), [("smooth_gradcam++", "gradcam++"), ("gradcam", "gradcam")])
def test_noise_changes_nothing(method, plain, sigma):
    gradients = None if method == "smooth_gradcam++" else "smooth"
    close(signed(method, gradients, num_samples=3, sigma=sigma), signed(plain))


def test_layercam_keeps_the_positive_weights():
    positive = np.maximum(COLUMN, 0) / networks.GRID**2
    close(signed("layercam"), (positive * ALIVE).sum(axis=-1))


def test_gradcam_plus_plus_in_closed_form():
    positive = np.maximum(COLUMN, 0) / networks.GRID**2
    weights = networks.GRID**2 * positive / (2 + SUMS * positive)
    close(signed("gradcam++"), np.einsum("bk,bijk->bij", weights, ALIVE))


def test_gradcam_plus_plus_with_normalised_alphas_is_layercam():
    close(signed("gradcam++", normalize_alphas=True), signed("layercam"))


def test_integrated_gradcam_averages_activations_only():
    path = np.array([networks.features(PARAMS, IMAGES * t / 5) for t in range(5)])
    one = (path * COLUMN / networks.GRID**2).sum(axis=-1)
    close(signed("integrated_gradcam", num_samples=5), one.mean(axis=0))
    cam = RUN(method="integrated_gradcam", num_samples=5).cam
    close(cam, np.maximum(one, 0).mean(axis=0))


def disguised(params, a):
    """The linear head behind a choice between two equal things, of which tracing cannot know that they are."""
    return networks.linear_head(params, jnp.where(a > 0.5, a, a))


@pytest.mark.parametrize("denominator", ["none", "norm"])
def test_ablationcams_closed_form_is_its_passes(denominator):
    """``y - y_k = g_k S_k``, by one gradient where tracing shows the head to be affine, else by a pass for each k."""
    score = lambda head: lambda a: head(PARAMS, a)[0, CLASS]
    assert _affine.is_affine(score(networks.linear_head), ALIVE[:1])
    assert not _affine.is_affine(score(disguised), ALIVE[:1])
    assert not _affine.is_affine(score(networks.head), ALIVE[:1])
    closed = RUN(method="ablationcam", denominator=denominator)
    run = explain(
        PARAMS, Split(networks.features, disguised), IMAGES, target=CLASS, method="ablationcam",
        denominator=denominator,
    )  # fmt: skip
    close(run.weights, closed.weights, rtol=1e-5)
    if denominator == "none":
        close(closed.weights, SUMS * COLUMN / networks.GRID**2, rtol=1e-5)


def test_a_head_with_an_offset_is_affine_and_its_closed_form_leaves_the_offset_out():
    head = lambda params, a: networks.linear_head(params, a) + 7.0
    assert _affine.is_affine(lambda a: head(PARAMS, a)[0, CLASS], ALIVE[:1])
    got = explain(PARAMS, Split(networks.features, head), IMAGES, target=CLASS, method="ablationcam")
    close(got.weights, SUMS * COLUMN / networks.GRID**2, rtol=1e-5)


def test_xgradcam_conserves_what_gradient_times_activation_attributes():
    """On the head with a softplus too: the signed maps of XGrad-CAM and HiResCAM have one sum."""
    run = functools.partial(explain, PARAMS, networks.SPLIT, IMAGES, target=CLASS)
    x, hires = run(method="xgradcam").signed, run(method="hirescam").signed
    scale = np.abs(hires).sum(axis=(1, 2)).max()
    np.testing.assert_allclose(x.sum(axis=(1, 2)), hires.sum(axis=(1, 2)), atol=2e-6 * scale)
    assert np.abs(x - hires).max() > 0.01 * np.abs(hires).max()


@pytest.mark.parametrize("options", [{"sigma": 0.0}, {"noise_scale": 0.0}])
def test_smoothing_without_noise_is_the_plain_gradient(options):
    run = functools.partial(explain, PARAMS, networks.SPLIT, IMAGES, None, KEY, target=CLASS, num_samples=3)
    smooth = run(method="smooth_gradcam++", **options)
    close(smooth.signed, run(method="gradcam++").signed, rtol=1e-5)
    assert np.abs(smooth.stderr).max() < 1e-5 * np.abs(smooth.signed).max()


def test_a_constant_image_has_no_range_and_so_no_noise():
    flat = jnp.full_like(IMAGES, 0.3)
    run = functools.partial(explain, PARAMS, networks.SPLIT, flat, None, KEY, target=0, num_samples=3)
    np.testing.assert_allclose(
        run(method="smooth_gradcam++").signed, run(method="gradcam++").signed, rtol=1e-5, atol=1e-6
    )


def test_expected_layercam_leaves_the_latent_difference_out():
    """Its own defaults: the rectified mean gradient times the activation, in n passes, scaled by no normaliser."""
    options = {"refs": IMAGES + 1, "key": jax.random.key(2), "target": CLASS, "num_samples": 4}
    run = functools.partial(explain, PARAMS, networks.SPLIT, IMAGES, **options)
    got = run(method="expected_layercam")
    assert got.passes == 1 + 4
    close(got.signed, run(method="expected_layercam", difference="none", normalizer="none").signed)
    close(got.signed, run(method="layercam", gradients="expected").signed)
    scaled = run(method="expected_layercam", normalizer="global")
    close(scaled.saliency, got.saliency, rtol=1e-5)
    latent = run(method="expected_layercam", difference="latent", normalizer="global")
    assert np.abs(latent.saliency - got.saliency).max() > 0.01
