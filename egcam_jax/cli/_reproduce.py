"""What `egcam reproduce` does: a run for each network, then the table with all of them."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from egcam_jax import evaluate, models, paper
from egcam_jax.cli import _errors, _evaluate, _output, _report, _several
from egcam_jax.paper import _markdown


@dataclasses.dataclass(frozen=True)
class Settings:
    """What was asked for, on the command line's terms."""

    table: str
    data: str
    models: Sequence[str]
    weights: Sequence[str]
    methods: Sequence[str] | None
    samples: int | None
    draws: int | None
    step: int | None
    classes: str | None
    target: str
    limit: int | None
    refs: str | None
    num_refs: int
    seed: int
    dtype: str
    chunk: int | None
    batch: int
    out: Path


def run(settings: Settings) -> int:
    """Compute what is not there yet, print and write the table, and return how many failures there were.

    Where a network after the first cannot be run it is said, and the table is of the others: nothing computed is lost.
    """
    table = paper.table(settings.table)
    asked = _several.networks(settings.models or table.networks, settings.weights)
    folder = _output.prepare(settings.out / table.name)
    out = _report.console()
    failures, runs = 0, {}
    for network in asked:
        out.print(Text(_output.printable(network.text), "bold"))
        try:
            plan = _plan(settings, table, network, folder)
            failures += _evaluate.run(plan, evaluate.Process())
            runs[network.text] = evaluate.read(plan.out)
        except _errors.REFUSALS as error:
            if not runs:
                raise
            out.print(Text(_output.printable(f"  left out: {_errors.text(error)}"), "red"), soft_wrap=True)
            failures += 1
    file = settings.out / f"{table.name}.md"
    with _output.staged(settings.out) as stage:
        (stage / file.name).write_text(_output.printable(paper.markdown(table, runs)), encoding="utf-8")
    say(out, table, runs)
    out.print(Text(f"wrote {_output.printable(str(file))}"), soft_wrap=True)
    return failures


def say(out: Console, table: paper.Table, runs: dict[str, evaluate.Run]) -> None:
    """Print ours beside the paper's, and what is not as in the paper."""
    rows = paper.compare(table, runs)
    doubts = _markdown.lettered(rows)
    for name, one in runs.items():
        for sheet in _markdown.sheets(table, [row for row in rows if row.run == name], doubts):
            out.print()
            out.print(Text(_output.printable(f"{name}, beside {sheet.network}"), "bold"))
            out.print(_grid(sheet))
        for text in paper.deviations(table, one):
            out.print(Text(_output.printable(f"  {text}"), "dim"), soft_wrap=True)
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
        grid.add_row(Text(_output.printable(method)), *(text for cell in cells for text in _texts(cell)))
    return grid


def _texts(cell: _markdown.Cell) -> Iterator[Text]:
    bounds = f" {cell.bounds}" if cell.bounds else ""
    notes = f" {cell.notes}" if cell.notes else ""
    yield Text.assemble((cell.mean, "bold" if cell.ahead else ""), (bounds, "dim"), notes)
    yield Text.assemble((cell.paper, "cyan"), (cell.marks and f" {cell.marks})", "dim"))


def _plan(settings: Settings, table: paper.Table, network: _several.Network, folder: Path) -> evaluate.Plan:
    model = models.load(network.name, weights=network.weights)
    model = dataclasses.replace(model, preprocess=paper.preprocess(table, model.preprocess))
    limit = settings.limit or paper.images(table)
    return evaluate.Plan(
        data=settings.data,
        out=folder / network.folder,
        model=model,
        layer=[network.layer] if network.layer else [],
        methods=table.methods if settings.methods is None else settings.methods,
        metrics=paper.metrics(table, model.preprocess, draws=settings.draws, step=settings.step),
        classes=settings.classes,
        target=settings.target,
        limit=limit,
        refs=settings.refs,
        num_refs=settings.num_refs,
        samples=settings.samples,
        seed=settings.seed,
        batch=min(settings.batch, limit or settings.batch),  # what fills it up would be timed too
        dtype=settings.dtype,
        chunk=settings.chunk,
    )
