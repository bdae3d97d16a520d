"""Average drop, increase in confidence, and the completeness gap: by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics


def additive(x):
    """Logits (twice the first pixel less the last, 0)."""
    return jnp.stack([2 * x[:, 0, 0, 0] - x[:, -1, -1, 0], jnp.zeros(len(x))], axis=1)


ONES = np.ones((2, 2, 1), np.float32)


def test_drop_and_increase_by_hand():
    """The logit is 2 - 1 = 1; only the first pixel left it is 2, only the last -1."""
    shows_first, shows_last = np.array([[5.0, 1], [1, 1]]), np.array([[-1.0, -1], [-1, 0]])
    before, after = float(jax.nn.sigmoid(1.0)), float(jax.nn.sigmoid(-1.0))
    batch, maps, target = np.stack([ONES, ONES]), np.stack([shows_first, shows_last]), np.array([0, 0])
    drop, rise = (
        metrics.average_drop(additive, batch, maps, target),
        metrics.increase_in_confidence(additive, batch, maps, target),
    )
    np.testing.assert_allclose(drop.value, [0, (before - after) / before], rtol=1e-6)
    np.testing.assert_array_equal(rise.value, [1, 0])
    moved = metrics.average_drop(additive, batch, 9 * maps + 4, target)
    np.testing.assert_allclose(moved.value, drop.value, rtol=1e-6)


def test_a_probability_of_zero_cannot_drop():
    batch = np.stack([ONES, -1000 * ONES])
    drop, rise = (
        metric(additive, batch, np.array([[[5.0, 1], [1, 1]]] * 2), 0)
        for metric in (metrics.average_drop, metrics.increase_in_confidence)
    )
    np.testing.assert_array_equal(drop.value, [0, np.nan])
    np.testing.assert_array_equal(rise.value, [1, 0])


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_a_map_of_any_scale_shows_the_same(scale):
    got = metrics.average_drop(additive, ONES, scale * np.array([[1.0, -2], [-2, 3]]), 0)
    want = metrics.average_drop(additive, ONES, np.array([[1.0, -2], [-2, 3]]), 0)
    np.testing.assert_allclose(got.value, want.value, rtol=1e-5)


def test_half_a_pixel_is_half_of_its_value():
    got = metrics.average_drop(additive, ONES, np.array([[0.5, 0.0], [0, 1]]), 0)
    before, after = float(jax.nn.sigmoid(1.0)), float(jax.nn.sigmoid(0.0))
    np.testing.assert_allclose(got.value, (before - after) / before, rtol=1e-6)


@pytest.mark.parametrize(("baseline", "rise"), [(0.0, 1.0), ("black", 0.0), (-1.0, 2.0)])
def test_the_gap_is_what_the_map_leaves_over(baseline, rise):
    for total in (rise, rise + 3, rise - 2):
        saliency = np.array([[total, 0], [0, 0]])
        gap = metrics.completeness_gap(additive, ONES, saliency, 0, baseline=baseline)
        np.testing.assert_allclose(gap.value, abs(total - rise), atol=1e-6)
    relative = metrics.completeness_gap(additive, ONES, saliency, 0, baseline=baseline, relative=True).value
    np.testing.assert_allclose(relative, 2 / rise if rise else np.nan, rtol=1e-6)


def test_input_times_gradient_of_a_linear_model_is_complete():
    x = np.random.default_rng(0).standard_normal((2, 2, 1)).astype(np.float32)
    gradient = jax.grad(lambda x: additive(x[None])[0, 0])(jnp.asarray(x))
    assert float(metrics.completeness_gap(additive, x, (gradient * x)[..., 0], 0, baseline=0.0).value) < 1e-6
