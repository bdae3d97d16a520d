"""A table of the paper with our figures beside it, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from egcam_jax.evaluate import Run
from egcam_jax.metrics import METRICS
from egcam_jax.paper._compare import OURS, Agreement, Row, agreements, compare
from egcam_jax.paper._deviations import ALWAYS, deviations
from egcam_jax.paper._tables import Table
from egcam_jax.report import _numbers
from egcam_jax.report._markdown import escape, grid
from egcam_jax.report._summary import arrow

ACROSS = 3
"""Metrics beside one another."""
_UNTOLD = "not told apart"


class Cell(NamedTuple):
    """A method by a metric in words.

    Attributes:
        mean: Ours; "–" where there is none.
        bounds: Its interval; "" where there is none.
        ahead: Whether ours is best or tied for best, where a test says so.
        notes: What else there is to say of ours.
        paper: The paper's figure; "–" where it has a dash, "" where it has no such method.
        marks: Letters of the doubts about it.
    """

    mean: str
    bounds: str
    ahead: bool
    notes: str
    paper: str
    marks: str


class Sheet(NamedTuple):
    """What stands beside one another: some metrics of a run.

    Attributes:
        run: The run's name.
        network: What the paper calls the network beside it.
        metrics: With their arrows.
        methods: Labels.
        cells: ``cells[i][j]``, of method i and metric j.
    """

    run: str
    network: str
    metrics: Sequence[str]
    methods: Sequence[str]
    cells: Sequence[Sequence[Cell]]


def markdown(table: Table, runs: Mapping[str, Run]) -> str:
    """Write a table of the paper with our figures beside it, and what is not as in the paper.

    Args:
        table: Of the paper.
        runs: By name, as for ``compare``.

    Returns:
        The text of a file; names are escaped.
    """
    rows = compare(table, runs)
    doubts = lettered(rows)
    parts = [f"# Table {table.number} of the paper, and ours: {table.title.lower()}", legend(table)]
    for name, run in runs.items():
        for i, sheet in enumerate(sheets(table, [row for row in rows if row.run == name], doubts)):
            parts += [] if i else [f"## {escape(name)}, beside {sheet.network}"]
            parts += [grid([("method", *_heads(sheet)), *_lines(sheet)])]
        parts += ["\n".join(f"- {escape(text)}" for text in deviations(table, run))]
    parts += ["## The order of the methods", order(agreements(rows))]
    if doubts:
        parts += ["## The paper's figures", "\n".join(f"- <sup>{mark}</sup> {it}" for it, mark in doubts.items())]
    parts += ["\n".join(f"- {text}" for text in ALWAYS)]
    return "\n\n".join(parts) + "\n"


def legend(table: Table) -> str:
    """What the figures are."""
    scaled = "".join(f" Ours are in its units: {_units(table, name)}." for name in table.units)
    return (
        "Ours: the mean over the images where the metric is defined, with its 95 % bootstrap interval. **Bold**: best "
        "or tied for best, where paired tests tell the leading one from any other. ↑ higher is better, ↓ lower is "
        f"better. The paper's figures are from its Table {table.number} ({table.source}).{scaled}"
    )


def sheets(table: Table, rows: Sequence[Row], doubts: Mapping[str, str]) -> Iterator[Sheet]:
    """Cut a run's rows into sheets of a few metrics."""
    metrics = list(dict.fromkeys(row.metric for row in rows))
    for start in range(0, len(metrics), ACROSS):
        some = metrics[start : start + ACROSS]
        columns = [_cells([row for row in rows if row.metric == name], doubts) for name in some]
        methods = [row.method for row in rows if row.metric == some[0]]
        heads = [f"{name} {arrow(METRICS[name])}" for name in some]
        yield Sheet(rows[0].run, table.titles[rows[0].network], heads, methods, list(zip(*columns)))


def lettered(rows: Sequence[Row]) -> dict[str, str]:
    """Letters for the doubts about the paper's figures."""
    said = dict.fromkeys(text for row in rows for text in row.doubts)
    return {text: "abcdefghijklmnopqrstuvwxyz"[i] for i, text in enumerate(said)}


def order(found: Sequence[Agreement]) -> str:
    """Say metric by metric whether the methods come in the same order."""
    lines: list[tuple[str, ...]] = [
        ("run", "metric", "best or tied, ours", "best, the paper", f"place of {escape(OURS)}", "Spearman's ρ")
    ]
    for it in found:
        place = f"{it.place} of {it.methods}; the paper: {it.paper_place}" if it.place else "–"
        rho = "–" if np.isnan(it.correlation) else _numbers.spelt(f"{it.correlation:.2f}")
        ahead = ", ".join(map(escape, it.ahead)) or (_UNTOLD if it.methods else "–")
        paper = ", ".join(map(escape, it.paper_ahead)) or "–"
        lines.append((escape(it.run), escape(it.metric), ahead, paper, place, rho))
    return grid(lines)


def _heads(sheet: Sheet) -> list[str]:
    return [head for name in sheet.metrics for head in (escape(name), "paper")]


def _lines(sheet: Sheet) -> Iterator[tuple[str, ...]]:
    for method, cells in zip(sheet.methods, sheet.cells):
        yield escape(method), *(text for cell in cells for text in (_ours(cell), _paper(cell)))


def _ours(cell: Cell) -> str:
    mean = f"**{cell.mean}**" if cell.ahead else cell.mean
    bounds = f" <sub>{cell.bounds}</sub>" if cell.bounds else ""
    return f"{mean}{bounds}{f' ({cell.notes})' if cell.notes else ''}"


def _paper(cell: Cell) -> str:
    return f"{cell.paper}<sup>{cell.marks}</sup>" if cell.marks else cell.paper


def _cells(rows: Sequence[Row], doubts: Mapping[str, str]) -> list[Cell]:
    places = _numbers.decimals(row.ours.mean for row in rows)
    return [_cell(row, places, doubts) for row in rows]


def _cell(row: Row, places: int | None, doubts: Mapping[str, str]) -> Cell:
    mean, low, high = (_numbers.spelt(_numbers.number(it, places)) if np.isfinite(it) else "" for it in row.ours[:3])
    notes = [f"{row.undefined} NaN" if row.undefined else "", f"{row.missing} missing" if row.missing else ""]
    return Cell(
        mean=mean or "–",
        bounds=f"{low} to {high}" if low else "",
        ahead=row.ahead,
        notes=", ".join(filter(None, notes)),
        paper="" if row.printed is None else row.printed or "–",
        marks="".join(doubts[text] for text in row.doubts),
    )


def _units(table: Table, metric: str) -> str:
    units = (f"{unit:g} ({table.titles[network]})" for network, unit in table.units[metric].items())
    return f"{escape(metric)} in {', '.join(units)}"
