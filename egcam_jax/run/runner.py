"""The one runner: examples × methods × targets × metrics, as a stream of results that a sink writes down.

Every image's map and values are the same on any number of devices and processes, to rounding: keys follow from the
image's index in the data. Only metrics that compare images, and times, depend on the batch.
"""

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
    order = [int(image) for number in todo for image in batches[number]]
    stream = sources.stream(session.source, session.model.preprocess, order)
    for number, methods in todo.items():
        options: dict[str, Any] = {"target": session.target, "classes": session.classes}
        options["masks"] = session.source.has_masks
        one = batch.gather(stream, number, len(batches[number]), session.size, **options)
        yield from _one_batch(session, one, methods, clock)
        if again:
            clock.broken.clear()
        clock.tell(number + 1, f"batch {number + 1}")


def clock(session: Session, todo: Todo, report: Callable[[Progress], None]) -> Clock:
    """The clock of a run."""
    kinds = {
        number: [(method, label) for method, some in methods.items() for label in (None, *(one.label for one in some))]
        for number, methods in todo.items()
    }
    return Clock(kinds, session.plan.batch, report)


def _one_batch(
    session: Session, one: batch.Batch, methods: Mapping[str, Sequence[AskedMetric]], clock: Clock
) -> Iterator[Seen | Made]:
    if not one.images:
        yield Seen(one, {})
        return
    arrays = programs.spread(one.arrays, session.devices)
    look = program(session, "look", lambda: programs.look(session.plan, session.model, session.target.k))
    seen = jax.device_get(look(session.shared, arrays))
    yield Seen(one, seen)
    arrays = {name: value for name, value in arrays.items() if name != "allowed"}
    arrays["target"] = programs.spread(seen["target"].astype(np.int32), session.devices)
    ready = Ready(session, one, arrays, seen["top"], {})
    for method in session.methods:
        if method.label in methods and (method.label, None) not in clock.broken:
            yield from _one_method(ready, method, methods[method.label], clock)


def _one_method(ready: Ready, method: AskedMethod, metrics: Sequence[AskedMetric], clock: Clock) -> Iterator[Made]:
    """One method's maps of a batch, then all metrics of them."""
    one, count = ready.batch, ready.length
    make = lambda: jax.block_until_ready(explained(ready.session, ready.arrays, method))
    maps, error = _attempt(clock, one.number, (method.label, None), make)
    own = maps and jax.tree.map(lambda leaf: np.asarray(leaf)[:count], maps)
    yield Made(one, method.label, None, own, error)
    if maps is None:
        return
    known: dict[str, np.ndarray] = {}
    for metric in metrics:
        if (method.label, metric.label) in clock.broken:
            continue
        ask = lambda: _scores(ready, maps.saliency, method, metric, known)  # noqa: B023
        score, error = _attempt(clock, one.number, (method.label, metric.label), ask)
        if score is not None:
            known[metric.label] = score.value
        yield Made(one, method.label, metric, score, error)


def explained(session: Session, arrays: dict[str, Any], method: AskedMethod) -> Any:
    """A method's explanations of a batch."""
    make = lambda: programs.explained(session.plan, session.model, method, session.whole)
    return program(session, method.label, make)(session.shared, arrays)


def _scores(
    ready: Ready, saliency: Any, method: AskedMethod, metric: AskedMetric, known: Mapping[str, np.ndarray]
) -> Score:
    """A metric's values of a batch; of several targets, those of one after another by the same program."""
    if ready.arrays["target"].ndim == 1:
        arrays = {**ready.arrays, "saliency": saliency}
        return _first(judge(ready._replace(arrays=arrays), method, metric, known), ready.length)
    parts = []
    for t in range(ready.arrays["target"].shape[1]):
        arrays = {**ready.arrays, "saliency": saliency[:, t], "target": ready.arrays["target"][:, t]}
        before = {label: values[:, t] for label, values in known.items()}
        parts.append(_first(judge(ready._replace(arrays=arrays), method, metric, before), ready.length))
    return Score(np.stack([part.value for part in parts], axis=1), None, parts[0].evaluations)


def _first(score: Score, count: int) -> Score:
    """The scores of the images, without those of what fills the batch up."""
    curve = None if score.curve is None else np.asarray(score.curve)[:count]
    return Score(np.asarray(score.value)[:count], curve, score.evaluations)


def _attempt(
    clock: Clock, number: int, kind: tuple[str, str | None], work: Callable[[], Any]
) -> tuple[Any, Exception | None]:
    """Do a piece of work; what fails, whatever it is, is told, left out from here on, and stops nothing else."""
    result, failure = None, None
    try:
        with clock.timed(kind):
            result = work()
    except Exception as error:
        failure = error
        clock.broken.add(kind)
    doing = " · ".join(filter(None, kind))
    clock.tell(number, doing, f"{doing}: {describe(failure)}" if failure else "")
    return result, failure


def describe(error: Exception) -> str:
    """An error on one line, with its kind."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
