"""A report in Markdown, in LaTeX and as comma-separated values."""

from egcam_jax.report import _cells, tables
from egcam_jax.report._facts import counted
from egcam_jax.report._summary import Summary, Table

_MARKS = "**Bold** (best) and <ins>underlined</ins> (second):"
_ACROSS = 4
"""Metrics side by side that fit a page."""
_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Makes a table smaller only where it is wider than the text: names with their options are long."""
_HEADER = (
    *("family", "metric", "better", "method", "mean", "low", "high", "images", "nan", "missing", "mark", "p"),
    "rank",
)


def markdown(summary: Summary) -> str:
    """Write a report in GitHub's Markdown; names are escaped.

    Args:
        summary: What there is to say.

    Returns:
        The text of a file.

    Example:
        >>> from egcam_jax import METRICS, report
        >>> cell = report.Cell(report.Interval(0.5, 0.4, 0.6, 8), 0, 0, "", 1.0)
        >>> column = report.Column("insertion_auc", METRICS["insertion_auc"], [cell], [1.0], 8)
        >>> summary = report.Summary({}, ["gradcam"], [report.Table("faithfulness", [column])], [], [], {})
        >>> next(line for line in report.markdown(summary).splitlines() if "0.5" in line)
        '| gradcam | 0.500 <sub>0.400 to 0.600</sub> |'
    """
    parts = ["# Evaluation", "\n".join(f"- {name}: {tables.escape(text)}" for name, text in summary.facts.items())]
    for table in summary.tables:
        parts += [f"## {table.family.capitalize()}", tables.markdown(*grid(table, summary, "method"))]
    parts += [f"{_cells.LEGEND} {_MARKS} {tables.escape(_cells.TESTED)}"]
    if summary.troubles:
        failed = [(one.method, one.metric, str(one.batches), one.reason) for one in summary.troubles]
        parts += ["## Failed", tables.markdown(("method", "metric", "batches", "reason"), failed)]
    if bad := summary.unreadable:
        parts += [f"## {counted(len(bad), 'image')} could not be read", tables.markdown(("image", "reason"), bad)]
    return "\n\n".join(parts) + "\n"


def comma_separated(summary: Summary) -> str:
    """Write all means with their intervals, unrounded.

    Args:
        summary: What there is to say.

    Returns:
        The text of a file: ``low`` and ``high`` bound the 95 % interval, ``p`` is of the difference from the method
        that leads, ``rank`` the mean rank over images. Empty where undefined. Text that a spreadsheet would
        take for a formula has an apostrophe before it.

    Example:
        >>> from egcam_jax import report
        >>> report.comma_separated(report.Summary({}, [], [], [], [], {})).split(",")[:2]
        ['family', 'metric']
    """
    rows = [
        (
            *(table.family, column.label, "higher" if column.metric.higher_is_better else "lower", method),
            *(*cell.interval, cell.undefined, cell.missing, cell.mark, cell.p, float(rank)),
        )
        for table in summary.tables
        for column in table.columns
        for method, cell, rank in zip(summary.methods, column.cells, column.ranks)
    ]
    return tables.separated(_HEADER, rows)


def latex(summary: Summary) -> str:
    r"""Write the tables for LaTeX's booktabs; names are escaped.

    Args:
        summary: What there is to say.

    Returns:
        The text of a file to ``\input``: a ``table`` for each family, or several where a family has many metrics.

    Example:
        >>> from egcam_jax import METRICS, report
        >>> cell = report.Cell(report.Interval(0.5, 0.4, 0.6, 8), 0, 0, "", 1.0)
        >>> column = report.Column("insertion_auc", METRICS["insertion_auc"], [cell], [1.0], 8)
        >>> summary = report.Summary({}, ["gradcam"], [report.Table("faithfulness", [column])], [], [], {})
        >>> r"insertion\_auc" in report.latex(summary)
        True
    """
    head = [r"% \usepackage{booktabs, graphicx, textcomp} and \usepackage[T1]{fontenc}"]
    head += [f"% {name}: {' '.join(text.split())}" for name, text in summary.facts.items()]
    pieces = [
        _latex(table._replace(columns=table.columns[start : start + _ACROSS]), summary, start == 0)
        for table in summary.tables
        for start in range(0, len(table.columns), _ACROSS)
    ]
    return "\n\n".join(["\n".join(head), *pieces]) + "\n"


def grid(table: Table, summary: Summary, corner: str) -> tuple[list[str], list[tables.Row]]:
    """The head and the rows of a family's table: methods by metrics.

    Example:
        >>> from egcam_jax import METRICS, report
        >>> cell = report.Cell(report.Interval(0.5, 0.4, 0.6, 8), 0, 0, "", 1.0)
        >>> column = report.Column("insertion_auc", METRICS["insertion_auc"], [cell], [1.0], 8)
        >>> table = report.Table("faithfulness", [column])
        >>> head, rows = report.grid(table, report.Summary({}, ["gradcam"], [table], [], [], {}), "method")
        >>> head, rows[0][0]
        (['method', 'insertion_auc ↑'], 'gradcam')
    """
    heads = [corner, *(f"{column.label} {column.arrow}" for column in table.columns)]
    return heads, list(zip(summary.methods, *map(_cells.cells, table.columns)))


def _latex(table: Table, summary: Summary, first: bool) -> str:
    title = f"{table.family.capitalize()}{'' if first else ', continued'}."
    legend, tested = map(tables.escape_latex, (_cells.LEGEND, _cells.TESTED))
    caption = f"{title} {legend} Bold (best) and underlined (second): {tested}" if first else title
    begin = [r"\begin{table}", r"\centering\small", f"\\caption{{{caption}}}", _FIT]
    return "\n".join([*begin, tables.latex(*grid(table, summary, "Method")) + "}", r"\end{table}"])
