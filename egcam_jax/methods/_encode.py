"""References taken through the network before any image is explained."""

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax.typing import DTypeLike

from egcam_jax.core import checks, compilation, inputs, kernel, numerics, sharding
from egcam_jax.core.types import ApplyFn, InputsLike, Params
from egcam_jax.methods import _arguments, _references
from egcam_jax.methods._cut import Cut
from egcam_jax.methods._references import EncodedReferences


def encode(
    params: Params,
    apply_fn: ApplyFn,
    refs: InputsLike,
    *,
    layer: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
    grid: tuple[int, ...] | None = None,
    spatial_dims: int = 2,
    compute_dtype: DTypeLike | None = None,
    precision: str | None = None,
) -> EncodedReferences:
    """Encode references once, for many calls of ``explain``, which takes the result as ``refs``.

    ``A' = f(x')`` and the logits of each reference. With them the complete map of an image costs one pass through the
    features and n through the head, at whatever number of references. The maps are the same as those from the images.

    Args:
        params: The model's parameters.
        apply_fn: As for ``explain``.
        refs: ``(R, H, W, C)`` references, preprocessed as the images to explain are.
        layer: Name of the target layer, or several, of which an explanation may take some.
        chunk_size: How many references go through the network in one pass; 32 by default.
        grid: As for ``explain``.
        spatial_dims: As for ``explain``.
        compute_dtype: As for ``explain``, which must have the same.
        precision: As for ``explain``.

    Returns:
        ``EncodedReferences``, a pytree.

    Raises:
        ValueError: For a wrong shape, value or name; TypeError for a wrong type.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> weights, x, refs = jnp.array([[1.0, -1]]), jnp.array([[4.0, 2], [0, 0]])[..., None], jnp.zeros((3, 2, 2, 1))
        >>> encoded = egcam_jax.encode(weights, network, refs)
        >>> options = {"target": 0, "num_samples": 2, "noise": "none"}
        >>> key = jax.random.key(0)
        >>> maps = [egcam_jax.explain(weights, network, x, r, key, **options).cam for r in (refs, encoded)]
        >>> bool((maps[0] == maps[1]).all()), bool((maps[0] > 0).any())
        (True, True)
    """
    spatial_dims = _arguments.spatial(spatial_dims)
    refs = inputs.references(inputs.images(refs, spatial_dims, "refs"), refs, "encode", spatial_dims)
    params, apply_fn = _arguments.function(params, apply_fn)
    cut = Cut(
        apply_fn=apply_fn,
        layers=_arguments.layers(layer),
        grid=checks.grid(grid, spatial_dims),
        compute_dtype=None if compute_dtype is None else checks.floating_dtype("compute_dtype", compute_dtype),
        precision=checks.precision(precision),
        dense=True,
    )
    block = kernel.DEFAULT_CHUNK_SIZE if chunk_size is None else checks.count("chunk_size", chunk_size)
    return _run(params, refs, cut=cut, block=block)


@functools.partial(compilation.jit, static_argnames=("cut", "block"))
def _run(params: Params, refs: Any, *, cut: Cut, block: int) -> EncodedReferences:
    def encoded(refs: Any, params: Params) -> EncodedReferences:
        pieces, networks, image = cut.networks(params, refs)
        layers = _references.encode(networks, refs, block, frozenset({"images", "codes", "logits"}))
        return EncodedReferences(
            images=numerics.accumulate(refs),
            codes=tuple(layer.codes for layer in layers),
            logits=layers[0].logits,
            fingerprint=jnp.broadcast_to(_references.fingerprint(params), len(refs)),
            layers=tuple(piece.layer for piece in pieces),
            dtype=str(image.dtype),
        )

    return sharding.automatic(numerics.at_precision(encoded, cut.precision), refs, params)
