"""The localisation metrics and the mosaics: by hand, and for the best and the worst map."""

import jax.numpy as jnp
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


def test_the_best_and_the_worst_map():
    for metric in EVERY:
        assert float(getattr(metrics, metric)(MASK * 2.0, MASK).value) == 1
        assert float(getattr(metrics, metric)(~MASK * 2.0, MASK).value) == 0


def test_scale_does_not_count():
    for metric in EVERY:
        one, other = (getattr(metrics, metric)(it, MASK).value for it in (MAP, 300 * MAP))
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_mass_that_moves_onto_the_object_never_scores_worse():
    draw = np.random.default_rng(0)
    for _ in range(20):
        one, mask = draw.random((5, 5)).astype(np.float32), draw.random((5, 5)) > 0.5
        other = one.copy()
        other[tuple(draw.choice(np.argwhere(mask)))] += 0.4
        other[tuple(draw.choice(np.argwhere(~mask)))] -= 0.4
        for metric in ("relevance_mass_accuracy", "relevance_rank_accuracy", "energy_pointing_game"):
            score = getattr(metrics, metric)
            assert score(other, mask).value >= score(one, mask).value


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


def test_more_values_than_pixels_are_refused():
    with pytest.raises(ValueError, match="k must be at most the number of pixels, 9; got 10"):
        metrics.top_k_intersection(MAP, MASK, k=10)


def test_a_mosaic_is_its_images_row_by_row():
    images = np.arange(4.0)[:, None, None, None] * np.ones((1, 2, 3, 1))
    made = metrics.mosaic(jnp.asarray(images, jnp.float32), shrink=False)
    np.testing.assert_array_equal(
        made.x[..., 0],
        [[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1], [2, 2, 2, 3, 3, 3], [2, 2, 2, 3, 3, 3]],
    )
    for i, mask in enumerate(made.masks):
        np.testing.assert_array_equal(mask, made.x[..., 0] == i)
    row = metrics.mosaic(jnp.asarray(images, jnp.float32), columns=4, shrink=False)
    assert row.x.shape == (2, 12, 1)


def test_a_mosaic_shrinks_to_the_size_of_one_image():
    ramp = np.linspace(0, 1, 16, dtype=np.float32)
    images = np.stack([np.broadcast_to(level + ramp[:, None, None], (16, 16, 2)) for level in range(4)])
    made = metrics.mosaic(images)
    assert made.x.shape == (16, 16, 2)
    np.testing.assert_array_equal(made.masks.sum(axis=(1, 2)), 64)
    for image, mask in zip(images, made.masks):
        np.testing.assert_allclose(made.x[mask].mean(axis=0), image.mean(axis=(0, 1)), rtol=1e-3)


def test_a_map_that_knows_the_class_points_at_its_cell():
    made = metrics.mosaic(np.random.default_rng(0).random((4, 4, 4, 1)).astype(np.float32), shrink=False)
    np.testing.assert_array_equal(metrics.grid_pointing_game(made.masks * 1.0, made.masks).value, 1)
    np.testing.assert_allclose(metrics.grid_pointing_game(jnp.ones((4, 8, 8)), made.masks).value, 1 / 4)
    signed = made.masks * 1.0 - 5 * made.masks[::-1]  # what speaks against it does not count
    np.testing.assert_array_equal(metrics.grid_pointing_game(signed, made.masks).value, 1)


def test_rows_that_are_not_full_are_refused():
    with pytest.raises(ValueError, match="N a multiple of columns=2"):
        metrics.mosaic(np.ones((3, 4, 4, 1), np.float32))
