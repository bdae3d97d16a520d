"""What `egcam report` prints and writes."""

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.text import Text

from egcam_jax import evaluate
from egcam_jax import report as reports
from egcam_jax.core import checks
from egcam_jax.output import console, files
from egcam_jax.report import tables
from egcam_jax.report.text import printable

NAME = "report"
_SUFFIXES = {"html": "html", "md": "md", "csv": "csv", "latex": "tex"}


def report(path: Path, out: Path | None, formats: str) -> int:
    """Report a run: print its tables, and write its files.

    Args:
        path: The run's folder or file.
        out: Where the files go; beside the results by default.
        formats: Names with commas between them.

    Returns:
        1 where the run has no image.

    Raises:
        ValueError: There is no such format.
        OSError: There are no results, or the files cannot be written.
    """
    wanted = _formats(formats)
    results = evaluate.read(path)
    folder = files.prepare(out or (path if path.is_dir() else path.parent))
    summary = reports.summary(results)
    writers: Mapping[str, Callable[[], str]] = {
        "html": lambda: reports.evaluation_page(path, found=summary),
        "md": lambda: reports.markdown(summary),
        "csv": lambda: reports.comma_separated(summary),
        "latex": lambda: reports.latex(summary),
    }
    out_console = console.console()
    say(out_console, summary)
    with files.staged(folder) as stage:
        for name in wanted:
            (stage / f"{NAME}.{_SUFFIXES[name]}").write_text(printable(writers[name]()), encoding="utf-8")
    for name in wanted:
        console.line(out_console, f"wrote {folder / NAME}.{_SUFFIXES[name]}")
    return int(not results.images)


def say(out: Console, summary: reports.Summary) -> None:
    """Print what was computed, the tables, and what went wrong."""
    width = max(map(len, summary.facts))
    for name, said in summary.facts.items():
        out.print(Text.assemble((f"{name:<{width}}  ", "cyan"), printable(said)), soft_wrap=True)
    for table in summary.tables:
        out.print()
        for columns in _fitting(table, summary, out.width):
            out.print(tables.terminal(*reports.grid(table._replace(columns=columns), summary, table.family)))
    out.print()
    console.line(out, f"{reports.LEGEND} 1st and 2nd: {reports.TESTED}")
    for one in summary.troubles:
        what = f"{one.method}, {one.metric}" if one.metric else one.method
        console.line(out, f"failed: {what}: {one.reason} ({reports.counted(one.batches, 'batch')})")


def _formats(text: str) -> list[str]:
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        checks.one_of("format", name, tuple(_SUFFIXES))
    if not wanted:
        raise ValueError(f"format must name some of {', '.join(_SUFFIXES)}; got {text!r}.")
    return list(dict.fromkeys(wanted))


def _fitting(table: reports.Table, summary: reports.Summary, width: int) -> list[list[reports.Column]]:
    """Cut a family's metrics into as many tables as fit the console, side by side as far as possible."""
    room = width - max(map(len, summary.methods)) - 2
    head, rows = reports.grid(table, summary, "")
    widths = [tables.width(title, cells) for title, *cells in list(zip(head, *rows))[1:]]
    pieces: list[list[reports.Column]] = [[]]
    used = 0
    for column, wide in zip(table.columns, widths):
        if pieces[-1] and used + wide > room:
            pieces.append([])
            used = 0
        pieces[-1].append(column)
        used += wide
    return pieces
