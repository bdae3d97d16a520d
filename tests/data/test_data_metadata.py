"""Metadata never makes a picture unreadable, and never hides what does: damaged pixels are still an error."""

import struct
import zlib

import numpy as np
import pytest
from pictures import noise, png
from PIL import Image

from egcam_jax import data

PICTURE = noise(3)


def chunk(name, content, crc=None):
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content) if crc is None else crc)
    )


def with_chunk(content, extra, before=b"IDAT"):
    at = content.index(before) - 4
    return content[:at] + extra + content[at:]


EXIF_6 = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
LONG = b"Comment\0\0" + zlib.compress(b"x" * 5_000_000)
ODD = {
    "a damaged eXIf": chunk(b"eXIf", b"MM\x00*\xff\xff\xff\xff garbage"),
    "an eXIf that is none": chunk(b"eXIf", b"garbage"),
    "an empty eXIf": chunk(b"eXIf", b""),
    "an eXIf with a wrong checksum": chunk(b"eXIf", EXIF_6, 0),
    "a long text": chunk(b"zTXt", LONG),
    "a long international text": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"x" * 5_000_000)),
    "a text with a wrong checksum": chunk(b"tEXt", b"Comment\0hello", 1),
    "a text that cannot be expanded": chunk(b"zTXt", b"Comment\0\0 no zlib"),
    "a text of an unknown compression": chunk(b"zTXt", b"Comment\0\7abc"),
    "a bad profile": chunk(b"iCCP", b"profile\0\0 no zlib"),
    "a profile of an unknown compression": chunk(b"iCCP", b"profile\0\7abc"),
    "a short size of pixels": chunk(b"pHYs", b"\0\0"),
    "a short gamma": chunk(b"gAMA", b"\0"),
    "a short rendering intent": chunk(b"sRGB", b""),
    "short primaries": chunk(b"cHRM", b"\0\0\0"),
    "a chunk of nobody's": chunk(b"prVt", b"x" * 70_000),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_odd_metadata_of_a_png_does_not_matter(tmp_path, kind, before):
    if (kind, before) == ("an eXIf with a wrong checksum", b"IEND"):
        pytest.skip("behind the pixels Pillow reads it all the same")
    (tmp_path / "a.png").write_bytes(with_chunk(png(PICTURE), ODD[kind], before))
    np.testing.assert_array_equal(data.read(tmp_path / "a.png"), PICTURE)
    assert data.probe(tmp_path / "a.png") == (30, 20)


def test_a_good_orientation_beside_bad_metadata_still_turns(tmp_path):
    content = with_chunk(png(PICTURE), chunk(b"eXIf", EXIF_6) + ODD["a long text"])
    (tmp_path / "a.png").write_bytes(content)
    np.testing.assert_array_equal(data.read(tmp_path / "a.png"), np.rot90(PICTURE, -1))


def test_transparency_stays_where_metadata_is_left_out(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "p.png", transparency=1)
    (tmp_path / "p.png").write_bytes(with_chunk((tmp_path / "p.png").read_bytes(), ODD["a long text"]))
    assert data.read(tmp_path / "p.png").tolist() == [[[255, 0, 0], [255, 255, 255]]]


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


JPEG_ODD = {
    "a damaged EXIF": segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"),
    "an EXIF that is none": segment(0xE1, b"Exif\0\0 garbage"),
    "an EXIF directory cut short": segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x40\x01\x12"),
    "a bad profile": segment(0xE2, b"ICC_PROFILE\0\x01\x02 garbage"),
    "a bad list of pictures": segment(0xE2, b"MPF\0 garbage"),
    "bad records of Photoshop": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\xff\xff\xff"),
    "a short JFIF": segment(0xE0, b"JFIF\0"),
    "a bad XMP": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x"),
    "a comment": segment(0xFE, b"\xff\xfe" * 30_000),
}


@pytest.mark.parametrize("kind", JPEG_ODD)
def test_odd_metadata_of_a_jpeg_does_not_matter(tmp_path, kind):
    Image.fromarray(PICTURE).save(tmp_path / "good.jpg", quality=90)
    content = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[:2] + JPEG_ODD[kind] + content[2:])
    np.testing.assert_array_equal(data.read(tmp_path / "a.jpg"), data.read(tmp_path / "good.jpg"))


@pytest.mark.parametrize("suffix", [".webp", ".tif"])
def test_a_damaged_exif_elsewhere(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    exif = b"Exif\0\0MM\0*\xff\xff\xff\xff" if suffix == ".webp" else Image.Exif()
    Image.fromarray(PICTURE).save(tmp_path / f"a{suffix}", exif=exif, **options)
    np.testing.assert_array_equal(data.read(tmp_path / f"a{suffix}"), PICTURE)


def test_damaged_pixels_beside_odd_metadata_are_an_error(tmp_path):
    content = bytearray(with_chunk(png(PICTURE), ODD["a long text"]))
    content[content.index(b"IDAT") + 40] ^= 0xFF
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(data.ImageFileError, match=r"a\.png: .*(damaged or cut short|not an image)"):
        data.read(tmp_path / "a.png")


def test_a_mask_with_odd_metadata_reads(tmp_path):
    mask = noise(5)[..., 0] > 128
    (tmp_path / "a.png").write_bytes(png(PICTURE))
    (tmp_path / "a_mask.png").write_bytes(with_chunk(png(mask.astype(np.uint8)), ODD["a long text"]))
    np.testing.assert_array_equal(data.open_source(str(tmp_path))[0].mask, mask)


def tiff12(values):
    """A TIFF file of 12 bits for each value, two in three bytes, as cameras of microscopes write it."""
    pairs = values.reshape(-1, 2).astype(int)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1)
    pixels = packed.astype(np.uint8).tobytes()
    height, width = values.shape
    tags = [
        (256, width),
        (257, height),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, len(pixels)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    start = 8 + len(pixels)
    return b"II*\0" + struct.pack("<I", start) + pixels + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"


def test_twelve_bits_reach_white(tmp_path):
    values = np.array([[0, 2048, 4095, 1024]], np.uint16)
    Image.fromarray(values).save(tmp_path / "in16.png")
    assert data.read(tmp_path / "in16.png")[0, :, 0].tolist() == [0, 128, 255, 64]
    (tmp_path / "in12.tif").write_bytes(tiff12(values // 4))
    assert data.read(tmp_path / "in12.tif")[0, :, 0].tolist() == [0, 32, 64, 16]  # its white is declared
    Image.fromarray(np.array([[0, 7, 200]], np.uint16)).save(tmp_path / "in16.tif")
    assert data.read(tmp_path / "in16.tif")[0, :, 0].tolist() == [0, 7, 200]


def test_sixteen_bits_where_0_is_white(tmp_path):
    Image.fromarray(np.array([[0, 65535, 21845]], np.uint16)).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert data.read(tmp_path / "a.tif")[0, :, 0].tolist() == [255, 0, 170]


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4)])
def test_colours_of_sixteen_bits(tmp_path, colour, channels):
    def written(values):
        header = struct.pack(">IIBBBBB", 2, 1, 16, colour, 0, 0, 0)
        pixels = np.full((2, channels), 65535, ">u2")
        pixels[:, :3] = values
        body = chunk(b"IDAT", zlib.compress(b"\0" + pixels.tobytes()))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")

    (tmp_path / "a.png").write_bytes(written([[65535, 0, 32768], [257, 514, 65280]]))
    assert data.read(tmp_path / "a.png").tolist() == [[[255, 0, 128], [1, 2, 255]]]
    (tmp_path / "dark.png").write_bytes(written([[4095, 0, 2048], [100, 200, 300]]))
    with pytest.raises(data.ImageFileError, match=r"dark\.png: colours of 16 bits must reach beyond 4095"):
        data.read(tmp_path / "dark.png")


def test_floating_colours_say_what_to_do(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    with pytest.raises(data.ImageFileError, match="such as TIFF with floating colours; convert it to JPEG or PNG"):
        data.read(tmp_path / "a.tif")
