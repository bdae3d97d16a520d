"""The path of a sample: its reference, its noisy end, and the point between them with the difference there."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from egcam_jax.core import kernel, perturb
from egcam_jax.core.types import Image
from egcam_jax.methods._problem import Problem, References

ONE = np.float32(1)
"""Of a reading without a difference or a normaliser: a Python number would be a float64 where JAX has them."""


def reads(options: Mapping[str, Any]) -> frozenset[str]:
    """What the options read of the references."""
    codes = options["path"] == "latent" or options["difference"] == "latent"
    logits = options["difference"] != "none"
    return frozenset(["images"] + ["codes"] * codes + ["logits"] * logits)


def needs_end(options: Mapping[str, Any]) -> bool:
    """Whether the definition needs f(x + eta), the encoding of the noisy image."""
    return (
        options["path"] == "latent"
        or options["difference"] in ("latent", "tangent")
        or options["normalizer"] == "global"
    )


def references(problem: Problem, options: Mapping[str, Any]) -> Callable[[Any], References]:
    """The number of a reference to that reference, encoded as far as the options need it.

    What goes through the network beside an image goes under the context of that image: f(x') too.
    """
    wanted = reads(options)

    def reference(number: Any) -> References:
        shared: References = jax.tree.map(lambda leaf: leaf[number], problem.references)
        if not (options.get("context", False) and wanted > {"images"}):
            return shared
        code = problem.network.encode(shared.images)
        return shared._replace(codes=code, logits=problem.network.decode(code) if "logits" in wanted else None)

    return reference


def ends(problem: Problem, options: Mapping[str, Any]) -> Callable[..., tuple[Image, kernel.Code]]:
    """The end of the path as a function of a noise key: the noisy image, and its code where it is needed."""
    if options["noise"] == "none":
        return lambda key: (problem.x, problem.code)

    def end(key: Any) -> tuple[Image, Any]:
        eta = perturb.noise(key, problem.x, kind=options["noise"], scale=options["noise_scale"])
        noisy = problem.x + eta
        return noisy, problem.network.encode(noisy) if needs_end(options) else None

    return end


def points(problem: Problem, options: Mapping[str, Any]) -> Callable[..., tuple[kernel.Code, Any]]:
    """The code at a position on the path, and delta there, as a function of the path's two ends."""
    encode, difference = problem.network.encode, options["difference"]

    def between(reference: References, x_end: Image, code_end: Any, alpha: Any) -> tuple[kernel.Code, Any]:
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
        return code, ONE

    return between
