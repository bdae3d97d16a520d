"""The plain gradient of the score at the image itself."""

from collections.abc import Mapping
from typing import Any

from egcam_jax.core import kernel
from egcam_jax.methods._problem import Estimate, Problem, combine, reaches
from egcam_jax.methods._registry import estimator


@estimator("vanilla", passes=lambda num_samples, channels, options: 1)
def vanilla(problem: Problem, options: Mapping[str, Any]) -> Estimate:
    """Estimate G by the gradient at the image: ``G = dy/dA`` at ``A = f(x)``.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> weights, x = jnp.array([[1.0, -1]]), jnp.array([[4.0, 2], [0, 0]])[..., None]
        >>> print(egcam_jax.explain(weights, network, x, target=0, method="hirescam").cam)  # 1/4 of the layer
        [[1.  0.5]
         [0.  0. ]]
    """
    _, gradients = kernel.score_and_gradient(problem.network.decode, problem.score, problem.code)
    return combine(problem, problem.weigh(gradients, problem.code.activation), reached=reaches(gradients))
