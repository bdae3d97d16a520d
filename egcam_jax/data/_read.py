"""From a file to an upright 8-bit RGB picture, or to an error that names the file and the remedy."""

import contextlib
import io
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from egcam_jax.data._extras import filtered

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What is tried: Pillow knows more, but some of those start other programs."""

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif"}
    | {".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
)
"""How the names of such files end, in lower case."""

_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error)
"""What Pillow's decoders raise on a file whose header is sound and whose body is not."""


class ImageFileError(OSError):
    """A file that is there and may be read, but holds no picture that can be decoded."""


def read(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "H W 3"]:
    """Read a picture as upright RGB, whatever its format and mode.

    The EXIF orientation is applied; transparency is laid on white; palettes, grey, CMYK and YCbCr become
    RGB; 16-bit grey is scaled by 255 / 65535. Of an animation, the first frame. Colour profiles are not
    applied, as the published networks were trained without.

    Args:
        path: A file in one of ``FORMATS``.

    Returns:
        ``(H, W, 3)`` 8-bit picture.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: As named.
        ImageFileError: No image, damaged or cut short, or more pixels than is safe to decode.
    """
    with opened(path) as image, decoding(path):
        return np.asarray(_rgb(ImageOps.exif_transpose(image)))


def decode(data: bytes, name: str) -> UInt8[np.ndarray, "H W 3"]:
    """Decode a picture that is in memory, as ``read`` does a file.

    Args:
        data: The content of a file in one of ``FORMATS``.
        name: What to call it in an error.

    Returns:
        ``(H, W, 3)`` 8-bit picture.

    Raises:
        ImageFileError: As ``read``.
    """
    with _header(name, io.BytesIO(data)) as image, decoding(name):
        return np.asarray(_rgb(ImageOps.exif_transpose(image)))


def probe(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Check that a file can be opened as a picture, from its header alone.

    Args:
        path: The file.

    Returns:
        Width and height as stored, before the EXIF orientation.

    Raises:
        OSError: As ``read``; damage behind the header goes unnoticed.
    """
    with opened(path) as image:
        return image.size


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open the file and its header, with an error for each way in which that fails."""
    with _stream(Path(path)) as stream, _header(path, stream) as image:
        yield image


def _stream(path: Path):  # type: ignore[no-untyped-def]  # a binary file; typeshed's name for it is private
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):  # else opening a pipe would wait
        raise ImageFileError(f"{path}: not a regular file but a pipe, a socket or a device; name an image file")
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file; check the spelling and the current folder") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise type(error)(f"{path}: {str(error.strerror).lower()}; name an image file") from error
    except PermissionError as error:
        if os.path.isdir(path):  # on Windows a folder cannot be opened either
            raise IsADirectoryError(f"{path}: is a directory; name an image file") from error
        raise PermissionError(f"{path}: no permission to read it; try `chmod +r`, or a copy") from error
    except OSError as error:  # a link to itself, a name that is too long
        raise OSError(f"{path}: cannot be opened ({error.strerror}); name an image file") from error


def _header(path: str | os.PathLike[str], stream) -> Image.Image:  # type: ignore[no-untyped-def]
    if not stream.seek(0, os.SEEK_END):
        raise ImageFileError(f"{path}: the file is empty (0 bytes); copy or download it again")
    stream.seek(0)
    try:
        # Above its limit Pillow warns, and raises only above twice the limit: one limit is enough.
        with filtered("error", Image.DecompressionBombWarning):
            return Image.open(stream, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFileError(
            f"{path}: {_pixels(error)}, more than is safe to decode (the limit is {Image.MAX_IMAGE_PIXELS}); "
            "make a smaller copy, or, if you trust the file, raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageFileError(
            f"{path}: not an image in a known format ({', '.join(FORMATS)}); convert it to JPEG or PNG"
        ) from error
    except _DECODING_ERRORS as error:
        raise _damaged(path, error) from error


@contextlib.contextmanager
def decoding(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except ImageFileError as error:
        raise ImageFileError(f"{path}: {error}") from error
    except _DECODING_ERRORS as error:
        raise _damaged(path, error) from error


def _damaged(path: str | os.PathLike[str], error: Exception) -> ImageFileError:
    return ImageFileError(
        f"{path}: the image is damaged or cut short ({error}); copy or download it again, or re-save it"
    )


def _pixels(error: Exception) -> str:
    """The count in Pillow's message: the only place where it can be had."""
    found = re.search(r"\d+ pixels", str(error))
    return found[0] if found else "too many pixels"


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB, transparency on white."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
    return image.convert("RGB")


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """Grey of 16 bits (0 to 65535) or floating (0 to 1) to 8 bits; other ranges have no agreed white."""
    white = 1.0 if np.issubdtype(grey.dtype, np.floating) else 65535.0
    if not (grey.min() >= 0 and grey.max() <= white):  # also refuses NaN
        raise ImageFileError(
            f"grey values from {grey.min()} to {grey.max()} where 0 to {white:g} was expected; "
            "scale the image and save it with 8 or 16 bits"
        )
    return np.rint(grey.astype(np.float64) * (255.0 / white)).astype(np.uint8)
