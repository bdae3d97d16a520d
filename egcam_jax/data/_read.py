"""From a file to an upright 8-bit RGB picture, or to an error that names the file and the remedy."""

import contextlib
import io
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from egcam_jax.data._extras import filtered
from egcam_jax.data._metadata import orientation, stored_size, turn, without_metadata
from egcam_jax.data._pixels import ImageFileError, eight_bits

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "HEIF")
"""Pillow's formats that are tried, where it has them: it knows more, but some of those start other programs."""

_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error)
"""What Pillow's decoders raise on a file whose header is sound and whose body is not."""

_ORIENTATION = 274
_Result = TypeVar("_Result")


class Picture(NamedTuple):
    """A picture, and how its camera was held: masks, outlines and boxes of the stored pixels turn with it.

    Attributes:
        pixels: ``(H, W, 3)`` 8-bit RGB, upright.
        held: EXIF's orientation, 1 to 8; ``None`` where the file has none.
    """

    pixels: UInt8[np.ndarray, "H W 3"]
    held: int | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, upright."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width as in the file."""
        return stored_size(self.size, self.held)


def formats() -> tuple[str, ...]:
    """The formats that this Pillow reads."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def suffixes() -> frozenset[str]:
    """How the names of such files end, in lower case."""
    read = formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in read) | {".mpo"}


def read(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "H W 3"]:
    """Read a picture as upright RGB, whatever its format and mode.

    The EXIF orientation is applied; transparency is laid on white; palettes, grey, CMYK and YCbCr become RGB. White is
    65535 in grey of 16 bits; it is 4095 or 255 where no value is above that. Of an animation, the first frame. Colour
    profiles are not applied, as the published networks were trained without; other metadata does not matter.

    Args:
        path: A file in one of the formats of ``formats()``.

    Returns:
        ``(H, W, 3)`` 8-bit picture.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: As named.
        ImageFileError: No image, damaged or cut short, or more pixels than is safe to decode.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> from egcam_jax import data
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("L", (1, 1), 7).save(pathlib.Path(folder, "grey.png"))
        ...     print(data.read(pathlib.Path(folder, "grey.png")).tolist())
        [[[7, 7, 7]]]
    """
    return read_picture(path).pixels


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a picture as ``read`` does, and how its camera was held.

    Args:
        path: The file.

    Returns:
        The picture.

    Raises:
        OSError: As ``read``.
    """
    return converted(path, lambda image: Picture(*upright(image, eight_bits)))


def decode(data: bytes, name: str) -> Picture:
    """Decode a picture that is in memory, as ``read_picture`` does a file.

    Args:
        data: The content of a file.
        name: What to call it in an error.

    Returns:
        The picture.

    Raises:
        ImageFileError: As ``read``.
    """
    return _decoded(name, io.BytesIO(data), lambda image: Picture(*upright(image, eight_bits)))


def probe(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Check that a file can be opened as a picture, from its header alone.

    Args:
        path: The file.

    Returns:
        Width and height as stored, before the EXIF orientation.

    Raises:
        OSError: As ``read``; damage behind the header goes unnoticed.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from egcam_jax import data, render
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(data.probe(render.save_png(pathlib.Path(folder, "a.png"), np.zeros((2, 3, 3), np.uint8))))
        (3, 2)
    """
    with _stream(Path(path)) as stream:
        return _decoded(path, stream, lambda image: image.size)


def converted(path: str | os.PathLike[str], convert: Callable[[Image.Image], _Result]) -> _Result:
    """Open a file and convert the picture in it, with an error for each way in which that fails."""
    with _stream(Path(path)) as stream:
        return _decoded(path, stream, convert)


def upright(image: Image.Image, convert: Callable[[Image.Image], Any]) -> tuple[Any, int | None]:
    """The converted pixels turned upright, and how the camera was held."""
    # Pillow turns TIFF files as it loads them, and then their orientation is gone.
    before = getattr(image, "tag_v2", {}).get(_ORIENTATION)
    values = convert(image)
    held = orientation(image)
    return turn(values, held), held or (before if before in range(1, 9) else None)


def _decoded(name: str | os.PathLike[str], stream: Any, convert: Callable[[Image.Image], _Result]) -> _Result:
    """Convert a picture; where that fails, once more without the file's metadata."""
    try:
        with _header(name, stream) as image, _decoding(name):
            return convert(image)
    except ImageFileError as error:
        stream.seek(0)
        bare = without_metadata(stream.read()) if isinstance(error.__cause__, _DECODING_ERRORS) else None
        if bare is None:
            raise
        try:
            with _header(name, io.BytesIO(bare)) as image, _decoding(name):
                return convert(image)
        except ImageFileError:
            raise error from error.__cause__


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
        with filtered("error", Image.DecompressionBombWarning, quiet=UserWarning):
            return Image.open(stream, formats=formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFileError(
            f"{path}: {_pixels(error)}, more than is safe to decode (the limit is {Image.MAX_IMAGE_PIXELS}); "
            "make a smaller copy, or, if you trust the file, raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageFileError(
            f"{path}: not an image in a known format ({', '.join(formats())}), or of a kind that Pillow does not read, "
            "such as TIFF with floating colours; convert it to JPEG or PNG"
        ) from error
    except _DECODING_ERRORS as error:
        raise _damaged(path, error) from error


@contextlib.contextmanager
def _decoding(path: str | os.PathLike[str]) -> Iterator[None]:
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
    match = re.search(r"\d+ pixels", str(error))
    return match[0] if match else "too many pixels"
