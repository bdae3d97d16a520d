"""Flax NNX models."""

from typing import Any

import jax

from egcam_jax.adapters._adapted import adapted
from egcam_jax.adapters._scopes import relative, scoped
from egcam_jax.core.contents import content
from egcam_jax.core.types import ApplyFn, Params


def from_nnx(model: Any, **keywords: Any) -> tuple[Params, ApplyFn]:
    """Turn an NNX model into ``(params, apply_fn)``, in evaluation mode, with a named scope for every submodule.

    The model itself is not touched. Its random streams (of dropout) are part of the params, as integers: to
    differentiate with respect to params, give ``jax.grad`` its ``allow_int=True``.

    Args:
        model: an ``nnx.Module`` from ``(b, H, W, C)`` to ``(b, classes)``.
        **keywords: handed to the model's call, such as ``rngs=nnx.Rngs(0)`` or ``train=False``. Arrays among them,
            those of ``Rngs`` too, become a part of the params; every image gets the same random numbers.

    Returns:
        The model's state and a pure function of it and ``(b, H, W, C)`` images, and of a context where the model takes
        one as its second argument. Layers are named by their attributes,
        e.g. ``layers/0/conv1``, which may be written ``layers.0.conv1``.

    Raises:
        TypeError: ``model`` is not an NNX module.

    Example:
        >>> from flax import nnx
        >>> import jax.numpy as jnp, egcam_jax
        >>> model = nnx.Sequential(nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0)), lambda x: x.mean((1, 2)))
        >>> params, apply_fn = egcam_jax.from_nnx(model)
        >>> apply_fn(params, jnp.ones((1, 8, 8, 3))).shape
        (1, 4)
    """
    from flax import nnx

    if not isinstance(model, nnx.Module):
        raise TypeError(f"from_nnx: model must be a flax.nnx.Module; got {type(model).__name__}.")
    copy = nnx.merge(*nnx.split(model))
    copy.eval()
    graph, state = nnx.split(copy)

    def call(state: Params, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        # The state's variables belong to the trace that made them, and NNX refuses to change them in another one, as
        # under remat: the module is made of copies.
        copies = jax.tree.map(lambda leaf: leaf, state)
        return _with_scopes(nnx.merge(graph, copies))(*inputs, **keywords)

    return adapted("from_nnx", state, call, content(graph), keywords, model.__call__)


def _with_scopes(model: Any) -> Any:
    """Give the submodules of a private copy of a model their scopes, in place."""
    from flax import nnx

    nodes = dict(nnx.iter_graph(model))
    modules = {path: node for path, node in nodes.items() if isinstance(node, nnx.Module) and callable(node)}
    for path, scope in relative(modules).items():
        modules[path].__class__ = scoped(type(modules[path]), scope)
    return model
