"""What `egcam report` prints and writes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from egcam_jax import _checks, evaluate, report
from egcam_jax.cli import _output, _report
from egcam_jax.report import _cells, _numbers
from egcam_jax.report._facts import counted

NAME = "report"
_SUFFIXES = {"html": "html", "md": "md", "csv": "csv", "latex": "tex"}


def run(path: Path, out: Path | None, formats: str) -> None:
    """Report a run: print its tables, and write its files.

    Args:
        path: The run's folder or file.
        out: Where the files go; beside the results by default.
        formats: Names with commas between them.

    Raises:
        ValueError: There is no such format.
        OSError: There are no results, or the files cannot be written.
    """
    wanted = _formats(formats)
    results = evaluate.read(path)
    folder = _output.prepare(out or (path if path.is_dir() else path.parent))
    found = report.summary(results)
    writers: Mapping[str, Callable[[], str]] = {
        "html": lambda: report.evaluation_page(path, found=found),
        "md": lambda: report.markdown(found),
        "csv": lambda: report.comma_separated(found),
        "latex": lambda: report.latex(found),
    }
    console = _report.console()
    say(console, found)
    with _output.staged(folder) as stage:
        for name in wanted:
            (stage / f"{NAME}.{_SUFFIXES[name]}").write_text(_output.printable(writers[name]()), encoding="utf-8")
    for name in wanted:
        _line(console, f"wrote {folder / NAME}.{_SUFFIXES[name]}")


def say(console: Console, found: report.Summary) -> None:
    """Print what was computed, the tables, and what went wrong."""
    width = max(map(len, found.facts))
    for name, text in found.facts.items():
        console.print(Text.assemble((f"{name:<{width}}  ", "cyan"), _output.printable(text)), soft_wrap=True)
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
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        _checks.one_of("--format", name, tuple(_SUFFIXES))
    if not names:
        raise ValueError(f"--format {text!r}: none came; name some of {', '.join(_SUFFIXES)}")
    return list(dict.fromkeys(names))


def _fitting(columns: Sequence[report.Column], methods: Sequence[str], width: int) -> list[list[report.Column]]:
    """Cut a family's metrics into as many tables as fit the console, side by side as far as possible."""
    room = width - max(map(len, methods)) - 2
    pieces: list[list[report.Column]] = [[]]
    for column in columns:
        if pieces[-1] and sum(map(_width, [*pieces[-1], column])) > room:
            pieces.append([])
        pieces[-1].append(column)
    return pieces


def _width(column: report.Column) -> int:
    return 2 + max(len(_head(column)), *(len(_cell(it)) for it in _cells.words(column)))


def _table(family: str, columns: Sequence[report.Column], methods: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(Text(family, "bold"), overflow="fold")
    for column in columns:
        table.add_column(Text(_head(column)), no_wrap=True)
    for method, *cells in zip(methods, *map(_cells.words, columns)):
        table.add_row(Text(_output.printable(method)), *map(_cell, cells))
    return table


def _head(column: report.Column) -> str:
    return f"{_output.printable(column.label)} {column.arrow}"


def _cell(words: _cells.Words) -> Text:
    style, place = ("bold", " 1st") if words.best else ("underline", " 2nd") if words.second else ("", "")
    tie = f" {words.tie}" if words.tie else ""
    bounds = f" {_numbers.spelt(words.low)}–{_numbers.spelt(words.high)}" if words.low else ""
    notes = "".join(f" {note}" for note in words.notes)
    return Text.assemble((_numbers.spelt(words.mean), style), place or tie, (bounds, "dim"), notes)


def _line(console: Console, text: str) -> None:
    console.print(Text(_output.printable(text)), soft_wrap=True)
