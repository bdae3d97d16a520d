"""The reference distribution, encoded once: for one call of ``explain``, or before many."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32

from egcam_jax.core import kernel, numerics
from egcam_jax.core.types import Image, Images, Params
from egcam_jax.methods._problem import References
from egcam_jax.splitting import Network

_LOOKED_AT = 1024
"""Entries of each parameter that the fingerprint reads."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, repr=False)
class EncodedReferences:
    """References that ``encode`` took through a network: a frozen pytree that ``explain`` takes as ``refs``.

    All arrays have the references as leading axis, so that ``encoded[:16]`` are the first sixteen.

    Attributes:
        images: ``(R, H, W, C)`` the references themselves.
        codes: For each layer, its activations ``(R, h, w, K)`` and what bypasses the layer.
        logits: ``(R, classes)``.
        fingerprint: ``(R,)`` a number that stands for the parameters.
        layers: Names of the layers.
        dtype: In which the network took the images.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> encoded = egcam_jax.encode(jnp.ones((1, 2)), network, jnp.ones((3, 2, 2, 1)))
        >>> len(encoded), encoded[:2].logits.tolist()
        (3, [[1.0, 1.0], [1.0, 1.0]])
    """

    images: Float[Array, "..."]
    codes: tuple[Any, ...]
    logits: Float[Array, "..."]
    fingerprint: UInt32[Array, "..."]
    layers: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    dtype: str = dataclasses.field(metadata={"static": True})

    def __len__(self) -> int:
        """R."""
        return len(self.images)

    def __getitem__(self, chosen: Any) -> "EncodedReferences":
        """Some of the references: a slice or an array of indices."""
        return jax.tree.map(lambda leaf: leaf[chosen], self)

    def __repr__(self) -> str:
        """How many, of which shapes, and where they were encoded."""
        shapes = ", ".join(str(code.activation.shape) for code in self.codes)
        return f"EncodedReferences(images={self.images.shape}, layers={self.layers}, activations=({shapes}))"


def encode(networks: Sequence[Network], images: Images | None, block: int, reads: frozenset[str]) -> list[Any]:
    """Encode each reference once for all layers, as far as an explanation reads it; see ``Estimator.reads``."""
    if images is None or not reads:
        return [None] * len(networks)
    images = numerics.accumulate(images)
    if reads == {"images"}:
        return [References(images, None, None)] * len(networks)

    def one(reference: Image) -> tuple[Any, Any]:
        codes = [network.encode(reference) for network in networks]
        return codes if "codes" in reads else None, networks[0].decode(codes[0]) if "logits" in reads else None

    codes, logits = kernel.map_images(one, images, block)
    return [References(images, code, logits) for code in codes or [None] * len(networks)]


def encoded(refs: EncodedReferences, networks: Sequence[Network], layers: Sequence[str], dtype: Any) -> Any:
    """The references at the layers that are explained, out of those that were encoded before.

    Raises:
        ValueError: They were encoded at another layer, in another dtype, or by a network of other shapes.
    """
    if refs.dtype != str(dtype):
        raise ValueError(
            f"refs must be encoded in {dtype}, in which the network takes the images in x; got references encoded in "
            f"{refs.dtype}. Give encode the compute_dtype of explain, and references in the dtype of x."
        )
    missing = [layer for layer in layers if layer not in refs.layers]
    if missing:
        raise ValueError(
            f"refs must be encoded at layer {', '.join(map(repr, missing))}; got references encoded at "
            f"{', '.join(map(repr, refs.layers))}. Encode them at the layer that is explained: encode(..., layer=...)."
        )
    codes = [refs.codes[refs.layers.index(layer)] for layer in layers]
    for network, layer, code in zip(networks, layers, codes):
        both = jax.vmap(lambda x, network=network: _code_and_logits(network, x))
        wanted, got = jax.eval_shape(both, refs.images), (code, refs.logits)
        if _description(wanted) != _description(got):
            raise ValueError(
                f"refs must be encoded by the network that is explained, whose arrays at layer {layer!r} are "
                f"{_description(wanted)}; got {_description(got)}. Encode them again, with the same apply_fn and grid."
            )
    return [References(refs.images, code, refs.logits) for code in codes]


def _code_and_logits(network: Network, x: Image) -> tuple[kernel.Code, Any]:
    code = network.encode(x)
    return code, network.decode(code)


def _description(tree: Any) -> str:
    """Shapes and dtypes of the arrays in a tree."""
    return ", ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in jax.tree.leaves(tree))


def fingerprint(params: Params) -> UInt32[Array, ""]:
    """A number that changes as parameters do: a sum over the bits of up to ``_LOOKED_AT`` entries of each, in order.

    Exact, so that neither devices nor compilers change it. Changes of single entries of a large array may go unseen.
    """
    total = jnp.zeros((), jnp.uint32)
    for leaf in map(jnp.asarray, jax.tree.leaves(params)):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        entries = jax.lax.stop_gradient(leaf).ravel()
        entries = entries[:: max(1, entries.size // _LOOKED_AT)]
        if jnp.iscomplexobj(entries):
            entries = jnp.concatenate([entries.real, entries.imag])
        if numerics.is_floating(entries):
            entries = jax.lax.bitcast_convert_type(entries.astype(jnp.float32), jnp.uint32)
        entries = entries.astype(jnp.uint32)
        order = jnp.arange(entries.size, dtype=jnp.uint32) * 2 + 1
        total = total * jnp.uint32(31) + (entries * order).sum(dtype=jnp.uint32)
    return total
