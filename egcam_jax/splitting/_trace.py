"""Trace a classifier, once and for one image, and check what it returns."""

from typing import Any, NamedTuple

import jax
from jax.extend import core

from egcam_jax.core import checks, contexts, functions, returned, sharding
from egcam_jax.core.types import ApplyFn, Context, Params
from egcam_jax.splitting._scopes import MARKER


class Spec(NamedTuple):
    """What a function was traced for: the tree of its params, the shape and dtype of each leaf and of the images.

    The context is that of one image, with a leading axis of 1, or None. ``axes`` are those of the user's ``shard_map``
    over which the params, images and context vary: all that the halves take is made to vary over these.
    """

    tree: Any
    leaves: tuple[jax.ShapeDtypeStruct, ...]
    image: jax.ShapeDtypeStruct
    context: Any
    axes: frozenset[str]


class Traced(NamedTuple):
    """The jaxpr of one image, and what it was traced for."""

    closed: core.ClosedJaxpr
    spec: Spec


def trace(apply_fn: ApplyFn, params: Params, x: Any, context: Context = None, *, dense: bool = False) -> Traced:
    """Trace ``apply_fn`` for one image: the only time that it is called.

    The context comes after the params and before the image in the jaxpr: to the halves its leaves are like params,
    but each image has its own. With ``dense`` the logits may have more axes, ``(1, ..., classes)``.

    Raises:
        ValueError, TypeError: it does not return logits ``(1, classes)`` for one image.
    """
    axes = sharding.varying(params, x, context)

    def marked(params: Params, context: Context, x: Any) -> Any:
        params, context, x = jax.tree.map(lambda leaf: sharding.vary(leaf, axes), (params, context, x))
        with jax.named_scope(MARKER):
            answer = checks.call("apply_fn", apply_fn, params, x, *contexts.arguments(context))
        call = "apply_fn(params, x, context)" if context is not None else "apply_fn(params, x)"
        return returned.logits(call, answer, dense=dense)

    leaves, tree = jax.tree.flatten(specification(params))
    image = jax.ShapeDtypeStruct((1, *x.shape[1:]), specification(x).dtype)
    rows = contexts.shape_of_row(specification(context))
    closed = jax.make_jaxpr(marked)(params, rows, image)
    functions.warn_of_captured("apply_fn", closed)
    return Traced(closed, Spec(tree, tuple(leaves), image, rows, axes))


def specification(tree: Any) -> Any:
    """Shape and dtype of every leaf of a tree: arrays, tracers and Python numbers alike."""
    return jax.eval_shape(lambda leaves: leaves, tree)
