"""`egcam report`: a run's tables, curves and pictures, from its file of results."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from egcam_jax.cli.command import Options, flag


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report(Options):
    """The flags of `report`."""

    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `egcam evaluate --out` was given.")]
    out: Annotated[Path | None, flag("Output folder. Default: beside the results.", metavar="DIR")] = None
    format: Annotated[str, flag("Of the files: html, md, csv, latex.", "--format", metavar="NAME,...")] = (
        "html,md,csv,latex"
    )


def report(asked: Report) -> int:
    """Report an evaluation: means with intervals, which differences count, curves, ranks and a gallery.

    Files: a page (report.html), Markdown (.md), CSV (.csv) and LaTeX (.tex). A run that still goes on can be reported.
    """
    from egcam_jax.output import evaluated

    return evaluated.report(asked.run, asked.out, asked.format)
