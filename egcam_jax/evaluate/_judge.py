"""A metric's values for the maps of a batch: where it runs, and what it is handed."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from egcam_jax.evaluate import _programs
from egcam_jax.evaluate._labels import AskedMethod, AskedMetric
from egcam_jax.evaluate._state import State, program
from egcam_jax.metrics import running_time
from egcam_jax.metrics._score import Score
from egcam_jax.metrics.segments import slic


def judge(
    state: State,
    arrays: dict[str, Any],
    extra: dict[str, Any],
    method: AskedMethod,
    metric: AskedMetric,
    known: Mapping[str, np.ndarray],
) -> Score:
    """Judge a batch by one metric.

    Args:
        state: The session.
        arrays: The batch on the devices, with ``saliency``.
        extra: What is known of the batch on the host: its ``count`` of images, their ``top`` classes, and ``segments``
            once they have been found.
        method: That made the maps.
        metric: That judges them.
        known: Values of the batch by other metrics, by label.
    """
    work, label = state.work, f"{method.label} × {metric.label}"
    if (difference := _difference(metric, known)) is not None:
        return Score(difference)
    if "batch" in metric.metric.needs:
        return _among(arrays, extra, metric)
    explainer = state.programs.setdefault(("explainer", method.label), _programs.explainer(work, method))
    if metric.metric.family == "cost":
        return _time(state, arrays, extra, explainer, method, metric)
    room = None
    if metric.metric.name == "irof":
        extra.setdefault("segments", slic(jax.device_get(arrays["x"])))
        room = _programs.room(extra["segments"])
        arrays = {**arrays, "segments": _programs.spread(extra["segments"], state.devices)}
        label = f"{label} ({room} segments)"
    run = program(state, label, lambda: _programs.judged(work, metric, explainer, room))
    found = jax.device_get(run(state.shared, arrays))
    return Score(found["value"], found.get("curve"))


def _among(arrays: dict[str, Any], extra: dict[str, Any], metric: AskedMetric) -> Score:
    """Compare the images of a batch, without what fills it up; one alone has none to compare with."""
    x, saliency = (jax.device_get(arrays[name])[: extra["count"]] for name in ("x", "saliency"))
    if len(x) < 2:
        return Score(np.full(len(x), np.nan))
    return metric.metric.function(None, x, saliency, target=extra["top"][: len(x)], **metric.options)


def _difference(metric: AskedMetric, known: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Insertion less deletion, where both are there with the same options."""
    if metric.metric.name != "insertion_deletion":
        return None
    parts = [metric.label.replace("insertion_deletion", name, 1) for name in ("insertion_auc", "deletion_auc")]
    return known[parts[0]] - known[parts[1]] if all(it in known for it in parts) else None


def _time(
    state: State,
    arrays: dict[str, Any],
    extra: dict[str, Any],
    explainer: Any,
    method: AskedMethod,
    metric: AskedMetric,
) -> Score:
    """Seconds of a method on single images, on one device; what fills the batch up is not timed."""
    alone = state.programs.setdefault(("alone", method.label), jax.jit(explainer))
    images = (arrays["x"][: extra["count"]], arrays["target"][: extra["count"]])
    shared, mine = jax.device_put((state.shared, images), state.devices.devices.flat[0])
    bound = jax.tree_util.Partial(alone, shared["params"], shared["references"], shared["key"])
    return running_time(bound, mine[0], target=mine[1], **metric.options)
