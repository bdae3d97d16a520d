"""`egcam reproduce`: a table of the paper, with our figures beside its."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from egcam_jax.cli import completion, options
from egcam_jax.cli.command import flag


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reproduce(options.Networks):
    """The flags of `reproduce`."""

    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="table1 (faithfulness, robustness, complexity), table3 (insertion, deletion), table4 and table5 "
            "(localisation; DATA with masks), table6 (stability), table7 (infidelity, small pictures), table8 (time).",
            autocompletion=completion.table,
            show_default=False,
        ),
    ]
    data: options.Data
    methods: options.Methods = ""
    draws: Annotated[
        int | None,
        flag("Perturbed copies of each image in metrics of robustness. Default: the paper's 200.", min=1),
    ] = None
    step: Annotated[
        int | None,
        flag(
            "Pixels at a time in insertion, deletion and pixel flipping; the more, the faster and the coarser. "
            "Default: 224, a row.",
            min=1,
        ),
    ] = None
    target: options.Target = "label"
    limit: Annotated[int | None, flag("How many images, drawn with --seed. Default: as many as the paper.", min=1)] = (
        None
    )
    batch: Annotated[int, flag("Images read and explained together.", min=1, panel="Running", rare=True)] = 16
    out: options.Folder = Path("egcam-paper")


def reproduce(asked: Reproduce) -> int:
    """Compute a table of the Expected Grad-CAM paper with its settings, and print ours beside its figures.

    A run folder for each network, which `egcam report` reads too; the table as Markdown, with what is not as in the
    paper: other images, other weights, fewer samples. The same command goes on where it stopped.
    """
    from egcam_jax import evaluate as runs
    from egcam_jax import paper
    from egcam_jax.cli import errors, evaluate, several
    from egcam_jax.output import console, files, reproduced
    from egcam_jax.report.text import printable

    table = paper.table(asked.table)
    chosen = several.networks(asked, table.networks)
    folder = files.prepare(asked.out / table.name)
    out = console.console()
    failures, done = 0, {}
    for network in chosen:
        console.line(out, network.text, "bold")
        try:
            plan = _plan(asked, table, network, folder)
            failures += evaluate.run(plan, runs.Process())
            done[network.text] = runs.read(plan.out)
        except errors.REFUSALS as error:
            if not done:
                raise
            console.line(out, f"  left out: {errors.text(error)}", "red")
            failures += 1
    file = asked.out / f"{table.name}.md"
    with files.staged(asked.out) as stage:
        (stage / file.name).write_text(printable(paper.markdown(table, done)), encoding="utf-8")
    reproduced.say(out, table, done)
    console.line(out, f"wrote {file}")
    return failures


def _plan(asked: Reproduce, table, network, folder: Path):  # type: ignore[no-untyped-def]
    """The plan of a network's run: the paper's settings, but for those that were given."""
    from egcam_jax import paper
    from egcam_jax.cli import networks

    model = networks.load(network)
    model = dataclasses.replace(model, preprocess=paper.preprocess(table, model.preprocess))
    limit = asked.limit or paper.images(table)
    return options.plan(
        asked,
        out=folder / network.folder,
        model=model,
        weights=None,
        layer=[network.layer] if network.layer else [],
        methods=asked.methods or table.methods,
        metrics=paper.metrics(table, model.preprocess, draws=asked.draws, step=asked.step),
        limit=limit,
        batch=min(asked.batch, limit or asked.batch),  # what fills it up would be timed too
    )
