"""A network cut in two at its target layer."""

import dataclasses
from collections.abc import Callable
from typing import Any

BY_HAND = "split by hand"
"""The layer's name where nobody gave one."""


@dataclasses.dataclass(frozen=True)
class Split:
    """A classifier as two pure functions: logits = head(params, features(params, x)).

    Two splits are equal where they hold the same function objects, so a split is hashable and can be a static
    argument of ``jax.jit``.

    Args:
        features: ``(params, x)`` to A: ``(b, H, W, C)`` images to ``(b, h, w, K)`` activations, channels last. For a
            model with a context it is ``(params, x, context)``, and so is ``bypass``.
        head: ``(params, A)`` to ``(b, classes)`` logits; with ``bypass`` also ``(params, A, carried)``.
        bypass: ``(params, x)`` to ``(A, carried)`` in one pass, for a layer that something goes around:
            ``carried`` is a pytree of arrays, each with leading axis b, that depend on x or its context and reach the
            logits without going through A (a skip connection, or a context that joins after the layer). They are
            constants of the head, so that the derivative of a logit with respect to A is the one that a hook on the
            layer would see. None where nothing goes around.
        layer: the layer's name, for people.
        trailing: of a layer ``(b, N, K)``, how many tokens without a place come after the image's, such as registers;
            0 where the network itself shows how many.

    Raises:
        TypeError: a part is not callable, or ``layer`` is not a string.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import Split
        >>> two = Split(lambda weights, x: jnp.abs(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> two.head(jnp.ones((1, 2)), two.features(jnp.ones((1, 2)), -jnp.ones((1, 2, 2, 1)))).tolist()
        [[1.0, 1.0]]
    """

    features: Callable[..., Any]
    head: Callable[..., Any]
    bypass: Callable[..., Any] | None = None
    layer: str = BY_HAND
    trailing: int = 0

    def __post_init__(self) -> None:
        """Refuse a part that cannot be called: the mistake would show only deep inside a trace."""
        for name in ("features", "head") + (("bypass",) if self.bypass is not None else ()):
            part = getattr(self, name)
            if not callable(part):
                raise TypeError(f"Split: `{name}` must be a function, got {type(part).__name__}.")
        if not isinstance(self.layer, str):
            raise TypeError(f"Split: `layer` must be a string, got {type(self.layer).__name__}.")
