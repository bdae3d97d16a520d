"""IROF: by hand, against plain loops, and for the best and the worst map."""

import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics
from egcam_jax.metrics.irof import slic

LABELS = np.array([[0, 0, 1], [2, 2, 1]])


def additive(x):
    """Logits (sum of the first channel over 10, 0)."""
    return jnp.stack([x[..., 0].sum((1, 2)) / 10, jnp.zeros(len(x))], axis=1)


def mixed(x):
    weights = jnp.sin(jnp.arange(x[0].size * 3.0)).reshape(-1, 3)
    return jnp.tanh(x.reshape(len(x), -1) @ weights) * 3


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def by_loops(x, saliency, labels, target, baseline, drifts):
    order = sorted(range(labels.max() + 1), key=lambda i: -saliency[labels == i].mean())
    whole, now = softmax(np.asarray(mixed(x[None]))[0])[target], x.copy()
    values = [1.0]
    for label in order:
        from_ = now if drifts else x
        now[labels == label] = from_.mean(axis=(0, 1)) if baseline == "mean_colour" else from_.mean()
        values.append(softmax(np.asarray(mixed(now[None]))[0])[target] / whole)
    return np.array(values)


def test_by_hand():
    """Segments 0, 1, 2 hold 1, 2, 3 in each of two pixels: 12 in all. Best first, they leave 6, 2 and 0 of it."""
    x = np.array([[1.0, 1, 2], [3, 3, 2]], np.float32)[..., None]
    best = np.array([[0.0, 0.2, 0.5], [0.9, 0.7, 0.5]], np.float32)
    got = metrics.irof(additive, x, best, 0, segments=LABELS, baseline=0.0, probability=None)
    np.testing.assert_allclose(got.curve[:4], [1, 6 / 12, 2 / 12, 0], rtol=1e-6, atol=1e-7)
    assert np.isnan(got.curve[4:]).all()
    np.testing.assert_allclose(got.value, 1 - (1 / 2 + 6 / 12 + 2 / 12 + 0) / 3, rtol=1e-6)
    worst = metrics.irof(additive, x, -best, 0, segments=LABELS, baseline=0.0, probability=None)
    np.testing.assert_allclose(worst.value, 1 - (1 / 2 + 10 / 12 + 6 / 12 + 0) / 3, rtol=1e-6)
    theirs = metrics.irof(additive, x, best, 0, segments=LABELS, baseline=0.0, probability=None, mode="quantus")
    np.testing.assert_allclose(theirs.value, 3 - ((6 + 2) / 2 + (2 + 0) / 2) / 12, rtol=1e-6)


@pytest.mark.parametrize(
    ("mode", "baseline", "drifts"), [("definition", "mean_colour", False), ("quantus", "mean", True)]
)
def test_the_curve_equals_plain_loops(mode, baseline, drifts):
    draw = np.random.default_rng(0)
    x, saliency = (draw.standard_normal(shape).astype(np.float32) for shape in ((3, 5, 5, 3), (3, 5, 5)))
    labels = np.stack([draw.permutation(np.arange(25) % count).reshape(5, 5) for count in (4, 7, 5)])
    got = metrics.irof(mixed, x, saliency, np.array([0, 2, 1]), segments=labels, mode=mode)
    for i, target in enumerate((0, 2, 1)):
        want = by_loops(x[i], saliency[i], labels[i], target, baseline, drifts)
        np.testing.assert_allclose(got.curve[i, : len(want)], want, rtol=5e-5)
        assert np.isnan(got.curve[i, len(want) :]).all()
        count = len(want) - 1
        area = 1 - np.trapezoid(want, dx=1 / count) if mode == "definition" else count - np.trapezoid(want[1:])
        np.testing.assert_allclose(got.value[i], area, rtol=1e-4)


def test_other_numbers_of_segments_share_a_program():
    traces = []

    def predict(x):
        traces.append(1)
        return mixed(x)

    x, saliency = np.ones((4, 4, 1), np.float32), np.arange(16.0).reshape(4, 4)
    for count in (3, 9, 16):
        metrics.irof(predict, x, saliency, 0, segments=np.arange(16).reshape(4, 4) % count)
    first = len(traces)
    metrics.irof(predict, x, saliency, 0, segments=np.arange(16).reshape(4, 4) % 5)
    assert len(traces) == first


def test_labels_that_are_missing_count_as_no_segment():
    x, saliency = np.random.default_rng(1).standard_normal((4, 4, 1)).astype(np.float32), np.arange(16.0).reshape(4, 4)
    labels = np.arange(16).reshape(4, 4) % 3
    one, other = (metrics.irof(mixed, x, saliency, 0, segments=it) for it in (labels, labels * 5))
    np.testing.assert_allclose(one.value, other.value, rtol=1e-6)


def picture():
    """Two bright shapes on a ground that grows lighter, in grey."""
    rows, columns = np.mgrid[:32, :32]
    grey = rows / 64 + 0.5 * ((rows - 10) ** 2 + (columns - 11) ** 2 < 40) - 0.3 * (abs(columns - 24) < 4)
    return (grey + 0.02 * np.random.default_rng(8).standard_normal((32, 32))).astype(np.float32)[..., None]


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_equal_channels_have_the_segments_of_the_grey_picture(channels):
    pytest.importorskip("skimage")
    grey = picture()
    grey_rgb, many = (np.asarray(slic(np.repeat(grey, count, axis=-1)[None]))[0] for count in (3, channels))
    np.testing.assert_array_equal(many, grey_rgb)
    turned = np.asarray(slic(np.repeat(grey[::-1], channels, axis=-1)[None]))[0]
    assert not np.array_equal(turned, grey_rgb)  # which a chessboard would be


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_segments_follow_the_picture(channels):
    """No segment mixes the disc and its ground by much: a chessboard of about a hundred does."""
    pytest.importorskip("skimage")
    rows, columns = np.mgrid[:32, :32]
    disc = (rows - 10) ** 2 + (columns - 11) ** 2 < 40
    x = np.where(disc, 1.0, 0.0).astype(np.float32)[..., None] * np.ones(channels, np.float32)
    labels = np.asarray(slic(7 * x[None] - 3))[0]
    mixed_up = sum(min(disc[labels == label].sum(), (~disc)[labels == label].sum()) for label in np.unique(labels))
    assert mixed_up == 0


def test_one_channel_is_judged_by_the_segments_of_its_grey_picture():
    pytest.importorskip("skimage")
    x, saliency = picture(), np.random.default_rng(9).random((32, 32)).astype(np.float32)
    labels = np.asarray(slic(np.repeat(x, 3, axis=-1)[None]))[0]
    got, want = (metrics.irof(additive, x, saliency, 0, segments=it).value for it in (None, labels))
    np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.usefixtures("unannotated")
def test_undefined_and_refused():
    x, saliency = np.ones((2, 3, 1), np.float32), np.arange(6.0).reshape(2, 3)
    assert np.isnan(metrics.irof(mixed, x, saliency, 0, segments=np.zeros((2, 3), int)).value)
    alike, checkered = np.array([[0.0, 1], [1, 0]]), np.array([[0, 0], [1, 1]])
    assert np.isnan(metrics.irof(mixed, x[:, :2], alike, 0, segments=checkered).value)
    assert np.isnan(metrics.irof(additive, 0 * x, saliency, 0, segments=LABELS, probability=None).value)
    with pytest.raises(ValueError, match="segments must be whole numbers of shape"):
        metrics.irof(mixed, x, saliency, 0, segments=LABELS[:, :2])
    with pytest.raises(ValueError, match="segments must be labels from 0; got -1"):
        metrics.irof(mixed, x, saliency, 0, segments=LABELS - 1)
    with pytest.raises(ValueError, match="num_segments must be at least 3"):
        metrics.irof(mixed, x, saliency, 0, segments=LABELS, num_segments=2)
