"""The one call that matters: from a model, images and references to an explanation."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
from jax.typing import DTypeLike

from egcam_jax.core import answers, checks, contexts, functions, inputs
from egcam_jax.core import fusion as _fusion
from egcam_jax.core.types import ApplyFn, Context, InputsLike, Integers, KeyLike, Number, Params, Target
from egcam_jax.explanation import Explanation
from egcam_jax.methods import _arguments, _notices, _options, _program, _rivals
from egcam_jax.methods._cut import Cut
from egcam_jax.methods._references import EncodedReferences
from egcam_jax.methods._registry import find


def explain(
    params: Params,
    apply_fn: ApplyFn,
    x: InputsLike,
    refs: InputsLike | EncodedReferences | None = None,
    key: KeyLike | None = None,
    *,
    target: Target = None,
    method: str = "expected_gradcam",
    gradients: str | None = None,
    layer: str | Sequence[str] | None = None,
    num_samples: int | None = None,
    chunk_size: int | None = None,
    index: Integers = 0,
    negative: bool = False,
    rivals: Integers | str | None = None,
    gamma: Number | None = None,
    fusion: str = "mean",
    grid: tuple[int, ...] | None = None,
    spatial_dims: int = 2,
    compute_dtype: DTypeLike | None = None,
    precision: str | None = None,
    context: Context = None,
    **options: Any,
) -> Explanation:
    """Explain which parts of each image made a classifier's score what it is.

    ``S = ReLU(sum_k w_k A_k)`` (eq. 18), where A is the activation of the target layer and the weights w
    come from the method's gradient estimator and aggregator. Works under ``jit``, ``vmap``, ``grad`` and
    sharding, and is differentiable with respect to ``params``.

    Args:
        params: The model's parameters: any pytree that ``apply_fn`` takes.
        apply_fn: ``(params, x (B, H, W, C)) -> logits (B, classes)``, a pure function in inference mode, or a
            ``Split``. Keep one function object: a new one is a new compilation, except for equal
            ``functools.partial`` objects and what the adapters make of one model.
        x: ``(B, H, W, C)`` images, preprocessed, or ``(H, W, C)`` for one, in which case nothing in the
            result has a batch axis.
        refs: ``(R, H, W, C)`` images from the reference distribution, preprocessed alike, or what ``encode`` made of
            them; ``None`` for methods that need none.
        key: PRNG key; each image's own key is folded from it by the image's index.
        target: What to explain: ``None`` each image's top class, a class (of a model with one logit, 1 that logit and 0
            its negative), ``(B,)`` classes, ``(B, T)`` several classes
            of each image (``(T,)`` for a single image), or a function from one image's logits ``(classes,)`` to a
            scalar; keep one function object here too. Outputs with more axes, such as ``(B, H, W, classes)`` of a
            segmentation, need a function: ``lambda logits: logits[..., 3].sum()``.
        method: Name in ``METHODS``.
        gradients: Name of a gradient estimator, ``"vanilla"``, ``"smooth"``, ``"integrated"`` or ``"expected"``, to put
            under the aggregator that ``method`` names: ``method="layercam", gradients="expected"``.
        layer: Name of the target layer, see ``layers``; several names for one map fused from theirs, computed together;
            ``None`` the last activation with spatial extent that every path from the input to the logits goes through.
        num_samples: n, the number of samples or steps; ``None`` is the method's own default. Methods that neither draw
            nor step ignore the number.
        chunk_size: How many samples times images go through the network in one pass, which bounds the memory;
            32 by default. Results do not depend on it, but for rounding.
        index: Index of the first image, or ``(B,)`` indices, in the whole that the batches come from: an image has the
            same draws, and so the same map, in any batch if it has the same index. Map it too under ``vmap``.
        negative: Explain what speaks against the target: the score ``-y`` in place of y.
        rivals: Classes that the target competes with. The score is then ``y - gamma * mean of the rivals' logits``. One
            class, ``(R,)`` classes for all images, ``(B, R)`` classes of each image, or ``"top:3"``: the three most
            likely other classes of each image. A target among its rivals is left out of the mean.
        gamma: How much the rivals count: a number of at least 0, by default 0.6.
        fusion: How maps of several layers become one: ``"mean"``, ``"max"`` or ``"geometric"``, see ``fusion.fuse``.
            The mean of ``expected_attribution`` is in logits again, see ``fusion.mean_of_contributions``.
        grid: ``(h, w)`` of a layer that is a list of tokens, row by row; those without a place, such as class and
            register tokens, stand where the network puts them, else first. ``None`` is the grid that image and network
            agree on. ``(w,)`` for signals.
        spatial_dims: 1 for signals ``(B, L, C)``, 3 for volumes ``(B, D, H, W, C)``.
        compute_dtype: Dtype of the network's arithmetic, such as ``jnp.bfloat16``; sums are float32 all the same.
            ``None`` leaves ``params``, ``x`` and ``context`` as they are.
        precision: Of the network's products and convolutions, a word of ``jax.default_matmul_precision``:
            ``"highest"`` computes in float32 everywhere. ``None`` leaves JAX's setting, by which a TPU rounds the
            factors of float32 products to bfloat16, and a GPU to TensorFloat-32.
        context: What the model takes beside the images, such as metadata or the embedding of a text: a pytree of arrays
            with leading axis B. The model is called as ``apply_fn(params, x, context)``. For a single image the arrays
            have no leading axis. References go through the network under the context of the image that they are
            compared with; methods with references then encode one reference for each sample.
        **options: The method's own options, see ``METHODS[method].options``.

    Returns:
        An ``Explanation``.

    Raises:
        ValueError: For a wrong shape, value, name or size; TypeError for a wrong type or an option that the method
            does not have. Raised before anything is computed.

    Warns:
        RuntimeWarning: Where logits are NaN or infinite, and the saliency of these images NaN; where no gradient
            reaches any position of the layer; where the model's outputs are probabilities, or logarithms of them.
            Looking waits for the result; call ``explain`` under ``jit`` to dispatch asynchronously.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> weights, x = jnp.array([[1.0, -1]]), jnp.array([[4.0, 2], [0, 0]])[..., None]
        >>> explanation = egcam_jax.explain(weights, network, x, target=0, method="gradcam")
        >>> print(explanation.cam)  # the gradient is 1/4 at each pixel
        [[1.  0.5]
         [0.  0. ]]
        >>> print(explanation.saliency)
        [[1.  0.5]
         [0.  0. ]]
    """
    chosen = find(method, gradients)
    spatial_dims = _arguments.spatial(spatial_dims)
    x = inputs.images(x, spatial_dims)
    single = x.ndim == spatial_dims + 1
    batch = x[None] if single else x
    if chosen.needs_key:
        key = inputs.key(key, chosen.name)
    num_samples = _samples(chosen, num_samples)
    setting = _options.Setting(num_samples or 1, batch.shape[1:])
    static, traced = _options.resolve(chosen.name, chosen.schema, options, setting)
    context = contexts.checked(context, len(batch), single)
    params, apply_fn = _arguments.function(params, apply_fn)
    reads = chosen.reads(dict(static))
    if reads:
        asker = f"method {chosen.name!r}" if chosen.needs_refs else "contrast='references'"
        refs = _arguments.references(refs, x, params, asker, spatial_dims, context)
    target = inputs.target(target, len(batch), single)
    top_rivals, against = _rivals.check(rivals, gamma, target, len(batch), single)
    if callable(target):
        target = functions.static("target", target)

    arguments = (
        params,
        batch,
        refs if reads else None,
        key if chosen.needs_key else None,
        None if callable(target) else target,
        inputs.indices(index, len(batch)),
        against,
        traced,
        context,
    )
    settings = _program.Settings(
        cut=Cut(
            apply_fn=apply_fn,
            layers=_arguments.layers(layer),
            grid=checks.grid(grid, spatial_dims),
            compute_dtype=None if compute_dtype is None else checks.floating_dtype("compute_dtype", compute_dtype),
            precision=checks.precision(precision),
            dense=callable(target),
        ),
        method=method,
        gradients=gradients,
        fusion=checks.one_of("fusion", fusion, _fusion.FUSIONS),
        score=target if callable(target) else None,
        top_rivals=top_rivals,
        negative=checks.flag("negative", negative),
        num_samples=num_samples or 1,
        chunk_size=None if chunk_size is None else checks.count("chunk_size", chunk_size),
        static=static,
    )
    shapes, _ = jax.eval_shape(functools.partial(_program.run, settings=settings), *arguments)
    classes = answers.count(shapes.logits.shape[-1])
    inputs.classes("target", target, classes)
    inputs.classes("rivals", against and against.rivals, classes)
    explanation, seen = _program.run(*arguments, settings=settings)
    if against is not None and target is None:
        _rivals.distinct(explanation.target, explanation.rivals)
    _notices.give(explanation, seen, arguments, settings)
    return jax.tree.map(lambda leaf: leaf[0], explanation) if single else explanation


def _samples(method: Any, num_samples: Any) -> int | None:
    """The number of samples, by default the method's; None for a method that has no such number."""
    if method.num_samples is None:
        return None if num_samples is None else checks.count("num_samples", num_samples)
    return method.num_samples if num_samples is None else checks.count("num_samples", num_samples)
