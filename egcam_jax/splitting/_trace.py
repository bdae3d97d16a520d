"""Trace a classifier, once and for one image, and check what it returns."""

from typing import Any, NamedTuple

import jax
from jax.extend import core

from .. import _checks, _returned
from .._types import ApplyFn, Params
from ._scopes import MARKER


class Spec(NamedTuple):
    """What a function was traced for: the tree of its params, the shape and dtype of each leaf and of the images."""

    tree: Any
    leaves: tuple[jax.ShapeDtypeStruct, ...]
    image: jax.ShapeDtypeStruct


class Traced(NamedTuple):
    """The jaxpr of one image, and what it was traced for."""

    closed: core.ClosedJaxpr
    spec: Spec


def trace(apply_fn: ApplyFn, params: Params, x: Any) -> Traced:
    """Trace ``apply_fn`` for one image: the only time that it is called.

    Raises:
        ValueError, TypeError: it does not return logits ``(1, classes)`` for one image.
    """

    def marked(params: Params, x: Any) -> Any:
        with jax.named_scope(MARKER):
            return _returned.logits("apply_fn(params, x)", _checks.call("apply_fn", apply_fn, params, x))

    leaves, tree = jax.tree.flatten(specification(params))
    image = jax.ShapeDtypeStruct((1, *x.shape[1:]), specification(x).dtype)
    closed = jax.make_jaxpr(marked)(params, image)
    return Traced(closed, Spec(tree, tuple(leaves), image))


def specification(tree: Any) -> Any:
    """Shape and dtype of every leaf of a tree: arrays, tracers and Python numbers alike."""
    return jax.eval_shape(lambda leaves: leaves, tree)
