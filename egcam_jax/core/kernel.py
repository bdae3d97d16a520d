"""The one computation below every method: activations, head gradients, and their mean over samples.

Everything here is written for one image and ``vmap``ped. Memory is bounded by blocks of images times
samples, of which ``chunk_size`` go through the network in one fused pass.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from egcam_jax.core import numerics
from egcam_jax.core.types import Activation, Logits, Scalar

DEFAULT_CHUNK_SIZE = 32
"""Images times samples in one fused pass, unless told otherwise."""


class Code(NamedTuple):
    """One image, encoded: the target layer's activation, and what bypasses the layer."""

    activation: Activation
    carried: Any


IMAGES = "egcam_images"
"""Name of the axis of images that are ``vmap``ped together."""


def score_and_gradient(
    decode: Callable[[Code], Logits], score: Callable[[Logits], Scalar], code: Code
) -> tuple[Scalar, Activation]:
    """Score y and its gradient at the layer, ``dy/dA`` (eqs. 5 and 22), with a pass through the head alone."""
    return jax.value_and_grad(lambda a: score(decode(Code(a, code.carried))))(code.activation)


def interpolate(start: Any, end: Any, alpha: Scalar) -> Any:
    """Point ``start + alpha * (end - start)`` between two pytrees; leaves that are not floating stay at ``end``."""

    def between(a: Array, b: Array) -> Array:
        if not numerics.is_floating(b):
            return b
        low, high = numerics.accumulate(a), numerics.accumulate(b)
        return (low + alpha * (high - low)).astype(b.dtype)

    return jax.tree.map(between, start, end)


class Blocks(NamedTuple):
    """How many images, and how many samples of each, share one fused pass."""

    images: int
    samples: int


def plan(num_images: int, num_samples: int, chunk_size: int | None) -> Blocks:
    """Divide images times samples into equal blocks of at most ``chunk_size``, images first.

    Images first, because they are what is spread over devices, and what the clean pass batches over.
    """
    chunk_size = chunk_size or DEFAULT_CHUNK_SIZE
    images = _even(num_images, chunk_size)
    return Blocks(images, _even(num_samples, max(1, chunk_size // images)))


def _even(count: int, limit: int) -> int:
    """The size of the fewest equal blocks of at most ``limit``, so that as little as possible is padded."""
    return math.ceil(count / math.ceil(count / limit))


def map_images(function: Callable[..., Any], images: Any, block: int, *, named: bool = False) -> Any:
    """Apply a function of one image to all, ``block`` at a time.

    A block takes every (B / block)-th image instead of neighbours: where the batch is sharded over
    devices, each block is then sharded too, and no image moves. The last block is padded with copies.

    Args:
        function: Of one image's slice of ``images``.
        images: Pytree whose leaves have the images as leading axis.
        block: How many go through at once.
        named: Whether the axis of images has the name ``IMAGES``, for ``mean_over_samples`` with ``needed``. JAX
            traces called functions anew under a named axis of another length, so only who needs a name gets one.
    """
    count = jax.tree.leaves(images)[0].shape[0]
    vectorised = jax.vmap(function, axis_name=IMAGES) if named else jax.vmap(function)
    if min(count, block) == 1 and not named:
        vectorised = _alone(function)
    if count <= block:
        return vectorised(images)
    steps = math.ceil(count / block)

    def fold(leaf: Array) -> Array:
        filled = jnp.concatenate([leaf, jnp.repeat(leaf[-1:], steps * block - count, axis=0)])
        return jnp.moveaxis(filled.reshape(block, steps, *leaf.shape[1:]), 1, 0)

    def unfold(leaf: Array) -> Array:
        return jnp.moveaxis(leaf, 0, 1).reshape(steps * block, *leaf.shape[2:])[:count]

    return jax.tree.map(unfold, jax.lax.map(vectorised, jax.tree.map(fold, images)))


def _alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """Map over a block of one image: no ``vmap``, by which every called half would be traced once more."""

    def one(images: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[None], function(jax.tree.map(lambda leaf: leaf[0], images)))

    return one


class Outer(NamedTuple):
    """An outer product that is to be averaged: summed over the samples as a matrix product, and never laid out.

    Attributes:
        factors: ``(m,)``.
        value: An array, to be averaged with each factor.
    """

    factors: Array
    value: Array


def mean_over_samples(
    sample: Callable[..., tuple[Any, Any]], num_samples: int, block: int, origins: Any = (), needed: Any = None
) -> tuple[Any, Any]:
    """Average a function of the sample's number over ``range(num_samples)``, ``block`` samples at a time.

    The body is rematerialised under differentiation, so that memory stays bounded by the block there too.

    Args:
        sample: ``s -> (averaged, kept)``, two pytrees; an ``Outer`` in the first stands for its product.
        num_samples: n.
        block: How many samples are ``vmap``ped into one pass.
        origins: Floating arrays that ``sample`` computes from; the sums start out varying over devices as these do.
        needed: ``(n,)`` which samples matter, inside ``map_images(..., named=True)`` only: a block in which none does,
            for any of the images that go through together, is not run, and its samples count as zeros.

    Returns:
        The mean of ``averaged``, in float32, and ``kept`` for each sample, stacked.
    """
    steps = math.ceil(num_samples / block)

    @jax.checkpoint
    def body(numbers: Array) -> tuple[Any, Any]:
        averaged, kept = jax.vmap(sample)(jnp.minimum(numbers, num_samples - 1))

        def total(leaf: Array | Outer) -> Array:
            if isinstance(leaf, Outer):
                factors, value = real(leaf.factors), numerics.accumulate(leaf.value)
                return jnp.tensordot(factors, value, axes=(0, 0), precision=jax.lax.Precision.HIGHEST)
            return real(leaf).sum(axis=0)

        def real(leaf: Array) -> Array:
            counts = jnp.expand_dims(numbers < num_samples, range(1, leaf.ndim))
            return jnp.where(counts, numerics.accumulate(leaf), 0)

        return jax.tree.map(total, averaged, is_leaf=lambda node: isinstance(node, Outer)), kept

    if steps == 1:
        totals, kept = body(jnp.arange(num_samples))
    else:
        numbers = jnp.arange(steps * block).reshape(steps, block)
        zero, shapes = varying_zero(origins), jax.eval_shape(body, numbers[0])[0]
        zeros = zeros_like(shapes, zero)

        def step(totals: Any, numbers: Array) -> tuple[Any, Any]:
            more, kept = body(numbers) if needed is None else _where_needed(body, needed, numbers, zero)
            return jax.tree.map(jnp.add, totals, more), kept

        totals, kept = jax.lax.scan(step, zeros, numbers)
        kept = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num_samples], kept)
    return jax.tree.map(lambda leaf: leaf / num_samples, totals), kept


def _where_needed(body: Callable[[Array], Any], needed: Array, numbers: Array, zero: Array) -> Any:
    """A block of samples, or zeros where no image needs any of them: a branch that ``vmap`` leaves a branch."""
    real = needed.at[numbers].get(mode="fill", fill_value=False)
    return jax.lax.cond(
        jax.lax.pmax(real.any().astype(jnp.int32), IMAGES) > 0,
        body,
        lambda numbers: zeros_like(jax.eval_shape(body, numbers), zero),
        numbers,
    )


def zeros_like(shapes: Any, zero: Array) -> Any:
    """Zeros of some shapes, varying as ``zero`` does."""
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype) + zero.astype(leaf.dtype), shapes)


def varying_zero(origins: Any) -> Array:
    """Zero that is computed from the origins, and so varies over the same axes of a ``shard_map`` as they do."""
    firsts = [numerics.accumulate(leaf.ravel()[0]) for leaf in jax.tree.leaves(origins)]
    return sum((jnp.where(first == first, 0, 0) for first in firsts), jnp.asarray(0))
