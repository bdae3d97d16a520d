"""The command line: arguments, progress and messages; what is computed lives below.

Nothing here imports JAX before a command runs, so that `egcam --help` answers at once.
"""

import gc
import io
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from egcam_jax.cli import compare, evaluate, explain, inspect, report, reproduce, saturation
from egcam_jax.cli.command import add

app = typer.Typer(
    name="egcam",
    help="Where did the classifier look? Expected Grad-CAM and its relatives, from the command line.",
    epilog="Start with: egcam explain (a demonstration), then: egcam explain PHOTO.jpg",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
add(app, "explain", explain.Explain, explain.explain)
add(app, "compare", compare.Compare, compare.compare)
add(app, "evaluate", evaluate.Evaluate, evaluate.evaluate)
add(app, "merge", evaluate.Merge, evaluate.merge)
add(app, "report", report.Report, report.report)
add(app, "reproduce", reproduce.Reproduce, reproduce.reproduce)
add(app, "saturation", saturation.Saturation, saturation.saturation)
add(app, "layers", inspect.Layers, inspect.layers)
add(app, "models", inspect.Options, inspect.models)
add(app, "methods", inspect.Options, inspect.methods)
add(app, "metrics", inspect.Options, inspect.metrics)
add(app, "doctor", inspect.Options, inspect.doctor)


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
    gc.set_threshold(50_000, 20, 20)  # tracing makes many objects and little garbage: looking for it takes a tenth
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter shows "?" for it
            stream.reconfigure(errors="replace")
    app()
