"""Resize, crop and normalise, by value."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from egcam_jax import data, models

PLAIN = models.Preprocess(size=4, resize=4, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1), scale=255.0)


def ramp(height, width):
    """Red counts the rows, green the columns, blue is constant."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, np.full_like(x, 7)], -1).astype(np.uint8)


def test_models_have_what_preprocessing_needs():
    assert isinstance(models.Preprocess(), data.Preprocess)


def test_nothing_is_resized_where_the_size_is_right():
    image = ramp(4, 4)
    np.testing.assert_array_equal(data.crop(image, PLAIN), image)
    np.testing.assert_array_equal(data.preprocess(image, PLAIN), image.astype(np.float32))


@pytest.mark.parametrize(
    ("height", "width", "top", "left"), [(4, 10, 0, 3), (10, 4, 3, 0), (4, 5, 0, 0), (4, 7, 0, 2), (8, 8, 0, 0)]
)
def test_the_centre_is_kept(height, width, top, left):
    settings = dataclasses.replace(PLAIN, resize=min(height, width))
    size = settings.size
    if min(height, width) > size:
        top = left = (min(height, width) - size) // 2
    expected = ramp(height, width)[top : top + size, left : left + size]
    np.testing.assert_array_equal(data.crop(ramp(height, width), settings), expected)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_the_shortest_side_is_resized_with_the_filter_named(name):
    image = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)
    settings = dataclasses.replace(PLAIN, size=6, resize=6, interpolation=name)
    whole = Image.fromarray(image).resize((9, 6), getattr(Image.Resampling, name.upper()))
    np.testing.assert_array_equal(data.crop(image, settings), np.asarray(whole)[:, 2:8])


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("shape", [(301, 452, 3), (97, 31, 3), (20, 21, 3)])
def test_resizing_the_centre_alone_gives_the_values_of_the_whole(name, shape):
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    settings = dataclasses.replace(PLAIN, size=50, resize=60, interpolation=name)
    height, width = (max(60, int(60 * side / min(shape[:2]))) for side in shape[:2])
    left, top = round((width - 50) / 2), round((height - 50) / 2)
    whole = Image.fromarray(image).resize((width, height), getattr(Image.Resampling, name.upper()))
    expected = np.asarray(whole.crop((left, top, left + 50, top + 50)))
    difference = np.abs(data.crop(image, settings).astype(int) - expected)
    # the nearest pixel is either of two where the distance to both is the same: a line or two of the fifty
    assert (difference > 1).mean() < (0.05 if name == "nearest" else 1e-9)


@pytest.mark.parametrize("shape", [(1, 120_000, 3), (3_000_000, 1, 3)])
def test_a_very_long_picture_takes_no_more_memory_than_its_centre(shape, monkeypatch):
    image = np.zeros(shape, np.uint8)
    image[shape[0] // 2 - 9 : shape[0] // 2 + 9, shape[1] // 2 - 9 : shape[1] // 2 + 9] = 200
    sizes = []
    resize = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda self, size, *a, **k: sizes.append(size) or resize(self, size, *a, **k)
    )
    np.testing.assert_array_equal(data.crop(image, models.Preprocess()), np.full((224, 224, 3), 200))
    assert sizes == [(224, 224)]


def test_values_are_scaled_centred_and_divided():
    image = np.full((4, 4, 3), (0, 51, 255), np.uint8)
    settings = dataclasses.replace(PLAIN, scale=1.0, mean=(0.5, 0.2, 0.25), std=(0.5, 1.0, 0.25))
    np.testing.assert_allclose(data.preprocess(image, settings)[0, 0], [-1, 0, 3], atol=1e-6)


def test_blue_first_with_the_mean_in_that_order():
    image = np.full((4, 4, 3), (1, 2, 3), np.uint8)
    settings = dataclasses.replace(PLAIN, bgr=True, mean=(10, 20, 30))
    np.testing.assert_allclose(data.preprocess(image, settings)[0, 0], [3 - 10, 2 - 20, 1 - 30])


def test_the_result_is_float32_and_square():
    result = data.preprocess(ramp(30, 50), models.Preprocess())
    assert result.dtype == np.float32
    assert result.shape == (224, 224, 3)


def test_preprocess_is_normalise_after_crop():
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    settings = models.Preprocess(size=16, resize=20)
    np.testing.assert_array_equal(
        data.preprocess(image, settings), data.normalise(data.crop(image, settings), settings)
    )


def test_pillow_images_are_taken_too():
    np.testing.assert_array_equal(data.crop(Image.fromarray(ramp(4, 4)), PLAIN), ramp(4, 4))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), TypeError, "must be 8-bit .*; got float32 values"),
        (np.zeros((4, 4), np.uint8), ValueError, r"got shape \(4, 4\)"),
        (np.zeros((3, 4, 4), np.uint8), ValueError, r"got shape \(3, 4, 4\)"),
    ],
)
def test_other_arrays_are_refused(image, error, message):
    with pytest.raises(error, match=message):
        data.crop(image, PLAIN)


def test_an_unknown_filter_is_refused():
    with pytest.raises(ValueError, match=r"must be one of nearest, bilinear.*; got 'cubic'"):
        data.crop(ramp(4, 4), dataclasses.replace(PLAIN, interpolation="cubic"))


def test_a_crop_larger_than_the_picture_is_refused():
    with pytest.raises(ValueError, match=r"the crop of 4 pixels is larger than .* 3;"):
        data.crop(ramp(9, 9), dataclasses.replace(PLAIN, resize=3))


def test_an_oblong_network_sees_the_centre_in_its_form():
    """Of 20 x 50 pixels, doubled to 40 x 100, the centre of 30 x 60."""
    settings = dataclasses.replace(PLAIN, size=(30, 60), resize=40, interpolation="nearest")
    image = np.random.default_rng(0).integers(0, 256, (20, 50, 3), np.uint8)
    expected = image.repeat(2, 0).repeat(2, 1)[5:35, 20:80]
    np.testing.assert_array_equal(data.crop(image, settings), expected)
    mask = np.zeros((20, 50), bool)
    mask[:, :25] = True
    wanted = mask.repeat(2, 0).repeat(2, 1)[5:35, 20:80]
    np.testing.assert_array_equal(data.crop_mask(mask, settings), wanted)


def test_a_tall_picture_covers_a_wide_network():
    """Of 30 x 10 pixels all the width is seen, and of the height as much as the form has."""
    settings = dataclasses.replace(PLAIN, size=(4, 8), resize=4, interpolation="nearest")
    assert data.crop(ramp(30, 8), settings)[:, :, 0].tolist() == [[13 + row] * 8 for row in range(4)]
    assert data.crop(ramp(30, 8), settings)[0, :, 1].tolist() == list(range(8))


def test_a_square_as_height_and_width_is_the_square():
    image = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    settings = dataclasses.replace(PLAIN, size=12, resize=20)
    np.testing.assert_array_equal(
        data.crop(image, settings), data.crop(image, dataclasses.replace(settings, size=(12, 12)))
    )


def test_a_network_of_grey_pictures_sees_the_luminance():
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 255, 100, 10
    settings = dataclasses.replace(PLAIN, mean=(0.5,), std=(0.25,), scale=1.0)
    x = data.preprocess(image, settings)
    grey = round(0.299 * 255 + 0.587 * 100 + 0.114 * 10) / 255
    assert x.shape == (4, 4, 1)
    np.testing.assert_allclose(x, (grey - 0.5) / 0.25, rtol=1e-5)
    with pytest.raises(ValueError, match=r"3 numbers in mean and in std, or 1 for grey pictures; got 2 and 1"):
        data.preprocess(image, dataclasses.replace(settings, mean=(0.5, 0.5)))
