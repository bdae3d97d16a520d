"""Flax NNX models."""

import dataclasses
from typing import Any

from .._types import ApplyFn, Context, Params
from ._scopes import relative, scoped


@dataclasses.dataclass(frozen=True)
class _Apply:
    """Equal for models of the same structure, so that a compiled function is used again."""

    graph: Any

    def __call__(self, params: Params, x: Any, *context: Context) -> Any:
        from flax import nnx

        return _with_scopes(nnx.merge(self.graph, params))(x, *context)


def from_nnx(model: Any) -> tuple[Params, ApplyFn]:
    """Turn an NNX model into ``(params, apply_fn)``, in evaluation mode, with a named scope for every submodule.

    The model itself is not touched. Its random streams (of dropout) are part of the params, as integers: to
    differentiate with respect to params, give ``jax.grad`` its ``allow_int=True``.

    Args:
        model: an ``nnx.Module`` from ``(b, H, W, C)`` to ``(b, classes)``.

    Returns:
        The model's state and a pure function of it and ``(b, H, W, C)`` images, and of a context where the model takes
        one as its second argument. Layers are named by their attributes,
        e.g. ``layers/0/conv1``, which may be written ``layers.0.conv1``.

    Raises:
        TypeError: ``model`` is not an NNX module.
    """
    from flax import nnx

    if not isinstance(model, nnx.Module):
        raise TypeError(f"from_nnx: model must be a flax.nnx.Module, got {type(model).__name__}.")
    copy = nnx.merge(*nnx.split(model))
    copy.eval()
    graph, state = nnx.split(copy)
    return state, _Apply(graph)


def _with_scopes(model: Any) -> Any:
    """Give the submodules of a private copy of a model their scopes, in place."""
    from flax import nnx

    nodes = dict(nnx.iter_graph(model))
    modules = {path: node for path, node in nodes.items() if isinstance(node, nnx.Module) and callable(node)}
    for path, scope in relative(modules).items():
        modules[path].__class__ = scoped(type(modules[path]), scope)
    return model
