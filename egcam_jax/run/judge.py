"""A metric's values for the maps of a batch: where it runs, and what it is handed."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from egcam_jax.metrics import Score, running_time
from egcam_jax.metrics.irof import slic
from egcam_jax.run import programs
from egcam_jax.run.asking import AskedMethod, AskedMetric
from egcam_jax.run.session import Session, program


def judge(
    session: Session,
    arrays: dict[str, Any],
    extra: dict[str, Any],
    method: AskedMethod,
    metric: AskedMetric,
    known: Mapping[str, np.ndarray],
) -> Score:
    """Judge a batch by one metric.

    Args:
        session: The run.
        arrays: The batch on the devices, with ``saliency`` and ``target``.
        extra: What is known of the batch on the host: its ``count`` of images, their ``top`` classes, and ``segments``
            once they have been made.
        method: The method that made the maps.
        metric: The metric that judges them.
        known: Values of the batch by other metrics, by label.
    """
    label = f"{method.label} × {metric.label}"
    if (difference := _difference(metric, known)) is not None:
        return Score(difference)
    if "batch" in metric.metric.needs:
        return _among(arrays, extra, metric)
    made = programs.explainer(session.plan, session.model, method)
    explainer = session.programs.setdefault(("explainer", method.label), made)
    if metric.metric.family == "cost":
        return _time(session, arrays, extra, explainer, method, metric)
    room = None
    if metric.metric.segments:
        extra.setdefault("segments", slic(jax.device_get(arrays["x"])))
        room = programs.room(extra["segments"])
        arrays = {**arrays, "segments": programs.spread(extra["segments"], session.devices)}
        label = f"{label} ({room} segments)"
    run = program(session, label, lambda: programs.judged(session.plan, session.model, metric, explainer, room))
    score = jax.device_get(run(session.shared, arrays))
    return Score(score["value"], score.get("curve"), int(score["passes"][0]))


def _among(arrays: dict[str, Any], extra: dict[str, Any], metric: AskedMetric) -> Score:
    """Compare the images of a batch, without what fills it up; one alone has none to compare with."""
    x, saliency = (jax.device_get(arrays[name])[: extra["count"]] for name in ("x", "saliency"))
    if len(x) < 2:
        return Score(np.full(len(x), np.nan))
    return metric.metric.function(None, x, saliency, target=extra["top"][: len(x)], **metric.options)


def _difference(metric: AskedMetric, known: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """One metric less another, where both are there with the same options."""
    if not metric.metric.difference:
        return None
    one, other = (metric.label.replace(metric.metric.name, name, 1) for name in metric.metric.difference)
    return known[one] - known[other] if one in known and other in known else None


def _time(
    session: Session,
    arrays: dict[str, Any],
    extra: dict[str, Any],
    explainer: Any,
    method: AskedMethod,
    metric: AskedMetric,
) -> Score:
    """Seconds of a method on single images, on one device; what fills the batch up is not timed."""
    alone = session.programs.setdefault(("alone", method.label), jax.jit(explainer))
    mine = {name: arrays[name] for name in ("x", "target", "index", "context") if name in arrays}
    mine = jax.tree.map(lambda leaf: leaf[: extra["count"]], mine)
    shared, mine = jax.device_put((session.shared, mine), session.devices.devices.flat[0])
    bound = jax.tree_util.Partial(alone, shared["params"], shared["references"], shared["key"])
    return running_time(bound, mine.pop("x"), **mine, **metric.options)
