"""The files of a picture's maps: the overlay, the raw map, and how it came about."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from egcam_jax import render
from egcam_jax.cli import _output, _records, _report
from egcam_jax.cli._inputs import Picture


class Destination(NamedTuple):
    """Where the files go, which are wanted, each class's part in their names, and what none of them may replace.

    ``kept`` are the identities of files, see ``_output.identities``.
    """

    folder: Path
    format: str
    slugs: Sequence[str]
    kept: frozenset[tuple[int, int]]


def write(
    destination: Destination,
    picture: Picture,
    explanations: Sequence[Any],
    records: Sequence[Mapping[str, Any]],
    shared: Mapping[str, Any],
) -> list[dict[str, str]]:
    """Write the files of a picture's maps, all or, where one cannot be written, none.

    Args:
        destination: Where to, and what.
        picture: The picture.
        explanations: One for each map, with NumPy's arrays.
        records: What is known of each map.
        shared: What is known of all of them, for the JSON.

    Returns:
        Each map's files by what they hold, as they are called once written.

    Raises:
        OSError: One cannot be written.
    """
    start = f"{destination.folder / picture.source.stem}."
    slugs = _output.distinct(
        (destination.slugs[it["target"]["index"]] for it in records),
        lambda slug: _output.clear(start + slug, destination.kept),
    )
    with _output.staged(destination.folder) as stage:
        return [
            _write_map(destination, stage, f"{picture.source.stem}.{slug}", picture, explanation, record, shared)
            for explanation, record, slug in zip(explanations, records, slugs)
        ]


def _write_map(
    destination: Destination,
    stage: Path,
    base: str,
    picture: Picture,
    explanation: Any,
    record: Mapping[str, Any],
    shared: Mapping[str, Any],
) -> dict[str, str]:
    kinds = {"png": ["png"], "npz": ["npz"], "both": ["png", "npz"]}[destination.format]
    files = {kind: str(destination.folder / f"{base}.{kind}") for kind in [*kinds, "json"]}
    if "png" in kinds:
        render.save_png(stage / f"{base}.png", _sheet(picture, explanation, record))
    if "npz" in kinds:
        _output.save_arrays(stage / f"{base}.npz", _records.arrays(explanation))
    document = {**shared, "map": {**record, "files": files}}
    (stage / f"{base}.json").write_text(_output.dump(document) + "\n", encoding="utf-8")
    return files


def _sheet(picture: Picture, explanation: Any, record: Mapping[str, Any]) -> np.ndarray:
    """The picture, and beside it the same under its map; below that, what must be said of the map."""
    overlay = render.overlay(picture.crop, np.asarray(explanation.saliency, np.float32))
    target = record["target"]
    titles = [
        _output.printable(picture.source.path.name),
        f"{_report.explained_text(target, record['negative'])}, {_report.percent(target['probability'])}, "
        f"{record['method']}",
    ]
    labels = [["", record["note"]]] if record["note"] else []
    return render.grid([[picture.crop, overlay]], titles=titles, labels=labels, bar=render.DEFAULT_COLOUR_MAP)
