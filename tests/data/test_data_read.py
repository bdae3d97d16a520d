"""Every format and mode becomes the same upright RGB; every bad file names itself and the remedy."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from egcam_jax import data

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture
def picture():
    """Four distinguishable corners: red, green, blue, dark grey; 8 wide, 6 high."""
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[:3, :4], pixels[:3, 4:], pixels[3:, :4], pixels[3:, 4:] = RED, GREEN, BLUE, (40, 40, 40)
    return pixels


@pytest.mark.parametrize(
    ("suffix", "options", "tolerance"),
    [
        (".png", {}, 0),
        (".webp", {"lossless": True}, 0),
        (".bmp", {}, 0),
        (".tif", {}, 0),
        (".jpg", {"quality": 100, "subsampling": 0}, 4),
    ],
)
def test_formats_give_the_pixels_that_were_saved(tmp_path, picture, suffix, options, tolerance):
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(picture).save(path, **options)
    result = data.read(path)
    assert result.dtype == np.uint8
    assert result.shape == (6, 8, 3)
    assert np.abs(result.astype(int) - picture).max() <= tolerance


def test_the_format_is_told_by_the_content_not_the_name(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(data.read(tmp_path / "a.jpg"), picture)


# What a camera stores for an upright picture when it is held as each EXIF orientation says.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_exif_orientation_is_undone(tmp_path, picture, orientation, suffix):
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"held{suffix}"
    stored = np.ascontiguousarray(STORED[orientation](picture))
    options = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}, ".png": {}}[suffix]
    Image.fromarray(stored).save(path, exif=exif.tobytes(), **options)
    assert np.abs(data.read(path).astype(int) - picture).max() <= 4


def test_grey_becomes_three_equal_channels(tmp_path):
    grey = np.array([[0, 100], [200, 255]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(data.read(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, -1))


def test_black_and_white_become_0_and_255(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "one_bit.png")
    assert data.read(tmp_path / "one_bit.png").tolist() == [[[255] * 3, [0] * 3]]


def test_a_palette_is_looked_up(tmp_path, picture):
    palette = Image.fromarray(picture).quantize(8)
    assert palette.mode == "P"
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(data.read(tmp_path / "palette.png"), picture)


def test_a_transparent_palette_entry_is_white(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([*RED, *BLUE])
    image.save(tmp_path / "p.png", transparency=1)
    assert data.read(tmp_path / "p.png").tolist() == [[list(RED), [255] * 3]]


def test_alpha_is_laid_on_white_in_proportion(tmp_path):
    pixels = np.array([[(255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 51)]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "alpha.png")
    assert data.read(tmp_path / "alpha.png").tolist() == [[[255, 0, 0], [255, 255, 255], [204, 204, 204]]]


def test_grey_with_alpha(tmp_path):
    Image.fromarray(np.array([[(0, 255), (0, 0)]], np.uint8)).save(tmp_path / "la.png")
    assert data.read(tmp_path / "la.png").tolist() == [[[0] * 3, [255] * 3]]


def test_cmyk_inks_become_light(tmp_path):
    inks = np.zeros((8, 16, 4), np.uint8)
    inks[:, 8:, 1:3] = 255  # magenta and yellow make red
    Image.frombytes("CMYK", (16, 8), inks.tobytes()).save(tmp_path / "cmyk.jpg", quality=100)
    result = data.read(tmp_path / "cmyk.jpg").astype(int)
    assert np.abs(result[4, 2] - 255).max() <= 4
    assert np.abs(result[4, 13] - RED).max() <= 8


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    grey = np.array([[0, 257, 32768, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    assert data.read(tmp_path / "deep.png")[..., 0].tolist() == [[0, 1, 128, 255]]


def test_floating_grey_from_0_to_1(tmp_path):
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(tmp_path / "float.tif")
    assert data.read(tmp_path / "float.tif")[..., 0].tolist() == [[0, 128, 255]]


def test_floating_grey_of_an_unknown_range_is_refused(tmp_path):
    Image.fromarray(np.array([[0.0, 7.5]], np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(data.ImageFileError, match=r"float\.tif.*0\.0 to 7\.5.*scale the image"):
        data.read(tmp_path / "float.tif")


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert data.read(tmp_path / "moving.webp")[0, 0].tolist() == list(RED)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jpg: no such file; check the spelling"):
        data.read(tmp_path / "nowhere.jpg")


def test_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a directory; name an image file"):
        data.read(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(data.ImageFileError, match="not a regular file"):
        data.read(tmp_path / "pipe.png")


@pytest.mark.parametrize(
    ("name", "reason"), [("loop.png", "Too many levels of symbolic links"), ("x" * 300 + ".png", "File name too long")]
)
def test_what_cannot_be_opened_names_itself_and_the_reason(tmp_path, name, reason):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert data.expand(tmp_path / name) == [tmp_path / name]
    for look in (data.read, data.probe):
        with pytest.raises(OSError, match=rf"{name}: cannot be opened \({reason}\); name an image file"):
            look(tmp_path / name)


def test_a_path_through_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="not a directory"):
        data.read(tmp_path / "file" / "a.jpg")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read anything")
def test_no_permission(tmp_path, picture):
    path = tmp_path / "secret.png"
    Image.fromarray(picture).save(path)
    path.chmod(0)
    with pytest.raises(PermissionError, match=r"secret\.png: no permission to read it; try `chmod"):
        data.read(path)


def test_no_permission_as_the_system_reports_it(tmp_path, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(PermissionError, match=r"secret\.png: no permission to read it; try `chmod"):
        data.read(tmp_path / "secret.png")


def test_not_an_image(tmp_path):
    (tmp_path / "notes.jpg").write_text("not a picture at all")
    with pytest.raises(data.ImageFileError, match=r"notes\.jpg: not an image.*convert it"):
        data.read(tmp_path / "notes.jpg")


def test_formats_that_start_other_programs_are_not_tried(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "drawing.eps")
    with pytest.raises(data.ImageFileError, match="not an image in a known format"):
        data.read(tmp_path / "drawing.eps")


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(data.ImageFileError, match=r"empty\.png: the file is empty"):
        data.read(tmp_path / "empty.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_file_cut_short(tmp_path, suffix, kept):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(data.ImageFileError, match=rf"cut\{suffix}: .*(damaged or cut short|not an image)"):
        data.read(path)


def test_a_damaged_png_checksum(tmp_path, picture):
    path = tmp_path / "flipped.png"
    Image.fromarray(picture).save(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(data.ImageFileError, match="damaged or cut short"):
        data.read(path)


def _claims(width, height):
    """A sound PNG header that claims a size, before any pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    end = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + chunk + end


@pytest.mark.parametrize("side", [10_000, 50_000])
@pytest.mark.parametrize("look", [data.read, data.probe])
def test_a_decompression_bomb_gives_its_pixels_and_the_limit(tmp_path, side, look):
    (tmp_path / "bomb.png").write_bytes(_claims(side, side))
    pattern = rf"bomb\.png: {side * side} pixels, more than .*limit is {Image.MAX_IMAGE_PIXELS}\).*smaller copy"
    with pytest.raises(data.ImageFileError, match=pattern):
        look(tmp_path / "bomb.png")


def test_probe_gives_the_size_from_the_header(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert data.probe(tmp_path / "a.png") == (8, 6)
