"""The plain gradient of the score at the image itself."""

from collections.abc import Mapping
from typing import Any

from egcam_jax import kernel
from egcam_jax.methods._registry import Estimate, Problem, estimator, method


@estimator("vanilla", options={}, passes=lambda num_samples, options: 1)
def vanilla(problem: Problem, options: Mapping[str, Any]) -> Estimate:
    """Estimate G by the gradient at the image: ``G = dy/dA`` at ``A = f(x)``."""
    _, gradients = kernel.score_and_gradient(problem.network.decode, problem.score, problem.code)
    return Estimate(gradients)


method(
    "gradcam",
    estimator="vanilla",
    aggregator="gradcam",
    source="Selvaraju et al., Grad-CAM, ICCV 2017",
)
