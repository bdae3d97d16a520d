"""The command line: arguments, progress and messages; what is computed lives below.

Nothing here imports JAX before a command runs, so that `egcam --help` and shell completion answer at once.
"""

import io
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from egcam_jax.cli import _once, compare, evaluate, explain, inspect, report, reproduce, saturation

app = typer.Typer(
    name="egcam",
    help="Where did the classifier look? Expected Grad-CAM and its relatives, from the command line.",
    epilog="Start with: egcam explain (a demonstration), then: egcam explain PHOTO.jpg",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("explain", cls=_once.Command)(explain.explain)
app.command("compare", cls=_once.Command)(compare.compare)
app.command("evaluate", cls=_once.Command)(evaluate.evaluate)
app.command("merge", cls=_once.Command)(evaluate.merge)
app.command("report", cls=_once.Command)(report.report)
app.command("reproduce", cls=_once.Command)(reproduce.reproduce)
app.command("saturation", cls=_once.Command)(saturation.saturation)
app.command("layers", cls=_once.Command)(inspect.layers)
app.command("models", cls=_once.Command)(inspect.models)
app.command("methods", cls=_once.Command)(inspect.methods)
app.command("metrics", cls=_once.Command)(inspect.metrics)
app.command("doctor", cls=_once.Command)(inspect.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"egcam {version('egcam-jax')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that come before a command's name."""


def main() -> None:
    """Run the command line: the entry point `egcam`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter shows "?" for it
            stream.reconfigure(errors="replace")
    app()
