"""What `egcam evaluate` shows while it runs, and says at the end."""

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from egcam_jax import evaluate
from egcam_jax.cli import _output, _report
from egcam_jax.evaluate._references import DEMO, LEFT
from egcam_jax.report._facts import counted

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
_SEVERAL = 5
"""Images with labels of which a network for their classes gets at least one right."""
_SILENCE = 60
"""Seconds without a word, where there is no bar."""


def split(text: str) -> list[str]:
    """Read names that are set apart by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def run(plan: evaluate.Plan, process: evaluate.Process) -> int:
    """Run an evaluation with progress on standard error, and return how many failures this session had."""
    err = _report.console(stderr=True)
    failures: list[str] = []
    there = (Path(plan.out) / evaluate.RESULTS).exists()
    opening = f"going on with the run in {plan.out}: what is there is kept" if there else ""
    try:
        with _shown(err, failures, opening) as report:
            path = evaluate.run(plan, process=process, report=report)
    except KeyboardInterrupt:
        _line(err, f"stopped; what was computed is in {plan.out}, and the same command goes on there")
        raise typer.Exit(INTERRUPTED) from None
    _say(_report.console(), path, process)
    return len(failures)


def merge(out: Path, parts: Sequence[Path]) -> None:
    """Merge the parts of a run, and say what came of it."""
    whole = out / evaluate.RESULTS
    evaluate.merge([*evaluate.parts(out), *parts], whole)
    _say(_report.console(), whole, evaluate.Process())


@contextlib.contextmanager
def _shown(err: Console, failures: list[str], opening: str) -> Iterator[Callable[[evaluate.Progress], None]]:
    """A bar for a terminal, else a line for each batch and every minute; failures at once, wherever.

    The opening words come with the first of it, when it is sure that the run goes on.
    """
    terminal = err.is_terminal and err.file.isatty()  # in a notebook Rich takes what is none for one
    bar = Progress(
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.description}"),
        console=err,
        transient=True,
        disable=not terminal,
    )
    task = bar.add_task("loading", total=1.0, left="")
    last, told = 0, time.monotonic()

    def report(progress: evaluate.Progress) -> None:
        nonlocal last, told, opening
        if opening:
            _line(err, opening)
        opening = ""
        if progress.failure:
            failures.append(progress.failure)
            _line(err, f"failed, and left out from here on: {progress.failure}")
        bar.update(task, completed=progress.share, description=_doing(progress), left=_left(progress.left))
        if not terminal and (progress.batch > last or time.monotonic() > told + _SILENCE):
            _line(
                err, _batch_line(progress) if progress.batch > last else f"{_doing(progress)}; {_left(progress.left)}"
            )
            told = time.monotonic()
        last = progress.batch

    with bar:
        yield report
    if opening:
        _line(err, opening)


def _doing(progress: evaluate.Progress) -> str:
    """Which batch is under way, what of it has just been done, and how fast its method is."""
    place = f"batch {min(progress.batch + 1, progress.batches)} of {progress.batches}"
    method = progress.doing.partition(" · ")[0]
    if method not in progress.rates:
        return place
    return f"{place}: done {progress.doing}, {progress.rates[method]:.3g} images/s"


def _batch_line(progress: evaluate.Progress) -> str:
    """How far it is, and how fast each method is."""
    rates = ", ".join(f"{method} {rate:.3g}" for method, rate in progress.rates.items())
    parts = (_left(progress.left), f"images/s: {rates}" if rates else "")
    return "; ".join(filter(None, (f"batch {progress.batch} of {progress.batches} done", *parts)))


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"about {datetime.timedelta(seconds=round(seconds))} left"


def _say(out: Console, path: Path, process: evaluate.Process) -> None:
    """Say what there is now."""
    found = evaluate.read(path)
    session = found.sessions[-1] if found.sessions else {}
    methods, metrics = (len({kind[i] for kind in found.values}) for i in (0, 1))
    undefined = sum(int((there & np.isnan(found.values[kind])).sum()) for kind, there in found.computed.items())
    missing = sum(int((~there).sum()) for (_, metric), there in found.computed.items() if metric != "running_time")
    counts = [f"{undefined} values undefined", f"{len(found.unreadable)} unreadable"]
    counts = [f"{missing} values missing"] * bool(missing) + [*counts, counted(len(found.failures), "failure")]
    wanted, there = found.asked["data"]["count"], len(found.images)
    images = (
        counted(there, "image") if there + len(found.unreadable) >= wanted else f"{there} of {wanted} images so far"
    )
    _line(out, f"{images}, {counted(methods, 'method')}, {counted(metrics, 'metric')} in {path}")
    _line(out, f"  {', '.join(counts)}")
    if known := found.asked.get("references"):
        drawn = "; --refs DATA takes others" if known["source"] == DEMO or known["source"].endswith(LEFT) else ""
        _line(out, f"  references: {known['count']} images from {known['source']}{drawn}")
    judged = [it.correct for it in found.images if it.correct is not None]
    if len(judged) >= _SEVERAL and not any(judged) and not found.asked["data"]["source"].startswith("mosaic:"):
        _line(out, f"  note: the top class is none of the labels for all {len(judged)} images: are these its classes?")
    for name, reason in session.get("left_out", {}).items():
        _line(out, f"  without {name}: {reason}")
    for name, reason in found.unreadable[:5]:
        _line(out, f"  unreadable: {name}: {reason}")
    if traces := session.get("traces"):
        again = [name for name, times in traces.items() if times > 1]
        _line(out, f"  {len(traces)} programs compiled, {f'again: {again}' if again else 'each once'}")
    what = f"egcam merge {path.parent}" if process.of > 1 else f"egcam report {path.parent}"
    _line(out, f"  next: {what}")


def _line(out: Console, text: str) -> None:
    out.print(_output.printable(text), soft_wrap=True, markup=False)
