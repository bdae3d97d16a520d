"""A classifier as a flat list of equations: trace it once, open the calls inside it, drop dead code.

A value is known by its slot, a small integer. Calls that only group equations (``jit``) are opened, and on request
``jax.checkpoint`` too. ``custom_jvp``, ``custom_vjp``, ``scan``, ``while`` and ``cond`` stay whole: to open the first
two would change derivatives, and in the others one equation stands for many values.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
from jax.extend import core

from .._types import ApplyFn, Params

MARKER = "egcam_split"
"""The named scope around the user's function: names are relative to it, whatever the caller's scopes are."""

GROUPS = frozenset({"jit", "pjit", "closed_call", "core_call"})
LOOPS = frozenset({"scan", "while", "cond"})
CHECKPOINTS = frozenset({"checkpoint", "remat", "remat2"})

_CALLED = re.compile(r"\b(?:jit|pjit|checkpoint|remat)\([^()]*\)")
_TRANSFORMED = re.compile(r"\b(?:jvp|vmap|transpose|linearize|pmap|shard_map)\(([^()]*)\)")

Path = tuple[str, ...]


class Spec(NamedTuple):
    """What a function was traced for: the tree of its params, the shape and dtype of each leaf and of the images."""

    tree: Any
    leaves: tuple[jax.ShapeDtypeStruct, ...]
    image: jax.ShapeDtypeStruct


class Traced(NamedTuple):
    """The jaxpr of one image, and what it was traced for."""

    closed: core.ClosedJaxpr
    spec: Spec


class Step(NamedTuple):
    """One equation: its inputs (None where the equation holds a literal) and outputs by slot, and its scope."""

    equation: core.JaxprEqn
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    path: Path

    @property
    def name(self) -> str:
        """The primitive's name."""
        return self.equation.primitive.name


@dataclasses.dataclass(frozen=True)
class Program:
    """A flat, live program from ``params`` and ``image`` to ``logits``.

    Args:
        steps: in order of execution, without those that do not reach the logits.
        avals: shape and dtype of each slot.
        constants: value of each slot that is known without params and image.
        params: the slots of the params' leaves, in the tree's order.
        image: the slot of the image, ``(1, H, W, C)``.
        logits: the slot of the logits, ``(1, classes)``.
        varying: the slots that depend on the image.
        where: slot of each variable of the jaxpr, by the trail of calls that lead to it.
        paths: every scope that the untrimmed program enters, dead code included.
    """

    steps: tuple[Step, ...]
    avals: tuple[Any, ...]
    constants: dict[int, Any]
    params: tuple[int, ...]
    image: int
    logits: int
    varying: frozenset[int]
    where: dict[tuple[tuple[int, ...], Any], int]
    paths: frozenset[Path]

    @functools.cached_property
    def producers(self) -> dict[int, int]:
        """Index of the step that makes each slot."""
        return {slot: i for i, step in enumerate(self.steps) for slot in step.outputs}


@dataclasses.dataclass
class _Tape:
    """What flattening writes on: used inside ``flatten`` only."""

    through_checkpoints: bool
    steps: list[Step] = dataclasses.field(default_factory=list)
    avals: list[Any] = dataclasses.field(default_factory=list)
    constants: dict[int, Any] = dataclasses.field(default_factory=dict)
    where: dict[tuple[tuple[int, ...], Any], int] = dataclasses.field(default_factory=dict)

    def new(self, aval: Any) -> int:
        self.avals.append(aval)
        return len(self.avals) - 1

    def constant(self, aval: Any, value: Any) -> int:
        slot = self.new(aval)
        self.constants[slot] = value
        return slot


def trace(apply_fn: ApplyFn, params: Params, x: Any) -> Traced:
    """Trace ``apply_fn`` for one image: the only time that it is called.

    Raises:
        ValueError, TypeError: it does not return logits ``(1, classes)`` for one image.
    """

    def marked(params: Params, x: Any) -> Any:
        with jax.named_scope(MARKER):
            return apply_fn(params, x)

    leaves, tree = jax.tree.flatten(specification(params))
    image = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    closed, returned = jax.make_jaxpr(marked, return_shape=True)(params, image)
    _check_logits(returned)
    return Traced(closed, Spec(tree, tuple(leaves), image))


def specification(tree: Any) -> Any:
    """Shape and dtype of every leaf of a tree: arrays, tracers and Python numbers alike."""
    return jax.eval_shape(lambda leaves: leaves, tree)


def _check_logits(returned: Any) -> None:
    wanted = "apply_fn must return logits of shape (b, classes), so (1, classes) for one image"
    if not isinstance(returned, jax.ShapeDtypeStruct):
        raise TypeError(
            f"{wanted}; it returned {_described(returned)}. Wrap it in a function that returns the logits alone, "
            "e.g. lambda params, x: apply_fn(params, x)[0]."
        )
    if len(returned.shape) != 2 or returned.shape[0] != 1:
        raise ValueError(
            f"{wanted}; it returned shape {returned.shape}. The leading axis must be the images'; "
            "add or squeeze axes in a function around apply_fn."
        )
    if not jax.numpy.issubdtype(returned.dtype, jax.numpy.floating):
        raise TypeError(f"{wanted}, of floating dtype; it returned {returned.dtype}. Return the scores, not the class.")


def _described(returned: Any) -> str:
    if returned is None:
        return "None"
    parts = [str(getattr(leaf, "shape", leaf)) for leaf in jax.tree.leaves(returned)]
    shown = ", ".join(parts[:4]) + (", ..." if len(parts) > 4 else "")
    return f"a {type(returned).__name__} of {len(parts)} arrays with shapes {shown}"


def flatten(traced: Traced, through_checkpoints: bool) -> Program:
    """List the live equations of a traced function, calls opened."""
    closed, tape = traced.closed, _Tape(through_checkpoints)
    inputs = [tape.new(var.aval) for var in closed.jaxpr.invars]
    outputs = _record(tape, closed.jaxpr, closed.consts, inputs, (), ())
    steps = needed(tape.steps, {outputs[0]})
    return Program(
        steps=steps,
        avals=tuple(tape.avals),
        constants=tape.constants,
        params=tuple(inputs[:-1]),
        image=inputs[-1],
        logits=outputs[0],
        varying=reached(steps, {inputs[-1]}),
        where=tape.where,
        paths=frozenset(step.path for step in tape.steps),
    )


def needed(steps: Iterable[Step], wanted: set[int], given: frozenset[int] = frozenset()) -> tuple[Step, ...]:
    """Return the steps that ``wanted`` slots need where the slots in ``given`` are known."""
    missing, kept = set(wanted) - given, []
    for step in reversed(tuple(steps)):
        if missing.intersection(step.outputs):
            kept.append(step)
            missing.update(slot for slot in step.inputs if slot is not None and slot not in given)
    return tuple(reversed(kept))


def reached(steps: Iterable[Step], sources: set[int]) -> frozenset[int]:
    """Return the slots that depend on ``sources``, these included."""
    found = set(sources)
    for step in steps:
        if found.intersection(step.inputs):
            found.update(step.outputs)
    return frozenset(found)


def _record(tape: _Tape, jaxpr: Any, consts: Any, inputs: list[int], path: Path, trail: tuple[int, ...]) -> list[int]:
    """Append the equations of one jaxpr to the tape; return the slots of its results."""
    slots = dict(zip(jaxpr.invars, inputs))
    slots.update((var, tape.constant(var.aval, value)) for var, value in zip(jaxpr.constvars, consts))

    def read(atom: Any) -> int:
        return tape.constant(atom.aval, atom.val) if isinstance(atom, core.Literal) else slots[atom]

    for i, equation in enumerate(jaxpr.eqns):
        scope = path + scope_of(equation) + _loop_scope(equation)
        body = opened(equation, tape.through_checkpoints)
        if body is None:
            results = [tape.new(var.aval) for var in equation.outvars]
            operands = tuple(None if isinstance(a, core.Literal) else slots[a] for a in equation.invars)
            tape.steps.append(Step(equation, operands, tuple(results), scope))
        else:
            results = _record(tape, *body, [read(a) for a in equation.invars], scope, (*trail, i))
        slots.update(zip(equation.outvars, results))
    tape.where.update(((trail, var), slot) for var, slot in slots.items())
    return [read(atom) for atom in jaxpr.outvars]


def opened(equation: core.JaxprEqn, through_checkpoints: bool) -> tuple[Any, Any] | None:
    """The jaxpr and constants inside a call that is to be opened, else None."""
    name = equation.primitive.name
    if name not in GROUPS and not (through_checkpoints and name in CHECKPOINTS):
        return None
    return next(_bodies(equation))


def _bodies(equation: core.JaxprEqn) -> Iterator[tuple[Any, Any]]:
    for value in equation.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                yield item.jaxpr, item.consts
            elif isinstance(item, core.Jaxpr):
                yield item, ()


def scope_of(equation: core.JaxprEqn) -> Path:
    """The named scopes of an equation, below the marker, without what transformations write into them."""
    text = str(equation.source_info.name_stack)
    while (plain := _TRANSFORMED.sub(r"\1", _CALLED.sub("", text))) != text:
        text = plain
    pieces = tuple(piece for piece in text.split("/") if piece)
    return pieces[pieces.index(MARKER) + 1 :] if MARKER in pieces else pieces


def _loop_scope(equation: core.JaxprEqn) -> Path:
    """The scope that everything in a loop's body shares: it is around the loop as much as inside it."""
    if equation.primitive.name not in LOOPS:
        return ()
    scopes = [path for body, _ in _bodies(equation) for path in _scopes_within(body, ()) if path]
    return functools.reduce(shared, scopes) if scopes else ()


def shared(one: Path, other: Path) -> Path:
    """The scopes that two paths have in common."""
    differ = (i for i, (a, b) in enumerate(zip(one, other)) if a != b)
    return one[: next(differ, min(len(one), len(other)))]


def hidden(steps: Iterable[Step]) -> Iterator[tuple[str, Path]]:
    """The scopes and tags that exist only inside equations that stay whole, with the primitive's name."""
    for step in steps:
        for body, _ in _bodies(step.equation):
            outside = step.path[: len(step.path) - len(_loop_scope(step.equation))]
            yield from ((step.name, path) for path in _scopes_within(body, outside))


def _scopes_within(jaxpr: Any, path: Path) -> Iterator[Path]:
    for equation in jaxpr.eqns:
        scope = path + scope_of(equation)
        yield scope
        if equation.primitive.name == "name":
            yield (equation.params["name"],)
        for body, _ in _bodies(equation):
            yield from _scopes_within(body, scope)
