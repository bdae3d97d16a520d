"""The one runner: examples × methods × targets × metrics, as a stream of results that a sink writes down.

Every image's map and values are the same on any number of devices and processes, to rounding: keys follow from the
image's index in the data. Only metrics that compare images, and times, depend on the batch.

The devices do not wait for the host: results are fetched, and written by the sink, while the next piece of work is
under way, be it of the same batch or of the next one.
"""

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from egcam_jax.metrics import Score
from egcam_jax.run import batch, programs, sources
from egcam_jax.run.asking import AskedMethod, AskedMetric
from egcam_jax.run.judge import Ready, judge
from egcam_jax.run.progress import Clock, Progress
from egcam_jax.run.session import Session, program
from egcam_jax.run.under_way import ALONE, Started, finished, start

Todo = Mapping[int, Mapping[str, Sequence[AskedMetric]]]
"""By number of the batch and label of the method, the metrics that judge its maps."""


class Seen(NamedTuple):
    """A batch that was read.

    Attributes:
        batch: The batch.
        seen: The ``target``, ``probability`` and ``top`` class of each image; empty where none can be read.
    """

    batch: batch.Batch
    seen: Mapping[str, np.ndarray]


class Made(NamedTuple):
    """What a method, or a metric of its maps, gave for a batch.

    Attributes:
        batch: The batch.
        method: Label of the method.
        metric: The metric; ``None`` for the maps themselves.
        value: An explanation, or a ``Score``, of each image, on the host; ``None`` where it failed.
        error: What went wrong, if anything.
    """

    batch: batch.Batch
    method: str
    metric: AskedMetric | None
    value: Any
    error: Exception | None


def everything(session: Session, batches: Sequence[Any]) -> dict[int, dict[str, list[AskedMetric]]]:
    """All that there is to do."""
    return {i: {one.label: ordered(session, i) for one in session.methods} for i in range(len(batches))}


def ordered(session: Session, number: int) -> list[AskedMetric]:
    """The metrics of a batch: times of the first batch alone, and differences of others after them."""
    asked = [one for one in session.metrics if number == 0 or session.whole or one.metric.family != "cost"]
    return sorted(asked, key=lambda one: bool(one.metric.difference))


def results(
    session: Session,
    batches: Sequence[Any],
    todo: Todo,
    *,
    clock: Clock,
    again: bool = False,
) -> Iterator[Seen | Made]:
    """Explain and judge batch by batch, method by method, metric by metric.

    Args:
        session: The run.
        batches: The images of each batch.
        todo: What is to be done.
        clock: Notes the times, and what has failed.
        again: Whether what fails is tried again for the next batch; else it is left out from there on.

    Yields:
        ``Seen`` for each batch, then ``Made`` for each piece of its work.
    """
    yield from finished(_started(session, batches, todo, clock, again))


def _started(session: Session, batches: Sequence[Any], todo: Todo, clock: Clock, again: bool) -> Iterator[Started]:
    """Start piece after piece of the work, each when it is asked for."""
    order = [int(image) for number in todo for image in batches[number]]
    stream = sources.stream(session.source, session.model.preprocess, order)
    options: dict[str, Any] = {"target": session.target, "classes": session.classes, "masks": session.source.has_masks}
    for number, methods in todo.items():
        one = batch.gather(stream, number, len(batches[number]), session.size, **options)
        yield from _one_batch(session, one, methods, clock)
        yield Started(functools.partial(_end, clock, number, again), 0)


def _end(clock: Clock, number: int, again: bool) -> Iterator[Seen | Made]:
    """The end of a batch."""
    if again:
        clock.broken.clear()
    clock.tell(number + 1, f"batch {number + 1}")
    yield from ()


def clock(session: Session, todo: Todo, report: Callable[[Progress], None]) -> Clock:
    """The clock of a run."""
    kinds = {
        number: [(method, label) for method, some in methods.items() for label in (None, *(one.label for one in some))]
        for number, methods in todo.items()
    }
    return Clock(kinds, session.plan.batch, report)


def _one_batch(
    session: Session, one: batch.Batch, methods: Mapping[str, Sequence[AskedMetric]], clock: Clock
) -> Iterator[Started]:
    if not one.images:
        yield Started(lambda: iter([Seen(one, {})]), 0)
        return
    began = time.perf_counter()
    arrays = programs.spread(one.arrays, session.devices)
    look = program(session, "look", lambda: programs.look(session.plan, session.model, session.target.k))
    seen = look(session.shared, arrays)

    def finish() -> Iterator[Seen]:
        known = jax.device_get(seen)
        clock.note(None, began)
        yield Seen(one, known)

    yield Started(finish)
    arrays = {name: value for name, value in arrays.items() if name != "allowed"}
    ready = Ready(session, one, {**arrays, "target": seen["target"]}, seen["top"], {})
    for method in session.methods:
        if method.label in methods and (method.label, None) not in clock.broken:
            yield from _one_method(ready, method, methods[method.label], clock)


def _one_method(ready: Ready, method: AskedMethod, metrics: Sequence[AskedMetric], clock: Clock) -> Iterator[Started]:
    """One method's maps of a batch, then all metrics of them."""
    one, count = ready.batch, ready.length
    maps, end = start(clock, one.number, (method.label, None), lambda: explained(ready.session, ready.arrays, method))

    def finish() -> Iterator[Made]:
        host = lambda: jax.tree.map(lambda leaf: np.asarray(leaf)[:count], jax.block_until_ready(maps))
        yield Made(one, method.label, None, *end(host))

    yield Started(finish)
    if maps is None:
        return
    known: dict[str, np.ndarray] = {}
    for metric in metrics:
        # Times are of what is under way alone; a difference is taken of values that have been fetched.
        if metric.metric.family == "cost" or (metric.metric.difference and len(metrics) > 1):
            yield Started(lambda: iter(()), ALONE)
        if not clock.left_out((method.label, metric.label)):
            yield _one_metric(ready, maps.saliency, method, metric, clock, known)


def _one_metric(
    ready: Ready, saliency: Any, method: AskedMethod, metric: AskedMetric, clock: Clock, known: dict[str, np.ndarray]
) -> Started:
    """A metric of a method's maps of a batch; ``known`` has the values of those before, and gets this one's."""
    kind = (method.label, metric.label)
    scores, end = start(clock, ready.batch.number, kind, lambda: _scores(ready, saliency, method, metric, known))

    def finish() -> Iterator[Made]:
        if clock.left_out(kind):  # the maps failed after their metric had started
            return
        score, error = end(scores)
        if score is not None:
            known[metric.label] = score.value
        yield Made(ready.batch, method.label, metric, score, error)

    return Started(finish)


def explained(session: Session, arrays: dict[str, Any], method: AskedMethod) -> Any:
    """A method's explanations of a batch."""
    make = lambda: programs.explained(session.plan, session.model, method, session.whole)
    return program(session, method.label, make)(session.shared, arrays)


def _scores(
    ready: Ready, saliency: Any, method: AskedMethod, metric: AskedMetric, known: Mapping[str, np.ndarray]
) -> Callable[[], Score]:
    """Start a metric for a batch; of several targets, for one after another by the same program."""
    if ready.arrays["target"].ndim == 1:
        arrays = {**ready.arrays, "saliency": saliency}
        scores = judge(ready._replace(arrays=arrays), method, metric, known)
        return lambda: _first(scores(), ready.length)
    parts = []
    for t in range(ready.arrays["target"].shape[1]):
        arrays = {**ready.arrays, "saliency": saliency[:, t], "target": ready.arrays["target"][:, t]}
        before = {label: values[:, t] for label, values in known.items()}
        parts.append(judge(ready._replace(arrays=arrays), method, metric, before))

    def stacked() -> Score:
        scores = [_first(part(), ready.length) for part in parts]
        return Score(np.stack([score.value for score in scores], axis=1), None, scores[0].evaluations)

    return stacked


def _first(score: Score, count: int) -> Score:
    """The scores of the images, without those of what fills the batch up."""
    curve = None if score.curve is None else np.asarray(score.curve)[:count]
    return Score(np.asarray(score.value)[:count], curve, score.evaluations)
