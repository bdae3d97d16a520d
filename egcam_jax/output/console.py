"""Where commands print, and the one progress bar."""

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from egcam_jax.report.text import printable

_SILENCE = 60
"""Seconds without a word, where there is no bar."""


def console(*, stderr: bool = False) -> Console:
    """A console that wraps lines for people only: what is piped stays a line where it is a line."""
    plain = Console(stderr=stderr, highlight=False)
    return plain if plain.is_terminal else Console(stderr=stderr, highlight=False, width=200)


def line(out: Console, text: str, style: str = "") -> None:
    """Print a line as it is."""
    out.print(Text(printable(text), style), soft_wrap=True)


@contextlib.contextmanager
def bar(out: Console) -> Iterator[Callable[..., None]]:
    """Show progress on a terminal until the block ends, then leave no trace of it.

    Yields:
        A function of what is going on, and of the share of the work that is done.
    """
    shown = Progress(
        *(BarColumn(), TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.description}")),
        console=out,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not (out.is_terminal and out.file.isatty()),  # in a notebook Rich takes what is none for a terminal
    )
    task = shown.add_task("starting", total=1.0)

    def step(doing: str, share: float | None = None) -> None:
        shown.update(task, description=printable(doing), completed=share)

    with shown:
        yield step


def teller(err: Console, step: Callable[..., None], failures: list[str]) -> Callable[[Any], None]:
    """Tell how far a run is: by the bar on a terminal, else by a line for each batch and every minute.

    Args:
        err: Where failures are named, at once.
        step: Of the bar.
        failures: Gathers them.
    """
    silent = not (err.is_terminal and err.file.isatty())
    last, told = 0, time.monotonic()

    def report(progress: Any) -> None:
        nonlocal last, told
        if progress.failure:
            failures.append(progress.failure)
            line(err, f"failed, and left out from here on: {progress.failure}")
        step(doing(progress), progress.share)
        if silent and (progress.batch > last or time.monotonic() > told + _SILENCE):
            line(err, _batch(progress) if progress.batch > last else f"{doing(progress)}; {_left(progress.left)}")
            told = time.monotonic()
        last = progress.batch

    return report


def doing(progress: Any) -> str:
    """Which batch is under way, what of it has just been done, and how fast its method is."""
    place = f"batch {min(progress.batch + 1, progress.batches)} of {progress.batches}"
    method = progress.doing.partition(" · ")[0]
    if method not in progress.rates:
        return place
    return f"{place}: done {progress.doing}, {progress.rates[method]:.3g} images/s"


def _batch(progress: Any) -> str:
    """How far it is, and how fast each method is."""
    rates = ", ".join(f"{method} {rate:.3g}" for method, rate in progress.rates.items())
    parts = (_left(progress.left), f"images/s: {rates}" if rates else "")
    return "; ".join(filter(None, (f"batch {progress.batch} of {progress.batches} done", *parts)))


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"about {datetime.timedelta(seconds=round(seconds))} left"
