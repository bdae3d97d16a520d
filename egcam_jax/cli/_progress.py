"""A progress bar with the time left, for a person at a terminal, on anything that takes over two seconds."""

import contextlib
import datetime
import threading
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

_DELAY = 2.0
_STEP = 1.0
"""Seconds that a step is taken to last before any has been done."""


@contextlib.contextmanager
def bar(
    console: Console, total: float, *, delay: float = _DELAY, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[str, float], None]]:
    """Show progress until the block ends, then leave no trace of it.

    Args:
        console: Where to draw; nothing is drawn unless it is a terminal.
        total: Steps to do.
        delay: Seconds before anything is shown.
        clock: Seconds since whenever.

    Yields:
        A function of what is going on and how many more steps are done.
    """
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        _Left(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
        get_time=clock,
    )
    task = progress.add_task("starting", total=total, since=0.0)

    def step(doing: str, done: float) -> None:
        progress.update(task, description=doing, advance=done)
        if done:
            progress.update(task, since=progress.tasks[0].elapsed or 0.0)

    timer = threading.Timer(delay, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield step
    finally:
        timer.cancel()
        timer.join()
        if progress.live.is_started:
            progress.stop()


def left(done: float, total: float, since: float, now: float) -> float:
    """Seconds left: the time of a step so far, times the steps to do, less what has passed since the last one.

    One step of ``_STEP`` seconds counts as done before the first, so that there is an estimate from the start. What
    takes longer than that is taken to go on for half as long as it has.

    Args:
        done: Steps done.
        total: Steps in all.
        since: Seconds from the start to the end of the last step.
        now: Seconds from the start.
    """
    waited = now - since
    return max((since + _STEP) / (done + 1) * (total - done) - waited, waited / 2) if done < total else 0.0


class _Left(ProgressColumn):
    def render(self, task: Task) -> Text:
        seconds = left(task.completed, task.total or 0, task.fields["since"], task.elapsed or 0.0)
        return Text(f"about {datetime.timedelta(seconds=round(seconds))} left")
