"""The one call that matters: from a model, images and references to an explanation."""

import dataclasses
import functools
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax import _checks, _context, _functions
from egcam_jax import fusion as _fusion
from egcam_jax._content import content
from egcam_jax._types import ApplyFn, Context, Params
from egcam_jax.explanation import Explanation
from egcam_jax.methods import _options, _program
from egcam_jax.methods._registry import find
from egcam_jax.splitting import Split


def explain(
    params: Params,
    apply_fn: ApplyFn,
    x: Any,
    refs: Any = None,
    key: Any = None,
    *,
    target: Any = None,
    method: str = "expected_gradcam",
    gradients: str | None = None,
    layer: str | Sequence[str] | None = None,
    num_samples: int | None = None,
    chunk_size: int | None = None,
    index: Any = 0,
    negative: bool = False,
    fusion: str = "mean",
    grid: tuple[int, ...] | None = None,
    spatial_dims: int = 2,
    compute_dtype: Any = None,
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
        refs: ``(R, H, W, C)`` images from the reference distribution, preprocessed alike; ``None`` for methods that
            need none.
        key: PRNG key; each image's own key is folded from it by the image's index.
        target: What to explain: ``None`` each image's top class, a class, ``(B,)`` classes, ``(B, T)`` several classes
            of each image (``(T,)`` for a single image), or a function from one image's logits ``(classes,)`` to a
            scalar; keep one function object here too.
        method: Name in ``METHODS``.
        gradients: Name of a gradient estimator, ``"vanilla"``, ``"smooth"``, ``"integrated"`` or ``"expected"``, to put
            under the aggregator that ``method`` names: ``method="layercam", gradients="expected"``.
        layer: Name of the target layer, see ``layers``; several names for one map fused from theirs, computed together;
            ``None`` the last activation with spatial extent that every path from the input to the logits goes through.
        num_samples: n, samples or steps; the method's own default where ``None``. Like ``refs`` and ``key`` it is there
            for all methods, and those that neither draw nor step do not look at it.
        chunk_size: How many samples times images go through the network in one pass, which bounds the memory;
            32 by default. Results do not depend on it, but for rounding.
        index: Index of the first image, or ``(B,)`` indices, in the whole that the batches come from: an image has the
            same draws, and so the same map, in any batch if it has the same index. Map it too under ``vmap``.
        negative: Explain what speaks against the target: the score ``-y`` in place of y.
        fusion: How maps of several layers become one: ``"mean"`` or ``"max"``, see ``fusion.fuse``.
        grid: ``(h, w)`` of a layer that is a list of tokens, which come row by row after those without a place;
            ``None`` a square, after one class token where the count asks for it.
        spatial_dims: 1 for signals ``(B, L, C)``, 3 for volumes ``(B, D, H, W, C)``.
        compute_dtype: Dtype of the network's arithmetic, such as ``jnp.bfloat16``; sums are float32 all the same.
            ``None`` leaves ``params``, ``x`` and ``context`` as they are.
        context: What the model takes beside the images, such as metadata or the embedding of a text: a pytree of arrays
            with leading axis B, handed on as ``apply_fn(params, x, context)``. For a single image the arrays have no
            leading axis. Whatever an image is compared with, references too, goes through the network under the
            image's own context; methods with references then encode one for each sample.
        **options: The method's own options, see ``METHODS[method].options``.

    Returns:
        An ``Explanation``.

    Raises:
        ValueError: For a wrong shape, value, name or size; TypeError for a wrong type or an option that the method
            does not have. Raised before anything is computed.

    Warns:
        RuntimeWarning: Where logits are NaN or infinite; the saliency of these images is NaN. Looking for them waits
            for the result; call ``explain`` under ``jit`` to dispatch asynchronously.

    Example:
        >>> explanation = egcam_jax.explain(params, model.apply, x, refs, jax.random.key(0))
        >>> explanation.saliency.shape
        (8, 224, 224)
    """
    chosen = find(method, gradients)
    spatial_dims = _spatial(spatial_dims)
    x = _checks.images(x, spatial_dims)
    single = x.ndim == spatial_dims + 1
    batch = x[None] if single else x
    if chosen.needs_refs:
        refs = _checks.references(refs, x, chosen.name, spatial_dims)
    if chosen.needs_key:
        key = _checks.key(key, chosen.name)
    num_samples = _samples(chosen, num_samples)
    setting = _options.Setting(num_samples or 1, batch.shape[1:])
    static, traced = _options.resolve(chosen.name, chosen.schema, options, setting)
    target = _checks.target(target, len(batch), single)
    params, apply_fn = _function(params, apply_fn)
    if callable(target):
        target = _functions.static("target", target)

    arguments = (
        params,
        batch,
        refs if chosen.needs_refs else None,
        key if chosen.needs_key else None,
        None if callable(target) else target,
        _checks.indices(index, len(batch)),
        traced,
        _context.checked(context, len(batch), single),
    )
    settings = _program.Settings(
        apply_fn=apply_fn,
        method=method,
        gradients=gradients,
        layers=_layers(layer),
        fusion=_checks.one_of("fusion", fusion, _fusion.FUSIONS),
        grid=_checks.grid(grid, spatial_dims),
        score=target if callable(target) else None,
        negative=_checks.flag("negative", negative),
        num_samples=num_samples or 1,
        chunk_size=None if chunk_size is None else _checks.count("chunk_size", chunk_size),
        compute_dtype=None if compute_dtype is None else _checks.floating_dtype("compute_dtype", compute_dtype),
        static=static,
    )
    shapes = jax.eval_shape(functools.partial(_program.run, settings=settings), *arguments)
    _checks.classes(target, shapes.logits.shape[-1])
    explanation = _program.run(*arguments, settings=settings)
    _warn_of_nonfinite(explanation)
    return jax.tree.map(lambda leaf: leaf[0], explanation) if single else explanation


def _samples(method: Any, num_samples: Any) -> int | None:
    """The number of samples, by default the method's; None for a method that has no such number."""
    if method.num_samples is None:
        return None if num_samples is None else _checks.count("num_samples", num_samples)
    return method.num_samples if num_samples is None else _checks.count("num_samples", num_samples)


def _spatial(value: Any) -> int:
    if value not in _checks.AXES:
        raise ValueError(f"spatial_dims must be 1, 2 or 3, the spatial axes of one image in x; got {value!r}.")
    return int(value)


def _layers(layer: Any) -> tuple[str | None, ...]:
    """The names of the layers as a tuple, of one where there is one."""
    if layer is None or isinstance(layer, str):
        return (layer,)
    names = tuple(layer) if isinstance(layer, Sequence) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(f"layer must be a name, several names, or None for the automatic choice; got {layer!r}.")
    if len(set(names)) < len(names):
        raise ValueError(f"layer names a layer twice, which a fused map would count twice; got {layer!r}.")
    return names


def _function(params: Params, apply_fn: Any) -> tuple[Params, Any]:
    """The model's function as a static argument; arrays that a ``jax.tree_util.Partial`` binds join the params."""
    if isinstance(apply_fn, jax.tree_util.Partial):
        bound, structure = jax.tree.flatten(apply_fn)

        def apply(params: Params, *inputs: Any) -> Any:
            params, bound = params
            return jax.tree.unflatten(structure, bound)(params, *inputs)

        what = ("partial", content(structure))
        return (params, bound), _functions.Known(what, apply)
    if isinstance(apply_fn, Split):
        parts = {name: getattr(apply_fn, name) for name in ("features", "head", "bypass")}
        known = {name: _functions.static(name, part) for name, part in parts.items() if part is not None}
        return params, dataclasses.replace(apply_fn, **known)
    return params, _functions.static("apply_fn", apply_fn, "function (params, x) -> logits or a Split")


def _warn_of_nonfinite(explanation: Explanation) -> None:
    """Report images whose maps are NaN, which they are where the logits are not finite; waits for the result."""
    if not _checks.concrete(explanation.saliency):
        return
    with jax.ensure_compile_time_eval():
        images = explanation.saliency.reshape(len(explanation.logits), -1)
        bad = np.flatnonzero(np.asarray(jnp.isnan(images).any(axis=1)))
    if len(bad):
        warnings.warn(
            f"the logits of image(s) {bad[:10].tolist()} are NaN or infinite, or overflow on the way from the "
            f"references, so their saliency is NaN: look at params, the preprocessing, or compute_dtype.",
            RuntimeWarning,
            stacklevel=3,
        )
