"""Insertion and deletion by hand, against plain loops, and for the best and the worst map."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from egcam_jax import metrics
from egcam_jax.metrics.insertion_auc import blur


def first_pixel(x):
    """Logits (8 x, 0) for x the value of the pixel at the top left."""
    return jnp.stack([8 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)


def mixed(x):
    """Logits that depend on all pixels, not linearly."""
    weights = jnp.sin(jnp.arange(x[0].size * 3.0)).reshape(-1, 3)
    return jnp.tanh(x.reshape(len(x), -1) @ weights) * 3


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def by_loops(predict, x, saliency, target, step, insert):
    """RISE's loop: copy the next pixels, ask again."""
    kernel = scipy.ndimage.gaussian_filter(np.eye(1, 121, 60).reshape(11, 11), 5)
    padded = np.pad(x, ((5, 5), (5, 5), (0, 0)))
    blurred = np.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            blurred[i, j] = (padded[i : i + 11, j : j + 11] * kernel[..., None]).sum(axis=(0, 1))
    now, finish = (blurred, x) if insert else (x.copy(), np.zeros_like(x))
    order = np.argsort(-saliency.ravel(), kind="stable")
    values = [softmax(np.asarray(predict(now[None]))[0])[target]]
    for begin in range(0, order.size, step):
        rows, columns = np.unravel_index(order[begin : begin + step], saliency.shape)
        now[rows, columns] = finish[rows, columns]
        values.append(softmax(np.asarray(predict(now[None]))[0])[target])
    return np.array(values)


@pytest.mark.parametrize(("insert", "metric"), [(True, metrics.insertion_auc), (False, metrics.deletion_auc)])
@pytest.mark.parametrize("chunk_size", [None, 3])
def test_the_curve_equals_plain_loops(insert, metric, chunk_size):
    draw = np.random.default_rng(0).standard_normal
    x, saliency = draw((3, 6, 5, 2)).astype(np.float32), np.round(draw((3, 6, 5)), 1).astype(np.float32)
    got = metric(mixed, x, saliency, np.array([0, 2, 1]), step=4, chunk_size=chunk_size)
    for i, target in enumerate((0, 2, 1)):
        want = by_loops(mixed, x[i].copy(), saliency[i], target, 4, insert)
        np.testing.assert_allclose(got.curve[i], want, rtol=2e-5)
        points = np.minimum(4 * np.arange(len(want)), 30) / 30
        np.testing.assert_allclose(got.value[i], np.trapezoid(want, points), rtol=2e-5)


def test_values_by_hand_and_the_best_and_the_worst_map():
    """One pixel decides: with p the probability of a 1 there, the curve drops from p to a half where it goes."""
    x = jnp.ones((2, 2, 1))
    p = float(jax.nn.sigmoid(8.0))
    best, worst = jnp.array([[4.0, 3], [2, 1]]), jnp.array([[1.0, 2], [3, 4]])
    got = [metrics.deletion_auc(first_pixel, x, saliency, 0, step=1).value for saliency in (best, worst)]
    np.testing.assert_allclose(got, [(p / 2 + 3.5 * 0.5) / 4, (3.5 * p + 0.25) / 4], rtol=1e-6)
    assert (
        metrics.insertion_auc(first_pixel, x, best, 0, step=1).value
        > metrics.insertion_auc(first_pixel, x, worst, 0, step=1).value
    )


def shares(image, x):
    """A probability that is the share of the pixels that are the image's."""
    share = (x == image).all(axis=-1).mean(axis=(1, 2))
    return jnp.log(jnp.stack([share, 1 - share], axis=1))


@pytest.mark.parametrize("step", [224, 5, None, 256])
@pytest.mark.parametrize(("metric", "name"), [(metrics.insertion_auc, "rise"), (metrics.deletion_auc, "fall")])
def test_under_a_straight_line_is_a_half_whatever_the_last_step(metric, name, step):
    """1024 pixels: by 224 the last step has 128. In RISE's code it counts like the others."""
    x = np.random.default_rng(5).random((32, 32, 1)).astype(np.float32) + 1
    predict = jax.tree_util.Partial(shares, jnp.asarray(x))
    saliency = np.random.default_rng(6).random((32, 32)).astype(np.float32)
    got = metric(predict, x, saliency, 0, step=step)
    np.testing.assert_allclose(got.value, 0.5, rtol=1e-6)
    points = np.minimum(np.arange(len(got.curve)) * (step or 5), 1024) / 1024
    np.testing.assert_allclose(got.curve, points if name == "rise" else 1 - points, rtol=1e-5, atol=1e-6)
    of_rise = metric(predict, x, saliency, 0, step=step, area="rise").value
    if step == 256:
        assert of_rise == got.value
    if step == 224:
        np.testing.assert_allclose(of_rise, 0.5375 if name == "rise" else 0.4625, rtol=1e-6)


def test_the_area_goes_by_the_share_of_the_pixels():
    """By loops, seven pixels of thirty at a time: the last step takes two."""
    draw = np.random.default_rng(0).standard_normal
    x, saliency = draw((6, 5, 2)).astype(np.float32), draw((6, 5)).astype(np.float32)
    points = np.array([0, 7, 14, 21, 28, 30]) / 30
    areas = {}
    for metric, insert in ((metrics.insertion_auc, True), (metrics.deletion_auc, False)):
        curve = by_loops(mixed, x.copy(), saliency, 1, 7, insert)
        areas[insert] = np.trapezoid(curve, points)
        np.testing.assert_allclose(metric(mixed, x, saliency, 1, step=7).value, areas[insert], rtol=2e-5)
        alike = metric(mixed, x, saliency, 1, step=7, area="rise").value
        np.testing.assert_allclose(alike, np.trapezoid(curve, dx=1 / 5), rtol=2e-5)
        assert abs(alike - areas[insert]) > 1e-4
    both = metrics.insertion_deletion(mixed, x, saliency, 1, step=7).value
    np.testing.assert_allclose(both, areas[True] - areas[False], rtol=1e-3, atol=1e-6)


def test_the_difference_and_the_top_class():
    draw = np.random.default_rng(1).standard_normal
    x, saliency = draw((4, 5, 5, 2)).astype(np.float32), draw((4, 5, 5)).astype(np.float32)
    top = np.argmax(mixed(x), axis=1)
    gained, lost = (metric(mixed, x, saliency, top, step=3) for metric in (metrics.insertion_auc, metrics.deletion_auc))
    got = metrics.insertion_deletion(mixed, x, saliency, step=3)
    np.testing.assert_allclose(got.value, gained.value - lost.value, rtol=1e-6)
    assert got.evaluations == 9 + 1 + 9 + 1  # nine steps each, the image itself, and its top class
    alone = metrics.insertion_auc(mixed, x[2], saliency[2], int(top[2]), step=3)
    np.testing.assert_allclose(alone.value, gained.value[2], rtol=1e-6)
    assert alone.curve.shape == (10,)


def test_ties_go_in_row_major_order_and_scale_does_not_count():
    x = np.random.default_rng(2).standard_normal((4, 4, 1)).astype(np.float32)
    flat, ramp = np.zeros((4, 4), np.float32), -np.arange(16.0, dtype=np.float32).reshape(4, 4)
    one, other = (metrics.deletion_auc(mixed, x, saliency, 1, step=2).curve for saliency in (flat, 7 * ramp))
    np.testing.assert_array_equal(one, other)


def test_a_map_with_nan_has_no_value():
    saliency = np.full((4, 4), np.nan, np.float32)
    assert np.isnan(metrics.insertion_auc(mixed, np.ones((4, 4, 1), np.float32), saliency, 0).value)


def test_parameters_are_arguments_and_one_trace_serves_all_of_a_shape():
    calls = []

    def predict(weights, x):
        calls.append(1)
        return x.reshape(len(x), -1) @ weights

    x, saliency = jnp.ones((2, 4, 4, 1)), jnp.arange(32.0).reshape(2, 4, 4)
    values = []
    for scale in (1.0, 2.0):
        weights = scale * jnp.arange(48.0).reshape(16, 3) / 48
        values.append(metrics.deletion_auc(jax.tree_util.Partial(predict, weights), x, saliency, 2, step=4).value)
    traced = len(calls)
    metrics.deletion_auc(jax.tree_util.Partial(predict, weights * 3), x, saliency, 1, step=4)
    assert len(calls) == traced
    assert not np.allclose(values[0], values[1])


def test_blur_is_the_published_one():
    x = np.zeros((15, 15, 1), np.float32)
    x[7, 7] = 1
    want = scipy.ndimage.gaussian_filter(np.eye(1, 121, 60).reshape(11, 11), 5)
    np.testing.assert_allclose(blur(jnp.asarray(x))[2:13, 2:13, 0], want, rtol=1e-5)


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"saliency": np.ones((3, 3))}, r"saliency must have shape \(4, 4\)"),
        ({"step": 0}, "step must be at least 1"),
        ({"area": "half"}, "area must be one of 'share', 'rise'; got 'half'"),
        ({"target": np.array([1, 2])}, "target"),
    ],
)
def test_bad_input_is_named(changes, message):
    given = {"x": np.ones((4, 4, 1), np.float32), "saliency": np.ones((4, 4)), "target": 0} | changes
    with pytest.raises(ValueError, match=message):
        metrics.insertion_auc(mixed, **given)
