"""What an explanation is: the map, what it was made of, and how far to trust it."""

import dataclasses
import functools
import typing

import jax
from jaxtyping import Array, Float, Int


@typing.no_type_check  # a transformed pytree's leaves need not be arrays
@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["cam", "saliency", "weights", "logits", "target", "stderr", "completeness_gap"],
    meta_fields=["method", "layer", "passes"],
)
@dataclasses.dataclass(frozen=True)
class Explanation:
    """A class activation map for every image, with its provenance. A frozen pytree.

    For a single image ``(H, W, C)`` the leading axis ``b`` is absent everywhere.

    Attributes:
        cam: ``(b, h, w)`` coarse map after its ReLU, in the method's own units.
        saliency: ``(b, H, W)`` the map at the input's size, bilinear with half-pixel centres, then min-max
            scaled to [0, 1]; all zeros where ``cam`` is constant, NaN where the logits are not finite.
        weights: ``(b, K)`` the channel weights, for methods that have them, else ``None``.
        logits: ``(b, classes)`` the model's output for the images.
        target: ``(b,)`` the class explained; -1 where ``target`` was a callable.
        stderr: ``(b, h, w)`` standard error of the map before its ReLU, in the units of ``cam``, for sampled
            methods, else ``None``; NaN for one sample, which says nothing about spread.
        completeness_gap: ``(b,)`` for path methods: what the map's gradients attribute in all, less the
            difference of the scores that they should account for, in logits; ``None`` where undefined.
        method: Name in ``egcam_jax.METHODS``.
        layer: Name of the target layer.
        passes: Forward passes through ``features`` for each image, references not counted; a
            Jacobian-vector product counts as two beside its own forward pass.
    """

    cam: Float[Array, "*b h w"]
    saliency: Float[Array, "*b H W"]
    weights: Float[Array, "*b K"] | None
    logits: Float[Array, "*b classes"]
    target: Int[Array, "*b"]
    stderr: Float[Array, "*b h w"] | None
    completeness_gap: Float[Array, "*b"] | None
    method: str
    layer: str
    passes: int
