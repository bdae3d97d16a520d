"""What `egcam reproduce` prints: our figures beside the paper's, and what is not as in the paper."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from egcam_jax import evaluate, paper
from egcam_jax.output.names import printable
from egcam_jax.paper import _markdown


def say(out: Console, table: paper.Table, runs: dict[str, evaluate.Run]) -> None:
    """Print ours beside the paper's, and what is not as in the paper."""
    rows = paper.compare(table, runs)
    doubts = _markdown.lettered(rows)
    for name, one in runs.items():
        for sheet in _markdown.sheets(table, [row for row in rows if row.run == name], doubts):
            out.print()
            out.print(Text(printable(f"{name}, beside {sheet.network}"), "bold"))
            out.print(_grid(sheet))
        for text in paper.deviations(table, one):
            out.print(Text(printable(f"  {text}"), "dim"), soft_wrap=True)
    if doubts:
        out.print()
    for text, mark in doubts.items():
        out.print(Text(f"  {mark}) {text}", "dim"), soft_wrap=True)


def _grid(sheet: _markdown.Sheet) -> Grid:
    grid = Grid(box=None, padding=(0, 2, 0, 0))
    grid.add_column("")
    for name in sheet.metrics:
        grid.add_column(Text(name), no_wrap=True)
        grid.add_column(Text("paper"), no_wrap=True)
    for method, cells in zip(sheet.methods, sheet.cells):
        grid.add_row(Text(printable(method)), *(text for cell in cells for text in _texts(cell)))
    return grid


def _texts(cell: _markdown.Cell) -> Iterator[Text]:
    bounds = f" {cell.bounds}" if cell.bounds else ""
    notes = f" {cell.notes}" if cell.notes else ""
    yield Text.assemble((cell.mean, "bold" if cell.ahead else ""), (bounds, "dim"), notes)
    yield Text.assemble((cell.paper, "cyan"), (cell.marks and f" {cell.marks})", "dim"))
