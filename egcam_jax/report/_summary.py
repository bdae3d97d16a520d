"""From a run to the tables of a report: a table for each family of metrics, with all that must be said beside it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from egcam_jax.metrics import FAMILIES, METRICS, Metric
from egcam_jax.report import _facts, _statistics
from egcam_jax.report._statistics import Interval
from egcam_jax.run.store import ResultsError, Run


class Cell(NamedTuple):
    """One method by one metric.

    Attributes:
        interval: Mean over the images where the metric is defined, with its 95 % interval and the number of those.
        undefined: Images for which the metric has no value: NaN.
        missing: Images that were not computed, by a failure or because the run has not come to its end.
        mark: One of ``_statistics.MARKS``, or "".
        p: Of the difference from the method that leads; NaN for itself.

    Example:
        >>> from egcam_jax import report
        >>> report.Cell(report.Interval(0.5, 0.4, 0.6, 8), undefined=1, missing=0, mark="", p=1.0).undefined
        1
    """

    interval: Interval
    undefined: int
    missing: int
    mark: str
    p: float


class Column(NamedTuple):
    """A metric.

    Attributes:
        label: As it was asked for.
        metric: What it is.
        cells: In the order of the methods.
        ranks: ``(methods,)`` mean ranks over images, 1 the best; NaN where there is none.
        ranked: The number of images that are ranked.

    Example:
        >>> from egcam_jax import METRICS, report
        >>> report.Column("deletion_auc", METRICS["deletion_auc"], [], [], 0).arrow
        '↓'
    """

    label: str
    metric: Metric
    cells: Sequence[Cell]
    ranks: Float[np.ndarray, " methods"]
    ranked: int

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return arrow(self.metric)


class Table(NamedTuple):
    """The metrics of a family.

    Example:
        >>> from egcam_jax import METRICS, report
        >>> column = report.Column("deletion_auc", METRICS["deletion_auc"], [], [], 0)
        >>> [column.label for column in report.Table("faithfulness", [column]).columns]
        ['deletion_auc']
    """

    family: str
    columns: Sequence[Column]


class Trouble(NamedTuple):
    """What could not be done, for the same reason, by a method, and by a metric where it is not the method's own."""

    method: str
    metric: str
    reason: str
    batches: int


class Summary(NamedTuple):
    """All that a report says in words and numbers.

    Attributes:
        facts: What was computed, on what, by name.
        methods: Their labels.
        tables: Families that have metrics, in the order of ``metrics.FAMILIES``.
        troubles: What failed.
        unreadable: Names of images that could not be read, and why.
        provenance: What was asked for, and the sessions that computed it.

    Example:
        >>> from egcam_jax import report
        >>> report.Summary({"images": "8"}, ["gradcam"], [], [], [], {}).facts["images"]
        '8'
    """

    facts: Mapping[str, str]
    methods: Sequence[str]
    tables: Sequence[Table]
    troubles: Sequence[Trouble]
    unreadable: Sequence[tuple[str, str]]
    provenance: Mapping[str, Any]

    @property
    def columns(self) -> Sequence[Column]:
        """The metrics of all tables."""
        return [column for table in self.tables for column in table.columns]


def summary(run: Run, *, seed: int = 0) -> Summary:
    """Average a run over its images and compare its methods.

    Args:
        run: As ``evaluate`` writes and reads it.
        seed: Of the bootstrap's draws.

    Returns:
        What the reports show.

    Raises:
        ResultsError: It names a metric that this version does not know.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import evaluate, report
        >>> from egcam_jax.run import store
        >>> asked = {"model": {"name": "net", "layer": ["features"]}, "methods": {"gradcam": {}}, "batch": 3, "seed": 0}
        >>> asked |= {"data": {"source": "pictures", "count": 3}, "metrics": {"sparseness": {"metric": "sparseness"}}}
        >>> rows = [store.ImageRow(i, f"{i}.png", 0, "cat", 0.9, True, None, None) for i in range(3)]
        >>> kind, scores = ("gradcam", "sparseness"), np.array([0.25, 0.5, 0.75])
        >>> run = evaluate.Run(asked, [], rows, [], [], {kind: scores}, {kind: np.ones(3, bool)})
        >>> column = report.summary(run).columns[0]
        >>> column.label, column.cells[0].interval.mean, column.cells[0].interval.images
        ('sparseness', 0.5, 3)
    """
    columns = _columns(run, seed)
    tables = [Table(family, [column for column in columns if column.metric.family == family]) for family in FAMILIES]
    return Summary(
        facts=_facts.facts(run),
        methods=list(run.asked["methods"]),
        tables=[table for table in tables if table.columns],
        troubles=_troubles(run),
        unreadable=run.unreadable,
        provenance={"asked": run.asked, "sessions": run.sessions},
    )


def values(run: Run, label: str) -> tuple[Float[np.ndarray, "methods N"], Bool[np.ndarray, "methods N"]]:
    """A metric's values and whether they were computed, ``(methods, N)`` each."""
    kinds = [(method, label) for method in run.asked["methods"]]
    nothing = np.full(len(run.images), np.nan)
    return (
        np.stack([run.values.get(kind, nothing) for kind in kinds]),
        np.stack([run.computed.get(kind, np.zeros(len(nothing), bool)) for kind in kinds]),
    )


def known(run: Run, label: str) -> Metric:
    """The metric of a label.

    Raises:
        ResultsError: This version does not know it.
    """
    name = run.asked["metrics"][label]["metric"]
    if name not in METRICS:
        raise ResultsError(f"the results hold the metric {name!r}, which this version does not know; update egcam-jax")
    return METRICS[name]


def arrow(metric: Metric) -> str:
    """Which way is better.

    Example:
        >>> from egcam_jax import METRICS, report
        >>> report.arrow(METRICS["insertion_auc"]), report.arrow(METRICS["deletion_auc"])
        ('↑', '↓')
    """
    return "↑" if metric.higher_is_better else "↓"


def _columns(run: Run, seed: int) -> list[Column]:
    """All metrics, their intervals from the same draws of images."""
    by_label = {label: values(run, label) for label in run.asked["metrics"]}
    rows = [scores for scores, _ in by_label.values()]
    means = iter(_statistics.intervals(np.concatenate(rows), seed=seed) if rows else [])
    return [
        _column(label, known(run, label), scores, computed, [next(means) for _ in scores])
        for label, (scores, computed) in by_label.items()
    ]


def _column(
    label: str,
    metric: Metric,
    scores: Float[np.ndarray, "methods N"],
    computed: Bool[np.ndarray, "methods N"],
    means: Sequence[Interval],
) -> Column:
    better, timed = metric.higher_is_better, metric.family == "cost"  # which is taken of the first batch alone
    verdicts = _statistics.verdicts(scores, higher_is_better=better)
    ranks, ranked = _statistics.mean_ranks(scores, higher_is_better=better)
    cells = [
        Cell(mean, int(there.sum()) - mean.images, 0 if timed else int((~there).sum()), verdict.mark, verdict.p)
        for mean, there, verdict in zip(means, computed, verdicts)
    ]
    return Column(label, metric, cells, ranks, ranked)


def _troubles(run: Run) -> list[Trouble]:
    """Failures, those of the same kind as one."""
    once = dict.fromkeys(
        (failure.batch, failure.method, failure.metric or "", failure.reason) for failure in _facts.failures(run)
    )
    return [Trouble(*kind, batches) for kind, batches in Counter(kind[1:] for kind in once).items()]
