"""From a traced function to a flat program: calls are opened, and loops over layers are laid out step by step.

Calls that only group equations (``jit``) are always opened, ``jax.checkpoint`` and loops over layers where a value
inside is asked for. ``custom_jvp``, ``custom_vjp``, ``while``, ``cond`` and all other loops stay whole: to open the
first two would change derivatives, and in the others one equation stands for many values.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from jax.extend import core

from egcam_jax.core.jaxprs import bodies
from egcam_jax.splitting import _loops
from egcam_jax.splitting._axes import Axes, of_image
from egcam_jax.splitting._program import Program, Step, Trail, needed, reached
from egcam_jax.splitting._provenance import follow
from egcam_jax.splitting._scopes import Path, loop_scope, scan_counts, scope_of, scopes_within
from egcam_jax.splitting._written import known, number

GROUPS = frozenset({"jit", "pjit", "closed_call", "core_call"})
CHECKPOINTS = frozenset({"checkpoint", "remat", "remat2"})

Place = Callable[[Path], Path]
"""From the scope that an equation carries to its scope in the whole program."""


@dataclasses.dataclass
class _Tape:
    """What flattening writes on: used inside ``flatten`` only.

    Args:
        target: the trail of the value that is asked for: nothing else is opened, and no axes are followed. None
            opens all.
    """

    target: Trail | None
    steps: list[Step] = dataclasses.field(default_factory=list)
    avals: list[Any] = dataclasses.field(default_factory=list)
    constants: dict[int, Any] = dataclasses.field(default_factory=dict)
    literals: set[int] = dataclasses.field(default_factory=set)
    axes: dict[int, Axes] = dataclasses.field(default_factory=dict)
    numbers: dict[int, Any] = dataclasses.field(default_factory=dict)
    opened: bool = False
    where: dict[tuple[Trail, Any], int] = dataclasses.field(default_factory=dict)

    def new(self, aval: Any) -> int:
        self.avals.append(aval)
        return len(self.avals) - 1

    def constant(self, aval: Any, value: Any) -> int:
        slot = self.new(aval)
        self.constants[slot] = value
        self.numbers[slot] = number(value)
        return slot

    def literal(self, atom: core.Literal) -> int:
        slot = self.constant(atom.aval, atom.val)
        self.literals.add(slot)
        return slot

    def step(self, equation: core.JaxprEqn, inputs: Sequence[int], path: Path, avals: Sequence[Any]) -> list[int]:
        """Append an equation as it is; return the slots of its results."""
        results = [self.new(aval) for aval in avals]
        self.steps.append(Step(equation, tuple(inputs), tuple(results), path))
        if self.target is None:
            values = [self.numbers.get(slot) for slot in inputs]
            self.numbers.update(zip(results, known(equation, values)))
            axes_of_results = follow(equation, [self.axes.get(slot) for slot in inputs], values)
            self.axes.update((slot, axes) for slot, axes in zip(results, axes_of_results) if axes is not None)
        return results

    def asked(self, trail: Trail) -> bool:
        """Whether a call is to be opened: the value that is asked for is inside."""
        return self.target is None or self.target[: len(trail)] == trail

    def step_asked(self, trail: Trail) -> int | None:
        """The step of a loop in which the value is that is asked for."""
        if self.target is None or len(self.target) < len(trail) or self.target[: len(trail) - 1] != trail[:-1]:
            return None
        last = self.target[len(trail) - 1]
        return last[1] if isinstance(last, tuple) and last[0] == trail[-1] else None


def flatten(closed: core.ClosedJaxpr, target: Trail | None = None) -> Program:
    """List the live equations of a function traced by ``trace``.

    Args:
        closed: the function, from the params' leaves and one image to logits.
        target: the trail of the value that the program is to be cut at: what it is not inside of stays whole, which
            saves memory (``jax.checkpoint``) and time to compile (loops). None opens all that can be.
    """
    tape = _Tape(target)
    inputs = [tape.new(var.aval) for var in closed.jaxpr.invars]
    tape.axes[inputs[-1]] = of_image(tape.avals[inputs[-1]].shape)
    outputs = _record(tape, closed.jaxpr, closed.consts, inputs, lambda own: own, ())
    steps = needed(tape.steps, {outputs[0]})
    return Program(
        steps=steps,
        avals=tuple(tape.avals),
        constants=tape.constants,
        literals=frozenset(tape.literals),
        params=tuple(inputs[:-1]),
        image=inputs[-1],
        logits=outputs[0],
        varying=reached(steps, {inputs[-1]}),
        axes=tape.axes,
        opened=tape.opened,
        where=tape.where,
        paths=frozenset(step.path for step in tape.steps),
    )


def trail_of(program: Program, slot: int) -> Trail:
    """The shortest trail at which a value is a variable."""
    return min((trail for (trail, _), other in program.where.items() if other == slot), key=len)


def _record(
    tape: _Tape, jaxpr: Any, consts: Any, inputs: Sequence[int], place: Place, trail: Trail | None
) -> list[int]:
    """Append the equations of one jaxpr to the tape; return the slots of its results."""
    slots = dict(zip(jaxpr.invars, inputs))
    slots.update((var, tape.constant(var.aval, value)) for var, value in zip(jaxpr.constvars, consts))

    def read(atom: Any) -> int:
        return tape.literal(atom) if isinstance(atom, core.Literal) else slots[atom]

    for index, equation in enumerate(jaxpr.eqns):
        operands = [read(atom) for atom in equation.invars]
        results = _equation(tape, equation, operands, place, None if trail is None else (*trail, index))
        slots.update(zip(equation.outvars, results))
    if trail is not None:
        tape.where.update(((trail, var), slot) for var, slot in slots.items())
    return [read(atom) for atom in jaxpr.outvars]


def _equation(
    tape: _Tape, equation: core.JaxprEqn, inputs: list[int], place: Place, trail: Trail | None
) -> Sequence[int]:
    """Append one equation, opened where it is to be."""
    around, name = scope_of(equation), equation.primitive.name
    scope = place(around)
    if name in GROUPS or (name in CHECKPOINTS and trail is not None and tape.asked(trail)):
        tape.opened |= name in CHECKPOINTS
        body, consts = next(bodies(equation))
        return _record(tape, body, consts, inputs, lambda own: place(around + own), trail)
    if trail is not None and _is_opened(tape, equation, inputs, trail):
        tape.opened = True
        return _laid_out(tape, equation, inputs, scope, trail)
    return tape.step(equation, inputs, scope, [var.aval for var in equation.outvars])


def _is_opened(tape: _Tape, equation: core.JaxprEqn, inputs: list[int], trail: Trail) -> bool:
    if tape.target is not None:
        return tape.step_asked(trail) is not None
    return _loops.is_over_layers(equation, [tape.axes.get(slot) for slot in inputs])


def _laid_out(tape: _Tape, equation: core.JaxprEqn, inputs: list[int], scope: Path, trail: Trail) -> list[int]:
    """Append the steps of a loop over layers, each in a scope of its index."""
    params, around = equation.params, loop_scope(equation)
    consts, carried = scan_counts(equation)
    fixed, carry, stacks = inputs[:consts], inputs[consts : consts + carried], inputs[consts + carried :]
    avals = [var.aval for var in params["jaxpr"].jaxpr.outvars]
    results: dict[int, tuple[bool, list[int]]] = {}
    for part in _loops.parts(equation, tape.step_asked(trail)):
        own = _helper(tape, _loops.taken([tape.avals[slot] for slot in stacks], part), stacks, scope)
        operands = [*fixed, *carry, *own]
        if part.opened:
            inside = _inside(scope, around, part.first)
            body, step_trail = params["jaxpr"], (*trail[:-1], (trail[-1], part.first))
            made = _record(tape, body.jaxpr, body.consts, operands, inside, step_trail)
        else:
            shapes = [*avals[:carried], *(_stack_aval(aval, part.length) for aval in avals[carried:])]
            made = tape.step(_loops.loop_of(equation, part), operands, scope + around, shapes)
        carry = made[:carried]
        results[part.first] = (part.opened, made[carried:])
    return [*carry, *_stacked(tape, [results[first] for first in sorted(results)], scope)]


def _inside(scope: Path, around: Path, step: int) -> Place:
    """The scope of what stands in one step of a loop: the index comes after what the whole body has in common."""
    return lambda own: (*scope, *around, str(step), *own[len(around) :])


def _stacked(tape: _Tape, results: Sequence[tuple[bool, list[int]]], scope: Path) -> Iterator[int]:
    """Stack what the steps of a loop give out one by one."""
    opened = [alone for alone, _ in results]
    for slots in zip(*(made for _, made in results)):
        yield from _helper(tape, _loops.stacked([tape.avals[slot] for slot in slots], opened), slots, scope)


def _stack_aval(aval: Any, count: int) -> Any:
    return aval.update(shape=(count, *aval.shape), sharding=None)


def _helper(tape: _Tape, closed: core.ClosedJaxpr, inputs: Sequence[int], scope: Path) -> list[int]:
    """Append a function of the library's own, in which nothing can be named."""
    return _record(tape, closed.jaxpr, closed.consts, inputs, lambda own: scope, None)


def hidden(steps: Iterable[Step]) -> Iterator[tuple[core.JaxprEqn, Path]]:
    """The scopes and tags that exist only inside equations that stay whole, each with its equation."""
    for step in steps:
        for body, _ in bodies(step.equation):
            yield from ((step.equation, path) for path in scopes_within(body, step.path))
