"""A picture's metadata: only the orientation matters, and damage to the rest does not."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from egcam_jax.data._extras import filtered

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS")
_JPEG_KEPT = (0xE1, 0xEE)
"""Segments of applications that stay: EXIF, and Adobe's, which says what the colours are."""


def orientation(image: Image.Image) -> int | None:
    """How the camera was held: EXIF's number from 1 to 8, or ``None`` where it says nothing that can be read."""
    try:
        with filtered("ignore", UserWarning):
            value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # a damaged directory can fail anywhere in it
        return None
    return int(value) if isinstance(value, int | float) and value in range(1, 9) else None


def turn(stored: Any, held: int | None) -> Any:
    """Turn an array upright, its first two axes the rows and columns that a camera stored.

    Args:
        stored: ``(H, W, ...)`` pixels, or a mask of them.
        held: EXIF's orientation.

    Returns:
        ``(H, W, ...)``, or ``(W, H, ...)`` for 5 to 8.
    """
    if held in (5, 6, 7, 8):
        stored = stored.swapaxes(0, 1)
    rows = -1 if held in (3, 4, 7, 8) else 1
    columns = -1 if held in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(stored[::rows, ::columns])


def stored_size(upright: tuple[int, int], held: int | None) -> tuple[int, int]:
    """Height and width as the camera stored them."""
    return upright[::-1] if held in (5, 6, 7, 8) else upright


def without_metadata(content: bytes) -> bytes | None:
    """A PNG or JPEG file with its pixels, transparency and orientation alone; ``None`` where it is neither."""
    try:
        if content.startswith(_PNG):
            return _PNG + b"".join(chunk for chunk in _chunks(content) if _is_kept(chunk))
        if content.startswith(b"\xff\xd8\xff"):
            return b"\xff\xd8" + b"".join(_segments(content))
    except (struct.error, IndexError):
        return None
    return None


def _chunks(content: bytes) -> Iterator[bytes]:
    start = len(_PNG)
    while start < len(content):
        (length,) = struct.unpack_from(">I", content, start)
        yield content[start : start + length + 12]
        start += length + 12


def _is_kept(chunk: bytes) -> bool:
    name = chunk[4:8]
    whole = struct.pack(">I", zlib.crc32(chunk[4:-4])) == chunk[-4:]
    return name in _PNG_KEPT or (name == b"eXIf" and whole)


def _segments(content: bytes) -> Iterator[bytes]:
    """A JPEG file's segments before its pixels, and then all the rest."""
    start = 2
    while content[start + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", content, start + 2)
        marker, end = content[start + 1], start + 2 + length
        if content[start] != 0xFF or end > len(content):
            break
        if not 0xE0 <= marker <= 0xEF or marker in _JPEG_KEPT:
            yield content[start:end]
        start = end
    yield content[start:]
