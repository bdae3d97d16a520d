"""The two halves of a program at one of its values."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core import contexts, sharding
from egcam_jax.core.types import Context, Params
from egcam_jax.splitting._channels import Layout
from egcam_jax.splitting._program import Program, Step, needed, reached
from egcam_jax.splitting._trace import Spec, specification

VARIED = frozenset({"pvary", "pcast"})
"""The primitive that makes an array vary over axes of a ``shard_map``; its operand may vary already."""


class Cut(NamedTuple):
    """Where a program is cut.

    Args:
        program: what is cut.
        spec: what it was traced for.
        slot: the activation.
        axes: which of its axes are batch, spatial and channels.
        carried: the other slots that depend on the image or its context, are used after the activation, and do not
            depend on it.
    """

    program: Program
    spec: Spec
    slot: int
    axes: Layout
    carried: tuple[int, ...]


def cut(program: Program, spec: Spec, slot: int, axes: Layout) -> Cut:
    """Find what goes around an activation."""
    after = reached(program.steps, {slot})
    later = [step for step in program.steps if after.intersection(step.inputs)]
    used = {slot for step in later for slot in step.inputs}
    varying = reached(program.steps, {program.image, *program.params[len(spec.leaves) :]})
    return Cut(program, spec, slot, axes, tuple(sorted((used & varying) - after)))


def features(where: Cut) -> Callable[..., Any]:
    """``(params, x)``, or ``(params, x, context)``, to A ``(b, h, w, K)``."""
    run = _before(where, (where.slot,))

    def features(params: Params, x: Any, context: Context = None) -> Any:
        leaves = _checked_params(where.spec, params)
        _check_images(where.spec, x)
        _check_context(where.spec, context, x)
        return _mapped(lambda image, row: _channels_last(where, run(leaves, image, row)[0]), x, context)

    return features


def bypass(where: Cut) -> Callable[..., Any]:
    """``(params, x)``, or ``(params, x, context)``, to A and what goes around it, in one pass."""
    run = _before(where, (where.slot, *where.carried))

    def bypass(params: Params, x: Any, context: Context = None) -> Any:
        leaves = _checked_params(where.spec, params)
        _check_images(where.spec, x)
        _check_context(where.spec, context, x)

        def one(image: Any, row: Context) -> Any:
            activation, *carried = run(leaves, image, row)
            return _channels_last(where, activation), tuple(carried)

        return _mapped(one, x, context)

    return bypass


def head(where: Cut, x: Any, context: Context = None) -> Callable[..., Any]:
    """``(params, A)``, or ``(params, A, carried)``, to logits ``(b, classes)``."""
    run, around = _after(where), bypass(where) if where.carried else None

    def head(params: Params, activations: Any, carried: Any = None) -> Any:
        leaves = _checked_params(where.spec, params)
        _check_activations(where, activations)
        if carried is None:
            carried = () if around is None else around(params, *_images(x, context, activations))[1]
        return _mapped(lambda a, c: run(leaves, a, c), activations, carried)

    return head


def _mapped(function: Callable[..., Any], *images: Any) -> Any:
    """Map a function of one image; a batch of one needs no map, which would be traced once more."""
    if jax.tree.leaves(images)[0].shape[0] != 1:
        return jax.vmap(function)(*images)
    result = function(*jax.tree.map(lambda leaf: leaf[0], images))
    return jax.tree.map(lambda leaf: leaf[None], result)


def _before(where: Cut, wanted: tuple[int, ...]) -> Callable[..., Any]:
    """Leaves of params and one image to the values of some slots."""
    program = where.program
    run = _called(where, needed(program.steps, set(wanted)), (program.image,), wanted)

    def before(leaves: list[Any], image: Any, row: Context) -> list[Any]:
        return run([*leaves, *(jnp.asarray(leaf)[None] for leaf in jax.tree.leaves(row))], (image[None],))

    return before


def _after(where: Cut) -> Callable[..., Any]:
    """Leaves of params, an activation and what goes around it to the logits of one image."""
    program = where.program
    given = (where.slot, *where.carried)
    run = _called(where, needed(program.steps, {program.logits}, frozenset(given)), given, (program.logits,))
    back = tuple(int(axis) for axis in np.argsort(sum(where.axes, ())))
    batched = (1,) * len(where.axes.batch) + _grid(where)

    def after(leaves: Sequence[Any], activation: Any, carried: tuple[Any, ...]) -> Any:
        return run(leaves, (jnp.transpose(activation.reshape(batched), back), *carried))[0][0]

    return after


def _called(
    where: Cut, steps: Sequence[Step], given: tuple[int, ...], wanted: tuple[int, ...]
) -> Callable[..., list[Any]]:
    """Leaves of params and the given slots' values to the wanted ones, as one function that programs call.

    It is traced once for each shape, and so are its derivative and its maps over images: JAX keeps them by the jaxpr
    that is called. What the user's function closed over is an argument, so that no program holds it twice.
    """
    program, axes = where.program, where.spec.axes
    used = {slot for step in steps for slot in step.inputs} | set(wanted)
    literals = {slot: program.constants[slot] for slot in used & program.literals}
    closed = {slot: value for slot, value in program.constants.items() if slot in used and slot not in literals}
    params = [(index, slot) for index, slot in enumerate(program.params) if slot in used and slot not in given]
    slots = (*closed, *(slot for _, slot in params), *given)

    @jax.jit
    def half(values: tuple[Any, ...]) -> list[Any]:
        known = evaluate(steps, {**literals, **dict(zip(slots, values))})
        return [known[slot] for slot in wanted]

    def run(leaves: Sequence[Any], values: tuple[Any, ...]) -> list[Any]:
        taken = [leaves[index] for index, _ in params]
        if outside := sharding.varying(taken, values) - axes:
            raise ValueError(
                f"x must vary over the axes of shard_map that the network was split for, {sorted(axes)}; got arrays "
                f"that vary over {sorted(outside)} too. Call split inside the mapped function, or pass apply_fn itself."
            )
        return half((*closed.values(), *taken, *(sharding.vary(value, axes) for value in values)))

    return run


def _channels_last(where: Cut, activation: Any) -> Any:
    return jnp.transpose(activation, sum(where.axes, ())).reshape(_grid(where))


def _grid(where: Cut) -> tuple[int, ...]:
    """Shape ``(h, w, K)`` of the activation for one image."""
    return tuple(where.program.avals[where.slot].shape[axis] for axis in where.axes.grid)


def evaluate(steps: Iterable[Step], known: dict[int, Any]) -> dict[int, Any]:
    """Return the value of every slot that the steps make, and of those known before."""
    values = dict(known)
    for step in steps:
        values.update(zip(step.outputs, apply(step, [values[slot] for slot in step.inputs])))
    return values


def apply(step: Step, operands: list[Any]) -> Any:
    """Carry out one equation, in its own scope: profiles of the halves then show the network's layers."""
    equation = step.equation
    if step.name in VARIED:
        return [sharding.vary(operand, frozenset(equation.params["axes"])) for operand in operands]
    bound = equation.primitive.get_bind_params(equation.params)
    functions, options = bound if isinstance(bound, tuple) else ((), bound)  # a tuple up to JAX 0.8 or so
    with jax.named_scope("/".join(step.path)), equation.ctx.manager:
        results = equation.primitive.bind(*functions, *operands, **options)
    return results if equation.primitive.multiple_results else (results,)


def _checked_params(spec: Spec, params: Params) -> list[Any]:
    leaves, tree = jax.tree.flatten(params)
    if tree != spec.tree:
        raise ValueError(f"params: expected the tree that the network was split with, {spec.tree}, got {tree}.")
    for wanted, got, path in zip(spec.leaves, jax.tree.leaves(specification(params)), _paths(params)):
        _check_like(f"params{path}", got, wanted.shape, wanted.dtype)
    return [leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf) for leaf in leaves]


def _paths(tree: Any) -> list[str]:
    return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


def _check_images(spec: Spec, x: Any) -> None:
    if len(x.shape) != len(spec.image.shape):
        raise ValueError(f"x: expected a batch (b, {_joined(spec.image.shape[1:])}), got shape {x.shape}.")
    _check_like("x", x, (x.shape[0], *spec.image.shape[1:]), spec.image.dtype)


def _check_context(spec: Spec, context: Context, x: Any) -> None:
    wanted: Any = jax.tree.structure(spec.context)
    came: Any = jax.tree.structure(context)
    if came != wanted:
        remedy = "Call split again, with context=..., for another."
        raise ValueError(f"context: expected the tree that the network was split with, {wanted}, got {came}. {remedy}")
    for path, leaf, like in zip(_paths(context), jax.tree.leaves(context), jax.tree.leaves(spec.context)):
        _check_like(f"context{path}", leaf, (x.shape[0], *like.shape[1:]), like.dtype)


def _check_activations(where: Cut, activations: Any) -> None:
    grid = _grid(where)
    if len(activations.shape) != 1 + len(grid):
        raise ValueError(f"A: expected activations (b, {_joined(grid)}), got shape {activations.shape}.")
    _check_like("A", activations, (activations.shape[0], *grid), where.program.avals[where.slot].dtype)


def _check_like(name: str, got: Any, shape: tuple[int, ...], dtype: Any) -> None:
    remedy = "The network was split for these shapes and dtypes: call split again for others."
    if tuple(got.shape) != tuple(shape):
        raise ValueError(f"{name}: expected shape {tuple(shape)}, got {tuple(got.shape)}. {remedy}")
    came = got.dtype if isinstance(got, jax.Array | jax.ShapeDtypeStruct) else specification(got).dtype
    if came != dtype:
        raise TypeError(f"{name}: expected {dtype}, got {came}. {remedy}")


def _joined(shape: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in shape)


def _images(x: Any, context: Context, activations: Any) -> tuple[Any, ...]:
    """The images that the network was split with, where the head needs what goes around the layer for them."""
    inputs = "params, x" if context is None else "params, x, context"
    remedy = f"Get (A, carried) from split.bypass({inputs}) and call head(params, A, carried)."
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves((x, context))):
        raise ValueError(f"head: something goes around this layer, and split was given no values of x. {remedy}")
    if x.shape[0] != activations.shape[0]:
        raise ValueError(
            f"head: something goes around this layer, and A has {activations.shape[0]} images where the x that was "
            f"given to split has {x.shape[0]}. {remedy}"
        )
    return jnp.asarray(x), *contexts.arguments(context)
