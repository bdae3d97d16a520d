"""`egcam evaluate`, and `egcam merge`: data in, a file of results out."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from egcam_jax.cli import options
from egcam_jax.cli.command import Options, flag

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
_HOSTS = "Several hosts"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate(options.Explaining):
    """The flags of `evaluate`."""

    data: options.Data
    methods: options.Methods = "all"
    metrics: options.Metrics = "all"
    classes: options.Classes = None
    target: options.Target = "label"
    limit: options.Limit = None
    batch: Annotated[int, flag("Images read and explained together.", min=1, panel="Running", rare=True)] = 16
    out: options.Folder = Path("egcam-run")
    pictures: Annotated[int, flag("Pictures kept for the report's gallery.", min=0, rare=True)] = 256
    coordinator: Annotated[
        str | None,
        flag("Of the first process, which gathers the others.", metavar="HOST:PORT", panel=_HOSTS, rare=True),
    ] = None
    num_processes: Annotated[
        int | None, flag("How many. Default: as the cluster says.", min=1, panel=_HOSTS, rare=True)
    ] = None
    process_id: Annotated[
        int | None, flag("Of this one, from 0. Default: as the cluster says.", min=0, panel=_HOSTS, rare=True)
    ] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Merge(Options):
    """The flags of `merge`."""

    out: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.", show_default=False)]
    parts: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", help="Parts that lie elsewhere. Default: those in the folder.", show_default=False
        ),
    ] = None


def evaluate(asked: Evaluate) -> int:
    """Judge methods by metrics on a data set, on all devices; stop it when you like, and the same command goes on.

    Results go into one file, batch by batch; `egcam report` makes tables and a page of them.
    """
    from egcam_jax import evaluate as runs
    from egcam_jax.cli import networks

    process = runs.join(asked.coordinator, asked.num_processes, asked.process_id)
    networks.check(asked.model, asked.weights)
    return run(options.plan(asked, model=networks.early(asked)), process)


def merge(asked: Merge) -> None:
    """Gather what several hosts have computed in one file."""
    from egcam_jax import evaluate as runs
    from egcam_jax.output import console, endings

    whole = asked.out / runs.RESULTS
    runs.merge([*runs.parts(asked.out), *(asked.parts or [])], whole)
    endings.evaluation(console.console(), whole, runs.Process())


def run(plan: Any, process: Any) -> int:
    """Run an evaluation with progress on standard error, and return how many failures this session had."""
    from egcam_jax import evaluate as runs
    from egcam_jax.output import console, endings

    err = console.console(stderr=True)
    failures: list[str] = []
    opening = [f"going on with the run in {plan.out}: what is there is kept"]
    opening = opening if (Path(plan.out) / runs.RESULTS).exists() else []
    try:
        with console.bar(err) as step:
            tell = console.teller(err, step, failures)

            def report(progress: Any) -> None:
                while opening:  # when it is sure that the run goes on
                    console.line(err, opening.pop())
                tell(progress)

            path = runs.run(plan, process=process, report=report)
    except KeyboardInterrupt:
        console.line(err, f"stopped; what was computed is in {plan.out}, and the same command goes on there")
        raise typer.Exit(INTERRUPTED) from None
    for text in opening:
        console.line(err, text)
    endings.evaluation(console.console(), path, process)
    return len(failures) + (not runs.read(path).images)
