"""What `egcam compare` draws and writes: a figure, a page and the numbers."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from egcam_jax import render, report
from egcam_jax.cli import _output
from egcam_jax.cli._compare_maps import Cell, Row

NAME = "compare"
_HEIGHT = 224
_ACROSS = 7
"""Maps on one line of the figure, so that with the picture it fits a screen."""
_ARROWS = {"insertion": "insertion ↑", "deletion": "deletion ↓"}
"""Scores as they are called beside a map, with the direction that is better."""


def write(
    folder: Path, rows: Sequence[Row], document: Mapping[str, Any], kept: frozenset[tuple[int, int]]
) -> dict[str, str]:
    """Write the files: all, or, where one cannot be written, none.

    Args:
        folder: Where to.
        rows: At least one.
        document: What is known of the run, for the page and the numbers.
        kept: The identities of files that must not be replaced.

    Returns:
        The files by what they hold.

    Raises:
        OSError: One cannot be written.
    """
    (base,) = _output.distinct([NAME], lambda name: _output.clear(str(folder / name), kept))
    files = {kind: str(folder / f"{base}.{kind}") for kind in ("png", "html", "json")}
    with _output.staged(folder) as stage:
        render.save_png(stage / f"{base}.png", figure(rows, _where(rows, document)))
        (stage / f"{base}.html").write_text(_page(rows, document), encoding="utf-8")
        (stage / f"{base}.json").write_text(_output.dump({**document, "files": files}) + "\n", encoding="utf-8")
    return files


def figure(rows: Sequence[Row], where: str) -> np.ndarray:
    """Each picture and its maps on a line of their own; on several lines where there are many methods.

    Below the picture stands what was explained, and ``where``: the network and its layer.
    """
    lines = [line for row in rows for line in _lines(row, where)]
    pictures = [[picture for picture, _ in line] for line in lines]
    labels = [[label for _, label in line] for line in lines]
    return render.grid(pictures, labels=labels, height=_HEIGHT, bar=render.DEFAULT_COLOUR_MAP)


def _lines(row: Row, where: str) -> list[list[tuple[np.ndarray, str]]]:
    """The picture, then its maps, with what is written below each; the picture again where the next line begins."""
    crop = row.picture.crop
    maps = [(render.overlay(crop, _saliency(row, cell)), _label(row, name)) for name, cell in row.cells.items()]
    across = math.ceil(len(maps) / math.ceil(len(maps) / _ACROSS))
    blank = (np.full_like(crop, 255), "")
    chunks = [maps[start : start + across] for start in range(0, len(maps), across)]
    return [[(crop, f"{_name(row)}\n{row.label}\n{where}"), *it, *[blank] * (across - len(it))] for it in chunks]


def _label(row: Row, name: str) -> str:
    """The method, its scores and what else there is to say of the map."""
    known = row.record["maps"][name]
    scores = [f"{_ARROWS[score]} {value:.3f}" for score, value in known["scores"].items()]
    return "\n".join([name, *scores, *filter(None, [known["note"]])])


def _page(rows: Sequence[Row], document: Mapping[str, Any]) -> str:
    provenance = {name: value for name, value in document.items() if name != "images"}
    title = f"{len(rows[0].cells)} methods, {_where(rows, document)}"
    plain = json.loads(_output.dump(provenance))  # without what JSON lacks
    return report.compare_page(list(rows[0].cells), [_page_row(row) for row in rows], title=title, provenance=plain)


def _where(rows: Sequence[Row], document: Mapping[str, Any]) -> str:
    """The network and the layer whose maps these are."""
    layer = next(it["layer"] for row in rows for it in row.record["maps"].values() if "layer" in it)
    return f"{document['model']['name']}, {layer}"


def _page_row(row: Row) -> report.Row:
    maps = [
        report.Map(_saliency(row, cell), {_ARROWS[score]: it for score, it in cell.scores.items()}, _note(row, name))
        for name, cell in row.cells.items()
    ]
    return report.Row(_name(row), row.label, row.picture.crop, maps)


def _note(row: Row, name: str) -> str:
    return row.record["maps"][name]["note"] or ""


def _name(row: Row) -> str:
    return _output.printable(row.picture.source.path.name)


def _saliency(row: Row, cell: Cell) -> np.ndarray:
    """A map that can be drawn; of zeros where there is none, which its note says."""
    if cell.failure:
        return np.zeros(row.picture.crop.shape[:2], np.float32)
    return np.asarray(cell.explanation.saliency, np.float32)
