"""Maps along the straight path from one baseline, averaged: Integrated Grad-CAM."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import kernel, maps
from egcam_jax.methods._options import Choice, Flag, Pixels
from egcam_jax.methods._problem import Estimate, Problem, Sampling, reaches
from egcam_jax.methods._registry import estimator

_OFFSETS = {"left": 0.0, "midpoint": 0.5, "right": 1.0}


@estimator(
    "integrated",
    options={
        "baseline": Pixels(0.0),
        "rule": Choice(("left", "right", "midpoint")),
        "subtract_baseline": Flag(),
    },
    passes=lambda num_samples, channels, options: 2 + num_samples,
    num_samples=50,
)
def integrated(problem: Problem, options: Mapping[str, Any]) -> Sampling:
    """Average the maps of m points on the path, each with its own ReLU: ``L = mean_t ReLU(sum_k w_k(x_t) A_k(x_t))``.

    ``x_t = x' + (t / m) (x - x')``, and each point's weights come from its own gradients and activations. ``signed`` is
    the mean before the ReLUs, so ``cam`` is not its ReLU; no one set of ``weights`` makes the map. The completeness gap
    is ``sum mean_t G_t (A(x) - A(x')) - (y(x) - y(x'))``.

    Options:
        baseline: x', in the units of ``x``. 0 is the mean colour for a network whose input has the mean subtracted.
        rule: ``"left"`` t = 0 .. m - 1, ``"right"`` t = 1 .. m, ``"midpoint"`` between them.
        subtract_baseline: ``A(x_t) - A(x')`` in place of ``A(x_t)``.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> weights, x = jnp.array([[1.0, -1]]), jnp.array([[4.0, 2], [0, 0]])[..., None]
        >>> options = {"method": "integrated_gradcam", "rule": "midpoint", "num_samples": 4}
        >>> print(egcam_jax.explain(weights, network, x, target=0, **options).cam)  # half of x, times 1/4
        [[0.5  0.25]
         [0.   0.  ]]

    Source: Sattarzadeh et al., Integrated Grad-CAM, 2021, as its authors' notebook computes it: left rule, 50 steps,
    nothing subtracted. Their paper subtracts, takes the right rule, and sums where this takes means.
    """
    if options["subtract_baseline"] and options["contrast"] != "none":
        raise ValueError(
            f"contrast must be 'none' with subtract_baseline=True, which subtracts too; got {options['contrast']!r}. "
            f"Leave one of them out."
        )
    start = jnp.broadcast_to(options["baseline"], problem.x.shape).astype(problem.x.dtype)
    origin = problem.network.encode(start)
    offset = _OFFSETS[options["rule"]]

    def sample(step: Any) -> tuple[Any, None]:
        code = problem.network.encode(kernel.interpolate(start, problem.x, (step + offset) / problem.num_samples))
        _, gradient = kernel.score_and_gradient(problem.network.decode, problem.score, code)
        activations = code.activation - origin.activation if options["subtract_baseline"] else code.activation
        signed = maps.weighted_sum(problem.weigh(gradient, activations), problem.factor(activations))
        return (signed, jax.nn.relu(signed), gradient), None

    def finish(mean: Any, kept: None) -> Estimate:
        signed, cam, gradients = mean
        score = lambda code: problem.score(problem.network.decode(code))
        difference = score(problem.code) - score(origin)
        gap = jnp.sum(gradients * (problem.code.activation - origin.activation)) - difference
        reached = reaches(gradients)
        return Estimate(signed, cam, weights=None, completeness_gap=gap, score_difference=difference, reached=reached)

    return Sampling(problem.num_samples, sample, finish, (problem.code.activation, start))
