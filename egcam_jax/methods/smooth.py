"""The gradient averaged over noisy copies of the image (SmoothGrad), and its higher moments."""

from collections.abc import Mapping
from typing import Any

import jax

from egcam_jax import kernel, perturb, uncertainty
from egcam_jax.methods._options import Number
from egcam_jax.methods._problem import Estimate, Moments, Problem, Sampling, combine, reaches
from egcam_jax.methods._registry import estimator


@estimator(
    "smooth",
    options={"noise_scale": Number(0.15, low=0.0), "sigma": Number(None, low=0.0)},
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

    Source: Smilkov et al., SmoothGrad, 2017; Omeiza et al., Smooth Grad-CAM++, 2019. torch-cam takes the ReLU of the
    last noisy gradient and combines the last noisy activations.
    """
    key_noise, key_signs = jax.random.split(problem.key)
    noise = {"scale": options["noise_scale"], "spread": options["sigma"]}
    weights = uncertainty.replicates(key_signs, uncertainty.independent, problem.num_samples)

    def sample(s: Any) -> tuple[Any, Any]:
        eta = perturb.noise(jax.random.fold_in(key_noise, s), problem.x, kind="gaussian", **noise)
        code = problem.network.encode(problem.x + eta)
        _, gradient = kernel.score_and_gradient(problem.network.decode, problem.score, code)
        field = (gradient, Moments(gradient**2, gradient**3) if problem.moments else None)
        if problem.linear:
            return (field, None), problem.signed(gradient)
        spread = problem.num_samples * weights[:, s]
        return (field, jax.tree.map(lambda leaf: kernel.Outer(spread, leaf), field)), None

    def finish(mean: Any, kept: Any) -> Estimate:
        field, deviations = mean
        if problem.linear:
            stderr = uncertainty.standard_error(uncertainty.independent(kept))
        else:
            signed = lambda field: problem.signed(*field)
            stderr = uncertainty.replicated_standard_error(signed, field, deviations)
        return combine(
            problem,
            problem.weigh(field[0], problem.code.activation, field[1]),
            stderr=stderr,
            reached=reaches(field[0]),
        )

    return Sampling(problem.num_samples, sample, finish, (problem.code.activation, problem.x))
