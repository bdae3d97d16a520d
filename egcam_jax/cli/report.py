"""`egcam report`: a run's tables, curves and pictures, from its file of results."""

from pathlib import Path
from typing import Annotated

import typer

from egcam_jax.cli import _errors


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `egcam evaluate --out` was given.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Output folder. Default: beside the results.", show_default=False)
    ] = None,
    format: Annotated[
        str, typer.Option("--format", metavar="NAME,...", help="Of the files: html, md, csv, latex.")
    ] = "html,md,csv,latex",
    debug: _errors.Debug = False,
) -> None:
    """Report an evaluation: means with intervals, which differences count, curves, ranks and a gallery.

    Files: a page (report.html), Markdown (.md), CSV (.csv) and LaTeX (.tex). A run that still goes on can be reported.
    """
    with _errors.one_line(debug):
        from egcam_jax.cli import _evaluation_report

        _evaluation_report.run(run, out, format)
