"""The plain gradient of the score at the image itself."""

from collections.abc import Mapping
from typing import Any

from egcam_jax import kernel
from egcam_jax.methods._problem import Estimate, Problem, combine, reaches
from egcam_jax.methods._registry import estimator


@estimator("vanilla", passes=lambda num_samples, channels, options: 1)
def vanilla(problem: Problem, options: Mapping[str, Any]) -> Estimate:
    """Estimate G by the gradient at the image: ``G = dy/dA`` at ``A = f(x)``."""
    _, gradients = kernel.score_and_gradient(problem.network.decode, problem.score, problem.code)
    return combine(problem, problem.weigh(gradients, problem.code.activation), reached=reaches(gradients))
