"""The expected estimator: smoothed, perturbed gradients, averaged over references and path (eqs. 15-22)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from egcam_jax import _numerics, kernel, perturb, uncertainty
from egcam_jax._types import Activation, Image, References
from egcam_jax.methods._options import Choice, Number, Positions
from egcam_jax.methods._registry import EncodedReferences, Estimate, Problem, estimator, method

FLOOR = 1e-3
"""Floor of the elementwise normaliser, as a fraction of the mean magnitude over all entries."""


class Sample(NamedTuple):
    """What is averaged over the samples."""

    field: Activation
    score_end: Any
    score_start: Any


class Kept(NamedTuple):
    """What is kept of each sample for the standard error: its map, and the size of its encoding."""

    map: Any
    magnitude: Any


def _needs_end(options: Mapping[str, Any]) -> bool:
    """Whether the definition needs f(x + eta), the encoding of the noisy image."""
    return (
        options["path"] == "latent"
        or options["difference"] in ("latent", "tangent")
        or options["normalizer"] == "global"
    )


def _passes(num_samples: int, options: Mapping[str, Any]) -> int:
    """Forward passes through ``features`` for one image: the clean one, and those for the samples."""
    noisy = options["noise"] != "none"
    on_input = options["path"] == "input"
    each = on_input
    each += noisy and _needs_end(options)
    each += noisy and options["normalizer"] == "elementwise"
    each += options["difference"] == "encoded"
    each += 2 * (on_input and options["difference"] == "tangent")
    return 1 + num_samples * each


def _encode_references(
    network: kernel.Network, refs: References, block: int, options: Mapping[str, Any]
) -> EncodedReferences:
    """Encode each reference once, as far as the options need it."""
    needs_codes = options["path"] == "latent" or options["difference"] == "latent"
    needs_logits = options["difference"] != "none"

    def encode(reference: Image) -> tuple[Any, Any]:
        code = network.encode(reference)
        return code if needs_codes else None, network.decode(code)

    images = _numerics.accumulate(refs)
    if not (needs_codes or needs_logits):
        return EncodedReferences(images, None, None)
    codes, logits = kernel.map_images(encode, images, block)
    return EncodedReferences(images, codes, logits if needs_logits else None)


@estimator(
    "expected",
    options={
        "difference": Choice(("latent", "encoded", "tangent", "none")),
        "normalizer": Choice(("global", "elementwise", "none")),
        "noise": Choice(("uniform", "gaussian", "none")),
        "noise_scale": Number(0.1, low=0.0),
        "path": Choice(("input", "latent")),
        "sampling": Choice(("stratified", "iid")),
        "alpha": Positions(),
    },
    passes=_passes,
    prepare=_encode_references,
)
def expected(problem: Problem, options: Mapping[str, Any]) -> Estimate:
    r"""Estimate G by the expectation of the perturbed gradients over references, path and noise.

    With ``x~_s = x + eta_s`` and ``gamma_s = x'_s + alpha_s (x~_s - x'_s)``,

        Delta_s = dy/dA at A = f(gamma_s)                    (eq. 22)
        G = k(x) * (1/n) sum_s delta_s * Delta_s             (eq. 21)

    Options:
        difference: delta, the paper's ``f(x - x')``. ``"latent"`` ``f(x~) - f(x')``; ``"encoded"`` ``f(x~ - x')``;
            ``"tangent"`` the Jacobian-vector product of f at gamma along ``x~ - x'``, under which completeness
            (eq. 14) holds exactly; ``"none"`` 1.
        normalizer: k (eq. 16). ``"global"`` one over the mean of ``|f(x~)|`` over samples and entries;
            ``"elementwise"`` one over its mean over samples, entry by entry, with a floor of ``FLOOR`` times the
            mean over all entries; ``"none"`` 1.
        noise: eta. ``"uniform"`` U(0, 1), ``"gaussian"`` N(0, 1), ``"none"``.
        noise_scale: Its factor, a fraction of the image's range of values.
        path: ``"input"`` interpolates images (eq. 20), ``"latent"`` activations: ``f(x') + alpha (f(x~) - f(x'))``,
            with what bypasses the layer interpolated alike.
        sampling: ``"stratified"`` or ``"iid"``, see ``perturb.draw``.
        alpha: Positions on the path, a scalar or ``(n,)``, instead of drawn ones.

    Source: Buono et al., Expected Grad-CAM: Towards gradient faithfulness, 2024.
    """
    num_references = len(problem.references.images)
    draws = perturb.draw(
        problem.key, problem.num_samples, num_references, sampling=options["sampling"], alpha=options["alpha"]
    )
    end = _end(problem, options)
    elementwise = _elementwise(problem, options, draws, end)
    point = _point(problem, options)
    complete = options["difference"] != "none" and (_needs_end(options) or options["noise"] == "none")

    def sample(s: Any) -> tuple[Sample, Kept]:
        reference = jax.tree.map(lambda leaf: leaf[draws.reference[s]], problem.references)
        x_end, code_end = end(draws.noise[s])
        code, delta = point(reference, x_end, code_end, draws.alpha[s])
        _, gradient = kernel.score_and_gradient(problem.network.decode, problem.score, code)
        field = delta * gradient * elementwise
        scores = (
            (problem.score(problem.network.decode(code_end)), problem.score(reference.logits))
            if complete
            else (None, None)
        )
        magnitude = jnp.abs(code_end.activation).mean() if options["normalizer"] == "global" else jnp.ones(())
        return Sample(delta * gradient, *scores), Kept(problem.aggregate(field), magnitude)

    origins = (problem.code.activation, problem.references.images, draws.alpha)
    mean, kept = kernel.mean_over_samples(sample, problem.num_samples, problem.block, origins)
    size = kept.magnitude.mean()
    signed = _numerics.divide(kept.map.mean(axis=0), size)
    residuals = _numerics.divide(kept.map - signed * jnp.expand_dims(kept.magnitude, (1, 2)), size)
    return Estimate(
        gradients=_numerics.divide(mean.field * elementwise, size),
        stderr=(
            uncertainty.standard_error(residuals)
            if options["sampling"] == "iid"
            else uncertainty.stratified_standard_error(residuals, draws.reference, num_references)
        ),
        completeness_gap=mean.field.sum() - (mean.score_end - mean.score_start) if complete else None,
    )


def _end(problem: Problem, options: Mapping[str, Any]) -> Callable[..., tuple[Image, kernel.Code]]:
    """The end of the path as a function of a noise key: the noisy image, and its code where it is needed."""
    if options["noise"] == "none":
        return lambda key: (problem.x, problem.code)

    def end(key: Any) -> tuple[Image, Any]:
        eta = perturb.noise(key, problem.x, kind=options["noise"], scale=options["noise_scale"])
        noisy = problem.x + eta
        return noisy, problem.network.encode(noisy) if _needs_end(options) else None

    return end


def _elementwise(problem: Problem, options: Mapping[str, Any], draws: perturb.Draws, end: Any) -> Any:
    """The elementwise normaliser, found before the samples' maps, which cannot be made without it; else 1."""
    if options["normalizer"] != "elementwise":
        return 1.0
    if options["noise"] == "none":
        mean = jnp.abs(problem.code.activation)
    else:

        def magnitude(s: Any) -> tuple[Any, None]:
            noisy, code = end(draws.noise[s])
            code = problem.network.encode(noisy) if code is None else code
            return jnp.abs(code.activation), None

        mean, _ = kernel.mean_over_samples(magnitude, problem.num_samples, problem.block, problem.code.activation)
    return _numerics.divide(jnp.ones(()), jnp.maximum(mean, FLOOR * mean.mean()))


def _point(problem: Problem, options: Mapping[str, Any]) -> Callable[..., tuple[kernel.Code, Any]]:
    """The code at a position on the path, and delta there, as a function of the path's two ends."""
    encode, difference = problem.network.encode, options["difference"]

    def between(reference: EncodedReferences, x_end: Image, code_end: Any, alpha: Any) -> tuple[kernel.Code, Any]:
        start = reference.images
        if options["path"] == "latent":
            code = kernel.interpolate(reference.codes, code_end, alpha)
            tangent = code_end.activation - reference.codes.activation
        elif difference == "tangent":
            gamma = kernel.interpolate(start, x_end, alpha)
            code, moved = jax.jvp(encode, (gamma,), (x_end - start,))
            tangent = moved.activation
        else:
            code = encode(kernel.interpolate(start, x_end, alpha))
        if difference == "tangent":
            return code, tangent
        if difference == "latent":
            return code, code_end.activation - reference.codes.activation
        if difference == "encoded":
            return code, encode(x_end - start).activation
        return code, jnp.ones(())

    return between


method(
    "expected_gradcam",
    estimator="expected",
    aggregator="gradcam",
    source="Buono et al., Expected Grad-CAM: Towards gradient faithfulness, 2024",
)
