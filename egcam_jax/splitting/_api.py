"""What users call: ``split`` and ``layers``."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax

from egcam_jax.core import contexts, functions
from egcam_jax.core.types import ApplyFn, Context, InputsLike, Params
from egcam_jax.splitting._channels import Layout, layout, token_layout
from egcam_jax.splitting._cut import bypass, cut, features, head
from egcam_jax.splitting._flatten import flatten, trail_of
from egcam_jax.splitting._names import named, shapes
from egcam_jax.splitting._program import Program
from egcam_jax.splitting._resolve import resolve
from egcam_jax.splitting._split import Split
from egcam_jax.splitting._trace import Traced, trace
from egcam_jax.splitting._visits import numbered


def split(
    apply_fn: ApplyFn | Split,
    params: Params,
    x: InputsLike | jax.ShapeDtypeStruct,
    layer: str | None = None,
    *,
    context: Context = None,
    dense: bool = False,
) -> Split:
    """Cut a classifier in two at a layer: logits = head(params, features(params, x)).

    The function is traced once, for one image, and both halves are read off its jaxpr; images are then mapped over, so
    that the halves take any number of them and no image sees its batch (not even batch statistics in training mode).

    Args:
        apply_fn: ``(params, x)`` to logits: ``(b, H, W, C)`` images to ``(b, classes)``. A ``Split`` comes back
            as it is.
        params: the tree that it takes; only shapes and dtypes matter here.
        x: ``(b, H, W, C)`` images, or a ``ShapeDtypeStruct``: only shape and dtype matter, except for
            ``head(params, A)`` at a layer that something goes around, which needs the values.
        layer: a ``jax.named_scope`` or module path (``"layer3/4"`` or ``"layer3.4"``), its unambiguous end, or a tag by
            ``checkpoint_name`` (``from jax.ad_checkpoint import checkpoint_name``); its value must be a grid
            ``(b, h, w, K)`` or tokens ``(b, N, K)``.
            None is the last activation with spatial extent that every path from x to the logits goes through.
        context: what the function takes beside the images, as ``apply_fn(params, x, context)``: a pytree of arrays or
            ``ShapeDtypeStruct`` with leading axis b. ``features`` and ``bypass`` then take it after ``x``, and the head
            gets what it needs of the context in ``carried``.
        dense: whether the logits may have more axes, such as ``(b, H, W, classes)`` of a segmentation.

    Returns:
        The halves. They take the shapes and dtypes that they were made for; ``bypass`` is set where something goes
        around the layer.

    Raises:
        ValueError: no such layer, or an ambiguous name, or nothing to choose; logits or x of a wrong shape.
        TypeError: ``apply_fn`` does not return one floating array; ``layer`` is not a name.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> def apply_fn(weights, x):
        ...     with jax.named_scope("features"):
        ...         activations = jax.nn.relu(x)
        ...     return activations.mean((1, 2)) @ weights
        ...
        >>> weights, x = jnp.ones((1, 2)), jnp.array([[[[3.0]], [[-1]]]])
        >>> cut = egcam_jax.split(apply_fn, weights, x, "features")
        >>> activations = cut.features(weights, x)
        >>> activations.ravel().tolist(), cut.head(weights, activations).tolist()
        ([3.0, 0.0], [[1.5, 1.5]])
    """
    (one,) = splits(apply_fn, params, x, (layer,), context=context, dense=dense)
    return one


def splits(
    apply_fn: ApplyFn | Split,
    params: Params,
    x: InputsLike | jax.ShapeDtypeStruct,
    layers: Sequence[str | None],
    *,
    context: Context = None,
    dense: bool = False,
) -> list[Split]:
    """Cut a classifier at several layers, each as ``split`` does; the function is traced once for all.

    Example:
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> from egcam_jax import splitting
        >>> by_hand = egcam_jax.Split(lambda weights, x: x, lambda weights, a: a.mean((1, 2)) @ weights)
        >>> splitting.splits(by_hand, jnp.ones((1, 2)), jnp.ones((1, 1, 2, 1)), [None]) == [by_hand]
        True
    """
    for layer in layers:
        if layer is not None and not isinstance(layer, str):
            raise TypeError(f"layer: expected a name or None, got {type(layer).__name__}.")
    if isinstance(apply_fn, Split):
        return [_by_hand(apply_fn, layer) for layer in layers]
    if not layers:
        return []
    context = _rows(context, x)
    traced = _traced(apply_fn, params, x, context, dense)
    program = _named(traced)
    listed = named(program)
    return [_split(traced, program, *resolve(program, listed, layer), x, context) for layer in layers]


def _split(traced: Traced, program: Program, name: str, slot: int, x: Any, context: Context) -> Split:
    """The halves of a function that is traced already."""
    places = layout(program, slot)
    axes = places or token_layout(program, slot)
    if axes is None:
        raise ValueError(f"layer={name!r}: its value has neither a spatial grid (h, w, K) nor tokens (N, K).")
    where = cut(*_lean(traced, program, slot), axes)
    around = bypass(where) if where.carried else None
    trailing = 0 if places else _trailing(program, slot, axes, name)
    return Split(features(where), head(where, x, context), around, name, trailing)


def layers(
    apply_fn: ApplyFn | Split, params: Params, x: InputsLike | jax.ShapeDtypeStruct, *, context: Context = None
) -> dict[str, tuple[int, ...]]:
    """List the layers that can be named, in order of execution, with their shapes per image.

    ``#2`` behind a part of a name is a number: the second block of that name. Write the number where both are meant to
    be told apart, as in ``"block#2/conv"``. Blocks of one name in direct succession, with nothing between them, are
    listed as one, whose value is that of the last; name them differently to reach the others.

    Args:
        apply_fn: ``(params, x)`` to logits, of any shape ``(b, ..., classes)``, or a ``Split``.
        params: the tree that it takes.
        x: ``(b, H, W, C)`` images, or a ``ShapeDtypeStruct``.
        context: as for ``split``.

    Returns:
        Name to shape, ``(h, w, K)`` or ``(N, K)``.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> def apply_fn(weights, x):
        ...     with jax.named_scope("features"):
        ...         activations = jax.nn.relu(x)
        ...     return activations.mean((1, 2)) @ weights
        ...
        >>> egcam_jax.layers(apply_fn, jnp.ones((1, 2)), jnp.ones((1, 4, 4, 1)))["features"]
        (4, 4, 1)
    """
    if isinstance(apply_fn, Split):
        image = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
        rows = contexts.arguments(contexts.shape_of_row(_rows(context, x)))
        return {apply_fn.layer: jax.eval_shape(apply_fn.features, params, image, *rows).shape[1:]}
    program = _named(_traced(apply_fn, params, x, _rows(context, x), dense=True))
    return shapes(program, named(program))


def _trailing(program: Program, slot: int, axes: Layout, name: str) -> int:
    """How many tokens without a place come last in a list of tokens.

    Raises:
        ValueError: The places are not listed row by row, as ``explain`` reads them.
    """
    listed = program.axes[slot][axes.grid[0]]
    if list(listed.places) != sorted(listed.places):
        raise ValueError(
            f"layer={name!r}: its tokens must be listed row by row; got them column by column. Pass a Split whose "
            f"features return the grid (b, h, w, K)."
        )
    return listed.after


def _by_hand(apply_fn: Split, layer: str | None) -> Split:
    if layer is None:
        return apply_fn
    raise ValueError(
        f"layer={layer!r}: a Split is already cut (at {apply_fn.layer!r}), so no layer can be chosen. "
        "Leave layer out, or pass the function that was split."
    )


def _traced(apply_fn: ApplyFn, params: Params, x: Any, context: Context, dense: bool) -> Traced:
    functions.refuse_a_model("apply_fn", apply_fn)
    if not callable(apply_fn):
        raise TypeError(f"apply_fn must be a function (params, x) -> logits or a Split, got {type(apply_fn).__name__}.")
    if not hasattr(x, "shape") or len(x.shape) not in (3, 4, 5):
        came = f"shape {x.shape}" if hasattr(x, "shape") else type(x).__name__
        raise ValueError(
            f"x: expected images (b, H, W, C), or (b, L, C) or (b, D, H, W, C), got {came}. One image is x[None]."
        )
    try:
        return trace(apply_fn, params, x, context, dense=dense)
    except ValueError as error:
        if len(x.shape) != 3:
            raise
        raise ValueError(f"x: shape {x.shape} is signals (b, L, C). One image (H, W, C) is x[None]. {error}") from error


def _named(traced: Traced) -> Program:
    """The program with all opened and every name of one value."""
    program = flatten(traced.closed)
    return dataclasses.replace(program, steps=numbered(program))


def _rows(context: Context, x: Any) -> Context:
    """The context, checked where the images have a shape to check it by."""
    return contexts.checked(context, x.shape[0]) if hasattr(x, "shape") and len(x.shape) else context


def _lean(traced: Traced, program: Program, slot: int) -> tuple[Program, Any, int]:
    """The program with only that opened which the layer is inside of."""
    if not program.opened:
        return program, traced.spec, slot
    trail = trail_of(program, slot)
    lean = flatten(traced.closed, trail)
    variable = next(var for (at, var), other in program.where.items() if other == slot and at == trail)
    return lean, traced.spec, lean.where[trail, variable]
