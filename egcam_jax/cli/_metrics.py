"""Scores of the maps that were just made, by metrics as they are named on the command line."""

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from egcam_jax import _checks
from egcam_jax.cli import _batches, _methods, _session
from egcam_jax.metrics import METRICS, Metric

_MADE_HERE = frozenset({"saliency", "predict", "explain", "key"})
"""What a photograph and a network give; a mask is not among it."""

_IN_WORDS = {
    "saliency": "a map",
    "predict": "the network",
    "explain": "the method itself",
    "params": "the network's parameters",
    "mask": "a mask of the object",
    "key": "a seed",
    "batch": "several images to compare",
}
_UNITS = {"running_time": "seconds"}
_NO_TEXT = ("chunk_size", "index", "perturbations", "segments", "num_segments", "target", "predict", "layers")
"""Options that are made here, or that cannot be written on a command line."""


class Asked(NamedTuple):
    """A metric, and those of its options that were given."""

    metric: Metric
    options: Mapping[str, Any]


class Scored(NamedTuple):
    """A metric's value for one map, and how many model runs, or explanations, it took."""

    value: float
    evaluations: int | None


def choose(text: str) -> list[Asked]:
    """Read metrics from ``NAME[:OPTION=VALUE...],...``; ``_auc`` may be left out of a name.

    Raises:
        ValueError: There is no such metric or option, or the metric needs what a photograph alone does not give.
    """
    return [_one(*part.strip().split(":")) for part in text.split(",") if part.strip()]


def check_side(asked: Sequence[Asked], *, negative: bool, flag: str) -> None:
    """Refuse, for maps of what speaks against a class, metrics that judge maps of what speaks for it.

    Raises:
        ValueError: Names the metric.
    """
    for it in asked:
        if negative and it.metric.family == "faithfulness":
            raise ValueError(
                f"{flag} with --negative: {it.metric.name} judges a map of what speaks for the class; leave either out."
            )


def score(
    session: _session.Session, batch: _batches.Batch, maps: Sequence[Any], asked: Sequence[Asked], explainer: Any
) -> list[dict[str, Scored]]:
    """Score one map of each picture of a batch, filled up as the batch is, so as not to compile again.

    Args:
        session: What the run shares.
        batch: The pictures.
        maps: An explanation of each.
        asked: The metrics.
        explainer: How the maps were made, as ``_batches.explainer``, for metrics that explain again.
    """
    filled = [maps[min(i, len(maps) - 1)] for i in range(session.size)]
    saliency, target = np.stack([it.saliency for it in filled]), np.stack([it.target for it in filled])
    predict = jax.tree_util.Partial(session.model.apply_fn, session.model.params)
    key = jax.random.key(session.settings.seed)
    known = {"predict": predict, "explain": explainer, "key": key, "index": batch.index, "target": target}
    known |= {"x": batch.x, "saliency": saliency, "chunk_size": session.settings.chunk}
    scores = {}
    for it in asked:
        takes = inspect.signature(it.metric.function).parameters
        given = {name: value for name, value in known.items() if name in takes and value is not None}
        found = it.metric.function(**{**given, **it.options})
        scores[it.metric.name] = [Scored(value, found.evaluations) for value in np.asarray(found.value).tolist()]
    return [{name: each[i] for name, each in scores.items()} for i in range(len(maps))]


def described(scores: Mapping[str, Scored]) -> dict[str, Any]:
    """Scores with what they mean: which way is better, what they cost, and why one is not defined."""
    return {
        name: {
            "value": found.value,
            "unit": _UNITS.get(name),
            "higher_is_better": METRICS[name].higher_is_better,
            "evaluations": found.evaluations or None,
            "of": "explanation" if "explain" in METRICS[name].needs else "model run",
            "note": f"undefined: {METRICS[name].undefined}" if np.isnan(found.value) else None,
        }
        for name, found in scores.items()
    }


def taken(metric: Metric) -> str:
    """What a metric takes, in words."""
    return ", ".join(words for need, words in _IN_WORDS.items() if need in metric.needs)


def options(metric: Metric) -> str:
    """The options that can be given here, with their defaults."""
    takes = inspect.signature(metric.function).parameters.values()
    given = [it for it in takes if it.kind == it.KEYWORD_ONLY and it.name not in _NO_TEXT]
    return ", ".join(f"{it.name}={_written(it.default)}" for it in given)


def _written(default: Any) -> str:
    if isinstance(default, tuple):
        return f"{default[0]},...,{default[-1]}"
    return str(default).lower() if default is None or isinstance(default, bool) else str(default)


def _one(name: str, *pairs: str) -> Asked:
    full = next((it for it in (name, f"{name}_auc") if it in METRICS), None)
    if full is None:
        raise ValueError(f"--metrics {name!r} is unknown. {_checks.nearest(name, METRICS)}")
    metric = METRICS[full]
    if lacking := metric.needs - _MADE_HERE:
        words = " and ".join(_IN_WORDS[need] for need in _IN_WORDS if need in lacking)
        raise ValueError(f"--metrics {name}: it needs {words}, which a photograph alone does not give: use Python.")
    given, has = _methods.parse(pairs), options(metric)
    for option in given:
        if option not in [it.partition("=")[0] for it in has.split(", ")]:
            raise ValueError(f"--metrics {name}:{option}: {full} has no such option; it has {has or 'none'}.")
    return Asked(metric, {option: _value(value) for option, value in given.items()})


def _value(text: str) -> Any:
    """A whole number, a number, true, false, none, or a word."""
    if text.lower() in _methods.WORDS:
        return _methods.WORDS[text.lower()]
    for read in (int, float):
        with contextlib.suppress(ValueError):
            return read(text)
    return text
