"""Checks of the arguments that only ``explain`` and ``encode`` take."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import checks, functions, inputs, sharding
from egcam_jax.core.contents import content
from egcam_jax.core.types import Context, Params
from egcam_jax.methods import _references
from egcam_jax.methods._references import EncodedReferences
from egcam_jax.splitting import Split


def spatial(value: Any) -> int:
    """Check the number of an image's spatial axes."""
    if value not in inputs.AXES:
        raise ValueError(f"spatial_dims must be 1, 2 or 3, the spatial axes of one image in x; got {value!r}.")
    return int(value)


def layers(layer: Any) -> tuple[str | None, ...]:
    """The names of the layers as a tuple, of one where there is one."""
    if layer is None or isinstance(layer, str):
        return (layer,)
    names = tuple(layer) if isinstance(layer, Sequence) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(f"layer must be a name, several names, or None for the automatic choice; got {layer!r}.")
    if len(set(names)) < len(names):
        raise ValueError(f"layer names a layer twice, which a fused map would count twice; got {layer!r}.")
    return names


def function(params: Params, apply_fn: Any) -> tuple[Params, Any]:
    """The model's function as a static argument; arrays that a ``jax.tree_util.Partial`` binds join the params."""
    if isinstance(apply_fn, jax.tree_util.Partial):
        bound, structure = jax.tree.flatten(apply_fn)

        def apply(params: Params, *images: Any) -> Any:
            params, bound = params
            return jax.tree.unflatten(structure, bound)(params, *images)

        return (params, bound), functions.Known(("partial", content(structure)), apply)
    if isinstance(apply_fn, Split):
        parts = {name: getattr(apply_fn, name) for name in ("features", "head", "bypass")}
        known = {name: functions.static(name, part) for name, part in parts.items() if part is not None}
        return params, dataclasses.replace(apply_fn, **known)
    return params, functions.static("apply_fn", apply_fn, "function (params, x) -> logits or a Split")


@jax.jit
def _fingerprint(params: Params) -> Any:
    """The fingerprint of parameters, whatever mesh they are spread over."""
    add = lambda zero, params: zero + _references.fingerprint(params)
    return sharding.automatic(add, jnp.zeros(1, jnp.uint32), params)


def references(refs: Any, x: Any, params: Params, asker: str, spatial_dims: int, context: Context) -> Any:
    """Check references, be they images or encoded before: their size, and whose parameters encoded them."""
    if not isinstance(refs, EncodedReferences):
        return inputs.references(refs, x, asker, spatial_dims)
    if context is not None:
        raise ValueError(
            "refs must be images where there is a context; got encoded references. Each image is compared with "
            "references under its own context: pass the images that were encoded."
        )
    size, wanted = tuple(refs.images.shape[1:]), tuple(x.shape[-spatial_dims - 1 :])
    if size != wanted:
        raise ValueError(
            f"refs must be encoded from images of shape {wanted}, the size of those in x; got references of shape "
            f"{size}. Encode references that are resized and preprocessed as x is."
        )
    if all(map(checks.concrete, jax.tree.leaves((refs, params)))):
        with jax.ensure_compile_time_eval():
            same = bool((_fingerprint(params) == refs.fingerprint).all())
        if not same:
            raise ValueError(
                "refs must be encoded with the params that are explained; got references encoded with others. "
                "Encode them again: egcam_jax.encode(params, apply_fn, refs, layer=...)."
            )
    return refs
