"""What a model takes beside the images: a pytree of arrays with one row for each image, or None."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core import checks
from egcam_jax.core.types import Context


def checked(value: Any, num_images: int, single: bool = False) -> Any:
    """Check what a model takes beside the images: a pytree of arrays, each with one row for each image.

    Args:
        value: The tree, or None.
        num_images: How many images there are.
        single: Whether ``x`` was one image without a batch axis; the leaves then have none either.

    Returns:
        The tree as JAX arrays with the images' leading axis, or None.
    """
    if value is None:
        return None
    leaves = jax.tree_util.tree_leaves_with_path(value)
    if not leaves:
        raise ValueError(f"context must have at least one array; got {value!r}. Leave it out for a model without one.")
    for path, leaf in leaves:
        _row_of_each(f"context{jax.tree_util.keystr(path)}", leaf, num_images, single)
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for _, leaf in leaves):
        return value
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None] if single else jnp.asarray(leaf), value)


def _row_of_each(argument: str, leaf: Any, num_images: int, single: bool) -> None:
    """Check one array of a context."""
    shape, dtype = np.shape(leaf), leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
    if dtype == np.object_ or jnp.issubdtype(dtype, np.character):
        raise TypeError(f"{argument} must be an array of numbers; got {dtype} of shape {shape}. Encode it as numbers.")
    if not single and shape[:1] != (num_images,):
        raise ValueError(
            f"{argument} must have shape ({num_images}, ...), one row for each image in x; got shape {shape}. "
            f"Repeat what all images share, or put it into params."
        )
    if jnp.issubdtype(dtype, jnp.floating) and not isinstance(leaf, jax.ShapeDtypeStruct):
        checks.finite(argument, leaf)


def arguments(context: Context) -> tuple[Context, ...]:
    """The context as the arguments after the images: none where there is none."""
    return () if context is None else (context,)


def row(context: Context) -> Context:
    """One image's row as a batch of one: the axis that ``vmap`` took is put back."""
    return jax.tree.map(lambda leaf: leaf[None], context)


def shape_of_row(context: Context) -> Any:
    """Shapes and dtypes of one image's row, as a batch of one."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), context)
