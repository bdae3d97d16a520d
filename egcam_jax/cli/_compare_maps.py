"""What `egcam compare` computes: a map for each picture, target and method, none of which stops the others."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from egcam_jax.cli import _batches, _errors, _inputs, _methods, _metrics, _records, _report, _session

SCORES = _metrics.choose("insertion,deletion")
_TROUBLE = (ValueError, TypeError, RuntimeError, MemoryError)
"""What may go wrong with one method, and must not stop the others."""


class Job(NamedTuple):
    """What is done to every batch: the methods by name, what they were made with, and whether maps are scored."""

    session: _session.Session
    choices: Mapping[str, _methods.Choice]
    methods: Mapping[str, Any]
    scored: bool


class Cell(NamedTuple):
    """One method's map of one picture for one target, with its scores; and why it cannot be drawn, where it cannot."""

    explanation: Any
    scores: Mapping[str, float]
    failure: Exception | None = None


class Row(NamedTuple):
    """One picture and target: what it is called, what is explained, the method's cells, and all that is known."""

    picture: _inputs.Picture
    label: str
    cells: Mapping[str, Cell]
    record: dict[str, Any]


def prepare(session: _session.Session, choices: Sequence[_methods.Choice], scored: bool) -> Job:
    """Gather what is done to every batch."""
    common = session.settings
    given: dict[str, Any] = {"given": common.samples, "chunk": common.chunk, "images": session.size}
    methods = {choice.name: _methods.provenance(choice, **given) for choice in choices}
    return Job(session, {choice.name: choice for choice in choices}, methods, scored)


def column(job: Job, batch: _batches.Batch, name: str) -> list[list[Cell]]:
    """Explain and score a batch by one method: for each picture a cell for each target."""
    try:
        found = _batches.explanations(job.session, batch, job.choices[name])
        scores = [_scores(job, batch, maps) for maps in zip(*found)]
    except _TROUBLE as error:
        return [[Cell(None, {}, error)] * len(batch.targets) for _ in batch.pictures]
    return [[_cell(it, by[i]) for it, by in zip(maps, scores)] for i, maps in enumerate(found)]


def check_asked(columns: Mapping[str, Sequence[Sequence[Cell]]]) -> None:
    """Raise what every method refuses to do: what was asked for makes no sense, whatever the picture."""
    errors = [cells[0][0].failure for cells in columns.values()]
    if all(isinstance(error, ValueError | TypeError) for error in errors) and errors[0] is not None:
        raise errors[0]


def rows(job: Job, batch: _batches.Batch, columns: Mapping[str, Sequence[Sequence[Cell]]]) -> list[Row]:
    """One row for each picture and target that some method has a map of."""
    table = [
        (picture, {name: cells[i][place] for name, cells in columns.items()})
        for i, picture in enumerate(batch.pictures)
        for place in range(len(batch.targets))
    ]
    return [_row(job, *it) for it in table if any(cell.explanation is not None for cell in it[1].values())]


def failures(batch: _batches.Batch, columns: Mapping[str, Sequence[Sequence[Cell]]]) -> list[_inputs.Failure]:
    """Which method could do nothing with which picture, and why."""
    return [
        _inputs.failed(picture.source.path, f"{name}: {_batches.reason(error)}")
        for i, picture in enumerate(batch.pictures)
        for name, cells in columns.items()
        if (error := next((cell.failure for cell in cells[i] if cell.failure), None))
    ]


def _cell(explanation: Any, scores: Mapping[str, float]) -> Cell:
    try:
        _batches.check_finite(explanation)
    except FloatingPointError as error:
        return Cell(explanation, {}, error)
    return Cell(explanation, scores)


def _scores(job: Job, batch: _batches.Batch, maps: Sequence[Any]) -> list[dict[str, float]]:
    """Insertion and deletion, where they were asked for and are defined, of one map of each picture."""
    if not job.scored:
        return [{} for _ in maps]
    found = _metrics.score(job.session, batch, maps, SCORES, None)
    defined = [{name: it.value for name, it in scores.items() if not np.isnan(it.value)} for scores in found]
    return [{name.removesuffix("_auc"): value for name, value in scores.items()} for scores in defined]


def _row(job: Job, picture: _inputs.Picture, cells: Mapping[str, Cell]) -> Row:
    names = job.session.model.class_names
    first = next(cell.explanation for cell in cells.values() if cell.explanation is not None)
    target = _records.named(int(first.target), np.asarray(first.logits, np.float64), names)
    maps = {name: _record(job, name, cell) for name, cell in cells.items()}
    own = _session.is_reference(job.session, picture.digest)
    known = _records.of_picture(picture, first.logits, names, is_reference=own)
    record = {**known, "target": target, "maps": maps}
    shown = _report.explained_text(target, job.session.settings.negative)
    return Row(picture, f"{shown}, {_report.percent(target['probability'])}", cells, record)


def _record(job: Job, name: str, cell: Cell) -> dict[str, Any]:
    """What is known of one map: ``note`` says in words what must be said of it."""
    failure = cell.failure and _errors.text(cell.failure)
    known: dict[str, Any] = {"failure": failure, "note": f"failed: {failure}" if failure else None}
    if cell.explanation is not None:
        provenance = {**job.methods[name], "negative": job.session.settings.negative}
        of_map = _records.of_map(cell.explanation, job.session.model.class_names, provenance)
        known = {**of_map, **known, "note": known["note"] or of_map["note"]}
    return {**known, "scores": dict(cell.scores)}
