"""A traced function as a flat list of live equations: the program that is cut in two."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

from jax.extend import core

from egcam_jax.splitting._axes import Axes
from egcam_jax.splitting._scopes import Path

Trail = tuple[Any, ...]
"""Where a jaxpr stands: the index of each call around it, and of a loop's step the pair ``(index, step)``."""


class Step(NamedTuple):
    """One equation: its inputs and outputs by slot, and its scope."""

    equation: core.JaxprEqn
    inputs: tuple[int, ...]
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
        literals: the constants that are numbers written in the function.
        params: the slots of the params' leaves, in the tree's order.
        image: the slot of the image, ``(1, H, W, C)``.
        logits: the slot of the logits, ``(1, classes)``.
        varying: the slots that depend on the image.
        axes: which axes of the image each slot that depends on the image holds.
        opened: whether a ``jax.checkpoint`` or a loop was opened.
        where: slot of each variable of the jaxpr, by the trail of calls that lead to it.
        paths: every scope that the untrimmed program enters, dead code included.
    """

    steps: tuple[Step, ...]
    avals: tuple[Any, ...]
    constants: dict[int, Any]
    literals: frozenset[int]
    params: tuple[int, ...]
    image: int
    logits: int
    varying: frozenset[int]
    axes: dict[int, Axes]
    opened: bool
    where: dict[tuple[Trail, Any], int]
    paths: frozenset[Path]

    @functools.cached_property
    def producers(self) -> dict[int, int]:
        """Index of the step that makes each slot."""
        return {slot: i for i, step in enumerate(self.steps) for slot in step.outputs}


def needed(steps: Iterable[Step], wanted: set[int], given: frozenset[int] = frozenset()) -> tuple[Step, ...]:
    """Return the steps that ``wanted`` slots need where the slots in ``given`` are known."""
    missing, kept = set(wanted) - given, []
    for step in reversed(tuple(steps)):
        if missing.intersection(step.outputs):
            kept.append(step)
            missing.update(slot for slot in step.inputs if slot not in given)
    return tuple(reversed(kept))


def reached(steps: Iterable[Step], sources: set[int]) -> frozenset[int]:
    """Return the slots that depend on ``sources``, these included."""
    slots = set(sources)
    for step in steps:
        if slots.intersection(step.inputs):
            slots.update(step.outputs)
    return frozenset(slots)
