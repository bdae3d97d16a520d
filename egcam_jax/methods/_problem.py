"""What an estimator is given for one image, and what it gives back."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from egcam_jax.core import kernel, maps
from egcam_jax.core.types import Activation, Image, Images
from egcam_jax.splitting import Network


class References(NamedTuple):
    """The reference distribution at one layer, encoded once for all images and samples, or not yet.

    Attributes:
        images: ``(R, H, W, C)``.
        codes: Their codes, leading axis R, or ``None`` where the options do not need them, or the model takes a
            context: what a reference is encoded to then depends on the image that is explained.
        logits: ``(R, classes)``, or ``None`` likewise.
    """

    images: Images
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
        score: Logits to the scalar y that is explained; with a rule of ``answers`` as second argument, the same of the
            probabilities that the rule makes of them.
        weigh: Gradients and activations ``(h, w, K)``, and perhaps ``Moments``, to weights; ``None`` for methods
            that have their own.
        factor: Activations to the array that the weights multiply: the activations themselves, their contrast
            ``A - E[A']`` to the references, or 1 for weights that are contributions already.
        linear: Whether the weights are linear in the gradients.
        moments: Whether the weights ask for the moments of sampled gradients.
        references: The encoded references, for estimators that have any.
        key: The image's key.
        num_samples: n.
        block: How many of a number of samples go through in one fused pass.
    """

    network: Network
    x: Image
    code: kernel.Code
    score: Callable[..., Any]
    weigh: Any
    factor: Callable[[Activation], Any]
    linear: bool
    moments: bool
    references: Any
    key: Any
    num_samples: int
    block: Callable[[int], int]

    def signed(self, gradients: Activation, moments: Moments | None = None) -> Any:
        """The map before its ReLU, ``sum_k w_k A_k``, for a gradient field."""
        return self.weighted(self.weigh(gradients, self.code.activation, moments))

    def weighted(self, weights: Any) -> Any:
        """The map before its ReLU for some weights."""
        return maps.weighted_sum(weights, self.factor(self.code.activation))


class Estimate(NamedTuple):
    """What an estimator finds for one image.

    Attributes:
        signed: ``(h, w)`` map before its ReLU.
        cam: ``(h, w)`` map after it.
        weights: ``(K,)`` for channels or ``(h, w, K)`` for positions, or ``None`` where no one set made the map.
        stderr: ``(h, w)`` standard error of ``signed``, where it was sampled.
        completeness_gap: For path methods.
        score_difference: What it is the gap to: the score at the paths' ends less that at their starts.
        reached: Whether any of the gradients that made the map ``reaches`` a position of the layer.
        num_samples: How many samples were taken, where that was decided on the way.
    """

    signed: Any
    cam: Any
    weights: Any
    stderr: Any = None
    completeness_gap: Any = None
    score_difference: Any = None
    reached: Any = None
    num_samples: Any = None


class Sampling(NamedTuple):
    """An estimate that is still to be averaged over samples, so that several can share one pass over them.

    Attributes:
        number: How many samples; in each block, where there are blocks.
        sample: ``s -> (averaged, kept)``, as ``kernel.mean_over_samples`` takes it.
        finish: ``(mean, kept) -> Estimate``.
        origins: Arrays that the samples are computed from.
        needed: ``(number,)`` which samples matter, or ``None`` for all.
        blocks: More samples in independent blocks, until the mean is precise enough; or ``None``.
    """

    number: int
    sample: Callable[..., tuple[Any, Any]]
    finish: Callable[[Any, Any], Estimate]
    origins: Any
    needed: Any = None
    blocks: "Blocks | None" = None


class Blocks(NamedTuple):
    """How a sampling goes on.

    Attributes:
        least: At least so many blocks.
        limit: At most so many blocks.
        sample: The number of a block to the block's ``sample``, which keeps nothing.
        enough: The mean so far to whether it is precise enough.
    """

    least: int
    limit: int
    sample: Callable[[Any], Callable[..., tuple[Any, Any]]]
    enough: Callable[[Any], Any]


def reaches(gradient: Activation) -> Any:
    """Whether a gradient is other than 0 at any position of the layer."""
    return (gradient != 0).any()


def combine(problem: Problem, weights: Any, **rest: Any) -> Estimate:
    """The estimate whose map is ``ReLU(sum_k w_k A_k)`` (eq. 18)."""
    signed = problem.weighted(weights)
    return Estimate(signed, jax.nn.relu(signed), weights, **rest)
