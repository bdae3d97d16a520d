"""Equinox models."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.adapters._adapted import adapted
from egcam_jax.adapters._scopes import relative, scoped
from egcam_jax.core.contents import content
from egcam_jax.core.types import ApplyFn, Params


def from_equinox(model: Any, state: Any = None, **keywords: Any) -> tuple[Params, ApplyFn]:
    """Turn an Equinox model into ``(params, apply_fn)``, in inference mode, with a named scope for every submodule.

    Args:
        model: an ``equinox.Module`` from one channels-first image ``(C, H, W)`` to ``(classes,)``.
        state: the ``equinox.nn.State`` of a model that has one (batch statistics): it is then called as
            ``model(image, state)`` and returns ``(logits, state)``.
        **keywords: handed to the model's call, such as ``key=jax.random.key(0)`` or ``inference=True``. Arrays among
            them become a part of the params; every image gets the same key.

    Returns:
        The model's arrays, its state's too, and a pure function of them and channels-last ``(b, H, W, C)`` images, and
        of a context where the model takes one image's row of it after the image.
        Layers are named by their fields, e.g. ``layers/0/conv1``, which may be written ``layers.0.conv1``.

    Raises:
        TypeError: ``model`` is not an Equinox module; in the call, a model with a state returns something else than
            ``(logits, state)``.

    Example:
        >>> import equinox as eqx, jax, jax.numpy as jnp, egcam_jax
        >>> conv = eqx.nn.Conv2d(3, 4, 3, key=jax.random.key(0))
        >>> model = eqx.nn.Sequential([conv, eqx.nn.Lambda(lambda image: image.mean((1, 2)))])
        >>> params, apply_fn = egcam_jax.from_equinox(model)
        >>> apply_fn(params, jnp.ones((1, 8, 8, 3))).shape
        (1, 4)
    """
    import equinox as eqx

    if not isinstance(model, eqx.Module) or not callable(model):
        raise TypeError(f"from_equinox: model must be a callable equinox.Module; got {type(model).__name__}.")
    params, rest = eqx.partition(
        (eqx.nn.inference_mode(model), state), lambda leaf: isinstance(leaf, jax.Array | np.ndarray)
    )

    def call(params: Params, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        model, state = eqx.combine(params, rest)
        named = _with_scopes(model)

        def one(image: Any, *context: Any) -> Any:
            given = (jnp.moveaxis(image, -1, 0), *context)
            return named(*given, **keywords) if state is None else _logits(named(*given, state, **keywords))

        return jax.vmap(one, axis_name="batch")(*inputs)

    leaves, tree = jax.tree.flatten(rest)
    known, inputs = (content(tree), content(leaves)), 1 if state is None else 2
    return adapted("from_equinox", params, call, known, keywords, model.__call__, inputs)


def _logits(returned: Any) -> Any:
    """The logits of ``(logits, state)``, which a model with a state must return: nothing else is guessed at."""
    import equinox as eqx

    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], eqx.nn.State):
        return returned[0]
    parts = [type(part).__name__ for part in returned] if isinstance(returned, tuple) else [type(returned).__name__]
    raise TypeError(
        f"from_equinox: a model with a state must return (logits, state); got {', '.join(parts)}. Put the model into a "
        f"Module that returns these two."
    )


def _with_scopes(model: Any) -> Any:
    """Copy a model with the submodules' classes replaced by their scoped subclasses."""
    paths: dict[tuple[Any, ...], Any] = dict(_modules(model, ()))
    return _rebuilt(model, (), relative(paths))


def _modules(node: Any, path: tuple[Any, ...]) -> Any:
    import equinox as eqx

    if isinstance(node, eqx.Module) and callable(node):
        yield path, node
    for key, child in _children(node):
        yield from _modules(child, (*path, key))


def _children(node: Any) -> list[tuple[Any, Any]]:
    import equinox as eqx

    if isinstance(node, eqx.Module):
        return [(f.name, getattr(node, f.name)) for f in dataclasses.fields(node) if hasattr(node, f.name)]
    if isinstance(node, list | tuple):
        return list(enumerate(node))
    return list(node.items()) if isinstance(node, dict) else []


def _rebuilt(node: Any, path: tuple[Any, ...], scopes: dict[tuple[Any, ...], str]) -> Any:
    import equinox as eqx

    children = {key: _rebuilt(child, (*path, key), scopes) for key, child in _children(node)}
    if isinstance(node, eqx.Module):
        copy: Any = object.__new__(scoped(type(node), scopes[path]) if path in scopes else type(node))
        for name, child in children.items():
            object.__setattr__(copy, name, child)
        return copy
    if isinstance(node, dict):
        return children
    if isinstance(node, list | tuple):
        return type(node)(*children.values()) if hasattr(node, "_fields") else type(node)(children.values())
    return node
