"""Pictures by value: what is blended, what is refused, where things stand on the sheet."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from egcam_jax import render
from egcam_jax.render import _text

RAMP = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)


def luminance(rgb):
    """CIE lightness L* of sRGB colours in [0, 1]."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


def test_the_ends_of_the_colour_map_are_0_and_1():
    colours = render.colour_map(np.array([[0.0, 1.0]]), cmap="viridis")
    ends = np.array([matplotlib.colormaps["viridis"](end, bytes=True)[:3] for end in (0.0, 1.0)])
    np.testing.assert_array_equal(colours[0], ends)


def test_the_default_colour_map_rises_evenly_in_lightness():
    lightness = luminance(render.colour_map(RAMP).reshape(-1, 3) / 255)
    steps = np.diff(lightness[::16])
    assert steps.min() > 0
    assert steps.max() < 2 * np.mean(steps)


def test_the_default_stays_ordered_for_dichromats():
    # Machado, Oliveira and Fernandes (2009), severity 1: protanopia, deuteranopia
    protan = np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    )
    deutan = np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    )
    rgb = render.colour_map(RAMP).reshape(-1, 3)[::32] / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for seen in (protan, deutan):
        y = np.clip(linear @ seen.T, 0, 1) @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(y) > 0).all()


def test_a_map_of_zeros_leaves_the_faded_photograph():
    image = np.full((2, 2, 3), (200, 100, 50), np.uint8)
    grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    expected = np.rint(grey + 0.35 * (np.array([200, 100, 50]) - grey))
    np.testing.assert_array_equal(render.overlay(image, np.zeros((2, 2)))[0, 0], expected)


def test_a_map_of_ones_is_blended_by_alpha():
    image = np.full((2, 2, 3), 80, np.uint8)
    top = render.colour_map(np.ones((2, 2)))[0, 0].astype(float)
    result = render.overlay(image, np.ones((2, 2)), alpha=0.25)
    np.testing.assert_array_equal(result[0, 0], np.rint(0.75 * 80 + 0.25 * top))


@pytest.mark.parametrize(("saliency", "ramp"), [(0.25, 0.15625), (0.5, 0.5), (0.75, 0.84375)])
def test_the_colour_comes_in_along_the_ramp(saliency, ramp):
    image, map_ = np.full((1, 1, 3), 80, np.uint8), np.full((1, 1), saliency)
    colour = render.colour_map(map_)[0, 0].astype(float)
    expected = np.rint((1 - 0.5 * ramp) * 80 + 0.5 * ramp * colour)
    np.testing.assert_array_equal(render.overlay(image, map_, alpha=0.5)[0, 0], expected)


@pytest.mark.parametrize("background", [0, 60, 128, 200, 255])
def test_the_hot_end_stands_out_on_any_background(background):
    image = np.full((1, 2, 3), background, np.uint8)
    cold, hot = render.overlay(image, np.array([[0.0, 1.0]]))[0].astype(float)
    assert np.linalg.norm(hot - cold) > 100


def test_the_picture_is_seen_through_the_hot_end():
    image = np.array([[[0] * 3, [255] * 3]], np.uint8)
    dark, light = render.overlay(image, np.ones((1, 2)))[0].astype(int)
    assert (light - dark >= 50).all()


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(
    ("saliency", "message"),
    [
        (np.full((2, 2), np.nan), "4 of 4 values are NaN or infinite"),
        (np.array([[0.0, np.inf]]), "1 of 2 values are NaN or infinite"),
        (np.array([[0.0, 3.0]]), "from 0 to 1; got values from 0 to 3"),
        (np.zeros((1, 2, 2)), r"got shape \(1, 2, 2\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(saliency, message):
    with pytest.raises(ValueError, match=message):
        render.colour_map(saliency)


def test_nan_is_refused_on_a_photograph_too():
    with pytest.raises(ValueError, match="NaN"):
        render.overlay(np.zeros((2, 2, 3), np.uint8), np.full((2, 2), np.nan))


@pytest.mark.usefixtures("unannotated")
def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"got shapes \(4, 4, 3\) and \(2, 2\)"):
        render.overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2)))


@pytest.mark.usefixtures("unannotated")
def test_a_photograph_in_floats_is_refused():
    with pytest.raises(TypeError, match=r"image must be 8-bit \(uint8\).*; got float32 values"):
        render.overlay(np.zeros((2, 2, 3), np.float32), np.zeros((2, 2)))


def test_an_unknown_colour_map_is_refused():
    with pytest.raises(ValueError, match="got 'jett'"):
        render.colour_map(np.zeros((2, 2)), cmap="jett")


def test_alpha_outside_its_range_is_refused():
    with pytest.raises(ValueError, match=r"alpha must be .*; got 1\.5"):
        render.overlay(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), alpha=1.5)


def solid(colour, height=10, width=10):
    return np.full((height, width, 3), colour, np.uint8)


def test_pictures_stand_in_rows_and_columns():
    rows = [[solid((255, 0, 0)), solid((0, 255, 0))], [solid((0, 0, 255)), solid((9, 9, 9))]]
    sheet = render.grid(rows, height=20)
    assert sheet.shape == (8 + 2 * 28, 2 * 20 + 3 * 8, 3)
    for (top, left), colour in zip(
        [(8, 8), (8, 36), (36, 8), (36, 36)], [(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)]
    ):
        assert (sheet[top : top + 20, left : left + 20] == colour).all()
    assert (sheet[:8] == 255).all()


def test_pictures_of_different_sizes_get_one_height_and_keep_their_shape():
    sheet = render.grid([[solid(0, 10, 30), solid(0, 40, 40)]], height=20)
    assert sheet.shape == (8 + 28, 60 + 20 + 24, 3)


def test_titles_captions_and_the_bar_are_drawn_in_their_places():
    pair = [[solid(128, 40, 60), solid(128, 40, 60)]]
    plain = render.grid(pair, height=80)
    full = render.grid(pair, titles=["left", ""], captions=["below"], height=80, bar="plasma")
    assert full.shape[0] == plain.shape[0] + 24 + 24 + 24
    title = full[:28]
    assert (title[:, 8:128] < 100).any()
    assert (title[:, 136:] == 255).all()
    assert (full[32 + 80 : 32 + 80 + 24] < 100).any()
    bar = full[-20:-12].reshape(-1, 3)
    grey = solid(128, 1, 1)
    for level in (0.0, 1.0):
        assert (bar == render.overlay(grey, np.array([[level]]), cmap="plasma")).all(-1).any()


def test_the_bar_has_the_colours_that_the_overlay_gives_to_a_grey_photograph():
    levels = np.linspace(0, 1, 400)[None]
    drawn = render.overlay(solid(128, 1, 400), levels)[0]
    sheet = render.grid([[solid(0, 80, 400)]], height=80, bar=render.DEFAULT_COLOUR_MAP)
    line = sheet[-16]
    bar = line[(line != 255).any(-1)][60:-60]  # without the words beside it
    distance = np.abs(bar[:, None].astype(int) - drawn).sum(-1)
    assert distance.min(1).max() <= 6
    assert (np.diff(distance.argmin(1)) >= -3).all()  # neighbours may look alike
    assert not (bar == render.colour_map(np.zeros((1, 1)))[0, 0]).all(-1).any()


def test_labels_stand_below_their_pictures_wrapped_to_their_columns():
    red, green = solid((255, 0, 0), 40, 80), solid((0, 255, 0), 40, 80)
    label = "insertion 0.500 deletion 0.250"  # wider than 80 pixels, each word less
    sheet = render.grid([[red, green], [red, green]], labels=[["one", label], ["", ""]], height=40)
    plain = render.grid([[red, green]], height=40)
    below = sheet[8 + 40 : 8 + 40 + 4 * 20 + 8]
    assert (below[:20, 8:88] < 100).any()
    assert (below[20:, 8:88] == 255).all()
    for line in range(4):
        assert (below[2 + 20 * line : 22 + 20 * line, 96:176] < 100).any()
    assert (below[:, 177:] == 255).all()
    second = 8 + 40 + 4 * 20 + 8 + 8
    np.testing.assert_array_equal(sheet[second : second + 40], plain[8:48])
    assert sheet.shape[0] == second + 40 + 8 + 8


def test_a_word_too_long_for_its_column_is_broken_and_nothing_of_it_lost():
    text = "expected_gradcam_of_a_very_long_name and more"
    lines = _text.wrap(f"{text}\nlast", 80)
    assert "".join(lines[:-1]).replace(" ", "") == text.replace(" ", "")
    assert lines[-1] == "last"
    assert all(_text.length(line) <= 80 for line in lines)
    assert _text.wrap("one two", 800) == ["one two"]
    assert _text.wrap("", 80) == []


def test_a_long_title_is_cut_at_its_column():
    sheet = render.grid([[solid(255, 40, 80), solid(255, 40, 80)]], titles=["W" * 99, ""], height=40)
    assert (sheet[:28, 8:88] < 100).any()
    assert (sheet[:, 90:] == 255).all()
    short = render.grid([[solid(255, 40, 80), solid(255, 40, 80)]], titles=["WWWW…", ""], height=40)  # 74 pixels of 80
    np.testing.assert_array_equal(sheet, short)


def test_enlarging_invents_no_edges():
    image = np.zeros((2, 2, 3), np.uint8)
    image[:, 1] = 200
    row = render.grid([[image]], height=40)[28, 8:48, 0].astype(int)
    assert np.abs(np.diff(row)).max() < 30  # not the 200 of the edge between its two columns


@pytest.mark.parametrize("rows", [[], [[]], [[solid(0)], [solid(0), solid(0)]]])
def test_uneven_rows_are_refused(rows):
    with pytest.raises(ValueError, match="equally many"):
        render.grid(rows)


def test_labels_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="titles must be 2 or none; got 1"):
        render.grid([[solid(0), solid(0)]], titles=["one"])
    with pytest.raises(ValueError, match=r"labels must be one for each picture.*; got rows of \[1\]"):
        render.grid([[solid(0), solid(0)]], labels=[["one"]])


def test_a_png_holds_every_pixel(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    path = render.save_png(tmp_path / "a.png", image)
    with Image.open(path) as saved:
        assert saved.format == "PNG"
        np.testing.assert_array_equal(np.asarray(saved), image)


@pytest.mark.usefixtures("unannotated")
def test_only_8_bit_rgb_is_saved(tmp_path):
    with pytest.raises(ValueError, match="float64"):
        render.save_png(tmp_path / "a.png", np.zeros((2, 2, 3)))
