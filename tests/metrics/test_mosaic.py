"""Mosaics: their pixels, their masks, and the game on them."""

import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics


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


@pytest.mark.usefixtures("unannotated")
def test_rows_that_are_not_full_are_refused():
    with pytest.raises(ValueError, match="N a multiple of columns=2"):
        metrics.mosaic(np.ones((3, 4, 4, 1), np.float32))


def shrunk(line, factor):
    """Every ``factor``-th value of a line under a triangle of that half width, the ends by what they have."""
    found = []
    for i in range(len(line) // factor):
        centre = factor * i + (factor - 1) / 2
        weights = [max(0.0, 1 - abs(j - centre) / factor) for j in range(len(line))]
        found.append(np.dot(weights, line) / sum(weights))
    return np.array(found)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_every_cell_is_its_image_made_smaller(columns):
    images = np.random.default_rng(1).random((4, 8, 12, 2)).astype(np.float32)
    rows = 4 // columns
    made = metrics.mosaic(images, columns=columns)
    height, width = 8 // rows, 12 // columns
    assert made.x.shape == (8, 12, 2)
    assert made.masks.shape == (4, 8, 12)
    for i, image in enumerate(images):
        top, left = (i // columns) * height, (i % columns) * width
        want = np.apply_along_axis(shrunk, 0, image.astype(np.float64), rows)
        want = np.apply_along_axis(shrunk, 1, want, columns)
        np.testing.assert_allclose(made.x[top : top + height, left : left + width], want, atol=1e-5)
        cell = np.zeros((8, 12), bool)
        cell[top : top + height, left : left + width] = True
        np.testing.assert_array_equal(made.masks[i], cell)


def test_the_masks_part_the_mosaic():
    """Also where the size is no multiple of the rows and columns: the mosaic is then a little smaller."""
    made = metrics.mosaic(np.ones((6, 7, 7, 1), np.float32), columns=3)
    assert made.x.shape == (6, 6, 1)  # 2 rows of 3 pixels, 3 columns of 2
    np.testing.assert_array_equal(made.masks.sum(axis=0), 1)
    np.testing.assert_array_equal(made.masks.sum(axis=(1, 2)), 6)


def test_the_game_by_hand():
    """Of 6 that speak for the class 4 lie in its cell, the one at the top left; -9 and -1 speak against it."""
    saliency = np.array([[3, 1, 0, 2], [0, -9, 0, 0], [0, 0, -1, 0], [0, 0, 0, 0]], np.float32)
    masks = metrics.mosaic(np.ones((4, 2, 2, 1), np.float32), shrink=False).masks
    shares = [float(metrics.grid_pointing_game(saliency, mask).value) for mask in masks]
    np.testing.assert_allclose(shares, [4 / 6, 2 / 6, 0, 0], rtol=1e-6)
    assert np.isnan(metrics.grid_pointing_game(-jnp.abs(saliency), masks[0]).value)


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        (np.ones((4, 4, 1), np.float32), {}, ValueError, r"^images must have shape \(N, H, W, C\)"),
        (np.ones((4, 4), np.float32), {}, ValueError, "^images must have shape"),
        (np.ones((4, 4, 4, 1), int), {}, TypeError, "^images must be floating"),
        (np.ones((4, 4, 4, 1), np.float32), {"columns": 0}, ValueError, "^columns must be at least 1"),
        (np.ones((4, 4, 4, 1), np.float32), {"shrink": "no"}, TypeError, "^shrink must be True or False"),
        (np.ones((4, 1, 4, 1), np.float32), {}, ValueError, "^images must have at least 2 x 2 pixels, .* got 1 x 4"),
    ],
)
def test_bad_input_is_named(images, options, error, message):
    with pytest.raises(error, match=message):
        metrics.mosaic(images, **options)
