"""Equinox models."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._types import ApplyFn, Context, Params
from ._scopes import relative, scoped


@dataclasses.dataclass(frozen=True)
class _Apply:
    """Equal for models of the same structure, so that a compiled function is used again."""

    leaves: tuple[Any, ...]
    tree: Any

    def __call__(self, params: Params, x: Any, *context: Context) -> Any:
        import equinox as eqx

        model, state = eqx.combine(params, jax.tree.unflatten(self.tree, self.leaves))
        named = _with_scopes(model)

        def one(image: Any, *row: Context) -> Any:
            image = jnp.moveaxis(image, -1, 0)
            return named(image, *row) if state is None else named(image, *row, state)[0]

        return jax.vmap(one, axis_name="batch")(x, *context)


def from_equinox(model: Any, state: Any = None) -> tuple[Params, ApplyFn]:
    """Turn an Equinox model into ``(params, apply_fn)``, in inference mode, with a named scope for every submodule.

    Args:
        model: an ``equinox.Module`` from one channels-first image ``(C, H, W)`` to ``(classes,)``; it is called
            without a key.
        state: the ``equinox.nn.State`` of a model that has one (batch statistics): it is then called as
            ``model(image, state)`` and returns ``(logits, state)``.

    Returns:
        The model's arrays, its state's too, and a pure function of them and channels-last ``(b, H, W, C)`` images, and
        of a context where the model takes one image's row of it after the image.
        Layers are named by their fields, e.g. ``layers/0/conv1``, which may be written ``layers.0.conv1``.

    Raises:
        TypeError: ``model`` is not an Equinox module.
    """
    import equinox as eqx

    if not isinstance(model, eqx.Module) or not callable(model):
        raise TypeError(f"from_equinox: model must be a callable equinox.Module, got {type(model).__name__}.")
    params, rest = eqx.partition(
        (eqx.nn.inference_mode(model), state), lambda leaf: isinstance(leaf, jax.Array | np.ndarray)
    )
    leaves, tree = jax.tree.flatten(rest)
    return params, _Apply(tuple(leaves), tree)


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
