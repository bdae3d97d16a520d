"""Haiku transformed functions."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from .._types import ApplyFn, Context, Params


@dataclasses.dataclass(frozen=True)
class _Apply:
    """Equal for the same transformed function, so that a compiled function is used again."""

    apply: Callable[..., Any]
    stateful: bool
    takes_rng: bool

    def __call__(self, params: Params, x: Any, *context: Context) -> Any:
        trees = params if self.stateful else (params,)
        logits = self.apply(*trees, *((None,) if self.takes_rng else ()), x, *context)
        return logits[0] if self.stateful else logits


def from_haiku(transformed: Any, params: Params, state: Any = None) -> tuple[Params, ApplyFn]:
    """Turn a Haiku transformed function into ``(params, apply_fn)``; no random key is passed.

    Inference mode (``is_training=False``) is for the transformed function itself to set.

    Args:
        transformed: of ``hk.transform``, ``hk.transform_with_state`` or ``hk.without_apply_rng`` of either; from
            ``(b, H, W, C)`` images to ``(b, classes)``.
        params: what its ``init`` returned.
        state: the state that ``init`` returned too, for ``hk.transform_with_state``.

    Returns:
        The params, or the pair ``(params, state)``, and a pure function of them and ``(b, H, W, C)`` images, and of a
        context where the function takes one as its second argument.

    Raises:
        TypeError: ``transformed`` is none of these.
        ValueError: a state is missing or is not wanted.
    """
    import haiku as hk

    if not isinstance(transformed, hk.Transformed | hk.TransformedWithState):
        raise TypeError(
            "from_haiku: transformed must come from hk.transform or hk.transform_with_state, "
            f"got {type(transformed).__name__}."
        )
    stateful = isinstance(transformed, hk.TransformedWithState)
    if stateful != (state is not None):
        fault = "needs the state that init returned" if stateful else "has no state (hk.transform), but one was given"
        raise ValueError(f"from_haiku: state: this function {fault}.")
    takes_rng = "rng" in inspect.signature(transformed.apply).parameters
    return (params, state) if stateful else params, _Apply(transformed.apply, stateful, takes_rng)
