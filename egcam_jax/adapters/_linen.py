"""Flax linen modules."""

from typing import Any

from egcam_jax.adapters._adapted import adapted
from egcam_jax.core.contents import content
from egcam_jax.core.types import ApplyFn, Params


def from_linen(module: Any, variables: Params, **keywords: Any) -> tuple[Params, ApplyFn]:
    """Turn a linen module into ``(params, apply_fn)``: ``apply_fn(variables, x) = module.apply(variables, x)``.

    Args:
        module: a ``flax.linen.Module`` from ``(b, H, W, C)`` to ``(b, classes)``.
        variables: what ``module.init`` returned, batch statistics included.
        **keywords: handed to ``module.apply``, such as ``train=False`` or ``rngs={"dropout": key}``. Arrays among
            them become a part of the params; every image gets the same key.

    Returns:
        The variables and a pure function of them and ``(b, H, W, C)`` images, and of a context where the module takes
        one as its second argument. Nothing is mutable: a
        module that updates its batch statistics in training mode raises flax's own error.

    Raises:
        TypeError: ``module`` is not a linen module.

    Example:
        >>> import flax.linen, jax, jax.numpy as jnp, egcam_jax
        >>> module = flax.linen.Sequential([flax.linen.Conv(4, (3, 3)), lambda x: x.mean((1, 2))])
        >>> x = jnp.ones((1, 8, 8, 3))
        >>> params, apply_fn = egcam_jax.from_linen(module, module.init(jax.random.key(0), x))
        >>> apply_fn(params, x).shape
        (1, 4)
    """
    from flax import linen

    if not isinstance(module, linen.Module):
        raise TypeError(f"from_linen: module must be a flax.linen.Module; got {type(module).__name__}.")

    def call(variables: Params, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return module.apply(variables, *inputs, mutable=False, **keywords)

    return adapted("from_linen", variables, call, content(module), keywords, module.__call__)
