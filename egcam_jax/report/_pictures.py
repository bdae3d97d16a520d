"""Pictures and maps as data URLs, which a page holds in itself."""

import base64
import io
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from egcam_jax import render

_QUALITY = 90
_LEVELS = np.linspace(0, 1, 256)


def photograph(image: UInt8[np.ndarray, "H W 3"]) -> str:
    """An 8-bit RGB picture as JPEG."""
    return _url(Image.fromarray(image), "jpeg", quality=_QUALITY)


def over(saliency: Float[np.ndarray, "H W"]) -> str:
    """A map in [0, 1] to lay over its picture: clear where it is low and opaque where it is high."""
    share = _LEVELS**2 * (3 - 2 * _LEVELS)
    return _url(_indexed(saliency), "png", transparency=np.rint(255 * share).astype(np.uint8).tobytes())


def alone(saliency: Float[np.ndarray, "H W"]) -> str:
    """A map in [0, 1] to be seen without its picture."""
    return _url(_indexed(saliency), "png")


def bar() -> dict[str, str]:
    """The colour map from low to high, as over a picture and as alone."""
    return {"over": over(_LEVELS[None]), "alone": alone(_LEVELS[None])}


def outline(mask: bytes) -> str:
    """A white line with a dark edge round what is set in a mask's file, to lay over the picture."""
    with Image.open(io.BytesIO(mask)) as file:
        inside = np.asarray(file.convert("L")) > 127
    line, edge = (_widened(inside, by) for by in (2, 3))
    picture = Image.fromarray(np.where(line & ~inside, 1, np.where(edge & ~inside, 2, 0)).astype(np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 255, 255, 255, 0, 0, 0])
    return _url(picture, "png", transparency=b"\x00\xff\xb0")


def _widened(inside: Bool[np.ndarray, "H W"], by: int) -> Bool[np.ndarray, "H W"]:
    """What is within so many pixels, up, down and to the sides."""
    for _ in range(by):
        framed = np.pad(inside, 1)
        inside = inside | framed[2:, 1:-1] | framed[:-2, 1:-1] | framed[1:-1, 2:] | framed[1:-1, :-2]
    return inside


def embedded(file: bytes, kind: str) -> str:
    """A picture's file as it is."""
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"


def size(file: bytes) -> tuple[int, int]:
    """Width and height of a picture's file."""
    with Image.open(io.BytesIO(file)) as picture:
        return picture.size


def _indexed(saliency: Float[np.ndarray, "H W"]) -> Image.Image:
    """A map as indices into the colour map: a quarter of the bytes, and the colours exact."""
    picture = Image.fromarray(np.rint(255 * saliency).astype(np.uint8)).convert("L")
    picture.putpalette(render.colour_map(_LEVELS[None])[0].tobytes())
    return picture


def _url(picture: Image.Image, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return embedded(file.getvalue(), kind)
