"""Flax linen modules."""

import dataclasses
from typing import Any

from .._types import ApplyFn, Context, Params


@dataclasses.dataclass(frozen=True)
class _Apply:
    """Equal for equal modules and options, so that a compiled function is used again."""

    module: Any
    options: tuple[tuple[str, Any], ...]

    def __call__(self, params: Params, x: Any, *context: Context) -> Any:
        return self.module.apply(params, x, *context, mutable=False, **dict(self.options))


def from_linen(module: Any, variables: Params, **apply_kwargs: Any) -> tuple[Params, ApplyFn]:
    """Turn a linen module into ``(params, apply_fn)``.

    Args:
        module: a ``flax.linen.Module`` from ``(b, H, W, C)`` to ``(b, classes)``.
        variables: what ``module.init`` returned, batch statistics included.
        **apply_kwargs: handed to the module's call, e.g. ``train=False``.

    Returns:
        The variables and a pure function of them and ``(b, H, W, C)`` images, and of a context where the module takes
        one as its second argument. Nothing is mutable: a
        module that updates its batch statistics in training mode raises flax's own error.

    Raises:
        TypeError: ``module`` is not a linen module.
    """
    from flax import linen

    if not isinstance(module, linen.Module):
        raise TypeError(f"from_linen: module must be a flax.linen.Module, got {type(module).__name__}.")
    return variables, _Apply(module, tuple(sorted(apply_kwargs.items())))
