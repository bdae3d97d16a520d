"""Pixel flipping and the faithfulness estimate: by hand, against plain loops, and for the best and the worst map."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics
from egcam_jax.metrics._baselines import drifting_mean

WEIGHTS = np.array([[4.0, 2], [1, 0.5]])
RAMP = np.array([[4.0, 3], [2, 1]], np.float32)


def additive(x):
    """Logits (sum of weights times pixels, 0) of one-channel images."""
    return jnp.stack([(x[..., 0] * WEIGHTS[: x.shape[1], : x.shape[2]]).sum((1, 2)), jnp.zeros(len(x))], axis=1)


def mixed(x):
    weights = jnp.sin(jnp.arange(x[0].size * 3.0)).reshape(-1, 3)
    return jnp.tanh(x.reshape(len(x), -1) @ weights) * 3


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def value_of(baseline, x):
    return {"black": x.min, "white": x.max, "mean": x.mean}[baseline]() if isinstance(baseline, str) else baseline


def test_the_flipping_curve_by_hand():
    """Ones lose 4, 2, 1 and 0.5 as they are set to 0: the logits 3.5, 1.5, 0.5, 0 remain of 7.5."""
    got = metrics.pixel_flipping(additive, np.ones((2, 2, 1), np.float32), RAMP, 0, baseline=0.0, probability=None)
    np.testing.assert_allclose(got.curve, [3.5, 1.5, 0.5, 0])
    np.testing.assert_allclose(got.value, (3.5 + 1.5) / 2 + (1.5 + 0.5) / 2 + (0.5 + 0) / 2)
    whole = metrics.pixel_flipping(
        additive,
        np.ones((2, 2, 1), np.float32),
        RAMP,
        0,
        baseline=0.0,
        probability=None,
        include_start=True,
        normalize=True,
    )
    np.testing.assert_allclose(whole.curve, [7.5, 3.5, 1.5, 0.5, 0])
    np.testing.assert_allclose(whole.value, (3.75 + 3.5 + 1.5 + 0.5 + 0) / 4)


def test_the_estimate_by_hand():
    """Losses are the weights themselves, (4, 2, 1, 0.5), against the relevance (4, 3, 2, 1)."""
    x = np.ones((2, 2, 1), np.float32)
    got = metrics.faithfulness_estimate(additive, x, RAMP, 0, baseline=0.0)
    np.testing.assert_allclose(got.curve, [4, 2, 1, 0.5], rtol=1e-6)
    np.testing.assert_allclose(got.value, np.corrcoef([4, 3, 2, 1], [4, 2, 1, 0.5])[0, 1], rtol=1e-6)
    ranked = metrics.faithfulness_estimate(additive, x, RAMP, 0, baseline=0.0, similarity="spearman")
    assert float(ranked.value) == 1
    exact = metrics.faithfulness_estimate(additive, x, WEIGHTS * 3 + 1, 0, baseline=0.0)
    np.testing.assert_allclose(exact.value, 1, rtol=1e-6)  # neither scale nor offset counts where groups are equal
    worst = metrics.faithfulness_estimate(additive, x, -WEIGHTS, 0, baseline=0.0)
    np.testing.assert_allclose(worst.value, -1, rtol=1e-6)


def test_no_order_of_the_pixels_flips_better_than_that_of_their_weights():
    x = np.ones((2, 2, 1), np.float32)
    maps = np.array([np.reshape(order, (2, 2)) for order in itertools.permutations((4.0, 3, 2, 1))], np.float32)
    batch = np.repeat(x[None], len(maps), axis=0)
    scores = metrics.pixel_flipping(additive, batch, maps, np.zeros(len(maps), int), baseline=0.0).value
    assert scores[0] == scores.min() < scores.max() == scores[-1]
    swapped = maps.copy()  # to put a heavier pixel before a lighter one never makes it worse
    for i, one in enumerate(maps):
        (heavy, light) = np.argsort(-WEIGHTS.ravel())[1:3]
        flat = one.ravel().copy()
        flat[[heavy, light]] = np.sort(flat[[heavy, light]])[::-1]
        swapped[i] = flat.reshape(2, 2)
    better = metrics.pixel_flipping(additive, batch, swapped, np.zeros(len(maps), int), baseline=0.0).value
    assert (better <= scores).all()
    assert (better < scores).any()


@pytest.mark.parametrize("baseline", ["black", "white", "mean", 0.3])
@pytest.mark.parametrize("mode", ["definition", "quantus_0_4_4"])
def test_flipping_equals_plain_loops(baseline, mode):
    draw = np.random.default_rng(3).standard_normal
    x, saliency = draw((5, 4, 2)).astype(np.float32), draw((5, 4)).astype(np.float32)
    now, curve, order = x.copy(), [], np.argsort(-saliency.ravel(), kind="stable")
    for begin in range(0, 20, 6):  # the last step takes two
        rows, columns = np.unravel_index(order[begin : begin + 6], saliency.shape)
        now[rows, columns] = value_of(baseline, x if mode == "definition" else now)
        curve.append(softmax(np.asarray(mixed(now[None]))[0])[2])
    got = metrics.pixel_flipping(mixed, x, saliency, 2, step=6, baseline=baseline, mode=mode)
    np.testing.assert_allclose(got.curve, curve, rtol=2e-5)
    steps = [1, 2, 3, 3 + 2 / 6] if mode == "definition" else [1, 2, 3, 4]  # so far the curve has come
    np.testing.assert_allclose(got.value, np.trapezoid(curve, steps), rtol=2e-5)
    mean = metrics.pixel_flipping(mixed, x, saliency, 2, step=6, baseline=baseline, mode=mode, normalize=True).value
    np.testing.assert_allclose(mean, got.value / (steps[-1] - 1), rtol=1e-6)


def test_under_a_straight_line_is_a_half_whatever_the_last_step():
    """The mean of ones, as they go 224 of 1024 at a time."""
    x, saliency = np.ones((32, 32, 1), np.float32), np.random.default_rng(7).random((32, 32)).astype(np.float32)
    mean = lambda x: jnp.stack([x.mean(axis=(1, 2, 3)), jnp.zeros(len(x))], axis=1)
    options = {"baseline": 0.0, "probability": None, "normalize": True, "include_start": True}
    for step in (224, None, 64):
        np.testing.assert_allclose(
            metrics.pixel_flipping(mean, x, saliency, 0, step=step, **options).value, 0.5, rtol=1e-6
        )


@pytest.mark.parametrize("baseline", ["black", "mean", -0.4])
def test_the_estimate_equals_plain_loops(baseline):
    draw = np.random.default_rng(4).standard_normal
    x, saliency = draw((4, 5, 2)).astype(np.float32), draw((4, 5)).astype(np.float32)
    order, whole, lost, relevance = (
        np.argsort(-saliency.ravel(), kind="stable"),
        np.asarray(mixed(x[None]))[0, 1],
        [],
        [],
    )
    for begin in range(0, 20, 3):
        rows, columns = np.unravel_index(order[begin : begin + 3], saliency.shape)
        now = x.copy()
        now[rows, columns] = value_of(baseline, x)
        lost.append(whole - np.asarray(mixed(now[None]))[0, 1])
        relevance.append(saliency[rows, columns].sum())
    got = metrics.faithfulness_estimate(mixed, x, saliency, 1, step=3, baseline=baseline)
    np.testing.assert_allclose(got.curve, lost, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got.value, np.corrcoef(relevance, lost)[0, 1], rtol=1e-4)


def test_channels_are_units_of_their_own_in_quantus():
    x = np.random.default_rng(5).standard_normal((3, 3, 2)).astype(np.float32)
    saliency = np.arange(9.0, dtype=np.float32).reshape(3, 3)
    got = metrics.pixel_flipping(mixed, x, saliency, 0, mode="quantus")
    assert got.curve.shape == (18,)
    now = x.copy()
    now[2, 2, 0] = x.min()  # the first channel of the most relevant pixel goes first
    np.testing.assert_allclose(got.curve[0], softmax(np.asarray(mixed(now[None]))[0])[0], rtol=1e-5)


@pytest.mark.usefixtures("unannotated")
def test_undefined_where_nothing_changes_and_where_one_point_is_left():
    x, ramp = np.ones((2, 2, 1), np.float32), RAMP
    constant = lambda x: jnp.zeros((len(x), 2))
    assert np.isnan(metrics.faithfulness_estimate(constant, x, ramp, 0, baseline=0.0).value)
    with pytest.raises(ValueError, match=r"step must be less than 4, the size of the image; got 4\."):
        metrics.pixel_flipping(additive, x, ramp, 0, step=4)


def test_a_drifting_mean_keeps_its_precision_in_bfloat16():
    """The mean is of float32 sums: rounded once, not at each of many steps."""
    x = jnp.asarray(np.random.default_rng(6).standard_normal((16, 16, 3)) + 4, jnp.bfloat16)
    step = jnp.arange(256).reshape(16, 16, 1)
    want = drifting_mean(x.astype(jnp.float32), step, 256)
    got = drifting_mean(x, step, 256)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_array_equal(got, want.astype(jnp.bfloat16))
