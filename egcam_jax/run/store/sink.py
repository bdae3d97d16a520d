"""The sink of `evaluate`: a run's results go into one SQLite file, each as soon as it is there."""

import io
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from egcam_jax.run import provenance, runner, sources, under_way
from egcam_jax.run.batch import cut
from egcam_jax.run.plan import Plan
from egcam_jax.run.processes import ALONE, Process
from egcam_jax.run.progress import Progress
from egcam_jax.run.session import Session, prepare
from egcam_jax.run.store import content, file
from egcam_jax.run.store import writing as write
from egcam_jax.run.store.rows import Failure, ImageRow, Outcome

_QUALITY = 88


def run(plan: Plan, *, process: Process = ALONE, report: Callable[[Progress], None] = lambda progress: None) -> Path:
    """Evaluate methods by metrics on images, and go on where an earlier run of the same plan stopped.

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

    Example:
        >>> import tempfile
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from egcam_jax import data, evaluate, models
        >>> def apply_fn(weights, x):
        ...     with jax.named_scope("features"):
        ...         activations = jax.nn.relu(x)
        ...     return activations.mean((1, 2)) @ weights
        ...
        >>> settings, weights = models.Preprocess(size=4, resize=4), jnp.ones((3, 2)) * jnp.array([1.0, -1])
        >>> model = models.Model("mine", apply_fn, weights, settings, ("bright", "dark"), "features", "", "", (4, 4, 3))
        >>> pictures = (200 - 50 * np.arange(3 * 4 * 4 * 3).reshape(3, 4, 4, 3) % 7).astype(np.uint8)
        >>> read = lambda i: data.Example(f"{i}.png", pictures[i], (0,), None)
        >>> names = ("0.png", "1.png", "2.png")
        >>> source = data.Records("mine", names, has_masks=False, read=read, labels=lambda i: (0,))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plan = evaluate.Plan(source, folder, model, methods="gradcam", metrics="sparseness", limit=2)
        ...     results = evaluate.read(evaluate.run(plan))
        ...
        >>> len(results.images), results.failures, list(results.values)
        (2, [], [('gradcam', 'sparseness')])
    """
    session = prepare(plan)
    if session.target.k > 1:
        raise ValueError(f"target must be one class of each image in an evaluation; got {plan.target}. Take top.")
    path = Path(plan.out) / file.name(*process)
    with closing(file.create(path, session.asked)) as store:
        _fill(session, store, path, process, report)
    return path


def _fill(session: Session, store: Any, path: Path, process: Process, report: Callable[[Progress], None]) -> None:
    """Compute and write what is pending."""
    fingerprint = content.check(session, store, path)
    _look_again(session, store)
    batches = cut(session.chosen, session.plan.batch)
    todo = _pending(session, store, batches, process)
    known = provenance.of_session(session) | {"process": list(process), "fingerprint": fingerprint}
    number = write.begin(store, known)
    clock, kept = runner.clock(session, todo, report), _kept(session)
    for result in runner.results(session, batches, todo, clock=clock):
        if isinstance(result, runner.Seen):
            write.settle(store)
            contents = [(one.index, content.digest(one)) for one in result.batch.images]
            write.put_images(store, _rows(session, result, kept), result.batch.unreadable, contents)
        else:
            write.put(store, _outcome(result), _failures(result, number))
    write.settle(store)
    ended = {"ended": provenance.now(), "traces": session.traces, "rates": clock.rates}
    write.end(store, number, {**known, **ended})


def _look_again(session: Session, store: Any) -> None:
    """Try images that could not be read once more: a disk that was away may be back."""
    if gone := sorted(write.unreadable(store)):
        loaded = sources.stream(session.source, session.model.preprocess, gone)
        write.readable(store, [one.index for one in loaded if one.error is None])


def _pending(session: Session, store: Any, batches: list[np.ndarray], process: Process) -> runner.Todo:
    """What this process has to do: by batch and method, the metrics that are not there yet."""
    done, unreadable = write.done(store), write.unreadable(store)
    todo: dict[int, dict[str, Any]] = {}
    for number, indices in enumerate(batches):
        readable = set(indices.tolist()) - unreadable
        if number % process.of != process.number or not readable:
            continue
        for method in session.methods:
            there = lambda metric: done.get((method.label, metric.label), frozenset())  # noqa: B023
            if metrics := [one for one in runner.ordered(session, number) if not readable <= there(one)]:
                todo.setdefault(number, {})[method.label] = metrics
    return todo


def _rows(session: Session, result: runner.Seen, kept: frozenset[int]) -> list[ImageRow]:
    """What is known of a batch's images."""
    at = lambda i: {name: value[i] for name, value in result.seen.items()}
    return [_row(one, at(i), session.model.class_names, kept) for i, one in enumerate(result.batch.images)]


def _row(one: Any, seen: Mapping[str, Any], class_names: Any, kept: frozenset[int]) -> ImageRow:
    target, shown = int(seen["target"]), one.index in kept
    return ImageRow(
        image=one.index,
        id=one.id,
        target=target,
        label=class_names[target] if class_names else str(target),
        probability=float(seen["probability"]),
        correct=bool(int(seen["top"]) in one.labels) if one.labels else None,
        picture=_file(one.crop, "JPEG", quality=_QUALITY) if shown else None,
        mask=_file(np.uint8(255) * one.mask, "PNG") if shown and one.mask is not None else None,
    )


def _outcome(result: runner.Made) -> Outcome:
    """What one piece of work gave, as rows."""
    nothing = Outcome(result.method, [one.index for one in result.batch.images], None, {}, {})
    if result.value is None:
        return nothing
    if result.metric is None:
        return nothing._replace(cams=result.value.cam)
    label = result.metric.label
    curves = {label: result.value.curve} if result.metric.metric.curve else {}
    return nothing._replace(values={label: result.value.value}, curves=curves)


def _failures(result: runner.Made, session: int) -> list[Failure]:
    if result.error is None:
        return []
    label = result.metric and result.metric.label
    return [Failure(session, result.batch.number, result.method, label, under_way.describe(result.error))]


def _kept(session: Session) -> frozenset[int]:
    """The images whose pictures are kept: evenly over the data."""
    count, chosen = session.plan.pictures, session.chosen
    return frozenset(chosen[:: max(-(-len(chosen) // count), 1)].tolist()) if count else frozenset()


def _file(pixels: Any, kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    shown = np.asarray(pixels, np.uint8)
    Image.fromarray(shown[..., 0] if shown.ndim == 3 and shown.shape[2] == 1 else shown).save(written, kind, **options)
    return written.getvalue()
