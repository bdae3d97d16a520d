"""The gradient averaged over noisy copies of the image (SmoothGrad), and its higher moments."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from egcam_jax.core import kernel, perturb, uncertainty
from egcam_jax.methods import _precision
from egcam_jax.methods._options import Number
from egcam_jax.methods._problem import Estimate, Moments, Problem, Sampling, combine, reaches
from egcam_jax.methods._registry import estimator


@estimator(
    "smooth",
    options={"noise_scale": Number(0.15, low=0.0), "sigma": Number(None, low=0.0), "tolerance": Number(None, low=0.0)},
    passes=lambda num_samples, channels, options: 1 + num_samples,
    num_samples=25,
    random=True,
)
def smooth(problem: Problem, options: Mapping[str, Any]) -> Sampling:
    """Estimate G by its mean over noise: ``G = mean_s dy/dA`` at ``A = f(x + eta_s)``, with ``eta ~ N(0, sigma^2)``.

    The weights then combine the activations of the clean image. For Grad-CAM++ the means of the second and third
    powers are taken too, which makes it Smooth Grad-CAM++.

    Options:
        noise_scale: sigma as a fraction of the image's range of values.
        sigma: The standard deviation itself, in the units of ``x``, instead.
        tolerance: Stop where the largest standard error of the map is at most this fraction of its largest absolute
            value before the ReLU, at n samples at the latest.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> weights, x = jnp.array([[1.0, -1]]), jnp.array([[4.0, 2], [1, 1]])[..., None]
        >>> options = {"method": "gradcam", "gradients": "smooth", "num_samples": 4, "sigma": 1e-3}
        >>> print(egcam_jax.explain(weights, network, x, None, jax.random.key(0), target=0, **options).cam)
        [[1.   0.5 ]
         [0.25 0.25]]

    Source: Smilkov et al., SmoothGrad, 2017; Omeiza et al., Smooth Grad-CAM++, 2019. torch-cam takes the ReLU of the
    last noisy gradient and combines the last noisy activations.
    """
    noise = {"scale": options["noise_scale"], "spread": options["sigma"]}

    def seen(field: tuple[Any, Any]) -> Any:
        """What the map needs of a sample: the map itself where that is linear in the gradients, else the field."""
        return problem.signed(*field) if problem.linear else field

    def signed(seen: Any) -> Any:
        return seen if problem.linear else problem.signed(*seen)

    def block(key: Any, count: int) -> Callable[..., tuple[Any, None]]:
        key_noise, key_signs = jax.random.split(key)
        number = uncertainty.MORE_REPLICATES if problem.linear else uncertainty.REPLICATES
        spread = count * uncertainty.replicates(key_signs, uncertainty.independent, count, number)

        def sample(s: Any) -> tuple[Any, None]:
            eta = perturb.noise(jax.random.fold_in(key_noise, s), problem.x, kind="gaussian", **noise)
            code = problem.network.encode(problem.x + eta)
            _, gradient = kernel.score_and_gradient(problem.network.decode, problem.score, code)
            field = (gradient, Moments(gradient**2, gradient**3) if problem.moments else None)
            return (field, jax.tree.map(lambda leaf: kernel.Outer(spread[:, s], leaf), seen(field))), None

        return sample

    def finish(mean: Any, kept: None) -> Estimate:
        field, deviations = mean
        stderr = uncertainty.replicated_standard_error(signed, seen(field), deviations)
        weights = problem.weigh(field[0], problem.code.activation, field[1])
        return combine(problem, weights, stderr=stderr, reached=reaches(field[0]))

    origins = (problem.code.activation, problem.x)
    return _precision.sampling(problem, options["tolerance"], block=block, finish=finish, origins=origins)
