"""What `egcam compare` does: every method on every picture, then one figure and one page of them all."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from egcam_jax import data, metrics, render, report
from egcam_jax.cli import _batches, _errors, _inputs, _methods, _output, _progress, _records, _report, _session
from egcam_jax.methods import METHODS

NAME = "compare"
_EMPTY = "empty: nothing speaks for it"
_HEIGHT = 224


@dataclasses.dataclass(frozen=True)
class Settings:
    """What was asked for, on the command line's terms."""

    images: Sequence[str]
    methods: str
    scores: bool
    common: _session.Settings
    out: Path
    json: bool


class Cell(NamedTuple):
    """One method's map of one picture for one target, with its scores; or why there is none."""

    explanation: Any
    scores: Mapping[str, float]
    failure: str = ""


def run(settings: Settings) -> int:
    """Compare the methods on every picture that can be read; return how many pictures and maps could not be had."""
    choices = _choices(settings)
    _output.prepare(settings.out)
    inputs, failures = _inputs.find(settings.images or [str(data.demo_path())])
    err = _report.console(stderr=True)
    rows: list[dict[str, Any]] = []
    document: dict[str, Any] = {}
    if inputs:
        document, rows, others = _compared(settings, choices, inputs)
        failures += others
        files = _write(settings, choices, rows, document)
        document |= {"files": files, "images": [row["record"] for row in rows]}
        _say(settings, document, files)
    _report.failures(err, failures, len(rows))
    if settings.json:
        print(_output.dump({**document, "failures": [it._asdict() for it in failures]}, ascii=True))
    return len(failures)


def _choices(settings: Settings) -> list[_methods.Choice]:
    """The methods named, or all; each is checked before anything is loaded."""
    names = list(METHODS) if settings.methods == "all" else [it.strip() for it in settings.methods.split(",")]
    choices = [_methods.Choice(name, {}) for name in dict.fromkeys(names)]
    for choice in choices:
        _methods.check(choice, refs=None, samples=None)
    return choices


def _compared(
    settings: Settings, choices: Sequence[_methods.Choice], inputs: Sequence[_inputs.Input]
) -> tuple[dict[str, Any], list[dict[str, Any]], list[_inputs.Failure]]:
    """Explain and score batch by batch, under a progress bar."""
    rows: list[dict[str, Any]] = []
    failures: list[_inputs.Failure] = []
    size = min(settings.common.batch, len(inputs))
    batches = list(_inputs.batches(inputs, size))
    with _progress.bar(_report.console(stderr=True), 1 + len(batches) * len(choices)) as step:
        step(f"loading {settings.common.model}", 0)
        model = _session.load(settings.common)
        session = _session.prepare(settings.common, model, choices, size)
        step("reading pictures", 1)
        for names in batches:
            batch, unread = _batches.read(session, names)
            failures += unread
            if batch is None:
                step("reading pictures", len(choices))
                continue
            table = []
            for choice in choices:
                step(choice.name, 0)
                table.append(_column(session, batch, choice, settings.scores))
                step(choice.name, 1)
            rows += _rows(session, batch, choices, table)
            failures += _failures(batch, choices, table)
    document = _session.provenance(session, demonstration=not settings.images)
    document["methods"] = {
        choice.name: _methods.provenance(
            choice, given=settings.common.samples, chunk=settings.common.chunk, images=size
        )
        for choice in choices
    }
    return document, rows, failures


def _column(
    session: _session.Session, batch: _batches.Batch, choice: _methods.Choice, scored: bool
) -> list[list[Cell]]:
    """One method on a batch: for each picture a cell for each target. What fails for one method stops no other."""
    try:
        found = _batches.explanations(session, batch, choice)
        targets = range(len(found[0]))
        scores = [_scores(session, batch, found, place) if scored else None for place in targets]
    except (RuntimeError, MemoryError) as error:
        failure = Cell(None, {}, _errors.text(error)[:300])
        return [[failure] * len(batch.targets) for _ in batch.pictures]
    return [
        [Cell(found[i][place], {name: float(values[i]) for name, values in (scores[place] or {}).items()})
         for place in targets]
        for i in range(len(batch.pictures))
    ]  # fmt: skip


def _scores(session: _session.Session, batch: _batches.Batch, found: Any, place: int) -> dict[str, np.ndarray]:
    """Insertion and deletion of a batch, filled up as the batch is, so as not to compile again."""
    rows = [found[min(i, len(found) - 1)][place] for i in range(len(batch.x))]
    predict = jax.tree_util.Partial(session.model.apply_fn, session.model.params)
    saliency, target = np.stack([it.saliency for it in rows]), np.stack([it.target for it in rows])
    common: dict[str, Any] = {"chunk_size": session.settings.chunk}
    functions: dict[str, Callable[..., Any]] = {"insertion": metrics.insertion_auc, "deletion": metrics.deletion_auc}
    return {
        name: np.asarray(function(predict, batch.x, saliency, target, **common).value)
        for name, function in functions.items()
    }


def _rows(
    session: _session.Session, batch: _batches.Batch, choices: Sequence[_methods.Choice], table: Any
) -> list[dict[str, Any]]:
    """One row for each picture and target that some method has a map of."""
    rows = []
    for i, picture in enumerate(batch.pictures):
        for place in range(len(batch.targets)):
            cells = [column[i][place] for column in table]
            first = next((cell.explanation for cell in cells if cell.explanation is not None), None)
            if first is not None:
                rows.append(_row(session, picture, first, dict(zip((choice.name for choice in choices), cells))))
    return rows


def _row(session: _session.Session, picture: _inputs.Picture, first: Any, cells: dict[str, Cell]) -> dict[str, Any]:
    names = session.model.class_names
    target = _records.named(int(first.target), np.asarray(first.logits, np.float64), names)
    label = f"{_report.class_text(target)}, {target['probability']:.1%}"
    maps = {
        name: {"scores": dict(cell.scores), "empty": _is_empty(cell), "failure": cell.failure}
        for name, cell in cells.items()
    }
    record = {**_records.of_picture(picture, first.logits, names), "target": target, "maps": maps}
    return {"picture": picture, "label": label, "cells": cells, "record": record}


def _is_empty(cell: Cell) -> bool:
    return cell.explanation is not None and float(np.max(cell.explanation.cam)) <= 0


def _failures(batch: _batches.Batch, choices: Sequence[_methods.Choice], table: Any) -> list[_inputs.Failure]:
    return [
        _inputs.Failure(str(picture.source.path), f"{picture.source.path}, {choice.name}: {column[i][0].failure}")
        for choice, column in zip(choices, table)
        for i, picture in enumerate(batch.pictures)
        if column[i][0].failure
    ]


def _drawable(cell: Cell, shape: tuple[int, ...]) -> tuple[np.ndarray, str]:
    """A map that can be drawn, and what must be said of it."""
    if cell.explanation is None:
        return np.zeros(shape, np.float32), f"failed: {cell.failure}"
    saliency = np.asarray(cell.explanation.saliency, np.float32)
    if not np.isfinite(saliency).all():
        return np.zeros(shape, np.float32), "NaN: the network's output or its gradients overflow"
    return saliency, _EMPTY if _is_empty(cell) else ""


def _write(
    settings: Settings, choices: Sequence[_methods.Choice], rows: Sequence[dict[str, Any]], document: dict[str, Any]
) -> dict[str, str]:
    """Write the figure, the page and the numbers: all, or none."""
    if not rows:
        return {}
    methods = [choice.name for choice in choices]
    title = f"{len(methods)} methods, {settings.common.model}"
    drawn = [[_drawable(cell, row["picture"].crop.shape[:2]) for cell in row["cells"].values()] for row in rows]
    kept = _output.identities([*(row["picture"].source.path for row in rows), *_session.named(settings.common)])
    (base,) = _output.distinct([NAME], lambda name: _output.clear(str(settings.out / name), kept))
    with _output.staged(settings.out) as stage:
        render.save_png(stage / f"{base}.png", _figure(methods, rows, drawn))
        page = report.compare_page(methods, _page_rows(rows, drawn), title=title, provenance=_plain(document))
        (stage / f"{base}.html").write_text(page, encoding="utf-8")
        numbers = {**document, "images": [row["record"] for row in rows]}
        (stage / f"{base}.json").write_text(_output.dump(numbers) + "\n", encoding="utf-8")
    return {kind: str(settings.out / f"{base}.{kind}") for kind in ("png", "html", "json")}


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """The provenance without what JSON lacks."""
    import json

    return json.loads(_output.dump(document))


def _figure(methods: Sequence[str], rows: Sequence[dict[str, Any]], drawn: Any) -> np.ndarray:
    """Methods as columns, pictures as rows."""
    pictures = [
        [row["picture"].crop, *(render.overlay(row["picture"].crop, saliency) for saliency, _ in maps)]
        for row, maps in zip(rows, drawn)
    ]
    captions = [_caption(row, maps) for row, maps in zip(rows, drawn)]
    titles = ["picture", *methods]
    return render.grid(pictures, titles=titles, captions=captions, height=_HEIGHT, bar=render.DEFAULT_COLOUR_MAP)


def _caption(row: dict[str, Any], maps: Any) -> str:
    name = _output.printable(row["picture"].source.path.name)
    empty = [method for method, (_, note) in zip(row["cells"], maps) if note == _EMPTY]
    return f"{name}: {row['label']}" + (f"; empty: {', '.join(empty)}" if empty else "")


def _page_rows(rows: Sequence[dict[str, Any]], drawn: Any) -> list[report.Row]:
    return [
        report.Row(
            _output.printable(row["picture"].source.path.name),
            row["label"],
            row["picture"].crop,
            [report.Map(saliency, cell.scores, note) for cell, (saliency, note) in zip(row["cells"].values(), maps)],
        )
        for row, maps in zip(rows, drawn)
    ]


def _say(settings: Settings, document: dict[str, Any], files: Mapping[str, str]) -> None:
    """Report what was compared, the mean scores, and where it all is."""
    if settings.json or not files:
        return
    out = _report.console()
    _report.run(out, document)
    out.print(f"\n{len(document['images'])} picture(s) by {len(document['methods'])} methods")
    for name in document["methods"]:
        maps = [it["maps"][name] for it in document["images"]]
        means = {
            score: np.nanmean([it["scores"][score] for it in maps if it["scores"]]) for score in _named_scores(maps)
        }
        words = [f"{score} {value:.3f}" for score, value in means.items()]
        empty = sum(it["empty"] for it in maps)
        words += [f"{empty} empty map(s): nothing speaks for the class"] if empty else []
        out.print(f"  {name:24s} {', '.join(words)}".rstrip(), soft_wrap=True)
    out.print()
    for path in files.values():
        out.print(f"  wrote {path}", soft_wrap=True)


def _named_scores(maps: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    return next((list(it["scores"]) for it in maps if it["scores"]), [])
