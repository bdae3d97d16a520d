"""A progress bar with the time left, for a person at a terminal, on anything that takes over two seconds."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_DELAY = 2.0


@contextlib.contextmanager
def bar(console: Console, total: int, *, delay: float = _DELAY) -> Iterator[Callable[[str, int], None]]:
    """Show progress until the block ends, then leave no trace of it.

    Args:
        console: Where to draw; nothing is drawn unless it is a terminal.
        total: Steps to do.
        delay: Seconds before anything is shown.

    Yields:
        A function of what is going on and how many more steps are done.
    """
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    )
    task = progress.add_task("starting", total=total)
    timer = threading.Timer(delay, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda doing, done: progress.update(task, description=doing, advance=done)
    finally:
        timer.cancel()
        timer.join()
        if progress.live.is_started:
            progress.stop()
