"""The sink of `compare`: methods side by side in a figure and a page, and the numbers."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from egcam_jax import render, report
from egcam_jax.output import batches, files, names, records, words
from egcam_jax.report.text import printable
from egcam_jax.run import runner, sources
from egcam_jax.run.batch import cut
from egcam_jax.run.progress import Clock
from egcam_jax.run.session import Session

NAME = "compare"
_HEIGHT = 224
_ACROSS = 7
"""Maps on one line of the figure, so that with the picture it fits a screen."""


class Row(NamedTuple):
    """One picture and target: what it is called, what is explained, the methods' cells, and all that is known."""

    picture: Any
    label: str
    cells: Mapping[str, batches.Cell]
    record: dict[str, Any]


def document(session: Session, *, demonstration: bool) -> dict[str, Any]:
    """What all pictures of a run share."""
    methods = {one.label: records.of_method(session, one) for one in session.methods}
    shared = records.of_run(session, demonstration=demonstration)
    return {**shared, "scored": bool(session.metrics), "methods": methods}


def compare(
    session: Session, places: Sequence[int], shared: Mapping[str, Any], clock: Clock
) -> tuple[list[Row], list[tuple[str, str]]]:
    """Explain pictures by every method: a row for each picture and target, and what could not be done."""
    groups = cut(np.asarray(places, int), session.size)
    todo = runner.everything(session, groups)
    rows: list[Row] = []
    failures: list[tuple[str, str]] = []
    for one in batches.gather(runner.results(session, groups, todo, clock=clock, again=True)):
        failures += one.unreadable
        for i, picture in enumerate(one.pictures):
            for cells in zip(*(some[i] for some in one.cells.values())):
                by_method = dict(zip(one.cells, cells))
                if any(cell.explanation is not None for cell in cells):
                    rows.append(_row(session, picture, by_method, shared))
        failures += _failures(one)
    return rows, failures


def write(folder: Path, rows: Sequence[Row], shared: Mapping[str, Any], kept: frozenset[tuple[int, int]]) -> Any:
    """Write the figure, the page and the numbers: all, or, where one cannot be written, none.

    Args:
        folder: Where to.
        rows: At least one.
        shared: What is known of the run, which the names of the files are added to.
        kept: The identities of files that must not be replaced.

    Returns:
        The document, with the files by what they hold.

    Raises:
        OSError: One cannot be written.
    """
    (base,) = names.distinct([NAME], lambda name: names.clear(str(folder / name), kept))
    written = {kind: str(folder / f"{base}.{kind}") for kind in ("png", "html", "json")}
    whole = {**shared, "files": written, "images": [row.record for row in rows]}
    with files.staged(folder) as stage:
        render.save_png(stage / f"{base}.png", figure(rows, _where(rows, shared)))
        (stage / f"{base}.html").write_text(_page(rows, shared), encoding="utf-8")
        (stage / f"{base}.json").write_text(files.dump(whole) + "\n", encoding="utf-8")
    return whole


def figure(rows: Sequence[Row], where: str) -> np.ndarray:
    """Each picture and its maps on a line of their own; on several lines where there are many methods.

    Below the picture stands what was explained, and ``where``: the network and its layer.
    """
    lines = [line for row in rows for line in _lines(row, where)]
    pictures = [[picture for picture, _ in line] for line in lines]
    labels = [[label for _, label in line] for line in lines]
    return render.grid(pictures, labels=labels, height=_HEIGHT, bar=render.DEFAULT_COLOUR_MAP)


def _row(session: Session, picture: Any, cells: Mapping[str, batches.Cell], shared: Mapping[str, Any]) -> Row:
    first = next(cell.explanation for cell in cells.values() if cell.explanation is not None)
    target = records.of_class(session, int(first.target), first.logits)
    maps = {name: _record(session, shared["methods"][name], cell) for name, cell in cells.items()}
    record = {**records.of_picture(session, picture, first.logits), "target": target, "maps": maps}
    question = {"target": target, "negative": session.plan.negative, **records.rivals(session, first)}
    shown = words.explained_text(question)
    return Row(picture, f"{shown}, {words.percent(target['probability'])}", cells, record)


def _record(session: Session, method: Mapping[str, Any], cell: batches.Cell) -> dict[str, Any]:
    """What is known of one map: ``note`` says in words what must be said of it."""
    failure = cell.failure and " ".join(str(cell.failure).split())
    known: dict[str, Any] = {"failure": failure, "note": f"failed: {failure}" if failure else None}
    if cell.explanation is not None:
        shared = {**method, "negative": session.plan.negative}
        of_map = records.of_map(session, cell.explanation, shared)
        known = {**of_map, **known, "note": known["note"] or of_map["note"]}
    return {**known, "scores": _scores(cell)}


def _scores(cell: batches.Cell) -> dict[str, float]:
    """The scores that are defined, by the metrics' short names."""
    values = {name.removesuffix("_auc"): float(score.value) for name, score in cell.scores.items()}
    return {name: value for name, value in values.items() if not np.isnan(value)}


def _failures(one: batches.Gathered) -> list[tuple[str, str]]:
    """Which method could do nothing with which picture, and why."""
    return [
        (picture.id, sources.reason(picture.id, RuntimeError(f"{name}: {batches.reason(error)}")))
        for i, picture in enumerate(one.pictures)
        for name, cells in one.cells.items()
        if (error := next((cell.failure for cell in cells[i] if cell.failure), None))
    ]


def _lines(row: Row, where: str) -> list[list[tuple[np.ndarray, str]]]:
    """The picture, then its maps, with what is written below each; the picture again where the next line begins."""
    crop = row.picture.crop
    maps = [(render.overlay(crop, _saliency(row, cell)), _label(row, name)) for name, cell in row.cells.items()]
    across = math.ceil(len(maps) / math.ceil(len(maps) / _ACROSS))
    blank = (np.full_like(crop, 255), "")
    chunks = [maps[start : start + across] for start in range(0, len(maps), across)]
    return [[(crop, f"{_name(row)}\n{row.label}\n{where}"), *some, *[blank] * (across - len(some))] for some in chunks]


def _label(row: Row, name: str) -> str:
    """The method, its scores and what else there is to say of the map."""
    known = row.record["maps"][name]
    scores = [f"{_arrow(score)} {value:.3f}" for score, value in known["scores"].items()]
    return "\n".join([name, *scores, *filter(None, [known["note"]])])


def _arrow(score: str) -> str:
    """A score as it is called beside a map, with the direction that is better."""
    return f"{score} {'↓' if score == 'deletion' else '↑'}"


def _page(rows: Sequence[Row], shared: Mapping[str, Any]) -> str:
    title = f"{len(rows[0].cells)} methods, {_where(rows, shared)}"
    plain = json.loads(files.dump({**shared, "files": {}}))  # without what JSON lacks
    return report.compare_page(list(rows[0].cells), [_page_row(row) for row in rows], title=title, provenance=plain)


def _where(rows: Sequence[Row], shared: Mapping[str, Any]) -> str:
    """The network and the layer whose maps these are."""
    layer = next(known["layer"] for row in rows for known in row.record["maps"].values() if "layer" in known)
    return f"{shared['model']['name']}, {layer}"


def _page_row(row: Row) -> report.Row:
    known = row.record["maps"]
    scores = {name: {_arrow(score): value for score, value in known[name]["scores"].items()} for name in row.cells}
    maps = [
        report.Map(_saliency(row, cell), scores[name], known[name]["note"] or "") for name, cell in row.cells.items()
    ]
    return report.Row(_name(row), row.label, row.picture.crop, maps)


def _name(row: Row) -> str:
    return printable(Path(row.picture.id).name)


def _saliency(row: Row, cell: batches.Cell) -> np.ndarray:
    """A map that can be drawn; of zeros where there is none, which its note says."""
    if cell.failure:
        return np.zeros(row.picture.crop.shape[:2], np.float32)
    return np.asarray(cell.explanation.saliency, np.float32)
