"""A table of the paper with our figures beside it, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from egcam_jax import report
from egcam_jax.evaluate import Run
from egcam_jax.metrics import METRICS
from egcam_jax.paper._compare import OURS, Agreement, Row, agreements, compare
from egcam_jax.paper._deviations import ALWAYS, deviations
from egcam_jax.paper._tables import Table
from egcam_jax.report import tables

ACROSS = 3
"""Metrics beside one another."""
_UNTOLD = "not told apart"


class Sheet(NamedTuple):
    """Some metrics of a run beside one another, ours and the paper's.

    Attributes:
        network: What the paper calls the network beside the run's.
        head: "method", then each metric with its arrow and "paper".
        rows: The method, then the two cells of each metric.
    """

    network: str
    head: Sequence[str]
    rows: Sequence[tables.Row]


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
    agreed = agreements(rows)
    parts = [f"# Table {table.number} of the paper, and ours: {table.title.lower()}", verdict(agreed), legend(table)]
    for name, run in runs.items():
        for i, sheet in enumerate(sheets(table, [row for row in rows if row.run == name], doubts)):
            parts += [] if i else [f"## {tables.escape(name)}, beside {sheet.network}"]
            parts += [tables.markdown(sheet.head, sheet.rows)]
        parts += ["\n".join(f"- {tables.escape(text)}" for text in deviations(table, run))]
    parts += ["## The order of the methods", order(agreed)]
    if doubts:
        parts += ["## The paper's figures", "\n".join(f"- <sup>{mark}</sup> {text}" for text, mark in doubts.items())]
    parts += ["\n".join(f"- {text}" for text in ALWAYS)]
    return "\n\n".join(parts) + "\n"


def verdict(agreed: Sequence[Agreement]) -> str:
    """Say in how many columns the methods come in the paper's order, each network's columns by themselves."""
    compared = [one for one in agreed if not np.isnan(one.correlation)]
    same = sum(one.p < 1 - report.LEVEL for one in compared)
    return (
        f"**In {same} of {len(compared)} columns our order of the methods agrees with the paper's** "
        f"(Spearman's ρ above 0, one-sided p < {1 - report.LEVEL:.2g})."
    )


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
        columns = [column for name in some for column in _columns([r for r in rows if r.metric == name], doubts)]
        methods = [row.method for row in rows if row.metric == some[0]]
        heads = [head for name in some for head in (f"{name} {report.arrow(METRICS[name])}", "paper")]
        yield Sheet(table.titles[rows[0].network], ["method", *heads], list(zip(methods, *columns)))


def lettered(rows: Sequence[Row]) -> dict[str, str]:
    """Letters for the doubts about the paper's figures."""
    said = dict.fromkeys(text for row in rows for text in row.doubts)
    return {text: "abcdefghijklmnopqrstuvwxyz"[i] for i, text in enumerate(said)}


def order(agreed: Sequence[Agreement]) -> str:
    """Say metric by metric whether the methods come in the same order."""
    head = ("run", "metric", "best or tied, ours", "best, the paper", f"place of {OURS}", "Spearman's ρ")
    rows = []
    for one in agreed:
        place = f"{one.place} of {one.methods}; the paper: {one.paper_place}" if one.place else "–"
        rho = tables.Cell("–" if np.isnan(one.correlation) else f"{one.correlation:.2f}")
        ahead = ", ".join(one.ahead) or (_UNTOLD if one.methods else "–")
        rows.append((one.run, one.metric, ahead, ", ".join(one.paper_ahead) or "–", place, rho))
    return tables.markdown(head, rows)


def _columns(rows: Sequence[Row], doubts: Mapping[str, str]) -> tuple[list[tables.Cell], list[tables.Cell]]:
    """A metric's cells: ours, and the paper's."""
    places = report.decimals(row.ours.mean for row in rows)
    return [_ours(row, places) for row in rows], [
        tables.Cell(
            "" if row.printed is None else row.printed or "–",
            raised="".join(doubts[text] for text in row.doubts),
            colour="cyan",
        )
        for row in rows
    ]


def _ours(row: Row, places: int | None) -> tables.Cell:
    mean, low, high = (report.number(value, places) for value in row.ours[:3])
    style, notes = "bold" if row.ahead else "", tables.notes(row.undefined, row.missing)
    return tables.Cell(mean or "–", low, high, style, notes=notes)


def _units(table: Table, metric: str) -> str:
    units = (f"{unit:g} ({table.titles[network]})" for network, unit in table.units[metric].items())
    return f"{tables.escape(metric)} in {', '.join(units)}"
