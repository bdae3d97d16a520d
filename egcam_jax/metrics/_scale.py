"""Sizes in pixels: the values published for images of 224 x 224 pixels, and the same shares of other images.

Each function takes an image's height and width. At 224 x 224 the value is the published one.
"""

from collections.abc import Callable

from egcam_jax.core import checks

SIDE = 224
"""The side, in pixels, of the images that the values are published for."""
PIXELS = SIDE * SIDE

Size = Callable[[int, int], int]
"""From an image's height and width to a size in pixels."""


def step(height: int, width: int) -> int:
    """Pixels in one step, so that an image takes about 224 steps: ``ceil(H W / 224)``."""
    return -(-height * width // SIDE)


def top(height: int, width: int) -> int:
    """The number of largest values: 1000 of 224 x 224, and at least one."""
    return max(1, _nearest(1000 * height * width, PIXELS))


def tolerance(height: int, width: int) -> int:
    """The distance from the object at which a maximum still hits: 15 pixels for a shorter side of 224; 0 below 8."""
    return _nearest(15 * min(height, width), SIDE)


def patch(height: int, width: int) -> int:
    """Side of a block: a quarter of the shorter side, which is 56 pixels of 224, at least one."""
    return max(1, min(height, width) // 4)


def resolve(option: str, value: int | None, size: Size, shape: tuple[int, ...]) -> int:
    """The size that was given, checked; the default size for the image where it is None."""
    return size(*shape) if value is None else checks.count(option, value)


def _nearest(numerator: int, denominator: int) -> int:
    """The quotient rounded to the nearest whole number, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)
