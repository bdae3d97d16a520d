"""Walking through traced programs."""

from collections.abc import Iterator, Sequence
from typing import Any

from jax.extend import core


def nested(equation: core.JaxprEqn) -> Iterator[core.JaxprEqn]:
    """An equation, and all those of the calls within it."""
    yield equation
    for program, _ in bodies(equation):
        yield from equations(program)


def equations(program: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """All equations of a program, and those of the calls within it."""
    for equation in program.eqns:
        yield from nested(equation)


def bodies(equation: core.JaxprEqn) -> Iterator[tuple[core.Jaxpr, Sequence[Any]]]:
    """The programs inside an equation, each with its constants."""
    for value in equation.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                yield item.jaxpr, item.consts
            elif isinstance(item, core.Jaxpr):
                yield item, ()


def constants(closed: core.ClosedJaxpr) -> Iterator[Any]:
    """Everything that a program holds beside its inputs: constants and literals, those of the calls within it too."""
    yield from closed.consts
    for equation in equations(closed.jaxpr):
        yield from (atom.val for atom in equation.invars if isinstance(atom, core.Literal))
        for _, consts in bodies(equation):
            yield from consts


def shape_of(atom: Any) -> tuple[int, ...]:
    """The shape of a variable or literal; the empty one of what is no array, such as a token of order."""
    return tuple(getattr(atom.aval, "shape", ()))
