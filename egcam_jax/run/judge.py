"""A metric's values for the maps of a batch: where it runs, and what it is handed."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int

from egcam_jax.metrics import Score, running_time
from egcam_jax.metrics.irof import slic
from egcam_jax.run import programs
from egcam_jax.run.asking import AskedMethod, AskedMetric
from egcam_jax.run.batch import Batch
from egcam_jax.run.session import Session, program


class Ready(NamedTuple):
    """A batch on the devices, with all that its methods and metrics share.

    Attributes:
        session: The run.
        batch: The batch.
        arrays: What programs take of it, with ``target``; for metrics with ``saliency`` too.
        top: Its images' top classes.
        cache: ``segments``, once they have been made.
    """

    session: Session
    batch: Batch
    arrays: dict[str, Any]
    top: Int[Array, " b"]
    cache: dict[str, Any]

    @property
    def length(self) -> int:
        """How many images it has, without those that fill it up."""
        return len(self.batch.images)


def judge(
    ready: Ready, method: AskedMethod, metric: AskedMetric, known: Mapping[str, np.ndarray]
) -> Callable[[], Score]:
    """Start to judge a batch by one metric, with what fills it up.

    Args:
        ready: The batch.
        method: The method that made the maps.
        metric: The metric that judges them.
        known: Values of the batch by other metrics, by label.

    Returns:
        A function that waits for the scores.
    """
    session, arrays, label = ready.session, ready.arrays, f"{method.label} × {metric.label}"
    if (difference := _difference(metric, known)) is not None:
        return lambda: Score(difference)
    if "batch" in metric.metric.needs:
        return lambda: _among(ready, metric)
    made = programs.explainer(session.plan, session.model, method)
    explainer = session.programs.setdefault(("explainer", method.label), made)
    if metric.metric.family == "cost":
        times = _time(ready, explainer, method, metric)
        return lambda: times
    room = None
    if metric.metric.segments:
        if "segments" not in ready.cache:
            ready.cache["segments"] = slic(jax.device_get(arrays["x"]))
        room = programs.room(ready.cache["segments"])
        arrays = {**arrays, "segments": programs.spread(ready.cache["segments"], session.devices)}
        label = f"{label} ({room} segments)"
    run = program(session, label, lambda: programs.judged(session.plan, session.model, metric, explainer, room))
    scores = run(session.shared, arrays)

    def fetched() -> Score:
        known = jax.device_get(scores)
        return Score(known["value"], known.get("curve"), int(known["passes"][0]))

    return fetched


def _among(ready: Ready, metric: AskedMetric) -> Score:
    """Compare the images of a batch, without those that fill it up; one alone has none to compare with."""
    x, saliency, top = jax.device_get((ready.arrays["x"], ready.arrays["saliency"], ready.top))
    x, saliency, top = x[: ready.length], saliency[: ready.length], top[: ready.length]
    if len(x) < 2:
        return Score(np.full(len(x), np.nan))
    return metric.metric.function(None, x, saliency, target=top, **metric.options)


def _difference(metric: AskedMetric, known: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """One metric less another, where both are there with the same options."""
    if not metric.metric.difference:
        return None
    one, other = (metric.label.replace(metric.metric.name, name, 1) for name in metric.metric.difference)
    return known[one] - known[other] if one in known and other in known else None


def _time(ready: Ready, explainer: Any, method: AskedMethod, metric: AskedMetric) -> Score:
    """Seconds of a method on single images, on one device; images that fill the batch up are not timed."""
    session = ready.session
    alone = session.programs.setdefault(("alone", method.label), jax.jit(explainer))
    mine = {name: ready.arrays[name] for name in ("x", "target", "index", "context") if name in ready.arrays}
    mine = jax.tree.map(lambda leaf: leaf[: ready.length], mine)
    shared, mine = jax.device_put((session.shared, mine), session.devices.devices.flat[0])
    bound = jax.tree_util.Partial(alone, shared["params"], shared["references"], shared["key"])
    return running_time(bound, mine.pop("x"), **mine, **metric.options)
