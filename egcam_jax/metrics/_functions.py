"""The functions under judgement, called with one image, its own index and its own context; their results are checked.

A model is called as ``predict(x)``, or ``predict(x, context)``. An explainer is called as ``explain(x, target)``. Where
the explainer has arguments of these names, ``index`` and ``context`` are passed by keyword.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Float

from egcam_jax.core import calls, contexts, jaxprs, numerics, returned
from egcam_jax.core.functions import warn_of_captured
from egcam_jax.core.types import Explain, Image, Images, Map, Predict, Whole
from egcam_jax.metrics._inputs import Subject

_DRAWS = frozenset({"random_bits", "random_gamma", "rng_bit_generator", "rng_uniform", "threefry2x32"})
"""The operations of JAX that make random numbers."""


def predictor(predict: Predict | None, subject: Subject) -> Predict:
    """The model with an image's own context bound: images, cast to the dtype of ``x``, to logits."""
    dtype, context = subject.x.dtype, contexts.arguments(contexts.row(subject.context))

    def ask(images: Images) -> Float[Array, "b classes"]:
        if predict is None:
            raise ValueError("predict must be a function from images to logits; got None. Pass the model.")
        try:
            logits = _asked("predict", predict, images.astype(dtype), *context)
        except Exception:
            calls.context_taken("predict", predict, (images,), context)
            raise
        return returned.logits("predict(x, context)" if context else "predict(x)", logits)

    return ask


def explainer(explain: Explain, subject: Subject) -> Callable[[Image, Whole], Map]:
    """The explainer with an image's own index and context bound: the image or a copy, and a class, to the map.

    The explainer is traced once, for the image. The same trace is run for the copies.

    Raises:
        TypeError: The explainer draws and does not use ``index``; or a context is given, and the explainer has no
            argument ``context``.
        ValueError: The explainer does not return one map for one image.
    """
    dtype, given = subject.x.dtype, named(explain, subject)
    traced = jax.make_jaxpr(functools.partial(_explained, explain))(subject.x, jnp.zeros((), jnp.int32), given)
    if _draws(traced) and not ("index" in given and _uses_last(traced)):
        raise TypeError(
            f"explain must have an argument index and use it, since it draws random numbers; got a function of "
            f"{calls.signature(explain)}. Without the index all images share the same draws, and no map equals the "
            f"stored one. Pass lambda x, target, index: "
            f"egcam_jax.explain(params, apply_fn, x, refs, key, target=target, index=index).saliency."
        )
    warn_of_captured("explain", traced)
    run, rest = core.jaxpr_as_fun(traced), jax.tree.leaves(given)
    return lambda image, target: run(image.astype(dtype), jnp.asarray(target, jnp.int32), *rest)[0]


def _asked(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of any arguments, with a warning where it captures large arrays."""
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    warn_of_captured(name, traced)
    return jax.tree.unflatten(jax.tree.structure(shapes), core.jaxpr_as_fun(traced)(*jax.tree.leaves(arguments)))


def _explained(explain: Explain, image: Image, target: Whole, given: dict[str, Any]) -> Map:
    """The map of one image, checked."""
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


def named(explain: Explain, subject: Subject) -> dict[str, Any]:
    """The image's index and context, where the explainer has arguments of these names."""
    given = {"index": subject.indices[None]}
    if subject.context is not None:
        given["context"] = contexts.row(subject.context)
        if not calls.has(explain, "context"):
            raise TypeError(
                f"explain must have an argument context where context is given; got a function of "
                f"{calls.signature(explain)}. Pass lambda x, target, context: "
                f"egcam_jax.explain(params, apply_fn, x, target=target, context=context).saliency."
            )
    return {name: value for name, value in given.items() if calls.has(explain, name)}


def _draws(traced: core.ClosedJaxpr) -> bool:
    """Whether a traced function makes random numbers."""
    return any(inner.primitive.name in _DRAWS for equation in traced.eqns for inner in jaxprs.nested(equation))


def _uses_last(traced: core.ClosedJaxpr) -> bool:
    """Whether a traced function uses its last argument: among the arguments by name the index is the last."""
    index = traced.jaxpr.invars[-1]
    return any(atom is index for equation in traced.eqns for atom in equation.invars)


def _one_map(maps: Any) -> Float[Array, "1 h w"]:
    """Check that an explainer returned one map for one image; it may have returned anything."""
    shape = getattr(maps, "shape", None)
    if shape is None or len(shape) != 3 or shape[0] != 1:
        returned = type(maps).__name__ if shape is None else f"shape {tuple(shape)}"
        differs = "Pass an input that differs between images as context: explain(x, target, context=context)"
        remedy = "Return its saliency" if hasattr(maps, "saliency") else differs
        raise ValueError(
            f"explain must return (1, h, w) for one image, one row for each image of x; got {returned}. {remedy}."
        )
    return maps
