"""Signals and volumes: the picture's network with an axis less, or one more."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import Split, explain

LENGTH, CLASSES, FILTERS = 11, 3, 3
draw = np.random.default_rng(3).standard_normal
PARAMS = {
    "kernel": draw((3, 2, FILTERS)).astype(np.float32) * 0.6,
    "hidden": draw((5 * FILTERS, 6)).astype(np.float32) * 0.5,
    "out": draw((6, CLASSES)).astype(np.float32),
}
SIGNALS, REFS = (jnp.asarray(draw((n, LENGTH, 2)), jnp.float32) for n in (2, 3))
DIMENSIONS = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC"), 3: ("NDHWC", "DHWIO", "NDHWC")}
METHODS = [
    "gradcam",
    "smooth_gradcam++",
    "integrated_gradcam",
    "expected_gradcam++",
    "expected_attribution",
    "scorecam",
    "ablationcam",
]


def features(params, x):
    """A convolution along the last axis in space; the others have length 1."""
    spatial = x.ndim - 2
    kernel = params["kernel"].reshape((1,) * (spatial - 1) + params["kernel"].shape)
    stride = (1,) * (spatial - 1) + (2,)
    out = jax.lax.conv_general_dilated(x, kernel, stride, "VALID", dimension_numbers=DIMENSIONS[spatial])
    return jax.nn.relu(out + 0.3)


def head(params, a):
    return jax.nn.softplus(a.reshape(len(a), -1) @ params["hidden"]) @ params["out"]


def apply_fn(params, x):
    with jax.named_scope("layer"):
        a = features(params, x)
    return head(params, a)


def embedded(x, spatial):
    """A signal as a picture of height 1, or as a volume of depth and height 1."""
    return x.reshape(len(x), *(1,) * (spatial - 1), LENGTH, 2)


@pytest.mark.parametrize(("method", "layer"), [("gradcam", None), *((method, "layer") for method in METHODS)])
def test_a_signal_and_a_volume_are_explained_as_the_picture_that_they_are(method, layer):
    """Random draws too: as many numbers of one key are the same numbers."""
    run = functools.partial(
        explain, PARAMS, apply_fn, key=jax.random.key(0), method=method, layer=layer, target=1, num_samples=4
    )
    got = {s: run(embedded(SIGNALS, s), embedded(REFS, s), spatial_dims=s) for s in (1, 2, 3)}
    assert np.abs(got[2].cam).max() > 0.01
    for s in (1, 3):
        assert got[s].cam.shape == (2, *(1,) * (s - 1), 5)
        assert got[s].saliency.shape == (2, *(1,) * (s - 1), LENGTH)
        for name in ("cam", "signed", "saliency", "stderr", "weights", "logits"):
            a, b = getattr(got[s], name), getattr(got[2], name)
            assert (a is None) == (b is None)
            if b is not None:
                np.testing.assert_allclose(a.reshape(b.shape), b, rtol=1e-5, atol=1e-5 * max(np.abs(b).max(), 0.01))
    alone = run(embedded(SIGNALS, 1)[1], embedded(REFS, 1), spatial_dims=1, index=1)
    np.testing.assert_allclose(alone.cam, got[1].cam[1], rtol=1e-5, atol=1e-6)


def test_a_volume_with_three_true_axes():
    """Grad-CAM by hand on mean and matrix, and the map at the size of the volume: linear along each axis."""
    x = jnp.asarray(draw((2, 4, 6, 8, 2)), jnp.float32)
    out = draw((2, CLASSES)).astype(np.float32)

    def halves(params, x):
        return jax.nn.relu(x.reshape(len(x), 2, 2, 3, 2, 4, 2, 2).mean(axis=(2, 4, 6)))

    split = Split(halves, lambda params, a: a.mean(axis=(1, 2, 3)) @ params)
    got = explain(out, split, x, method="gradcam", target=2, spatial_dims=3)
    a = np.asarray(halves(None, x), np.float64)
    assert a.shape == (2, 2, 3, 4, 2)
    signed = (a * out[:, 2]).sum(axis=-1) / a[0, ..., 0].size
    np.testing.assert_allclose(got.signed, signed, rtol=1e-5, atol=1e-6)
    assert got.saliency.shape == (2, 4, 6, 8)
    fine = np.maximum(signed, 0)
    for axis in (1, 2, 3):  # two for one: neighbours mixed 3 to 1, the edges kept
        rows = np.moveaxis(fine, axis, 0)
        near = np.concatenate([rows[:1], rows, rows[-1:]])
        pair = np.stack([0.75 * rows + 0.25 * near[:-2], 0.75 * rows + 0.25 * near[2:]], axis=1)
        fine = np.moveaxis(pair.reshape(2 * len(rows), *rows.shape[1:]), 0, axis)
    for i in (0, 1):
        want = (fine[i] - fine[i].min()) / np.ptp(fine[i])
        np.testing.assert_allclose(got.saliency[i], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "spatial_dims"), [((1, 2, 1, 11, 2), 2), ((2, 1, 11, 2), 1), ((11,), 1), ((2, 4), 3)]
)
def test_a_shape_that_does_not_fit_is_refused(shape, spatial_dims):
    with pytest.raises(ValueError, match="x must have shape"):
        explain(PARAMS, apply_fn, np.zeros(shape, np.float32), method="gradcam", spatial_dims=spatial_dims)
