"""What an explanation is: the map, what it was made of, and how far to trust it."""

import dataclasses
import functools
import typing

import jax
from jaxtyping import Array, Bool, Float, Int


@typing.no_type_check  # a transformed pytree's leaves need not be arrays
@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "cam",
        "saliency",
        "signed",
        "weights",
        "logits",
        "target",
        "rivals",
        "num_samples",
        "stderr",
        "completeness_gap",
        "score_difference",
        "reached",
        "by_layer",
    ],
    meta_fields=["method", "layer", "passes"],
)
@dataclasses.dataclass(frozen=True, repr=False)
class Explanation:
    """A class activation map for every image, with its provenance. A frozen pytree.

    For a single image ``(H, W, C)`` the leading axis ``b`` is absent everywhere. For several targets of each image, all
    but ``logits`` have their axis T after ``b``. Networks of one or three spatial dimensions have one or three axes in
    place of ``h, w`` and ``H, W``.

    Attributes:
        cam: ``(b, h, w)`` coarse map after its ReLU, in the method's own units. For several layers their maps, fused
            on the finest grid of theirs.
        saliency: ``(b, H, W)`` the map at the input's size, bilinear with half-pixel centres, then min-max
            scaled to [0, 1]; all zeros where ``cam`` is constant. NaN where the logits are not finite, and for
            arguments that cannot be refused under ``jit``: a target that is no class of the model, a rival that is none
            or is the target, references that were encoded with other parameters.
        signed: ``(b, h, w)`` the map before its ReLU; ``None`` for several layers, unless their maps are in logits.
        weights: ``(b, K)`` the channel weights, for methods that have them, else ``None``.
        logits: ``(b, classes)`` the model's output for the images; ``(b, ..., classes)`` of a dense one.
        target: ``(b,)`` the class explained; -1 where ``target`` was a callable.
        rivals: ``(b, R)`` the classes that it was held against, or ``None``.
        num_samples: ``(b,)`` how many samples or steps were taken, ``None`` for methods without any.
        stderr: ``(b, h, w)`` standard error of ``signed``, for sampled methods, else ``None``; NaN for one sample,
            which says nothing about spread.
        completeness_gap: ``(b,)`` for path methods: what the map's gradients attribute in all, less the
            difference of the scores that they should account for, in logits; ``None`` where undefined.
        score_difference: ``(b,)`` that difference: the mean score at the paths' ends, less that at their starts.
        reached: ``(b,)`` whether a gradient that made the map is other than 0 at any position of the layer; for
            ``ablationcam``, whether a channel matters; ``None`` for ``scorecam``. True for several layers if for one.
        by_layer: For several layers, the explanation of each; else empty.
        method: Name in ``egcam_jax.METHODS``, or that of the pair that was asked for.
        layer: Name of the target layer; of several, joined by ``" + "``.
        passes: Forward passes through ``features`` for each image, at most so many with a tolerance; a Jacobian-vector
            product counts as two beside its own forward pass. References that all images share are not counted; those
            that are encoded under an image's context are.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> x = jnp.array([[4.0, 2], [0, 0]])[..., None]
        >>> explanation = egcam_jax.explain(jnp.array([[1.0, -1]]), network, x, target=1, method="gradcam")
        >>> print(explanation.signed.min(), explanation.empty)  # nothing speaks for class 1
        -1.0 True
    """

    cam: Float[Array, "..."]
    saliency: Float[Array, "..."]
    signed: Float[Array, "..."] | None
    weights: Float[Array, "..."] | None
    logits: Float[Array, "... classes"]
    target: Int[Array, "*b"]
    rivals: Int[Array, "*b R"] | None
    num_samples: Int[Array, "*b"] | None
    stderr: Float[Array, "..."] | None
    completeness_gap: Float[Array, "*b"] | None
    score_difference: Float[Array, "*b"] | None
    reached: Bool[Array, "*b"] | None
    by_layer: tuple["Explanation", ...]
    method: str
    layer: str
    passes: int

    def __repr__(self) -> str:
        """What it is and of which shapes, not a page of numbers."""
        words = [f"method={self.method!r}", f"layer={self.layer!r}", f"passes={self.passes}"]
        for field in ("target", "cam", "saliency", "signed", "weights", "logits", "stderr", "completeness_gap"):
            value = getattr(self, field)
            words.append(f"{field}={getattr(value, 'shape', value)}")
        return f"Explanation({', '.join(words)})"

    @property
    def empty(self) -> Bool[Array, "*b"]:
        """``(b,)`` whether a map is all zeros: no position speaks for the target, though many may speak against.

        Where ``reached`` is false too, the layer says nothing of the target, neither for nor against.
        """
        return (self.cam == 0).all(axis=tuple(range(self.target.ndim, self.cam.ndim)))
