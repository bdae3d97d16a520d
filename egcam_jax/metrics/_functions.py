"""The functions under judgement, asked about one image: with its own index and context, and checked in what comes back.

A model is asked as ``predict(x)``, or ``predict(x, context)``. An explainer is asked as ``explain(x, target)``; the
image's index and context come by keyword, ``index`` and ``context``, where it has arguments of these names.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from egcam_jax.core import calls, contexts, jaxprs, numerics, returned
from egcam_jax.core.functions import warn_of_captured
from egcam_jax.core.types import Image, Map
from egcam_jax.metrics._inputs import Subject

_DRAWS = frozenset({"random_bits", "random_gamma", "rng_bit_generator", "rng_uniform", "threefry2x32"})
"""The operations of JAX that make random numbers."""


def predictor(predict: Any, subject: Subject) -> Any:
    """The model under an image's own context, handed images in the dtype of those that came; logits come back."""
    if predict is None:
        return None
    dtype, context = subject.x.dtype, contexts.arguments(contexts.row(subject.context))

    def ask(images: Any) -> Any:
        try:
            logits = _asked("predict", predict, images.astype(dtype), *context)
        except Exception:
            calls.context_taken("predict", predict, (images,), context)
            raise
        return returned.logits("predict(x, context)" if context else "predict(x)", logits)

    return ask


def explainer(explain: Any, subject: Subject) -> Callable[[Image, Any], Map]:
    """An image, or a copy of it, and a class to the map, under the image's own index and context.

    The explainer is traced once, for the image, and what was traced is run for the copies.

    Raises:
        TypeError: The explainer draws and makes no use of ``index``, or has no argument ``context`` and there is one.
        ValueError: It does not return one map for one image.
    """
    dtype, given = subject.x.dtype, named(explain, subject)
    traced = jax.make_jaxpr(functools.partial(_explained, explain))(subject.x, jnp.zeros((), jnp.int32), given)
    if _draws(traced) and not ("index" in given and _uses_last(traced)):
        raise TypeError(
            f"explain must have an argument index and use it, since it draws random numbers: else all images share the "
            f"same draws, and no map is the one that was stored; got a function of {calls.signature(explain)}. Hand "
            f"the index on, as in lambda x, target, index: "
            f"egcam_jax.explain(params, apply_fn, x, refs, key, target=target, index=index).saliency."
        )
    warn_of_captured("explain", traced)
    run, rest = core.jaxpr_as_fun(traced), jax.tree.leaves(given)
    return lambda image, target: run(image.astype(dtype), jnp.asarray(target, jnp.int32), *rest)[0]


def _asked(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, with a warning where it captures large arrays."""
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    warn_of_captured(name, traced)
    return jax.tree.unflatten(jax.tree.structure(shapes), core.jaxpr_as_fun(traced)(*jax.tree.leaves(arguments)))


def _explained(explain: Any, image: Image, target: Any, given: dict[str, Any]) -> Map:
    """One image's map, checked."""
    arguments = (image[None], target[None])
    try:
        maps = explain(*arguments, **given)
    except Exception as error:
        if calls.accepts(explain, *arguments, **given):
            raise
        raise TypeError(
            f"explain must be a function of x and target, and may have arguments named index and context; got one of "
            f"{calls.signature(explain)}. Name its arguments so, and bind all others."
        ) from error
    return numerics.accumulate(_one_map(maps)[0])


def named(explain: Any, subject: Subject) -> dict[str, Any]:
    """The image's index and context, as far as an explainer has arguments of these names."""
    given = {"index": subject.index[None]}
    if subject.context is not None:
        given["context"] = contexts.row(subject.context)
        if not calls.has(explain, "context"):
            raise TypeError(
                f"explain must have an argument context where context is given; got a function of "
                f"{calls.signature(explain)}. Hand it on, as in lambda x, target, context: "
                f"egcam_jax.explain(params, apply_fn, x, target=target, context=context).saliency."
            )
    return {name: value for name, value in given.items() if calls.has(explain, name)}


def _draws(traced: core.ClosedJaxpr) -> bool:
    """Whether a traced function makes random numbers."""
    return any(inner.primitive.name in _DRAWS for equation in traced.eqns for inner in jaxprs.nested(equation))


def _uses_last(traced: core.ClosedJaxpr) -> bool:
    """Whether a traced function looks at its last argument: of those by name that is the index."""
    index = traced.jaxpr.invars[-1]
    return any(atom is index for equation in traced.eqns for atom in equation.invars)


def _one_map(maps: Any) -> Any:
    """Refuse what an explainer returns for one image, unless it is one map."""
    shape = getattr(maps, "shape", None)
    if shape is None or len(shape) != 3 or shape[0] != 1:
        came = type(maps).__name__ if shape is None else f"shape {tuple(shape)}"
        differs = "What differs from image to image is passed as context: explain(x, target, context=context)"
        remedy = "Return its saliency" if hasattr(maps, "saliency") else differs
        raise ValueError(
            f"explain must return (1, h, w) for one image, one row for each image that it is given; got {came}. "
            f"{remedy}."
        )
    return maps
