"""Blocks of samples, one after the other, until their mean is good enough."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Bool, Int

from egcam_jax.core import kernel


def mean_until(
    block: Callable[[Int[Array, ""]], Any],
    least: int,
    limit: int,
    enough: Callable[[Any], Bool[Array, ""]],
    origins: Any,
) -> tuple[Any, Int[Array, ""]]:
    """Average a function of the block's number over ``0, 1, ...`` until the mean is good enough.

    The derivative is that of the mean over as many blocks. It runs through all ``limit`` of them, since one that
    goes backwards needs a fixed number of steps; blocks that were not taken count as zeros.

    Args:
        block: The number of a block of samples to its mean, a pytree of floating arrays; blocks are independent and
            equally large.
        least: At least so many blocks.
        limit: At most so many blocks.
        enough: Of the mean so far, to whether that is enough.
        origins: As for ``kernel.mean_over_samples``.

    Returns:
        The mean, and how many blocks it was taken over. Where images go through together, as in ``kernel.map_images``
        or under the caller's ``vmap``, blocks run until the last image has enough; the others keep what they had then.
    """
    zero = kernel.varying_zero(origins)
    start = zero.astype(jnp.int32)
    nothing = kernel.zeros_like(jax.eval_shape(block, start), zero)
    # Whatever the two functions close over becomes an argument, because a derivative is traced when that is gone.
    one, block_inputs = _explicit(block, start)
    suffices, enough_inputs = _explicit(enough, nothing)

    @jax.custom_jvp
    def run(inputs: Any) -> tuple[Any, Any]:
        block_inputs, enough_inputs, start, nothing = inputs

        def goes_on(state: tuple[Any, Any]) -> Any:
            mean, taken = state
            return (taken < limit) & ((taken < least) | ~suffices(enough_inputs, mean))

        def step(state: tuple[Any, Any]) -> tuple[Any, Any]:
            mean, taken = state
            value = one(block_inputs, taken)
            return jax.tree.map(lambda m, v: m + (v - m) / (taken + 1), mean, value), taken + 1

        mean, taken = jax.lax.while_loop(goes_on, step, (nothing, start))
        return mean, taken.astype(jnp.float32)  # whose derivative has a type on every mesh

    @run.defjvp
    def derivative(primals: Any, tangents: Any) -> Any:
        ((block_inputs, _, start, nothing),), ((block_tangents, *_),) = primals, tangents
        mean, taken = run(*primals)

        def fixed(block_inputs: Any) -> Any:
            @jax.checkpoint
            def step(total: Any, number: Any) -> tuple[Any, None]:
                value = one(block_inputs, number)
                return jax.tree.map(lambda t, v: t + jnp.where(number < taken, v, 0), total, value), None

            total, _ = jax.lax.scan(step, nothing, start + jnp.arange(limit, dtype=jnp.int32))
            return jax.tree.map(lambda leaf: leaf / taken, total)

        _, moved = jax.jvp(fixed, (block_inputs,), (block_tangents,))
        return (mean, taken), (moved, taken * 0)

    mean, taken = run((block_inputs, enough_inputs, start, nothing))
    return mean, taken.astype(jnp.int32)


def _explicit(function: Callable[..., Any], *examples: Any) -> tuple[Callable[..., Any], list[Any]]:
    """A function with what it closes over as first argument, and that argument."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*examples)
    form = jax.tree.structure(shapes)

    def call(inputs: list[Any], *arguments: Any) -> Any:
        run = core.jaxpr_as_fun(core.ClosedJaxpr(closed.jaxpr, inputs))
        return jax.tree.unflatten(form, run(*jax.tree.leaves(arguments)))

    return call, closed.consts
