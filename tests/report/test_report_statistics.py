"""The report's statistics: by hand, and beside SciPy's."""

import numpy as np
import pytest
from scipy import stats

from egcam_jax.report import _statistics


def marks(values, higher_is_better=True):
    return [it.mark for it in _statistics.verdicts(np.asarray(values, float), higher_is_better=higher_is_better)]


@pytest.fixture
def scores():
    """Three methods on twenty images: each ahead of the next on nearly all, by less than the images differ."""
    generator = np.random.default_rng(3)
    base = generator.normal(0, 1, 20)
    return np.stack([base + shift + generator.normal(0, 0.01, 20) for shift in (0.2, 0.1, 0.0)])


def test_the_interval_is_that_of_scipy():
    values = np.random.default_rng(0).exponential(size=(1, 300))
    ours = _statistics.intervals(values)[0]
    theirs = stats.bootstrap((values[0],), np.mean, n_resamples=20000, method="percentile").confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    width = theirs.high - theirs.low
    assert abs(ours.low - theirs.low) < 0.05 * width
    assert abs(ours.high - theirs.high) < 0.05 * width


def test_the_interval_is_that_of_the_normal_distribution_where_there_are_many_images():
    values = np.random.default_rng(1).normal(5, 2, (1, 4000))
    mean, low, high, images = _statistics.intervals(values)[0]
    assert (high - low) / 2 == pytest.approx(1.96 * 2 / np.sqrt(4000), rel=0.07)
    assert low < mean < high
    assert images == 4000


def test_what_is_undefined_is_left_out_of_the_mean_and_of_each_draw():
    values = np.full((3, 1000), np.nan)
    values[0, :2] = 0, 1
    values[1, :3] = 4, np.inf, 2
    values[2] = 7
    first, second, third = _statistics.intervals(values)
    assert first == (0.5, 0, 1, 2)  # a draw that has any has nothing else
    assert second == (3, 2, 4, 2)
    assert third == (7, 7, 7, 1000)


def test_one_value_has_no_interval_and_none_no_mean():
    one, none = _statistics.intervals(np.array([[3.0, np.nan], [np.nan, np.nan]]))
    assert (one.mean, one.images, none.images) == (3, 1, 0)
    assert np.isnan([one.low, one.high, none.mean, none.low, none.high]).all()
    assert _statistics.intervals(np.zeros((2, 0)))[1].images == 0


def test_intervals_do_not_depend_on_what_else_is_averaged_and_come_again_with_the_seed():
    values = np.random.default_rng(2).normal(size=(3, 40))
    assert _statistics.intervals(values)[1] == _statistics.intervals(values[1:])[0]
    assert _statistics.intervals(values, seed=1) != _statistics.intervals(values)


@pytest.mark.parametrize("images", [8, 30, 50, 51, 200])
def test_the_test_is_wilcoxons(images):
    better, worse = np.random.default_rng(images).normal(size=(2, images))
    better += 0.3
    expected = stats.wilcoxon(better, worse)
    ours = _statistics.p_better(better, worse), _statistics.p_better(worse, better)
    assert min(ours) == pytest.approx(expected.pvalue)
    assert max(ours) == 1  # a lead to the other side


def test_the_test_by_hand():
    assert _statistics.p_better(np.arange(1.0, 9), np.zeros(8)) == pytest.approx(2 / 2**8)
    ties = np.array([1, 1, -1, 2, 2, 3, -2, 4, 4.0])  # at ranks 2, 5, 7 and 8.5: 38 of 45 are positive
    signs = np.indices([2] * 9).reshape(9, -1).T
    as_much = (signs @ [2, 2, 2, 5, 5, 7, 5, 8.5, 8.5] >= 38).mean()
    assert _statistics.p_better(ties, 0 * ties) == pytest.approx(2 * as_much)


def test_pairs_that_are_equal_or_lack_one_say_nothing():
    nothing = np.array([1, np.nan, 3.0]), np.array([1, 2, np.nan])
    assert _statistics.p_better(*nothing) == 1
    assert _statistics.p_better(np.array([2, 5, np.nan, 9]), np.array([1, 5, 0, np.nan])) == 1  # one pair: 2 * 1/2


def test_holm_by_hand():
    np.testing.assert_allclose(_statistics.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(_statistics.holm([0.6, 0.02, 0.7]), [1, 0.06, 1])
    assert _statistics.holm([]).size == 0


def test_the_best_and_the_second_where_a_test_says_so(scores):
    assert marks(scores) == ["best", "second", ""]
    assert marks(scores, higher_is_better=False) == ["", "second", "best"]
    assert marks(-scores[[2, 0, 1]], higher_is_better=False) == ["", "best", "second"]


def test_p_is_of_the_difference_from_the_best_mean(scores):
    found = _statistics.verdicts(scores, higher_is_better=True)
    raw = [stats.wilcoxon(scores[0], it).pvalue for it in scores[1:]]
    assert np.isnan(found[0].p)
    np.testing.assert_allclose([it.p for it in found[1:]], _statistics.holm(raw), rtol=1e-3)


def test_ties_are_named(scores):
    noisy = scores[0] + np.random.default_rng(0).normal(0, 0.05, 20)
    assert marks([scores[0], noisy, scores[2]]) == ["tied for best", "tied for best", ""]
    third = scores[1] + np.random.default_rng(0).normal(0, 0.05, 20)
    assert marks([scores[0], third, scores[1]]) == ["best", "tied for second", "tied for second"]


def test_equal_methods_are_tied_whatever_rounding_does(scores):
    """A rounding error of one sign on all images would pass any paired test."""
    assert marks([scores[0], scores[0]]) == ["tied for best"] * 2
    values = 0.5 + 0.1 * np.random.default_rng(0).random(5000)
    assert marks([values, values + 1e-7]) == ["tied for best"] * 2


def test_a_mean_that_few_images_make_is_no_win():
    """One method is better on most images, the other on average, by two of them."""
    often = np.zeros(40)
    rarely = np.full(40, -0.1) - np.linspace(0, 0.01, 40)
    rarely[:2] = 50
    assert marks([often, rarely]) == ["tied for best"] * 2


def test_a_method_that_failed_on_the_way_leads_no_one_and_ties_no_one():
    draw = np.random.default_rng(0).normal
    one = draw(1, 0.1, 200)
    for count in (3, 16, 99):
        failed = np.full(200, np.nan)
        failed[:count] = one[:count] + 1
        assert marks([one, one - 1, failed]) == ["best", "", ""], count
        failed[count - 3 : count] -= 100
        assert marks([one, one - 1, failed]) == ["best", "", ""], count
    half = np.where(np.arange(200) < 100, one + 1, np.nan)
    assert marks([one, one - 1, half]) == ["second", "", "best"]


def test_a_method_that_lacks_the_hard_images_does_not_lead_for_it():
    """Its own mean is the best, and on each image that it has the others are ahead."""
    draw = np.random.default_rng(0)
    base = np.where(np.arange(200) < 120, 1.0, 0.0) + 0.1 * draw.random(200)
    behind = np.where(np.arange(200) < 120, base - 0.05, np.nan)
    assert np.nanmean(behind) > base.mean() + 0.05
    assert marks([behind, base, base + 0.05]) == ["", "second", "best"]
    assert marks([-behind, -base, -base - 0.05], higher_is_better=False) == ["", "second", "best"]


def test_no_method_is_tied_that_another_tied_one_is_told_ahead_of():
    """One that varies much leads, and is told from no other."""
    draw = np.random.default_rng(1)
    base = draw.random(200)
    noise = draw.normal(0, 1, 200)
    wild, ahead = base + 0.05 + noise - noise.mean(), base + 0.01 + 0.001 * draw.random(200)
    assert wild.mean() > ahead.mean()
    assert marks([base, wild, ahead]) == ["", "tied for best", "tied for best"]
    few = np.array([[0, 0, 0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [-9, -9, -9, 9, 9, 20]])
    assert marks(few) == ["tied for best"] * 3  # of six pairs p is 1/32 at the least, and they are three
    assert marks([base + 9, base, wild, ahead]) == ["best", "", "tied for second", "tied for second"]


def test_who_is_not_told_ahead_of_all_is_not_the_best_though_it_alone_is_left():
    """The first is told from the second, and the second from the third, which one image keeps from the first."""
    second = np.array([-0.5, -1.7, 1.5, -1.7, -0.5, -1, 1.5, -0.4, -1.7, -1.1, -1.5, -1.6, -0.8, -2.1, 0])
    third = second - 0.2
    third[0] += 2.9
    values = np.stack([np.zeros(15), second, third])
    found = _statistics.verdicts(values, higher_is_better=True)
    assert found[1].p < 0.05 < found[2].p
    assert marks(values) == ["tied for best", "", ""]


def test_methods_of_another_scale_blur_no_difference():
    """As the relative stabilities have it: some methods near a million, and two far below that differ fifty times."""
    draw = np.random.default_rng(0)
    large = draw.lognormal(np.log(1e6), 1, (3, 40))
    small, larger = draw.normal(0.01, 0.001, 40), draw.normal(0.5, 0.01, 40)
    values = np.stack([small, larger, *large])
    assert marks(values, higher_is_better=False)[:2] == ["best", "second"]
    ranks, _ = _statistics.mean_ranks(values, higher_is_better=False)
    np.testing.assert_allclose(ranks[:2], [1, 2])


def test_what_cannot_be_compared_is_not_marked(scores):
    nothing = np.full(20, np.nan)
    assert marks([scores[0]]) == [""]
    assert marks([scores[0], nothing]) == ["", ""]
    assert marks([nothing, nothing]) == ["", ""]
    assert marks([scores[0], nothing, scores[2]]) == ["best", "", ""]  # a second of two is no distinction
    apart = np.stack([scores[0], scores[2]])
    apart[0, ::2], apart[1, 1::2] = np.nan, np.nan
    assert marks(apart) == ["tied for best"] * 2
    assert marks(scores[:, :1]) == ["tied for best"] * 3  # a single image


def test_ranks_by_hand():
    values = np.array([[3, 1, 5, np.nan], [2, 1, 6, 1], [1, 0, 7, 2], [np.nan] * 4])
    ranks, images = _statistics.mean_ranks(values, higher_is_better=True)
    np.testing.assert_allclose(ranks, [(1 + 1.5 + 3) / 3, (2 + 1.5 + 2) / 3, (3 + 3 + 1) / 3, np.nan])
    assert images == 3
    np.testing.assert_allclose(_statistics.mean_ranks(values, higher_is_better=False)[0][:3], 4 - ranks[:3])
    assert _statistics.mean_ranks(values[3:], higher_is_better=True)[1] == 0


def test_a_method_that_failed_on_the_way_takes_no_ranks_from_the_others():
    values = np.array([np.arange(9.0), np.arange(9.0) + 1, [5.0] * 4 + [np.nan] * 5])
    ranks, images = _statistics.mean_ranks(values, higher_is_better=True)
    np.testing.assert_array_equal(ranks, [2, 1, np.nan])
    assert images == 9
    assert _statistics.mean_ranks(np.zeros((0, 3)), higher_is_better=True)[1] == 0


def test_the_critical_difference_is_that_of_demsars_example():
    assert _statistics.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


@pytest.mark.parametrize("images", [40, 5000])
def test_rounding_parts_no_equal_methods_however_many_the_images(images):
    """On a grid some few of many values lie astride a step, and all to the same side."""
    values = 0.5 + 0.1 * np.random.default_rng(0).random(images)
    assert stats.wilcoxon(values + 1e-7, values).pvalue < 1e-6
    assert _statistics.p_better(values + 1e-7, values) == 1
    assert _statistics.p_better(values + 1e-5, values) < 1e-6
    ranks, _ = _statistics.mean_ranks(np.stack([values + 1e-7, values, values - 1e-5]), higher_is_better=True)
    np.testing.assert_array_equal(ranks, [1.5, 1.5, 3])


def test_values_are_equal_by_their_own_size_whatever_the_others():
    one, other = np.array([1e-9, 1e9, 0, -2, np.nan]), np.array([2e-9, 1e9 + 1e3, 0, 2, 1])
    np.testing.assert_array_equal(_statistics._equal(one, other), [False, True, True, False, False])
