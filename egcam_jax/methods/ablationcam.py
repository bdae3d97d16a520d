"""What the score loses without each channel: Ablation-CAM, by the head alone."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from egcam_jax.core import kernel, numerics
from egcam_jax.methods import _affine
from egcam_jax.methods._options import Choice
from egcam_jax.methods._problem import Estimate, Problem, Sampling, combine, reaches
from egcam_jax.methods._registry import forward_method


@forward_method(
    "ablationcam",
    source="Desai and Ramaswamy, Ablation-CAM, WACV 2020",
    options={"denominator": Choice(("none", "score", "norm"))},
    passes=lambda num_samples, channels, options: 1,
)
def ablationcam(problem: Problem, options: Mapping[str, Any]) -> Estimate | Sampling:
    """Weigh each channel by the drop of the score without it: ``w_k = y(A) - y(A with A_k = 0)``.

    Where tracing shows the score to be affine in A, the drop is ``sum_ij dy/dA_ijk A_ijk`` exactly, and one gradient
    gives them all; else the head runs on K ablated activations, in blocks.

    Options:
        denominator: ``"none"``; ``"score"`` divides by ``|y|``, which scales the map; ``"norm"`` divides each drop by
            the Frobenius norm of its channel, the slope that the paper sets out from.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> weights, x = jnp.array([[1.0, -1]]), jnp.array([[4.0, 2], [0, 0]])[..., None]
        >>> explanation = egcam_jax.explain(weights, network, x, target=0, method="ablationcam")
        >>> explanation.weights.tolist()  # the logit is 6/4, and 0 without the channel
        [1.5]

    Source: Desai and Ramaswamy, Ablation-CAM, 2020. pytorch-grad-cam divides by y itself, so that a negative score
    turns its map over, and ablates to a large negative value where the layer's least activation is not 0.
    """
    activations, decode = problem.code.activation, problem.network.decode
    score = lambda a: problem.score(decode(kernel.Code(a, problem.code.carried)))
    y = score(activations)

    def weigh(drops: Any, reached: Any) -> Estimate:
        squares = jnp.sum(activations**2, axis=tuple(range(activations.ndim - 1)))
        size = {"none": jnp.ones(()), "score": jnp.abs(y), "norm": numerics.sqrt(squares)}[options["denominator"]]
        return combine(problem, numerics.divide(drops, size), reached=reached)

    if _affine.is_affine(score, activations):
        _, gradients = kernel.score_and_gradient(decode, problem.score, problem.code)
        drops = jnp.sum(gradients * activations, axis=tuple(range(activations.ndim - 1)))
        return weigh(drops, reaches(gradients))

    channels = activations.shape[-1]

    def sample(channel: Any) -> tuple[None, Any]:
        return None, y - score(jnp.where(jnp.arange(channels) == channel, 0, activations))

    silent = (activations == 0).all()  # then no drop tells
    return Sampling(channels, sample, lambda mean, drops: weigh(drops, silent | (drops != 0).any()), activations)
