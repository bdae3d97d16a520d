"""The localisation metrics: by hand, against plain loops, and for the best and the worst map."""

import numpy as np
import pytest

from egcam_jax import metrics

MASK = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 0]], bool)
MAP = np.array([[4.0, 1, 3], [0, 0, 2], [-2, 0, 0]], np.float32)
EVERY = ("attribution_localisation", "relevance_mass_accuracy", "energy_pointing_game", "relevance_rank_accuracy")


@pytest.mark.parametrize(
    ("metric", "options", "want"),
    [
        ("attribution_localisation", {}, 5 / 12),
        ("attribution_localisation", {"weighted": True}, 5 / 12 * 9 / 2),
        ("attribution_localisation", {"positive": True}, 5 / 10),
        ("relevance_mass_accuracy", {}, 5 / 8),
        ("energy_pointing_game", {}, 5 / 10),
        ("relevance_rank_accuracy", {}, 1 / 2),  # the two largest are 4 and 3
        ("top_k_intersection", {"k": 1}, 1),
        ("top_k_intersection", {"k": 3}, 1 / 3),
        ("top_k_intersection", {"k": 4, "concept_influence": True}, 2 / 4 * 9 / 2),
        ("pointing_game", {"tolerance": 0}, 1),
    ],
)
def test_by_hand(metric, options, want):
    np.testing.assert_allclose(getattr(metrics, metric)(MAP, MASK, **options).value, want, rtol=1e-6)


def loops(saliency, mask, k, tolerance):
    """Every metric of one map, pixel by pixel from the definitions."""
    places = [(i, j) for i in range(saliency.shape[0]) for j in range(saliency.shape[1])]
    value = {place: float(saliency[place]) for place in places}
    inside = [place for place in places if mask[place]]
    share = lambda size: sum(size(value[p]) for p in inside) / sum(size(value[p]) for p in places)
    ordered = sorted(places, key=lambda p: -value[p])  # stable: ties stay in row-major order
    among = lambda count: sum(bool(mask[p]) for p in ordered[:count]) / count
    growth = len(places) / len(inside)
    maxima = [p for p in places if value[p] == max(value.values())]
    near = lambda p: any((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 <= tolerance**2 for q in inside)
    positive = lambda a: max(a, 0.0)
    return {
        ("attribution_localisation",): share(abs),
        ("attribution_localisation", "weighted"): share(abs) * growth,
        ("attribution_localisation", "positive"): share(positive),
        ("attribution_localisation", "positive", "weighted"): share(positive) * growth,
        ("relevance_mass_accuracy",): share(lambda a: a),
        ("energy_pointing_game",): share(positive),
        ("grid_pointing_game",): share(positive),
        ("top_k_intersection",): among(k),
        ("top_k_intersection", "concept_influence"): among(k) * growth,
        ("relevance_rank_accuracy",): among(len(inside)),
        ("pointing_game",): float(any(near(p) for p in maxima)),
    }


def test_equal_to_plain_loops():
    """On maps with many ties, of both signs."""
    draw = np.random.default_rng(5)
    maps = np.round(2 * draw.standard_normal((12, 6, 7)) + 0.5).astype(np.float32) / 2
    masks = draw.random((12, 6, 7)) < np.linspace(0, 0.5, 12)[:, None, None]
    masks[:, 0, 0] = True
    want = [loops(one, mask, 5, 2) for one, mask in zip(maps, masks)]
    for name, *flags in want[0]:
        options = dict.fromkeys(flags, True)
        options |= {"k": 5} if name == "top_k_intersection" else {"tolerance": 2} if name == "pointing_game" else {}
        got = getattr(metrics, name)(maps, masks, **options).value
        np.testing.assert_allclose(got, [it[name, *flags] for it in want], rtol=1e-4, atol=1e-6, err_msg=name)
    assert 0 < np.mean([it["pointing_game",] for it in want]) < 1


def test_the_best_and_the_worst_map():
    for metric in EVERY:
        assert float(getattr(metrics, metric)(MASK * 2.0, MASK).value) == 1
        assert float(getattr(metrics, metric)(~MASK * 2.0, MASK).value) == 0


def test_the_best_and_the_worst_map_of_those_with_options():
    best, worst = np.where(MASK, 2.0, 1.0), np.where(MASK, 1.0, 2.0)
    for options, highest in (({"k": 2}, 1), ({"k": 4}, 2 / 4), ({"k": 2, "concept_influence": True}, 9 / 2)):
        assert float(metrics.top_k_intersection(best, MASK, **options).value) == highest
        assert float(metrics.top_k_intersection(worst, MASK, **options).value) == 0
    for tolerance in (0, 2):
        assert float(metrics.pointing_game(best, MASK, tolerance=tolerance).value) == 1
        worst[2, 2] = 3  # as far as the root of 5
        assert float(metrics.pointing_game(worst, MASK, tolerance=tolerance).value) == 0


def test_scale_does_not_count():
    for metric in (*EVERY, "pointing_game"):
        for scale in (300, 1e-30, 1e30):
            one, other = (getattr(metrics, metric)(it, MASK).value for it in (MAP, np.float32(scale) * MAP))
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_metrics_of_order_see_order_alone_and_metrics_of_mass_see_more():
    other = np.exp(MAP) - 3  # the order stays, also that of ties
    for metric in (metrics.relevance_rank_accuracy, lambda *given: metrics.top_k_intersection(*given, k=4)):
        assert float(metric(other, MASK).value) == float(metric(MAP, MASK).value)
    for metric in (metrics.attribution_localisation, metrics.relevance_mass_accuracy, metrics.energy_pointing_game):
        assert abs(metric(other, MASK).value - metric(MAP, MASK).value) > 0.1


def test_where_the_pixels_are_does_not_count_where_nothing_is_tied():
    draw = np.random.default_rng(6)
    one, mask, places = draw.standard_normal((4, 6)), draw.random((4, 6)) > 0.6, draw.permutation(24)
    moved = lambda it: it.ravel()[places].reshape(6, 4)
    for metric in (*EVERY, "grid_pointing_game"):
        got, want = (getattr(metrics, metric)(*given).value for given in ((moved(one), moved(mask)), (one, mask)))
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_the_three_shares_of_mass_agree_on_maps_without_negative_values():
    one, mask = np.abs(MAP), MASK[::-1]
    want = metrics.relevance_mass_accuracy(one, mask).value
    for positive in (False, True):
        np.testing.assert_allclose(metrics.attribution_localisation(one, mask, positive=positive).value, want)
    np.testing.assert_allclose(metrics.energy_pointing_game(one, mask).value, want)


def test_signed_mass_may_be_any_number():
    """2 of 2 - 1 lies on the object, -1 of it beside."""
    one = np.array([[2.0, 0, -1], [0, 0, 0], [0, 0, 0]])
    assert float(metrics.relevance_mass_accuracy(one, MASK).value) == 2
    assert float(metrics.relevance_mass_accuracy(one, ~MASK).value) == -1


def test_mass_that_moves_onto_the_object_never_scores_worse():
    draw = np.random.default_rng(0)
    for _ in range(20):
        one, mask = draw.random((5, 5)).astype(np.float32), draw.random((5, 5)) > 0.5
        other = one.copy()
        other[tuple(draw.choice(np.argwhere(mask)))] += 0.4
        other[tuple(draw.choice(np.argwhere(~mask)))] -= 0.4
        for metric, options in (
            *(("relevance_mass_accuracy", {}), ("relevance_rank_accuracy", {}), ("energy_pointing_game", {})),
            *(("top_k_intersection", {"k": 6}), ("pointing_game", {"tolerance": 1})),
        ):
            score = getattr(metrics, metric)
            assert score(other, mask, **options).value >= score(one, mask, **options).value


def test_without_information_the_weighted_share_is_one():
    mask = np.random.default_rng(1).random((6, 6)) > 0.7
    np.testing.assert_allclose(
        metrics.attribution_localisation(np.ones((6, 6)), mask, weighted=True).value, 1, rtol=1e-6
    )


def test_ties_go_in_row_major_order():
    flat = np.array([[1.0, 1, 1], [1, 0, 0], [0, 0, 0]], np.float32)
    assert float(metrics.top_k_intersection(flat, MASK, k=2).value) == 1
    assert float(metrics.top_k_intersection(flat, MASK[::-1], k=4).value) == 0


def test_pointing_near_the_object_is_a_hit_within_the_tolerance():
    far = np.zeros((9, 9), np.float32)
    far[4, 8] = 1
    mask = np.zeros((9, 9), bool)
    mask[4, 3] = mask[4, 4] = True
    hits = [float(metrics.pointing_game(far, mask, tolerance=radius).value) for radius in (0, 3, 4)]
    assert hits == [0, 0, 1]  # four pixels away
    diagonal = np.zeros((9, 9), np.float32)
    diagonal[7, 7] = 1  # as far as the root of 18
    assert [float(metrics.pointing_game(diagonal, mask, tolerance=radius).value) for radius in (4, 5)] == [0, 1]


def test_any_of_several_maxima_may_hit():
    both = np.array([[1.0, 0, 1], [0, 0, 0], [0, 0, 0]], np.float32)
    assert float(metrics.pointing_game(both, MASK[:, ::-1], tolerance=0).value) == 1
    assert float(metrics.pointing_game(both, MASK[::-1], tolerance=0).value) == 0


def test_maps_without_mass_are_undefined():
    for metric in EVERY:
        assert np.isnan(getattr(metrics, metric)(np.zeros((3, 3)), MASK).value)
    assert np.isnan(metrics.energy_pointing_game(-np.ones((3, 3)), MASK).value)
    cancelling = np.array([[1.0, 0, -1], [0, 0, 0], [0, 0, 0]])
    assert np.isnan(metrics.relevance_mass_accuracy(cancelling, MASK).value)


def test_maps_that_are_not_finite_are_undefined_wherever_they_are_not():
    for wrong in (np.inf, -np.inf, np.nan):
        for place in ((0, 0), (2, 2)):  # on the object, beside it
            one = MAP.copy()
            one[place] = wrong
            for metric in (*EVERY, "pointing_game"):
                assert np.isnan(getattr(metrics, metric)(one, MASK).value)
            assert np.isnan(metrics.top_k_intersection(one, MASK, k=2).value)


def test_one_pixel_of_object_or_of_mass_is_enough():
    single, tiny = np.zeros((3, 3), bool), np.zeros((3, 3), np.float32)
    single[0, 0], tiny[0, 0] = True, 1e-30
    for metric in EVERY:
        score = getattr(metrics, metric)
        assert float(score(tiny, single).value) == 1
        assert np.isnan(score(tiny, ~single & False).value)
        assert float(score(MAP, np.ones((3, 3), bool)).value) == 1
    assert np.isnan(metrics.pointing_game(tiny, ~single & False).value)
    assert np.isnan(metrics.top_k_intersection(tiny, ~single & False, k=1, concept_influence=True).value)


def test_masks_of_zeros_and_ones_are_masks():
    for metric in EVERY:
        got = [getattr(metrics, metric)(MAP, MASK.astype(kind)).value for kind in (bool, np.uint8, np.float32)]
        assert got[0] == got[1] == got[2]


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(("tolerance", "error"), [(-1, ValueError), (1.5, TypeError), (np.ones(2), TypeError)])
def test_a_tolerance_is_a_whole_number_of_pixels(tolerance, error):
    with pytest.raises(error, match=r"^tolerance must be"):
        metrics.pointing_game(MAP, MASK, tolerance=tolerance)


@pytest.mark.usefixtures("unannotated")
def test_more_values_than_pixels_are_refused():
    with pytest.raises(ValueError, match=r"k must be at most the number of pixels, 9; got 10\. Leave k out for 1\."):
        metrics.top_k_intersection(MAP, MASK, k=10)
