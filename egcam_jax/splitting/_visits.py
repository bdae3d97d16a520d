"""One scope entered several times: blocks of equal name are numbered, so that a name stands for one value."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from jax.extend import core

from egcam_jax.core.jaxprs import bodies
from egcam_jax.splitting._program import Program, Step, reached
from egcam_jax.splitting._scopes import Path

MARK = "#"
"""Stands between a scope and the number of the visit: ``Conv_0#2``."""


def numbered(program: Program) -> tuple[Step, ...]:
    """Return a program's steps with the scopes numbered that hold more than one block.

    A scope that is left and entered again is another block, unless the same weights are used again: that is one
    layer that is shared, and its value is its last one.
    """
    paths = [step.path for step in program.steps]
    numbers = _Weights(program)
    for depth in range(max(map(len, paths), default=0)):
        for visits in _visits(program, paths, depth).values():
            for indices, number in zip(visits, _blocks(visits, paths, numbers)):
                for index in indices if number else ():
                    path = paths[index]
                    paths[index] = (*path[:depth], f"{path[depth]}{MARK}{number}", *path[depth + 1 :])
    return tuple(step._replace(path=path) for step, path in zip(program.steps, paths))


def is_spelled(part: str, wanted: str) -> bool:
    """Whether a spelling means a part of a name: the number may be left out."""
    return wanted in (part, part.partition(MARK)[0])


def numbered_names(names: Sequence[str]) -> list[str]:
    """The names, those that come more than once with their numbers."""
    counts: dict[str, int] = defaultdict(int)
    result = []
    for name in names:
        counts[name] += 1
        result.append(f"{name}{MARK}{counts[name]}" if names.count(name) > 1 else name)
    return result


def _visits(program: Program, paths: Sequence[Path], depth: int) -> dict[Path, list[list[int]]]:
    """The indices of the image's steps in each scope of a depth, visit by visit."""
    visits: dict[Path, list[list[int]]] = defaultdict(list)
    last: Path | None = None
    for index, (step, path) in enumerate(zip(program.steps, paths)):
        if program.varying.isdisjoint(step.outputs):
            continue
        scope = path[: depth + 1]
        if len(scope) > depth:
            if scope != last:
                visits[scope].append([])
            visits[scope][-1].append(index)
        last = scope
    return visits


def _blocks(visits: Sequence[Sequence[int]], paths: Sequence[Path], weights: "_Weights") -> list[int]:
    """The number of each visit's block, from 1; 0 for all where no name in one block is a name in another."""
    scopes = [{paths[index] for index in indices} for indices in visits]
    if len(set().union(*scopes)) == sum(map(len, scopes)):
        return [0] * len(visits)
    keys: list[Hashable] = [weights.used(indices) or index for index, indices in enumerate(visits)]
    order = list(dict.fromkeys(keys))
    return [order.index(key) + 1 if len(order) > 1 else 0 for key in keys]


class _Weights:
    """Which weights some steps use: told by how they are computed, since each use may slice or cast them anew."""

    def __init__(self, program: Program):
        self._program = program
        self._known: dict[int, Hashable] | None = None

    def used(self, indices: Iterable[int]) -> frozenset[Hashable]:
        if self._known is None:
            self._known = _values(self._program)
        steps = [self._program.steps[index] for index in indices]
        return frozenset(self._known[slot] for step in steps for slot in step.inputs if slot in self._known)


def _values(program: Program) -> dict[int, Hashable]:
    """A value number of every slot that depends on weights and not on the image: equal for equal computations."""
    sources = {slot for slot, value in program.constants.items() if slot not in program.literals and _is_array(value)}
    weights = reached(program.steps, sources | set(program.params)) - program.varying
    numbers: dict[Hashable, int] = {}
    known: dict[int, Hashable] = {}

    def number(key: Hashable) -> int:
        return numbers.setdefault(key, len(numbers))

    def value(slot: int) -> Hashable:
        constant = program.constants.get(slot, slot)
        return known.get(slot, number(repr(constant) if slot in program.literals else id(constant)))

    for slot in weights:
        if slot in sources or slot in program.params:
            known[slot] = number(("source", id(program.constants[slot]) if slot in sources else slot))
    for step in program.steps:
        if weights.intersection(step.outputs):
            key = (step.name, _described(step.equation), tuple(value(slot) for slot in step.inputs))
            known.update((slot, number((*key, index))) for index, slot in enumerate(step.outputs) if slot in weights)
    return known


def _is_array(value: Any) -> bool:
    return getattr(value, "size", 1) > 1


def _described(equation: core.JaxprEqn) -> str:
    """An equation's parameters as text, without the text of the jaxprs among them."""
    inner = [id(body) for body, _ in bodies(equation)]
    params = {} if inner else equation.params
    return repr((sorted(params.items()), inner))
