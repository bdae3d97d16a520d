"""The sink of `explain`: for each picture and class an overlay, the raw map, and how they came about."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from egcam_jax import render
from egcam_jax.models import digest
from egcam_jax.output import batches, files, names, records, words
from egcam_jax.report.text import printable
from egcam_jax.run import identity, runner
from egcam_jax.run.batch import cut
from egcam_jax.run.progress import Clock
from egcam_jax.run.session import Session
from egcam_jax.run.sources import TROUBLE, reason


class Files(NamedTuple):
    """Where the files go, and which.

    Attributes:
        folder: The output folder.
        kinds: Of ``png`` and ``npz``; the document is always written.
        kept: Identities of files that none of them may replace, see ``names.identities``.
        resume: Whether pictures whose files are there already, of the same run, are passed over.
    """

    folder: Path
    kinds: Sequence[str]
    kept: frozenset[tuple[int, int]]
    resume: bool = False


class Explained(NamedTuple):
    """One picture's record, or why it has none."""

    path: str
    record: dict[str, Any] | None
    failure: str = ""


def document(session: Session, *, demonstration: bool) -> dict[str, Any]:
    """What all pictures of a run share."""
    (method,) = session.methods
    shared = records.of_run(session, demonstration=demonstration) | records.of_method(session, method)
    return shared | {"metrics": {one.metric.name: dict(one.options) for one in session.metrics}}


def pending(session: Session, places: Sequence[int], wanted: Files) -> tuple[list[int], dict[str, Any]]:
    """The places of the pictures that have no files of this run yet; and the run's own mark in those files."""
    mark = identity.of_map(session)
    there = _there(wanted, mark) if wanted.resume else {}
    own = [i for i in places if there and len(there.get((i, _digest(session.source.paths[i])), ())) >= session.target.k]
    return sorted({*places} - {*own}), {"run_digest": mark}


def explain(
    session: Session, places: Sequence[int], wanted: Files, shared: Mapping[str, Any], clock: Clock
) -> Iterator[Explained]:
    """Explain pictures batch by batch, and write the files of each as soon as they are there.

    Args:
        session: The run, of one method.
        places: The pictures.
        wanted: Where to, and what.
        shared: What is known of all pictures, for their documents.
        clock: Notes the times.
    """
    stems = names.stems(session.source.ids)
    slugs = [f"{'against-' * session.plan.negative}{slug}" for slug in names.slugs(session.model.class_names)]
    groups = cut(np.asarray(places, int), session.size)
    todo = runner.everything(session, groups)
    for one in batches.gather(runner.results(session, groups, todo, clock=clock, again=True)):
        yield from (Explained(path, None, said) for path, said in one.unreadable)
        for picture, cells in zip(one.pictures, *one.cells.values()):
            try:
                if failure := next((cell.failure for cell in cells if cell.failure), None):
                    raise failure
                record = _write(session, picture, cells, wanted, shared, stems[picture.index], slugs)
                yield Explained(picture.id, record)
            except TROUBLE as error:
                yield Explained(picture.id, None, reason(picture.id, RuntimeError(batches.reason(error))))


def _write(
    session: Session,
    picture: Any,
    cells: Sequence[batches.Cell],
    wanted: Files,
    shared: Mapping[str, Any],
    stem: str,
    slugs: Sequence[str],
) -> dict[str, Any]:
    """Write the files of a picture's maps, all or, where one cannot be written, none; and return its record."""
    record = records.of_picture(session, picture, cells[0].explanation.logits)
    maps = [
        {**records.of_map(session, cell.explanation, shared), "scores": records.of_scores(cell.scores)}
        for cell in cells
    ]
    start = f"{wanted.folder / stem}."
    own = names.distinct(
        (slugs[known["target"]["index"]] for known in maps), lambda slug: names.clear(start + slug, wanted.kept)
    )
    with files.staged(wanted.folder) as stage:
        for known, cell, slug in zip(maps, cells, own):
            base = f"{stem}.{slug}"
            known["files"] = {kind: str(wanted.folder / f"{base}.{kind}") for kind in (*wanted.kinds, "json")}
            if "png" in wanted.kinds:
                render.save_png(stage / f"{base}.png", _sheet(picture, cell.explanation, known))
            if "npz" in wanted.kinds:
                files.save_arrays(stage / f"{base}.npz", records.arrays(cell.explanation))
            (stage / f"{base}.json").write_text(files.dump({**shared, **record, "map": known}) + "\n", encoding="utf-8")
    return {**record, "maps": maps}


def _sheet(picture: Any, explanation: Any, record: Mapping[str, Any]) -> np.ndarray:
    """The picture, and beside it the same under its map; below that, what must be said of the map."""
    overlay = render.overlay(picture.crop, np.asarray(explanation.saliency, np.float32))
    target = record["target"]
    titles = [
        printable(Path(picture.id).name),
        f"{words.explained_text(record)}, {words.percent(target['probability'])}, {record['method']}",
    ]
    labels = [["", record["note"]]] if record["note"] else []
    return render.grid([[picture.crop, overlay]], titles=titles, labels=labels, bar=render.DEFAULT_COLOUR_MAP)


def _there(wanted: Files, mark: str) -> dict[tuple[int, str], set[int]]:
    """The classes whose files of this run are all there, by the place and the digest of their picture."""
    classes: dict[tuple[int, str], set[int]] = {}
    for path in wanted.folder.glob("*.json"):
        with suppress(OSError, ValueError, LookupError, TypeError):  # a document of something else
            document = json.loads(path.read_text(encoding="utf-8"))
            files = document["map"]["files"]
            whole = all((wanted.folder / Path(files[kind]).name).is_file() for kind in wanted.kinds)
            if whole and document["run_digest"] == mark:
                picture = document["index"], document["sha256"]
                classes.setdefault(picture, set()).add(document["map"]["target"]["index"])
    return classes


def _digest(path: Path) -> str:
    """The digest of a file; "" of one that cannot be read, which explaining it reports."""
    try:
        return digest(path)
    except OSError:
        return ""
