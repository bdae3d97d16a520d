"""What `egcam report` prints and writes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from egcam_jax import _checks, evaluate
from egcam_jax import report as reports
from egcam_jax.output import console, files, names
from egcam_jax.report import _cells, _numbers
from egcam_jax.report._facts import counted

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
    found = reports.summary(results)
    writers: Mapping[str, Callable[[], str]] = {
        "html": lambda: reports.evaluation_page(path, found=found),
        "md": lambda: reports.markdown(found),
        "csv": lambda: reports.comma_separated(found),
        "latex": lambda: reports.latex(found),
    }
    out_console = console.console()
    say(out_console, found)
    with files.staged(folder) as stage:
        for name in wanted:
            (stage / f"{NAME}.{_SUFFIXES[name]}").write_text(names.printable(writers[name]()), encoding="utf-8")
    for name in wanted:
        _line(out_console, f"wrote {folder / NAME}.{_SUFFIXES[name]}")
    return int(not results.images)


def say(console: Console, found: reports.Summary) -> None:
    """Print what was computed, the tables, and what went wrong."""
    width = max(map(len, found.facts))
    for name, text in found.facts.items():
        console.print(Text.assemble((f"{name:<{width}}  ", "cyan"), names.printable(text)), soft_wrap=True)
    for table in found.tables:
        console.print()
        for columns in _fitting(table.columns, found.methods, console.width):
            console.print(_table(table.family, columns, found.methods))
    console.print()
    _line(console, f"{_cells.LEGEND} 1st and 2nd: {_cells.TESTED}")
    for it in found.troubles:
        what = f"{it.method}, {it.metric}" if it.metric else it.method
        _line(console, f"failed: {what}: {it.reason} ({counted(it.batches, 'batch')})")


def _formats(text: str) -> list[str]:
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        _checks.one_of("format", name, tuple(_SUFFIXES))
    if not wanted:
        raise ValueError(f"format must name some of {', '.join(_SUFFIXES)}; got {text!r}.")
    return list(dict.fromkeys(wanted))


def _fitting(columns: Sequence[reports.Column], methods: Sequence[str], width: int) -> list[list[reports.Column]]:
    """Cut a family's metrics into as many tables as fit the console, side by side as far as possible."""
    room = width - max(map(len, methods)) - 2
    pieces: list[list[reports.Column]] = [[]]
    for column in columns:
        if pieces[-1] and sum(map(_width, [*pieces[-1], column])) > room:
            pieces.append([])
        pieces[-1].append(column)
    return pieces


def _width(column: reports.Column) -> int:
    return 2 + max(len(_head(column)), *(len(_cell(it)) for it in _cells.words(column)))


def _table(family: str, columns: Sequence[reports.Column], methods: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(Text(family, "bold"), overflow="fold")
    for column in columns:
        table.add_column(Text(_head(column)), no_wrap=True)
    for method, *cells in zip(methods, *map(_cells.words, columns)):
        table.add_row(Text(names.printable(method)), *map(_cell, cells))
    return table


def _head(column: reports.Column) -> str:
    return f"{names.printable(column.label)} {column.arrow}"


def _cell(words: _cells.Words) -> Text:
    style, place = ("bold", " 1st") if words.best else ("underline", " 2nd") if words.second else ("", "")
    tie = f" {words.tie}" if words.tie else ""
    bounds = f" {_numbers.spelt(words.low)}–{_numbers.spelt(words.high)}" if words.low else ""
    notes = "".join(f" {note}" for note in words.notes)
    return Text.assemble((_numbers.spelt(words.mean), style), place or tie, (bounds, "dim"), notes)


def _line(console: Console, text: str) -> None:
    console.print(Text(names.printable(text)), soft_wrap=True)
