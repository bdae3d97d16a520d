"""The correlations: by hand, as SciPy has them, and where there is none."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from egcam_jax.metrics import _similarity

BOTH = pytest.mark.parametrize("name", _similarity.NAMES)


def correlation(a, b, name):
    return float(_similarity.correlation(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32), name))


def pair(seed=0, size=40):
    return np.random.default_rng(seed).standard_normal((2, size)).astype(np.float32)


def test_by_hand():
    """About their means 1, 2, 6 are -2, -1, 3 and 2, 4, 3 are -1, 1, 0: 1 over the root of 14 times 2."""
    assert correlation([1, 2, 6], [2, 4, 3], "pearson") == pytest.approx(1 / 28**0.5, rel=1e-6)
    # the ranks 0, 1, 2 and 0, 2, 1 about theirs: -1, 0, 1 and -1, 1, 0, of which 1 over 2
    assert correlation([1, 2, 6], [2, 4, 3], "spearman") == pytest.approx(1 / 2, rel=1e-6)


def test_equal_values_share_the_mean_of_their_ranks():
    values = jnp.array([3.0, -1, 3, 0, 3, 0])
    np.testing.assert_array_equal(_similarity.average_ranks(values), [4, 0, 4, 1.5, 4, 1.5])
    zeros = jnp.array([0.0, -0.0, 1.0])
    np.testing.assert_array_equal(_similarity.average_ranks(zeros), [0.5, 0.5, 2])


@BOTH
def test_correlations_are_those_of_scipy(name):
    draw = np.random.default_rng(0)
    for _ in range(5):
        a, b = np.round(draw.standard_normal((2, 40)), 1).astype(np.float32)  # with ties
        want = getattr(scipy.stats, f"{name}r")(a, b).statistic
        np.testing.assert_allclose(correlation(a, b, name), want, rtol=1e-5)


@BOTH
def test_the_best_and_the_worst_and_maps_of_any_axes(name):
    a = pair()[0].reshape(5, 8)
    assert correlation(a, 3 * a + 2, name) == pytest.approx(1, abs=1e-6)
    assert correlation(a, -a, name) == pytest.approx(-1, abs=1e-6)
    assert abs(correlation(a, a, name)) <= 1  # rounding does not leave the bounds


@BOTH
@pytest.mark.parametrize("scale", [1e-30, 1e-20, 3, 1e19, 1e30])
def test_neither_scale_nor_shift_nor_places_count(name, scale):
    a, b = pair()
    want = correlation(a, b, name)
    places = np.random.default_rng(1).permutation(a.size)
    assert correlation(np.float32(scale) * a, b, name) == pytest.approx(want, rel=1e-4)
    assert correlation(np.float32(scale) * a, np.float32(scale) * b, name) == pytest.approx(want, rel=1e-4)
    assert correlation(a + 2, b - 5, name) == pytest.approx(want, rel=1e-4, abs=1e-5)
    assert correlation(a[places], b[places], name) == pytest.approx(want, rel=1e-4)
    assert correlation(b, a, name) == pytest.approx(want, rel=1e-4)


def test_ranks_see_order_alone():
    a, b = pair()
    assert correlation(np.exp(2 * a), b, "spearman") == pytest.approx(correlation(a, b, "spearman"), rel=1e-6)
    assert abs(correlation(np.exp(2 * a), b, "pearson") - correlation(a, b, "pearson")) > 0.01


@BOTH
def test_there_is_none_where_one_is_constant_or_not_finite(name):
    a, b = pair()
    for level in (0.0, 0.1, 1e30):
        assert np.isnan(correlation(np.full(a.size, level, np.float32), b, name))
        assert np.isnan(correlation(a, np.full(a.size, level, np.float32), name))
    for wrong in (np.nan, np.inf, -np.inf):
        bad = a.copy()
        bad[7] = wrong
        assert np.isnan(correlation(bad, b, name))
        assert np.isnan(correlation(b, bad, name))


@BOTH
def test_one_value_that_differs_by_a_rounding_is_enough(name):
    nearly, one = np.ones(8, np.float32), np.zeros(8, np.float32)
    nearly[3], one[3] = np.nextafter(np.float32(1), np.float32(2)), 1
    assert correlation(nearly, one, name) == pytest.approx(1, abs=1e-5)
