"""What an estimator is given for one image, and what it gives back."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from egcam_jax import kernel, maps
from egcam_jax._types import Activation, Image, References


class EncodedReferences(NamedTuple):
    """The reference distribution, encoded once for all images and samples, or not yet.

    Attributes:
        images: ``(R, H, W, C)``.
        codes: Their codes, leading axis R, or ``None`` where the options do not need them, or the model takes a
            context: what a reference is encoded to then depends on the image that is explained.
        logits: ``(R, classes)``, or ``None`` likewise.
    """

    images: References
    codes: Any
    logits: Any


class Moments(NamedTuple):
    """Means over samples of the second and third powers of the gradients, each ``(h, w, K)``."""

    second: Activation
    third: Activation


class Problem(NamedTuple):
    """All that an estimator may use to explain one image at one layer.

    Attributes:
        network: The model, cut at the target layer.
        x: ``(H, W, C)`` image.
        code: The image, encoded.
        score: Logits to the scalar y that is explained.
        weigh: Gradients and activations ``(h, w, K)``, and perhaps ``Moments``, to weights; ``None`` for methods
            that have their own.
        linear: Whether the weights are linear in the gradients.
        moments: Whether the weights ask for the moments of sampled gradients.
        references: The encoded references, for estimators that have any.
        key: The image's key.
        num_samples: n.
        block: How many of a number of samples go through in one fused pass.
    """

    network: kernel.Network
    x: Image
    code: kernel.Code
    score: Callable[..., Any]
    weigh: Any
    linear: bool
    moments: bool
    references: Any
    key: Any
    num_samples: int
    block: Callable[[int], int]

    def signed(self, gradients: Activation, moments: Moments | None = None) -> Any:
        """The map before its ReLU, ``sum_k w_k A_k``, for a gradient field."""
        return maps.weighted_sum(self.weigh(gradients, self.code.activation, moments), self.code.activation)


class Estimate(NamedTuple):
    """What an estimator finds for one image.

    Attributes:
        signed: ``(h, w)`` map before its ReLU.
        cam: ``(h, w)`` map after it.
        weights: ``(K,)`` for channels or ``(h, w, K)`` for positions, or ``None`` where no one set made the map.
        stderr: ``(h, w)`` standard error of ``signed``, where it was sampled.
        completeness_gap: For path methods.
        score_difference: What it is the gap to: the score at the paths' ends less that at their starts.
    """

    signed: Any
    cam: Any
    weights: Any
    stderr: Any = None
    completeness_gap: Any = None
    score_difference: Any = None


class Sampling(NamedTuple):
    """An estimate that is still to be averaged over samples, so that several can share one pass over them.

    Attributes:
        number: How many samples.
        sample: ``s -> (averaged, kept)``, as ``kernel.mean_over_samples`` takes it.
        finish: ``(mean, kept) -> Estimate``.
        origins: Arrays that the samples are computed from.
        needed: ``(number,)`` which samples matter, or ``None`` for all.
    """

    number: int
    sample: Callable[..., tuple[Any, Any]]
    finish: Callable[[Any, Any], Estimate]
    origins: Any
    needed: Any = None


def combine(problem: Problem, weights: Any, **rest: Any) -> Estimate:
    """The estimate whose map is ``ReLU(sum_k w_k A_k)`` (eq. 18)."""
    signed = maps.weighted_sum(weights, problem.code.activation)
    return Estimate(signed, jax.nn.relu(signed), weights, **rest)
