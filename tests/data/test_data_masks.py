"""Masks as people draw them: what is the object, in values of every kind; and which picture a mask is of."""

import io

import numpy as np
import pytest
from pictures import noise, save
from PIL import Image, ImageFilter

from egcam_jax import data

OBJECT = np.zeros((40, 60), bool)
OBJECT[10:30, 15:35] = True


def seen(tmp_path, mask, name="a_mask.png", **options):
    """The object that is read from a mask of a picture of its size."""
    image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
    save(tmp_path / "a.png", noise(0, image.height, image.width))
    image.save(tmp_path / name, **options)
    return data.open_source(str(tmp_path))[0].mask


def rows(*values):
    return np.array([values], np.uint8)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (rows(0, 1, 1, 0), "0110"),
        (rows(0, 255, 255, 0), "0110"),
        (rows(0, 7, 7, 0), "0110"),
        (rows(0, 1, 2, 20), "0111"),
        (rows(0, 15, 255, 0), "0100"),
        (rows(0, 1, 20, 255), "0110"),
        (rows(0, 0, 255, 255), "0011"),
        (rows(0, 60, 127, 128, 200, 255), "000111"),
        (rows(0, 3, 127, 255), "0001"),
        (rows(2, 250, 253, 4), "0110"),
        (np.array([[0, 1, 2, 0]], np.uint16), "0110"),
        (np.array([[0, 1, 65535, 0]], np.uint16), "0010"),
        (np.array([[0, 32767, 32768, 65535]], np.uint16), "0011"),
        (rows(0, 0, 0, 0), "0000"),
        (rows(255, 255, 255, 255), "1111"),
    ],
)
def test_values_of_grey(tmp_path, values, wanted):
    assert "".join(str(int(one)) for one in seen(tmp_path, values)[0]) == wanted


def test_numbers_of_classes_with_voids_border(tmp_path):
    """As the masks of semantic segmentation have them: areas, and a thin border that is neither."""
    numbers = np.where(OBJECT, 87, 0).astype(np.uint8)
    numbers[10, 15:35] = numbers[29, 15:35] = 255
    wanted = OBJECT.copy()
    wanted[[10, 29]] = False
    np.testing.assert_array_equal(seen(tmp_path, numbers), wanted)


def areas(*numbers):
    """Squares of 10 x 10 pixels with these numbers, in a corner of a background of 0."""
    values = np.zeros((40, 60), np.uint8)
    values[:10, : 10 * len(numbers)] = np.repeat(numbers, 10)
    return values


@pytest.mark.parametrize(("numbers", "wanted"), [((150, 20), 200), ((130, 40, 5), 300), ((0, 255), 100), ((9, 0), 100)])
def test_numbers_of_classes_above_half_of_the_range(tmp_path, numbers, wanted):
    assert seen(tmp_path, areas(*numbers)).sum() == wanted


def test_void_beside_numbers_of_classes_above_half_of_the_range(tmp_path):
    values = areas(150, 20)
    values[10, :20] = 255
    assert seen(tmp_path, values).sum() == 200


@pytest.mark.parametrize(("dark", "light"), [(10, 200), (50, 255)])
def test_a_grey_background_is_no_class(tmp_path, dark, light):
    values = np.where(OBJECT, light, dark).astype(np.uint8)
    np.testing.assert_array_equal(seen(tmp_path, values), OBJECT)


@pytest.mark.parametrize("quality", [30, 50, 75, 90])
def test_the_noise_of_a_lossy_webp_is_no_object(tmp_path, quality):
    values = OBJECT.astype(np.uint8) * 255
    np.testing.assert_array_equal(seen(tmp_path, values, "a_mask.webp", quality=quality), OBJECT)


@pytest.mark.parametrize(
    ("values", "name"),
    [(areas(7, 20), "a_mask.jpg"), (np.where(OBJECT, 90, 30).astype(np.uint8), "a_mask.png")],
)
def test_a_mask_that_would_be_empty_though_values_are_drawn_says_what_to_do(tmp_path, values, name):
    with pytest.raises(OSError, match=r"must reach half of its range, or have numbers of classes.*PNG with 0 and 255"):
        seen(tmp_path, values, name)


def test_jpegs_noise_is_no_object(tmp_path):
    file = io.BytesIO()
    Image.fromarray(OBJECT.astype(np.uint8) * 255).save(file, "jpeg", quality=60)
    noisy = Image.open(file)
    assert (np.asarray(noisy) > 0).sum() > OBJECT.sum() + 20
    np.testing.assert_array_equal(seen(tmp_path, noisy), OBJECT)
    (tmp_path / "a_mask.png").unlink()
    (tmp_path / "a_mask.jpg").write_bytes(file.getvalue())
    source = data.open_source(str(tmp_path))
    assert source.ids == ("a.png",)
    np.testing.assert_array_equal(source[0].mask, OBJECT)


def test_soft_edges_are_cut_at_half(tmp_path):
    soft = Image.fromarray(OBJECT.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(2))
    np.testing.assert_array_equal(seen(tmp_path, soft), np.asarray(soft) >= 128)


def test_a_floating_mask_from_0_to_1(tmp_path):
    soft = np.where(OBJECT, 0.5, 0.49).astype(np.float32)
    save(tmp_path / "a.png", noise(0, 40, 60))
    Image.fromarray(soft).save(tmp_path / "m.tif")
    (tmp_path / "labels.csv").write_text("file,class_index,mask\na.png,1,m.tif\n")
    np.testing.assert_array_equal(data.open_source(str(tmp_path))[0].mask, OBJECT)


def palette(indices, colours):
    image = Image.fromarray(indices.astype(np.uint8)).convert("P")
    image.putdata(indices.astype(np.uint8).ravel().tolist())
    image.putpalette([value for colour in colours for value in colour])
    return image


def test_a_coloured_palette_has_classes_and_void(tmp_path):
    """As VOC's: black, maroon, green, and 255 for the border."""
    colours = [(0, 0, 0), (128, 0, 0), (0, 128, 0), *[(9, 9, 9)] * 252, (224, 224, 192)]
    numbers = np.where(OBJECT, 2, 0)
    numbers[10] = 255
    numbers[0, 0] = 1
    wanted = OBJECT.copy()
    wanted[10], wanted[0, 0] = False, True
    np.testing.assert_array_equal(seen(tmp_path, palette(numbers, colours)), wanted)


def test_a_palette_of_white_and_black_is_seen_by_its_colours(tmp_path):
    np.testing.assert_array_equal(seen(tmp_path, palette(~OBJECT, [(255, 255, 255), (0, 0, 0)])), OBJECT)


def test_colours_are_classes_but_for_vocs_border(tmp_path):
    colours = np.zeros((40, 60, 3), np.uint8)
    colours[OBJECT] = (64, 0, 0)
    colours[5:10, 15:35] = (224, 224, 192)
    np.testing.assert_array_equal(seen(tmp_path, colours), OBJECT)


@pytest.mark.parametrize("drawn", ["white on clear", "black on clear", "a cut-out", "white on black"])
def test_alpha(tmp_path, drawn):
    pixels = {
        "white on clear": np.full((40, 60, 3), 255, np.uint8),
        "black on clear": np.zeros((40, 60, 3), np.uint8),
        "a cut-out": noise(3, 40, 60),
        "white on black": np.repeat(OBJECT[..., None], 3, -1).astype(np.uint8) * 255,
    }[drawn]
    alpha = np.full((40, 60), 255, np.uint8) if drawn == "white on black" else OBJECT.astype(np.uint8) * 255
    np.testing.assert_array_equal(seen(tmp_path, np.dstack([pixels, alpha])), OBJECT)


@pytest.mark.parametrize(
    "name",
    [
        *("a_MASK.png", "a_mask.PNG", "A_mask.png", "a.Mask.png", "a_mask.jpg", "a.png_mask.png"),
        *("a-mask.png", "a mask.png", "a_masks.png"),
    ],
)
def test_names_of_masks(tmp_path, name):
    mask = seen(tmp_path, OBJECT.astype(np.uint8) * 255, name)
    np.testing.assert_array_equal(mask, OBJECT)
    assert [path.name for path in data.expand(tmp_path)] == ["a.png"]


def test_a_mask_of_two_pictures_is_refused_and_each_may_have_its_own(tmp_path):
    for i, name in enumerate(("a.png", "a.bmp")):
        save(tmp_path / name, noise(i, 40, 60))
    save(tmp_path / "a_mask.png", OBJECT)
    with pytest.raises(ValueError, match=r"a_mask\.png: is the mask of a\.bmp and a\.png.*a\.bmp_mask\.png"):
        data.open_source(str(tmp_path))
    (tmp_path / "a_mask.png").rename(tmp_path / "a.bmp_mask.png")
    save(tmp_path / "a.png_mask.png", ~OBJECT)
    source = data.open_source(str(tmp_path))
    assert source.ids == ("a.bmp", "a.png")
    np.testing.assert_array_equal(source[0].mask, OBJECT)
    np.testing.assert_array_equal(source[1].mask, ~OBJECT)


def test_two_masks_of_a_picture_are_refused(tmp_path):
    save(tmp_path / "a.png", noise(0, 40, 60))
    save(tmp_path / "a_mask.png", OBJECT)
    save(tmp_path / "a.mask.png", ~OBJECT)
    with pytest.raises(ValueError, match=r"a\.png: has the masks a\.mask\.png and a_mask\.png\. Keep one"):
        data.open_source(str(tmp_path))


def test_a_mask_without_its_picture_is_told(tmp_path):
    save(tmp_path / "a.png", noise(0))
    save(tmp_path / "b_mask.png", OBJECT)
    source = data.open_source(str(tmp_path))
    assert source.ids == ("a.png",)
    assert data.passed_over(source)[0].name == "b_mask.png"
    assert "named as a mask" in data.told(data.passed_over(source))


def test_a_photograph_of_a_mask_is_no_mask(tmp_path):
    save(tmp_path / "party-mask.png", noise(0))
    source = data.open_source(str(tmp_path))
    assert (source.ids, source.has_masks, source.passed) == (("party-mask.png",), False, ())


def test_a_picture_whose_name_ends_like_a_masks_may_have_one(tmp_path):
    save(tmp_path / "oxygen_mask.png", noise(0, 40, 60))
    save(tmp_path / "oxygen_mask_mask.png", OBJECT)
    source = data.open_source(str(tmp_path))
    assert source.ids == ("oxygen_mask.png",)
    np.testing.assert_array_equal(source[0].mask, OBJECT)
