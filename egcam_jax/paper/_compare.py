"""Our figures beside the paper's, row by row, and how far the methods come in the same order."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from egcam_jax import report
from egcam_jax.evaluate import Run
from egcam_jax.metrics import METRICS
from egcam_jax.paper._tables import Table
from egcam_jax.report import BEST, LEVEL, TIED_BEST, Interval

OURS = "expected_gradcam"
"""The paper's own method."""
_FEW = 3
"""Methods below which an order says nothing."""


class Row(NamedTuple):
    """A method by a metric.

    Attributes:
        run: The run's name.
        network: The paper's network beside it.
        metric: Its name in ``METRICS``.
        method: Its label in the run.
        ours: Mean over images with its 95 % bootstrap interval, in the table's unit; NaN where there is none.
        undefined: Images for which the metric has no value.
        missing: Images that were not computed.
        ahead: Whether it is best or tied for best, where paired tests tell the one that leads from any other.
        printed: The paper's figure as printed; "" where it has a dash, ``None`` where it has no such method.
        doubts: Why the paper's figure cannot be taken at its word.
    """

    run: str
    network: str
    metric: str
    method: str
    ours: Interval
    undefined: int
    missing: int
    ahead: bool
    printed: str | None
    doubts: Sequence[str]


class Agreement(NamedTuple):
    """How far the methods come in the same order.

    Attributes:
        run: The run's name.
        metric: Its name in ``METRICS``.
        methods: How many have both figures.
        correlation: Spearman's, of the methods' means; NaN where it says nothing.
        p: One-sided p-value of a correlation above 0; NaN where the correlation is.
        ahead: The methods that are best or tied for best here; none where no test tells the leading one from another.
        paper_ahead: Those with the paper's best figure.
        place: That of the paper's own method here, 1 the best; 0 where it has none.
        paper_place: That in the paper, among the same methods.
    """

    run: str
    metric: str
    methods: int
    correlation: float
    p: float
    ahead: Sequence[str]
    paper_ahead: Sequence[str]
    place: int
    paper_place: int


def compare(table: Table, runs: Mapping[str, Run]) -> list[Row]:
    """Set the figures of runs beside those of a table of the paper.

    Args:
        table: Of the paper.
        runs: By name, each of one network at one layer, as ``evaluate`` reads them.

    Returns:
        Run by run, metric by metric, method by method: those that the table has, as far as they were computed, and
        methods besides.

    Raises:
        ResultsError: A run names a metric that this version does not know.
    """
    return [row for name, run in runs.items() for row in _rows(table, name, run)]


def counterpart(table: Table, name: str) -> str:
    """The paper's network that stands beside one of ours: the same, one of its family, or the table's first."""
    family = name.removeprefix("cifar_").rstrip("0123456789_v")
    alike = [network for network in table.networks if network.startswith(family)]
    return name if name in table.networks else (alike or table.networks)[0]


def agreements(rows: Sequence[Row]) -> list[Agreement]:
    """Compare the order of the methods, run by run and metric by metric."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.run, row.metric), []).append(row)
    return [_agreement(run, metric, some) for (run, metric), some in groups.items()]


def _rows(table: Table, name: str, run: Run) -> list[Row]:
    summary = report.summary(run)
    columns = {column.metric.name: column for column in reversed(summary.columns)}
    network = counterpart(table, run.asked["model"]["name"])
    methods = {label: plain(label, known) for label, known in run.asked["methods"].items()}
    rows = []
    for metric in (name for name in table.metrics if name in columns):
        unit = table.unit(network, metric)
        told = any(cell.p < 1 - LEVEL for cell in columns[metric].cells)
        for (label, method), cell in zip(methods.items(), columns[metric].cells):
            mean, low, high, images = cell.interval
            rows.append(
                Row(
                    run=name,
                    network=network,
                    metric=metric,
                    method=label,
                    ours=Interval(mean / unit, low / unit, high / unit, images),
                    undefined=cell.undefined,
                    missing=cell.missing,
                    ahead=told and cell.mark in (BEST, TIED_BEST),
                    printed=table.printed.get((network, method, metric)),
                    doubts=table.doubts_of(network, method, metric) if method in table.methods else [],
                )
            )
    return rows


def plain(label: str, asked: Mapping[str, object]) -> str:
    """The name of a method with its own gradients and options; its label where it has others, as the paper's have not.

    The number of samples is not told: the paper does not name its own.
    """
    kinds = {part.partition("=")[0] for part in label.split(":")[1:]}
    return str(asked["method"]) if kinds <= {"samples", "refs"} else label


def _agreement(run: str, metric: str, rows: Sequence[Row]) -> Agreement:
    higher = METRICS[metric].higher_is_better
    both = [row for row in rows if row.printed and np.isfinite(row.ours.mean)]
    sign = -1 if higher else 1
    ours, papers = (
        [sign * value for value in values] for values in (_means(both), [float(row.printed or 0) for row in both])
    )
    correlation, p = _correlation(ours, papers)
    own = next((i for i, row in enumerate(both) if row.method.split(":")[0] == OURS), None)
    return Agreement(
        run=run,
        metric=metric,
        methods=len(both),
        correlation=correlation,
        p=p,
        ahead=[row.method for row in rows if row.ahead],
        paper_ahead=[row.method for row, value in zip(both, papers) if value == min(papers)],
        place=0 if own is None else _place(ours, own),
        paper_place=0 if own is None else _place(papers, own),
    )


def _means(rows: Sequence[Row]) -> list[float]:
    return [row.ours.mean for row in rows]


def _correlation(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Spearman's correlation, and its one-sided p-value."""
    if len(one) < _FEW or len(set(one)) == 1 or len(set(other)) == 1:
        return float("nan"), float("nan")
    tested = stats.spearmanr(one, other, alternative="greater")
    return float(tested.statistic), float(tested.pvalue)


def _place(values: Sequence[float], own: int) -> int:
    return 1 + sum(value < values[own] for value in values)
