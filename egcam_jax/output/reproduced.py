"""What `egcam reproduce` prints: our figures beside the paper's, and what is not as in the paper."""

from collections.abc import Mapping

from rich.console import Console

from egcam_jax import paper
from egcam_jax.output import console
from egcam_jax.report import tables
from egcam_jax.run.store import Run


def say(out: Console, table: paper.Table, runs: Mapping[str, Run]) -> None:
    """Print ours beside the paper's, and what is not as in the paper."""
    rows = paper.compare(table, runs)
    doubts = paper.lettered(rows)
    for name, run in runs.items():
        for sheet in paper.sheets(table, [row for row in rows if row.run == name], doubts):
            out.print()
            console.line(out, f"{name}, beside {sheet.network}", "bold")
            out.print(tables.terminal(["", *sheet.head[1:]], sheet.rows, between=" to "))
        for text in paper.deviations(table, run):
            console.line(out, f"  {text}", "dim")
    if doubts:
        out.print()
    for text, mark in doubts.items():
        console.line(out, f"  {mark}) {text}", "dim")
