"""Mosaics of images of different classes, whose cells are ground truth for where each class is."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from egcam_jax.core import checks, inputs


class Mosaic(NamedTuple):
    """Images set beside each other in rows.

    Attributes:
        x: ``(H, W, C)``.
        masks: ``(N, H, W)``, true where each of the N images is.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> made = metrics.Mosaic(x=jnp.zeros((2, 4, 3)), masks=jnp.arange(4) // 2 == jnp.arange(2)[:, None, None])
        >>> made.masks[1, 0].tolist()
        [False, False, True, True]
    """

    x: Float[Array, "H W C"]
    masks: Bool[Array, "N H W"]


def mosaic(images: Float[ArrayLike, "N h w C"], *, columns: int = 2, shrink: bool = True) -> Mosaic:
    """Set images beside each other, row by row.

    Args:
        images: ``(N, h, w, C)`` preprocessed images. Take N different classes, and images whose class has a high
            probability.
        columns: The number of images in a row; N is a multiple of it.
        shrink: Whether the mosaic has about the size of one image, for networks that take one size only. Every image is
            then resized to ``h / rows`` by ``w / columns``, linearly with antialiasing.

    Returns:
        A ``Mosaic``. Explain its ``x`` once for each class; ``masks[i]`` is true where the i-th image is.

    Raises:
        ValueError: For another shape, rows that are not full, or images too small to shrink.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> images = jnp.arange(4.0)[:, None, None, None] * jnp.ones((4, 2, 2, 1))  # four images of one value each
        >>> made = metrics.mosaic(images, columns=2)
        >>> made.x[..., 0].tolist(), made.masks[3].tolist()
        ([[0.0, 1.0], [2.0, 3.0]], [[False, False], [False, True]])

    Source: Bohle et al., Convolutional Dynamic Alignment Networks for Interpretable Classifications, CVPR 2021.
    """
    pixels = inputs.images(images, argument="images")
    columns, shrink = checks.count("columns", columns), checks.flag("shrink", shrink)
    if pixels.ndim != 4 or len(pixels) % columns:
        raise ValueError(
            f"images must have shape (N, H, W, C) with N a multiple of columns={columns}; got {pixels.shape}."
        )
    rows = len(pixels) // columns
    count, height, width, channels = pixels.shape
    if shrink:
        if height < rows or width < columns:
            raise ValueError(
                f"images must have at least {rows} x {columns} pixels, one for each cell of the mosaic; got {height} x "
                f"{width}. Pass shrink=False."
            )
        height, width = height // rows, width // columns
        pixels = jax.image.resize(pixels, (count, height, width, channels), "linear")
    cells = pixels.reshape(rows, columns, height, width, channels)
    cell = jnp.arange(count).reshape(rows, columns)
    number = jnp.repeat(jnp.repeat(cell, height, axis=0), width, axis=1)
    masks = number == jnp.arange(count)[:, None, None]
    return Mosaic(cells.swapaxes(1, 2).reshape(rows * height, columns * width, channels), masks)
