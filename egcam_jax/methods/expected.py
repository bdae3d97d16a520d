"""The expected estimator: smoothed, perturbed gradients, averaged over references and path (eqs. 15-22)."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from egcam_jax.core import kernel, numerics, perturb, uncertainty
from egcam_jax.core.types import Activation
from egcam_jax.methods import _path, _precision
from egcam_jax.methods._options import Choice, Number, Positions
from egcam_jax.methods._problem import Estimate, Problem, Sampling, combine, reaches
from egcam_jax.methods._registry import estimator

FLOOR = 1e-3
"""Floor of the elementwise normaliser, as a fraction of the mean magnitude over all entries."""


class Field(NamedTuple):
    """What G is the quotient of, for one sample or on average: delta times Delta, and the size of the encoding."""

    product: Activation
    magnitude: Any


class Sample(NamedTuple):
    """What is averaged over the samples; the deviations stand for the spread of the map, see ``uncertainty``."""

    field: Field
    deviations: Any
    reached: Any
    score_end: Any = None
    score_start: Any = None


def _passes(num_samples: int, channels: int, options: Mapping[str, Any]) -> int:
    """Forward passes through ``features`` for one image: the clean one, and those for the samples."""
    noisy = options["noise"] != "none"
    on_input = options["path"] == "input"
    each = on_input
    each += noisy and _path.needs_end(options)
    each += noisy and options["normalizer"] == "elementwise"
    each += options["difference"] == "encoded"
    each += 2 * (on_input and options["difference"] == "tangent")
    each += options.get("context", False) and _path.reads(options) > {"images"}
    return 1 + num_samples * each


@estimator(
    "expected",
    options={
        "difference": Choice(("none", "latent", "encoded", "tangent")),
        "normalizer": Choice(("none", "global", "elementwise")),
        "noise": Choice(("uniform", "gaussian", "none")),
        "noise_scale": Number(0.1, low=0.0),
        "path": Choice(("input", "latent")),
        "sampling": Choice(("stratified", "iid")),
        "alpha": Positions(),
        "tolerance": Number(None, low=0.0),
    },
    passes=_passes,
    num_samples=32,
    random=True,
    reads=_path.reads,
)
def expected(problem: Problem, options: Mapping[str, Any]) -> Sampling:
    r"""Estimate G by the expectation of the perturbed gradients over references, path and noise.

    With ``x~_s = x + eta_s`` and ``gamma_s = x'_s + alpha_s (x~_s - x'_s)``,

        Delta_s = dy/dA at A = f(gamma_s)                    (eq. 22)
        G = k(x) * (1/n) sum_s delta_s * Delta_s             (eq. 21)

    With a context f is the encoder under the context of x, for references and points on the path alike: each sample
    then encodes its own reference, one pass more.

    Options:
        difference: delta, the paper's ``f(x - x')``. ``"none"``: delta is 1, since the map multiplies the weights by
            the activations already. ``"latent"``: ``f(x~) - f(x')``. ``"encoded"``: ``f(x~ - x')``. ``"tangent"``: the
            Jacobian-vector product of f at gamma along ``x~ - x'``; completeness (eq. 14) then holds exactly.
        normalizer: k (eq. 16). ``"none"``: k is 1. ``"global"``: one over the mean of ``|f(x~)|`` over samples and
            entries. ``"elementwise"``: one over the mean over samples, entry by entry; the mean is at least ``FLOOR``
            times the mean over all entries.
        noise: eta. ``"uniform"`` U(0, 1), ``"gaussian"`` N(0, 1), ``"none"``.
        noise_scale: Its factor, a fraction of the image's range of values.
        path: ``"input"`` interpolates images (eq. 20), ``"latent"`` activations: ``f(x') + alpha (f(x~) - f(x'))``,
            with what bypasses the layer interpolated alike.
        sampling: ``"stratified"`` or ``"iid"``, see ``perturb.draw``.
        alpha: Positions on the path, a scalar or ``(n,)``, instead of drawn ones.
        tolerance: Sampling stops as soon as the largest standard error of the map is at most this fraction of the map's
            largest absolute value before the ReLU, and at n samples at the latest. For heads with ReLUs the reported
            error is within a tenth of the true one, by root mean squares over keys. For smooth heads and fewer than
            eight references the reported error may be a fifth too small.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> weights, x, refs = jnp.array([[1.0, -1]]), jnp.array([[4.0, 2], [1, 1]])[..., None], jnp.zeros((2, 2, 2, 1))
        >>> options = {"target": 0, "num_samples": 4, "noise": "none"}
        >>> explanation = egcam_jax.explain(weights, network, x, refs, jax.random.key(0), **options)
        >>> print(explanation.cam / explanation.cam.max())  # one channel: the map is a multiple of x
        [[1.   0.5 ]
         [0.25 0.25]]

    Source: Buono et al., Expected Grad-CAM: Towards gradient faithfulness, 2024.
    """
    num_references, tolerance = len(problem.references.images), options["tolerance"]
    if tolerance is not None and options["alpha"] is not None:
        raise ValueError("alpha must be None with a tolerance, which decides how many positions there are; got both.")
    draw = functools.partial(perturb.draw, sampling=options["sampling"], alpha=options["alpha"])
    end = _path.ends(problem, options)
    elementwise = _elementwise(problem, options, draw(problem.key, problem.num_samples, num_references), end)
    point, reference_of = _path.points(problem, options), _path.references(problem, options)
    complete = options["difference"] != "none" and (_path.needs_end(options) or options["noise"] == "none")

    def seen(field: Field) -> Field:
        """What the map needs of a sample: the map itself where that is linear in the product, else the whole field."""
        return field._replace(product=problem.signed(field.product * elementwise)) if problem.linear else field

    def gradients(field: Field) -> Activation:
        return numerics.divide(field.product * elementwise, field.magnitude)

    def signed(seen: Field) -> Any:
        return numerics.divide(*seen) if problem.linear else problem.signed(gradients(seen))

    def block(key: Any, count: int) -> Callable[..., tuple[Sample, None]]:
        draws = draw(key, count, num_references)
        number = uncertainty.MORE_REPLICATES if problem.linear else uncertainty.REPLICATES
        residuals = _residuals(draws, num_references, options["sampling"])
        spread = count * uncertainty.replicates(draws.signs, residuals, count, number)

        def sample(s: Any) -> tuple[Sample, None]:
            reference = reference_of(draws.reference[s])
            x_end, code_end = end(draws.noise[s])
            code, delta = point(reference, x_end, code_end, draws.alpha[s])
            _, gradient = kernel.score_and_gradient(problem.network.decode, problem.score, code)
            magnitude = jnp.abs(code_end.activation).mean() if options["normalizer"] == "global" else _path.ONE
            field = Field(delta * gradient, magnitude)
            deviations = jax.tree.map(lambda leaf: kernel.Outer(spread[:, s], leaf), seen(field))
            averaged = Sample(field, deviations, reaches(gradient).astype(jnp.float32))
            if complete:
                scores = problem.score(problem.network.decode(code_end)), problem.score(reference.logits)
                averaged = averaged._replace(score_end=scores[0], score_start=scores[1])
            return averaged, None

        return sample

    def finish(mean: Sample, kept: None) -> Estimate:
        weights = problem.weigh(gradients(mean.field), problem.code.activation)
        stderr = uncertainty.replicated_standard_error(signed, seen(mean.field), mean.deviations)
        estimate = combine(problem, weights, stderr=stderr, reached=mean.reached > 0)
        if not complete:
            return estimate
        difference = mean.score_end - mean.score_start
        gap = mean.field.product.sum() - difference
        return estimate._replace(completeness_gap=gap, score_difference=difference)

    origins = (problem.code.activation, problem.references.images, problem.x)
    return _precision.sampling(
        problem, tolerance, block=block, finish=finish, origins=origins, references=num_references
    )


def _residuals(draws: perturb.Draws, num_references: int, sampling: str) -> uncertainty.Residuals:
    """What of the samples' values counts as error, by how they were drawn."""
    if sampling == "iid":
        return uncertainty.independent
    stretches = perturb.stretches(len(draws.reference), num_references)
    return uncertainty.stratified(draws.reference, num_references, stretches)


def _elementwise(problem: Problem, options: Mapping[str, Any], draws: perturb.Draws, end: Any) -> Any:
    """The elementwise normaliser, found before the samples' maps, which cannot be made without it; else 1."""
    if options["normalizer"] != "elementwise":
        return 1.0
    if options["noise"] == "none":
        mean = jnp.abs(problem.code.activation)
    elif options["tolerance"] is not None:
        raise ValueError(
            "normalizer must be 'global' or 'none' with a tolerance and noise; got 'elementwise', which is averaged "
            "over all samples before the first of them counts."
        )
    else:

        def magnitude(s: Any) -> tuple[Any, None]:
            noisy, code = end(draws.noise[s])
            code = problem.network.encode(noisy) if code is None else code
            return jnp.abs(code.activation), None

        count = problem.num_samples
        mean, _ = kernel.mean_over_samples(magnitude, count, problem.block(count), problem.code.activation)
    return numerics.divide(jnp.ones(()), jnp.maximum(mean, FLOOR * mean.mean()))
