"""How soon a layer and the output stop changing."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from egcam_jax import splitting
from egcam_jax.core import answers, checks, compilation, contexts, inputs, kernel, numerics
from egcam_jax.core.types import Activation, ApplyFn, Context, InputsLike, Integers, Numbers, Params, Scalar
from egcam_jax.methods import function
from egcam_jax.saturation._scaling import batch, between, checked

STEPS = 25
"""Scalings of each image, as many as the paper draws."""


class Saturation(NamedTuple):
    """What becomes of images that are scaled up.

    Attributes:
        alphas: ``(A,)`` the scalings.
        similarity: ``(N, A)`` cosine similarity of the layer's activation, as one vector, to that of the whole image.
        filter_similarity: ``(N, A)`` the same filter by filter, its map as the vector, and the mean over the filters.
        probability: ``(N, A)`` probability of the target class.
        logit: ``(N, A)`` its logit.
        target: ``(N,)`` the class: the top one of the whole image, unless it was given.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.sigmoid(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> x, alphas = 9 * jnp.ones((1, 2, 2, 1)), jnp.array([0.0, 1])
        >>> curves = egcam_jax.saturation.saturation(jnp.array([[4.0, 0]]), network, x, alphas=alphas)
        >>> print(curves.logit.round(2), curves.target)
        [[2. 4.]] [0]
    """

    alphas: Float[Array, " A"]
    similarity: Float[Array, "N A"]
    filter_similarity: Float[Array, "N A"]
    probability: Float[Array, "N A"]
    logit: Float[Array, "N A"]
    target: Int[Array, " N"]


def saturation(
    params: Params,
    apply_fn: ApplyFn,
    x: InputsLike,
    *,
    alphas: Numbers | None = None,
    baseline: Numbers = 0.0,
    target: Integers | None = None,
    layer: str | None = None,
    probability: answers.Probability = "softmax",
    chunk_size: int | None = None,
    context: Context = None,
) -> Saturation:
    """Compare images that are scaled down with the images themselves, at the target layer and at the output.

    ``s(alpha) = <A(x_a), A(x)> / (|A(x_a)| |A(x)|)`` with ``x_a = b + alpha (x - b)`` and A the activation of the
    layer. Where the curve is flat the layer is saturated: its gradients say little of what took it there. It is 0
    where the layer, or the filter, is silent at ``x_a``, and NaN where it is silent at x; silent filters of x do not
    count in the mean over filters.

    Args:
        params: The model's parameters.
        apply_fn: ``(params, x)`` to logits: ``(b, H, W, C)`` images to ``(b, classes)``; or a ``Split``.
        x: ``(N, H, W, C)`` images, preprocessed.
        alphas: ``(A,)`` scalings; 25 from 0 to 1, evenly, by default. The paper draws as many from U(0, 1), which are
            the same curves at other places.
        baseline: b, a number or an array that broadcasts to one image, in the units of x. The paper scales features
            from black, which in pixels is the network's input for a black picture, ``data.normalise`` of zeros; 0 is
            zero in the network's own input, for many the mean colour.
        target: ``(N,)`` classes or one; each image's top class by default.
        layer: Name of the target layer, as for ``explain``.
        probability: ``"softmax"``, ``"sigmoid"`` or a function from logits ``(b, classes)`` to probabilities; one logit
            has a sigmoid.
        chunk_size: Images times scalings in one pass through the network; 32 by default.
        context: As for ``explain``; it is not scaled.

    Returns:
        ``Saturation``.

    Raises:
        ValueError: For shapes that do not fit, or a layer that the model does not have.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> x = jnp.array([[3.0, 4]])[None, ..., None]
        >>> alphas = jnp.array([0.0, 0.5, 1])
        >>> curves = egcam_jax.saturation.saturation(jnp.array([[1.0, -1]]), network, x, alphas=alphas)
        >>> print(curves.similarity, curves.logit)  # a linear network keeps the direction of the activation
        [[0. 1. 1.]] [[0.   1.75 3.5 ]]

    Source: the Expected Grad-CAM paper, appendix B.1 and Figures 10 and 11, after Sundararajan et al., Gradients of
    Counterfactuals, 2016. "Activation vectors of CAM target filters" can be read either way: both are returned.
    """
    x = batch(x)
    alphas = jnp.linspace(0, 1, STEPS) if alphas is None else checked(alphas)
    classes = inputs.target(target, len(x))
    if callable(classes) or (classes is not None and classes.ndim != 1):
        raise ValueError("target must be None, one class, or one for each image.")
    if chunk_size is not None:
        chunk_size = checks.count("chunk_size", chunk_size)
    baseline = checks.pixels("baseline", baseline, x.shape[1:])
    context = contexts.checked(context, len(x))
    params, apply_fn = function(params, apply_fn)
    chosen = {"apply_fn": apply_fn, "layer": layer, "rule": answers.checked(probability), "chunk_size": chunk_size}
    return _run(params, x, alphas, baseline, classes, context, **chosen)


def band(values: Float[Array, "N A"]) -> tuple[Float[Array, " A"], Float[Array, " A"]]:
    """Mean over images and twice their standard deviation, ``(A,)`` each, of what is not NaN.

    The standard deviation is of single images, with N - 1 below it: NaN for one image.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import saturation
        >>> mean, width = saturation.band(jnp.array([[0.0, 1], [1, 1]]))
        >>> print(mean, width.round(3))
        [0.5 1. ] [1.414 0.   ]
    """
    return jnp.nanmean(values, axis=0), 2 * jnp.nanstd(values, axis=0, ddof=1)


@functools.partial(compilation.jit, static_argnames=("apply_fn", "layer", "rule", "chunk_size"))
def _run(
    params: Params,
    x: Any,
    alphas: Any,
    baseline: Any,
    target: Any,
    context: Context,
    *,
    apply_fn: ApplyFn,
    layer: str | None,
    rule: answers.Probability,
    chunk_size: int | None,
) -> Saturation:
    image = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    row = contexts.shape_of_row(context)
    pieces = splitting.split(apply_fn, params, image, layer, context=row)
    network = splitting.network(pieces, params, image, context=row)
    blocks = kernel.plan(len(x), len(alphas), chunk_size)
    one = functools.partial(_one, network=network, alphas=alphas, baseline=baseline, rule=rule, block=blocks.samples)
    return kernel.map_images(lambda it: one(*it), (x, target, context), blocks.images)._replace(alphas=alphas)


def _one(
    x: Any,
    target: Any,
    context: Context,
    *,
    network: splitting.Network,
    alphas: Any,
    baseline: Any,
    rule: answers.Probability,
    block: int,
) -> Any:
    """One image's curves."""
    network = network.under(context)
    whole = network.encode(x)
    target = answers.top(network.decode(whole)) if target is None else target

    def at(number: Any) -> dict[str, Any]:
        code = network.encode(between(x, alphas[number], baseline))
        logits = network.decode(code)
        return {
            "similarity": _cosine(code.activation, whole.activation),
            "filter_similarity": _filters(code.activation, whole.activation),
            "probability": answers.by_class(logits, rule)[target],
            "logit": answers.by_class(logits)[target],
        }

    curves = kernel.mean_over_samples(lambda number: (None, at(number)), len(alphas), block, (x,))[1]
    return Saturation(alphas=jnp.zeros(()), target=target, **curves)


def _cosine(one: Activation, other: Activation) -> Scalar:
    """Of two arrays as vectors; 0 where the first is zero, NaN where the second is."""
    one, other = numerics.normalized(one), numerics.normalized(other)
    lengths = numerics.sqrt((one**2).sum() * (other**2).sum())
    return jnp.where((other != 0).any(), numerics.divide((one * other).sum(), lengths), jnp.nan)


def _filters(one: Activation, other: Activation) -> Scalar:
    return jnp.nanmean(jax.vmap(_cosine, in_axes=-1)(one, other))
