"""Haiku transformed functions."""

import inspect
from typing import Any

from egcam_jax.adapters._adapted import adapted
from egcam_jax.core.contents import content
from egcam_jax.core.types import ApplyFn, Params


def from_haiku(
    transformed: Any, params: Params, state: Any = None, rng: Any = None, **keywords: Any
) -> tuple[Params, ApplyFn]:
    """Turn a Haiku transformed function into ``(params, apply_fn)``.

    Args:
        transformed: of ``hk.transform``, ``hk.transform_with_state`` or ``hk.without_apply_rng`` of either; from
            ``(b, H, W, C)`` images to ``(b, classes)``.
        params: what its ``init`` returned.
        state: the state that ``init`` returned too, for ``hk.transform_with_state``.
        rng: a key for functions that draw; every image gets the same one.
        **keywords: handed to the function, such as ``is_training=False``. Arrays among them, and ``rng``, become a
            part of the params.

    Returns:
        The params, or the pair ``(params, state)``, and a pure function of them and ``(b, H, W, C)`` images, and of a
        context where the function takes one as its second argument.

    Raises:
        TypeError: ``transformed`` is none of these.
        ValueError: a state or a key is missing or is not wanted.

    Example:
        >>> import haiku as hk, jax, jax.numpy as jnp, egcam_jax
        >>> transformed = hk.transform(lambda x, is_training: hk.Conv2D(4, 3)(x).mean((1, 2)))
        >>> x = jnp.ones((1, 8, 8, 3))
        >>> params = transformed.init(jax.random.key(0), x, is_training=False)
        >>> params, apply_fn = egcam_jax.from_haiku(transformed, params, is_training=False)
        >>> apply_fn(params, x).shape
        (1, 4)
    """
    import haiku as hk

    if not isinstance(transformed, hk.Transformed | hk.TransformedWithState):
        raise TypeError(
            "from_haiku: transformed must come from hk.transform or hk.transform_with_state; "
            f"got {type(transformed).__name__}."
        )
    stateful = isinstance(transformed, hk.TransformedWithState)
    if stateful != (state is not None):
        fault = "needs the state that init returned" if stateful else "has no state (hk.transform), but one was given"
        raise ValueError(f"from_haiku: state: this function {fault}.")
    takes_rng = "rng" in inspect.signature(transformed.apply).parameters
    if rng is not None and not takes_rng:
        raise ValueError("from_haiku: rng: this function takes no key (hk.without_apply_rng), but one was given.")

    def call(trees: Params, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        key = (keywords.pop("rng", None),) if takes_rng else ()
        logits = transformed.apply(*(trees if stateful else (trees,)), *key, *inputs, **keywords)
        return logits[0] if stateful else logits

    def takes(x: Any, rng: Any) -> None:
        """What can be passed on, as far as a transformed function tells."""

    trees = (params, state) if stateful else params
    bound = keywords if rng is None else {"rng": rng, **keywords}
    return adapted("from_haiku", trees, call, (stateful, content(transformed.apply)), bound, takes)
