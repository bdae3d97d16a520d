"""A run's results gathered by batch, as the sinks that draw take them: for each picture, its maps and their scores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from egcam_jax.metrics import Score
from egcam_jax.output import records
from egcam_jax.run import runner

_LONG = 300
"""Letters of a message from the device: the rest is for those who ask for --debug."""


class Cell(NamedTuple):
    """One method's map of one picture for one target, with its scores; and why it cannot be drawn, where it cannot."""

    explanation: Any
    scores: Mapping[str, Score]
    failure: Exception | None = None


class Gathered(NamedTuple):
    """A batch: its pictures, what could not be read, and by method for each picture a cell for each target."""

    pictures: Sequence[Any]
    unreadable: Sequence[tuple[str, str]]
    cells: Mapping[str, Sequence[Sequence[Cell]]]


def gather(results: Iterable[runner.Seen | runner.Made]) -> Iterator[Gathered]:
    """Gather the results of each batch.

    Raises:
        ValueError, TypeError: Every method refuses to do what was asked for, which makes no sense whatever the picture.
    """
    seen: runner.Seen | None = None
    made: list[runner.Made] = []
    for result in results:
        if isinstance(result, runner.Made):
            made.append(result)
            continue
        if seen is not None:
            yield _batch(seen, made)
        seen, made = result, []
    if seen is not None:
        yield _batch(seen, made)


def reason(error: Exception) -> str:
    """Say what went wrong, with the remedy where it may be that the device's memory ran out."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, RuntimeError | MemoryError):
        return f"{said[:_LONG]} (if memory ran out: a smaller --chunk or --batch)"
    return said


def _batch(seen: runner.Seen, made: Sequence[runner.Made]) -> Gathered:
    pictures = seen.batch.images
    targets = np.shape(seen.seen.get("target", ()))[1:] or (1,)
    by_method: dict[str, list[runner.Made]] = {}
    for one in made:
        by_method.setdefault(one.method, []).append(one)
    errors = {method: next((one.error for one in some if one.error), None) for method, some in by_method.items()}
    refused = [error for error in errors.values() if isinstance(error, ValueError | TypeError)]
    if errors and len(refused) == len(errors):
        raise refused[0]
    cells = {
        method: [[Cell(None, {}, error)] * targets[0] for _ in pictures] if (error := errors[method]) else _cells(some)
        for method, some in by_method.items()
    }
    unreadable = [(name, said) for _, name, said in seen.batch.unreadable]
    return Gathered(pictures, unreadable, cells)


def _cells(made: Sequence[runner.Made]) -> list[list[Cell]]:
    """One method's cells: for each picture one for each target."""
    (maps,) = [one for one in made if one.metric is None]
    scored = [one for one in made if one.metric is not None]
    return [
        [_cell(each, i, t, scored) for t, each in enumerate(records.single(maps.value, i))]
        for i in range(len(maps.batch.images))
    ]


def _cell(explanation: Any, image: int, target: int, scored: Sequence[runner.Made]) -> Cell:
    try:
        records.check_finite(explanation)
    except FloatingPointError as error:
        return Cell(explanation, {}, error)
    return Cell(explanation, {one.metric.metric.name: _at(one.value, image, target) for one in scored if one.metric})


def _at(score: Score, image: int, target: int) -> Score:
    value = score.value[image] if score.value.ndim == 1 else score.value[image, target]
    return Score(value, None, score.evaluations)
