"""What each channel, as a mask on the image, makes of the score: Score-CAM, by forward passes alone."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import maps, numerics
from egcam_jax.methods._options import Choice, Count, Rule
from egcam_jax.methods._problem import Estimate, Problem, Sampling, combine
from egcam_jax.methods._registry import forward_method


def _passes(num_samples: int, channels: int, options: Mapping[str, Any]) -> int:
    return 1 + min(channels, options["top_channels"] or channels)


@forward_method(
    "scorecam",
    source="Wang et al., Score-CAM, CVPR Workshops 2020",
    options={"weights": Choice(("softmax", "prob")), "probability": Rule(), "top_channels": Count()},
    passes=_passes,
)
def scorecam(problem: Problem, options: Mapping[str, Any]) -> Sampling:
    """Weigh each channel by the score of the image that it masks: ``w = softmax_k y(x * H_k)``.

    ``H_k`` is channel k, upsampled to the image and scaled to [0, 1]. Constant channels have weight 0 and no part in
    the softmax; blocks of nothing but constant channels are not run. The paper's baseline score is the same for all
    channels, so that the softmax cancels it. A masked pixel is 0 in the units of ``x``: the mean colour, for a network
    whose input has the mean subtracted.

    Options:
        weights: ``"softmax"`` over channels, of logits; ``"prob"`` the class's probability, as in the authors' code.
        probability: What makes the probability of logits: ``"softmax"``, ``"sigmoid"``, or a function of logits
            ``(b, classes)``.
        top_channels: Only so many channels, those with the largest range of values, for speed; the rest get weight 0.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> weights, x = jnp.array([[1.0, -1], [0, 0]]), jnp.array([[[4.0, 0], [2, 1]], [[0, 1], [0, 0]]])
        >>> explanation = egcam_jax.explain(weights, network, x, target=0, method="scorecam")
        >>> print(explanation.weights.round(3))  # the softmax of the logits 5/4 and 1/2
        [0.679 0.321]

    Source: Wang et al., Score-CAM, 2020. pytorch-grad-cam upsamples with aligned corners, torch-cam scales before it
    upsamples.
    """
    activations = problem.code.activation
    channels = activations.shape[-1]
    count = min(channels, options["top_channels"] or channels)
    axes = tuple(range(activations.ndim - 1))
    ranges = activations.max(axis=axes) - activations.min(axis=axes)
    order = jnp.argsort(-ranges)[:count]
    varies = ranges[order] > 0
    rule = options["probability"] if options["weights"] == "prob" else None

    def sample(rank: Any) -> tuple[None, Any]:
        mask = maps.saliency(jnp.take(activations, order[rank], axis=-1), problem.x.shape[:-1])
        code = problem.network.encode(problem.x * mask[..., None])
        return None, problem.score(problem.network.decode(code), rule)

    def finish(mean: None, scores: Any) -> Estimate:
        found = jnp.where(varies, scores, 0) if options["weights"] == "prob" else _softmax(scores, varies)
        return combine(problem, jnp.zeros(channels, found.dtype).at[order].set(found))

    return Sampling(count, sample, finish, (activations, problem.x), needed=varies)


def _softmax(scores: Any, among: Any) -> Any:
    """Softmax over some of the scores; 0 for the others, and everywhere where there are none."""
    highest = jax.lax.stop_gradient(jnp.max(scores, where=among, initial=-jnp.inf))
    powers = jnp.where(among, jnp.exp(jnp.where(among, scores - highest, 0)), 0)
    return numerics.divide(powers, powers.sum())
