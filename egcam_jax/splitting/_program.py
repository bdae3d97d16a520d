"""A traced function as a flat list of live equations, the calls inside it opened.

A value is known by its slot, a small integer. Calls that only group equations (``jit``) are opened, and on request
``jax.checkpoint`` too. ``custom_jvp``, ``custom_vjp``, ``scan``, ``while`` and ``cond`` stay whole: to open the first
two would change derivatives, and in the others one equation stands for many values.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from jax.extend import core

from ._axes import channel_axes
from ._scopes import Path, bodies, loop_scope, scope_of, scopes_within

GROUPS = frozenset({"jit", "pjit", "closed_call", "core_call"})
CHECKPOINTS = frozenset({"checkpoint", "remat", "remat2"})


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

    @functools.cached_property
    def channel_axes(self) -> dict[int, int]:
        """The axis with the channels of each slot that a convolution's features can be followed to."""
        spatial = len(self.avals[self.image].shape) - 1
        return channel_axes(self.steps, self.avals, self.varying, spatial)


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


def flatten(closed: core.ClosedJaxpr, through_checkpoints: bool) -> Program:
    """List the live equations of a function traced by ``trace``, calls opened."""
    tape = _Tape(through_checkpoints)
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
        scope = path + scope_of(equation) + loop_scope(equation)
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
    return next(bodies(equation))


def hidden(steps: Iterable[Step]) -> Iterator[tuple[str, Path]]:
    """The scopes and tags that exist only inside equations that stay whole, with the primitive's name."""
    for step in steps:
        for body, _ in bodies(step.equation):
            outside = step.path[: len(step.path) - len(loop_scope(step.equation))]
            yield from ((step.name, path) for path in scopes_within(body, outside))
