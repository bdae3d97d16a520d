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
        extra: What is known of the batch on the host, to which segments are added once they are found: ``top`` classes.
        method: That made the maps.
        metric: That judges them.
        known: Values of the batch by other metrics, by label.
    """
    work, label = state.work, f"{method.label} × {metric.label}"
    if (difference := _difference(metric, known)) is not None:
        return Score(difference)
    if "batch" in metric.metric.needs:
        host = {name: jax.device_get(arrays[name]) for name in ("x", "saliency")}
        return metric.metric.function(None, **host, target=extra["top"], **metric.options)
    explainer = state.programs.setdefault(("explainer", method.label), _programs.explainer(work, method))
    if metric.metric.family == "cost":
        return _time(state, arrays, explainer, method, metric)
    room = None
    if metric.metric.name == "irof":
        extra.setdefault("segments", slic(jax.device_get(arrays["x"])))
        room = _programs.room(extra["segments"])
        arrays = {**arrays, "segments": _programs.spread(extra["segments"], state.devices)}
        label = f"{label} ({room} segments)"
    run = program(state, label, lambda: _programs.judged(work, metric, explainer, room))
    found = jax.device_get(run(state.shared, arrays))
    return Score(found["value"], found.get("curve"))


def _difference(metric: AskedMetric, known: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Insertion less deletion, where both are there with the same options."""
    if metric.metric.name != "insertion_deletion":
        return None
    parts = [metric.label.replace("insertion_deletion", name, 1) for name in ("insertion_auc", "deletion_auc")]
    return known[parts[0]] - known[parts[1]] if all(it in known for it in parts) else None


def _time(state: State, arrays: dict[str, Any], explainer: Any, method: AskedMethod, metric: AskedMetric) -> Score:
    """Seconds of a method on single images, on one device."""
    alone = state.programs.setdefault(("alone", method.label), jax.jit(explainer))
    shared, mine = jax.device_put((state.shared, (arrays["x"], arrays["target"])), state.devices.devices.flat[0])
    bound = jax.tree_util.Partial(alone, shared["params"], shared["references"], shared["key"])
    return running_time(bound, mine[0], target=mine[1], **metric.options)


def without_filling(saliency: Any, count: int, state: State) -> Any:
    """Maps with NaN in place of those that only fill the batch up, so that no comparison between images counts them."""
    if len(saliency) == count:
        return saliency
    filled = np.array(jax.device_get(saliency))
    filled[count:] = np.nan
    return _programs.spread(filled, state.devices)
