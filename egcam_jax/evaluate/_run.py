"""The run itself: batch by batch, method by method, metric by metric, each written as soon as it is there."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np

from egcam_jax import data
from egcam_jax.evaluate import _batch, _programs, _progress, _state, _store
from egcam_jax.evaluate._judge import judge
from egcam_jax.evaluate._labels import AskedMethod, AskedMetric
from egcam_jax.evaluate._plan import Plan
from egcam_jax.evaluate._processes import ALONE, Process
from egcam_jax.evaluate._progress import Progress
from egcam_jax.evaluate._state import State
from egcam_jax.evaluate._work import Work, prepare

_CURVES = ("insertion_auc", "deletion_auc")
"""Metrics whose curves are kept."""
_REASON = 500
"""Letters of a failure's reason that are kept."""


def run(plan: Plan, *, process: Process = ALONE, report: Callable[[Progress], None] = lambda progress: None) -> Path:
    """Evaluate methods by metrics on images, and go on where an earlier run of the same plan stopped.

    Every image's map and values are the same on any number of devices and processes, to rounding: keys follow from the
    image's index in the data. Only ``sufficiency``, which compares images, and ``running_time`` depend on the batch.

    Args:
        plan: What is asked for.
        process: Which share of the batches is this process's, from ``join``; each writes a file of its own, to merge.
        report: Told how far it is, after each piece of work.

    Returns:
        The file of results, for ``read``.

    Raises:
        ValueError, TypeError, ImportError, OSError: As ``prepare``; before anything is computed. A method or metric
            that fails is recorded in the file and stops no other.
        ResultsError: The file is of another run, and it says what differs; or it cannot be written.
    """
    work = prepare(plan)
    path = Path(plan.out) / _store.name(*process)
    with closing(_store.create(path, work.asked)) as store:
        _session(work, store, process, report)
    return path


def _session(work: Work, store: Any, process: Process, report: Callable[[Progress], None]) -> None:
    """Do what is pending."""
    _look_again(work, store)
    pending = _pending(work, store, process)
    provenance = _state.provenance(work, process)
    session = _store.begin(store, provenance)
    state = _begin(work, store, session, pending, report)
    cut = _batch.cut(work.chosen, work.plan.batch)
    order = [int(image) for number in pending for image in cut[number]]
    stream = data.stream(work.source, work.model.preprocess, order)
    for number, todo in pending.items():
        _one_batch(state, stream, number, len(cut[number]), todo)
        _store.settle(store)
        state.tell(number + 1, f"batch {number + 1}")
    rates = _progress.rates(state.times, work.plan.batch)
    _store.end(store, session, {**provenance, "ended": _state.now(), "traces": state.traces, "rates": rates})


def _look_again(work: Work, store: Any) -> None:
    """Try images that could not be read once more: a disk that was away may be back."""
    if gone := sorted(_store.unreadable(store)):
        loaded = data.stream(work.source, work.model.preprocess, gone)
        _store.readable(store, [it.index for it in loaded if it.error is None])


def _begin(
    work: Work,
    store: Any,
    session: int,
    pending: Mapping[int, Mapping[str, Sequence[AskedMetric]]],
    report: Callable[[Progress], None],
) -> State:
    devices = _programs.mesh()
    times: dict[_progress.Kind, list[float]] = {}
    broken: set[_progress.Kind] = set()
    tell = _progress.teller(pending, work.plan.batch, times, broken, report)
    size = _programs.padded(work.plan.batch, devices)
    return State(work, store, session, devices, size, _state.shared(work, devices), {}, {}, times, broken, tell)


def _one_batch(
    state: State, stream: Iterator[data.Loaded], number: int, count: int, todo: Mapping[str, Sequence[AskedMetric]]
) -> None:
    """Explain and judge a batch by what is pending for it."""
    work = state.work
    top = work.plan.target == "top"
    masks = work.source.has_masks
    batch = _batch.gather(stream, number, count, state.size, classes=_classes(work), top=top, masks=masks)
    if not batch.images:
        _store.put_images(state.store, [], batch.unreadable)
        return
    arrays = _programs.spread(batch.arrays, state.devices)
    seen = jax.device_get(_state.program(state, "look", lambda: _programs.look(work))(state.shared, arrays))
    rows = _batch.rows(batch, seen, work.model.class_names, _kept(work))
    _store.put_images(state.store, rows, batch.unreadable)
    arrays["target"] = _programs.spread(seen["target"].astype(np.int32), state.devices)
    arrays = {name: value for name, value in arrays.items() if name != "allowed"}
    extra: dict[str, Any] = {"count": len(batch.images), "top": seen["top"]}
    for method in work.methods:
        if method.label in todo and (method.label, None) not in state.broken:
            _one_method(state, batch, arrays, extra, method, todo[method.label])


def _one_method(
    state: State,
    batch: _batch.Batch,
    arrays: dict[str, Any],
    extra: dict[str, Any],
    method: AskedMethod,
    metrics: Sequence[AskedMetric],
) -> None:
    """One method's maps of a batch and all that is asked of them, each written as soon as it is there."""
    count, images = len(batch.images), [it.index for it in batch.images]
    values: dict[str, np.ndarray] = {}

    def maps() -> Any:
        program = _state.program(state, method.label, lambda: _programs.explained(state.work, method))
        return jax.block_until_ready(program(state.shared, arrays))

    nothing = _store.Outcome(method.label, images, None, {}, {})
    found = _attempt(state, batch.number, (method.label, None), maps)
    if isinstance(found, _store.Failure):
        _store.put(state.store, nothing, [found])
        return
    _store.put(state.store, nothing._replace(cams=np.asarray(found["cam"])[:count]))
    judged = {**arrays, "saliency": found["saliency"]}
    for metric in metrics:
        kind = (method.label, metric.label)
        if kind in state.broken:
            continue
        ask = functools.partial(judge, state, judged, extra, method, metric, values)
        score = _attempt(state, batch.number, kind, ask)
        if isinstance(score, _store.Failure):
            _store.put(state.store, nothing, [score])
            continue
        values[metric.label] = np.asarray(score.value)[:count]
        curves = {metric.label: np.asarray(score.curve)[:count]} if metric.metric.name in _CURVES else {}
        _store.put(state.store, nothing._replace(values={metric.label: values[metric.label]}, curves=curves))


def _attempt(state: State, number: int, kind: _progress.Kind, work: Callable[[], Any]) -> Any:
    """Do a piece of work; what fails, whatever it is, is noted, left out from here on, and stops nothing else."""
    reason = ""
    try:
        with _state.timed(state, kind):
            result = work()
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:_REASON]
        state.broken.add(kind)
        result = _store.Failure(state.session, number, *kind, reason)
    doing = " · ".join(filter(None, kind))
    state.tell(number, doing, f"{doing}: {reason}" if reason else "")
    return result


def _pending(work: Work, store: Any, process: Process) -> dict[int, dict[str, list[AskedMetric]]]:
    """What this process has to do: by batch and method, the metrics that are not there yet."""
    done, unreadable = _store.done(store), _store.unreadable(store)
    pending = {}
    for number, indices in enumerate(_batch.cut(work.chosen, work.plan.batch)):
        readable = set(indices.tolist()) - unreadable
        if number % process.of != process.number or not readable:
            continue
        lacks = lambda method, metric: not readable <= done.get((method.label, metric.label), frozenset())  # noqa: B023
        todo = {it.label: [metric for metric in _ordered(work, number) if lacks(it, metric)] for it in work.methods}
        if any(todo.values()):
            pending[number] = {label: metrics for label, metrics in todo.items() if metrics}
    return pending


def _ordered(work: Work, number: int) -> list[AskedMetric]:
    """The metrics of a batch: times of the first alone, and what follows from others after them."""
    asked = [it for it in work.metrics if number == 0 or it.metric.family != "cost"]
    return sorted(asked, key=lambda it: it.metric.name == "insertion_deletion")


def _classes(work: Work) -> int:
    """How many classes the network tells apart, known without running it."""
    size = work.model.preprocess.size
    x = jax.ShapeDtypeStruct((1, size, size, 3), np.float32)
    return int(jax.eval_shape(work.model.apply_fn, work.model.params, x).shape[1])


def _kept(work: Work) -> frozenset[int]:
    """The images whose pictures are kept: evenly over the data."""
    step = max(-(-len(work.chosen) // max(work.plan.pictures, 1)), 1)
    return frozenset(work.chosen[::step].tolist()) if work.plan.pictures else frozenset()
