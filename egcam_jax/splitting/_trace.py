"""Trace a classifier, once and for one image, and check what it returns."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from .. import _checks, _context, _functions
from .._types import ApplyFn, Context, Params
from ._scopes import MARKER


class Spec(NamedTuple):
    """What a function was traced for: the tree of its params, the shape and dtype of each leaf and of the images.

    The context is that of one image, with a leading axis of 1, or None.
    """

    tree: Any
    leaves: tuple[jax.ShapeDtypeStruct, ...]
    image: jax.ShapeDtypeStruct
    context: Any


class Traced(NamedTuple):
    """The jaxpr of one image, and what it was traced for."""

    closed: core.ClosedJaxpr
    spec: Spec


def trace(apply_fn: ApplyFn, params: Params, x: Any, context: Context = None) -> Traced:
    """Trace ``apply_fn`` for one image: the only time that it is called.

    The context comes after the params and before the image in the jaxpr: to the halves its leaves are like params,
    but each image has its own.

    Raises:
        ValueError, TypeError: it does not return logits ``(1, classes)`` for one image.
    """

    def marked(params: Params, context: Context, x: Any) -> Any:
        with jax.named_scope(MARKER):
            return _checks.call("apply_fn", apply_fn, params, x, *_context.arguments(context))

    leaves, tree = jax.tree.flatten(specification(params))
    image = jax.ShapeDtypeStruct((1, *x.shape[1:]), specification(x).dtype)
    rows = _context.shape_of_row(specification(context))
    closed, returned = jax.make_jaxpr(marked, return_shape=True)(params, rows, image)
    _check_logits(returned)
    _functions.warn_of_captured("apply_fn", closed)
    return Traced(closed, Spec(tree, tuple(leaves), image, rows))


def specification(tree: Any) -> Any:
    """Shape and dtype of every leaf of a tree: arrays, tracers and Python numbers alike."""
    return jax.eval_shape(lambda leaves: leaves, tree)


def _check_logits(returned: Any) -> None:
    wanted = "apply_fn must return logits of shape (b, classes), so (1, classes) for one image"
    if not isinstance(returned, jax.ShapeDtypeStruct):
        raise TypeError(
            f"{wanted}; it returned {_described(returned)}. Wrap it in a function that returns the logits alone, "
            "e.g. lambda params, x: apply_fn(params, x)[0]."
        )
    if len(returned.shape) != 2 or returned.shape[0] != 1:
        raise ValueError(
            f"{wanted}; it returned shape {returned.shape}. The leading axis must be the images'; "
            "add or squeeze axes in a function around apply_fn."
        )
    if not jnp.issubdtype(returned.dtype, jnp.floating):
        raise TypeError(f"{wanted}, of floating dtype; it returned {returned.dtype}. Return the scores, not the class.")


def _described(returned: Any) -> str:
    if returned is None:
        return "None"
    parts = [str(getattr(leaf, "shape", leaf)) for leaf in jax.tree.leaves(returned)]
    shown = ", ".join(parts[:4]) + (", ..." if len(parts) > 4 else "")
    return f"a {type(returned).__name__} of {len(parts)} arrays with shapes {shown}"
