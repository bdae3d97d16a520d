"""Curves with bands: the mean, the band and each image's curve are where their values are."""

import warnings

import numpy as np
import pytest

from egcam_jax import render
from egcam_jax.render._bands import COLOURS

POSITIONS = np.linspace(0, 1, 11)
BLUE = tuple(int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5))


def line(picture):
    """Rows and columns of the lower half where the first colour stands pure: the mean's line."""
    half = picture[len(picture) // 2 :]
    rows, columns = np.nonzero((np.abs(half.astype(int) - BLUE) <= 2).all(axis=-1))
    return rows, columns


def test_the_mean_rises_with_its_values():
    rising = np.tile(POSITIONS, (4, 1))
    rows, columns = line(render.bands({"score": {"a": rising}}, POSITIONS))
    left, right = rows[columns == columns.min()].mean(), rows[columns == np.percentile(columns, 90, method="nearest")]
    assert left > right.min() + 100  # rows count downwards


def test_the_band_is_wider_where_images_differ():
    values = np.vstack([0.5 + 0.2 * POSITIONS, 0.5 - 0.2 * POSITIONS])
    apart = render.bands({"score": {"a": values}}, POSITIONS)
    together = render.bands({"score": {"a": np.full((2, 11), 0.5)}}, POSITIONS)
    tinted = [(it[len(it) // 2 :].astype(int).std(axis=-1) > 5).sum() for it in (apart, together)]
    assert tinted[0] > 10 * tinted[1]


def test_gaps_and_a_single_image_are_drawn_without_a_word():
    gaps = np.where(POSITIONS < 0.3, np.nan, POSITIONS)[None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = render.bands({"one": {"a": gaps}, "two": {"a": gaps, "b": gaps[:, ::-1]}}, POSITIONS)
    assert picture.dtype == np.uint8
    assert picture.shape[1] > picture.shape[0]


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="panels"):
        render.bands({"score": {}}, POSITIONS)
