"""What `egcam reproduce` does: a run for each network, then the table with all of them."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from egcam_jax import evaluate, models, paper
from egcam_jax.cli import _evaluate, _networks, _output, _report
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


class Network(NamedTuple):
    """A network that is asked for: its name, its target layer, if one was named, and its file of weights."""

    name: str
    layer: str
    weights: Path | None

    @property
    def text(self) -> str:
        """What it is called in the table."""
        return f"{self.name}:{self.layer}" if self.layer else self.name

    @property
    def folder(self) -> str:
        """What its run's folder is called."""
        return "".join(it if it.isalnum() or it in "+_." else "-" for it in self.text)


def run(settings: Settings) -> int:
    """Compute what is not there yet, print and write the table, and return how many failures there were."""
    table = paper.table(settings.table)
    asked = networks(settings.models or table.networks, settings.weights)
    folder = _output.prepare(settings.out / table.name)
    out = _report.console()
    failures, runs = 0, {}
    for network in asked:
        out.print(Text(_output.printable(network.text), "bold"))
        plan = _plan(settings, table, network, folder)
        failures += _evaluate.run(plan, evaluate.Process())
        runs[network.text] = evaluate.read(plan.out)
    file = settings.out / f"{table.name}.md"
    with _output.staged(settings.out) as stage:
        (stage / file.name).write_text(_output.printable(paper.markdown(table, runs)), encoding="utf-8")
    say(out, table, runs)
    out.print(Text(f"wrote {_output.printable(str(file))}"), soft_wrap=True)
    return failures


def networks(texts: Sequence[str], weights: Sequence[str]) -> list[Network]:
    """Read the networks and their weights; each is checked before anything is loaded.

    Args:
        texts: ``NAME`` or ``NAME:LAYER`` each.
        weights: ``FILE``, where all are the same network, or ``NAME=FILE``.

    Raises:
        ValueError: There is no such network, one comes twice, or it is not said whose the weights are.
        FileNotFoundError: There is no such file.
    """
    pairs = [(name, layer) for name, _, layer in (text.partition(":") for text in texts)]
    files = _files(weights, list(dict.fromkeys(name for name, _ in pairs)))
    found = [Network(name, layer, files.get(name)) for name, layer in pairs]
    for network in found:
        _networks.check(network.name, network.weights)
    folders = [network.folder for network in found]
    twice = [network.text for network in found if folders.count(network.folder) > 1]
    if twice:
        raise ValueError(f"--model {twice[0]} comes twice; name each network and layer once")
    return found


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


def _files(weights: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in weights:
        before, _, after = text.partition("=")
        if before not in names and len(names) > 1:
            raise ValueError(f"--weights {text}: say whose they are, NAME=FILE, NAME one of {', '.join(names)}")
        name, file = (before, after) if before in names else (names[0], text)
        if name in found:
            raise ValueError(f"--weights {text}: {name} has weights already; one file for each network")
        found[name] = Path(file)
    return found


def _plan(settings: Settings, table: paper.Table, network: Network, folder: Path) -> evaluate.Plan:
    model = models.load(network.name, weights=network.weights)
    model = dataclasses.replace(model, preprocess=paper.preprocess(table, model.preprocess))
    return evaluate.Plan(
        data=settings.data,
        out=folder / network.folder,
        model=model,
        layer=[network.layer] if network.layer else [],
        methods=table.methods if settings.methods is None else settings.methods,
        metrics=paper.metrics(table, model.preprocess.size, draws=settings.draws),
        classes=settings.classes,
        target=settings.target,
        limit=settings.limit or table.images,
        refs=settings.refs,
        num_refs=settings.num_refs,
        samples=settings.samples,
        seed=settings.seed,
        batch=settings.batch,
        dtype=settings.dtype,
        chunk=settings.chunk,
    )
