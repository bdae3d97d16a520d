"""The named scopes that a jaxpr's equations carry, as paths."""

import functools
import re
from collections.abc import Iterator
from typing import Any

from jax.extend import core

from egcam_jax.core.jaxprs import bodies, shape_of

MARKER = "egcam_split"
"""The named scope around the user's function: names are relative to it, whatever the caller's scopes are."""

LOOPS = frozenset({"scan", "while", "cond"})

_CALLED = re.compile(r"\b(?:jit|pjit|checkpoint|remat)\([^()]*\)")
_TRANSFORMED = re.compile(r"\b(?:jvp|vmap|transpose|linearize|pmap|shard_map)\(([^()]*)\)")

Path = tuple[str, ...]


def scope_of(equation: core.JaxprEqn) -> Path:
    """The named scopes of an equation, below the marker, without what transformations write into them."""
    text = str(equation.source_info.name_stack)
    while (plain := _TRANSFORMED.sub(r"\1", _CALLED.sub("", text))) != text:
        text = plain
    pieces = tuple(piece for piece in text.split("/") if piece)
    return pieces[pieces.index(MARKER) + 1 :] if MARKER in pieces else pieces


def loop_scope(equation: core.JaxprEqn) -> Path:
    """The scope that all of a loop's body is in: it is around the loop as much as inside it."""
    if equation.primitive.name not in LOOPS:
        return ()
    scopes = [path for body, _ in bodies(equation) for path in _leaves(body, ())]
    return functools.reduce(shared, scopes) if scopes else ()


def _leaves(jaxpr: Any, path: Path) -> Iterator[Path]:
    """The scopes of the equations in a jaxpr that call nothing."""
    for equation in jaxpr.eqns:
        inner = [body for body, _ in bodies(equation)]
        scope = path + scope_of(equation)
        for body in inner:
            yield from _leaves(body, scope)
        if not inner:
            yield scope


def shared(one: Path, other: Path) -> Path:
    """The scopes that two paths have in common."""
    differ = (i for i, (a, b) in enumerate(zip(one, other)) if a != b)
    return one[: next(differ, min(len(one), len(other)))]


def scopes_within(jaxpr: Any, path: Path) -> Iterator[Path]:
    """The scopes and tags inside a jaxpr that itself stands in a scope."""
    for equation in jaxpr.eqns:
        scope = path + scope_of(equation)
        yield scope
        if equation.primitive.name == "name":
            yield (*scope, equation.params["name"])
        for body, _ in bodies(equation):
            yield from scopes_within(body, scope)


def scan_counts(equation: core.JaxprEqn) -> tuple[int, int]:
    """How many operands of a ``scan`` are constants, and how many are carried from step to step.

    Ranks tell them apart in every version of JAX: a stacked operand or result has one axis more than in the body.
    """
    body = equation.params["jaxpr"].jaxpr
    stacked = sum(
        len(shape_of(outside)) > len(shape_of(inside)) for outside, inside in zip(equation.invars, body.invars)
    )
    carried = sum(
        len(shape_of(outside)) == len(shape_of(inside)) for outside, inside in zip(equation.outvars, body.outvars)
    )
    return len(equation.invars) - stacked - carried, carried
