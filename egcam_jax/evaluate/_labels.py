"""Methods and metrics as people name them, ``NAME:OPTION=VALUE:...``: what is asked for, and under which label."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from egcam_jax import _checks, _words
from egcam_jax.methods import METHODS, Method, find
from egcam_jax.metrics import METRICS, Metric
from egcam_jax.metrics._registry import FAMILIES

NOT_FOR_ALL = {
    "completeness_gap": "maps scaled to [0, 1] do not add up to a score",
    "mprt": "the layers that lose their weights must be named in order",
}
"""Metrics that ``all`` leaves out, and why."""

_MADE_HERE = ("chunk_size", "index", "key", "perturbations", "segments", "num_segments", "target", "predict", "layers")
"""Options of metrics that the run itself gives, or that no text can give."""


class AskedMethod(NamedTuple):
    """A method with those of its options that were given.

    Attributes:
        label: As it was named.
        name: In ``METHODS``.
        gradients: Where they are not the method's own.
        samples: ``num_samples``, where it was given.
        refs: How many of the references it takes, where not all.
        options: Of the method.
    """

    label: str
    name: str
    gradients: str | None
    samples: int | None
    refs: int | None
    options: Mapping[str, Any]

    @property
    def method(self) -> Method:
        """What ``explain`` makes of it."""
        return find(self.name, self.gradients)


class AskedMetric(NamedTuple):
    """A metric with those of its options that were given, and the label that it was named by."""

    label: str
    metric: Metric
    options: Mapping[str, Any]


def methods(texts: Sequence[str], samples: int | None) -> list[AskedMethod]:
    """Read methods; ``all`` stands for every one.

    Args:
        texts: ``NAME[:OPTION=VALUE...]``; besides its own options a method takes ``gradients``, ``samples``
            and ``refs``, the number of references.
        samples: For methods that draw samples or go in steps and do not name their number.

    Raises:
        ValueError: There is no such method or option, or one comes twice.
    """
    labels = [label for text in texts for label in (METHODS if text == "all" else [text])]
    return _distinct([_method(label, samples) for label in labels], "methods")


def metrics(texts: Sequence[str], *, masks: bool, mosaics: bool) -> tuple[list[AskedMetric], dict[str, str]]:
    """Read metrics; ``all`` and the families' names stand for every one that the data allows.

    Args:
        texts: ``NAME[:OPTION=VALUE...]``; ``_auc`` may be left out of a name.
        masks: Whether the data has masks.
        mosaics: Whether its images are mosaics.

    Returns:
        The metrics, and why others of a group were left out, by name.

    Raises:
        ValueError: There is no such metric or option, one comes twice, or needs what the data does not have.
    """
    found: list[AskedMetric] = []
    left_out: dict[str, str] = {}
    for text in texts:
        if text in METRICS or text not in ("all", *FAMILIES):  # complexity is a metric, and a family
            found.append(_metric(text, masks))
            continue
        for name, it in METRICS.items():
            if text in ("all", it.family):
                reason = _unfit(it, masks, mosaics)
                if reason:
                    left_out[name] = reason
                else:
                    found.append(AskedMetric(name, it, {}))
    if left_out and not found:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ValueError(f"metrics: none of those asked for can be computed here ({reasons}); name others, or all")
    return _distinct(found, "metrics"), left_out


def _unfit(metric: Metric, masks: bool, mosaics: bool) -> str:
    if "mask" in metric.needs and not masks:
        return "the data has no masks"
    if metric.name == "grid_pointing_game" and not mosaics:
        return "the data is no mosaic"
    return NOT_FOR_ALL.get(metric.name, "")


def _distinct(found: list[Any], what: str) -> list[Any]:
    labels = [it.label for it in found]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice or not found:
        raise ValueError(f"{what}: {f'{twice[0]} comes twice' if twice else 'none came'}; name each once, or all")
    return found


def _method(label: str, samples: int | None) -> AskedMethod:
    name, *rest = label.split(":")
    given = _words.pairs(rest, label)
    method = find(name, given.pop("gradients", None))
    own = {key: _count(label, key, given.pop(key)) for key in ("samples", "refs") if key in given}
    options = {key: _option(method, key, text) for key, text in given.items()}
    drawn = own.get("samples", samples) if method.num_samples else None
    for key, takes in {"samples": bool(method.num_samples), "refs": method.needs_refs}.items():
        if key in own and not takes:
            raise ValueError(f"{label!r}: the method {method.name!r} takes no {key}")
    method.check(options, drawn)
    gradients = method.gradients if METHODS[name].gradients != method.gradients else None
    return AskedMethod(label, name, gradients, drawn, own.get("refs"), options)


def _option(method: Method, name: str, text: str) -> Any:
    option = method.schema.get(name)
    return text if option is not None and hasattr(option, "words") else _words.value(text)


def _count(label: str, name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{label!r}: {name} must be a whole number of at least 1; got {text!r}")
    return int(text)


def _metric(label: str, masks: bool) -> AskedMetric:
    name, *rest = label.split(":")
    full = next((it for it in (name, f"{name}_auc") if it in METRICS), None)
    if full is None:
        raise ValueError(f"metrics: {name!r} is unknown. {_checks.nearest(name, [*METRICS, 'all', *FAMILIES])}")
    metric = METRICS[full]
    if "mask" in metric.needs and not masks:
        raise ValueError(f"metrics: {full} needs masks of the objects, which the data does not have; leave it out")
    if "params" in metric.needs:
        raise ValueError(f"metrics: {full}: {NOT_FOR_ALL[full]}; use egcam_jax.metrics.{full} from Python")
    given = _words.pairs(rest, label)
    parameters = inspect.signature(metric.function).parameters
    takes = {it.name: it.default for it in parameters.values() if it.kind == it.KEYWORD_ONLY}
    options = {key: _words.value(text) for key, text in given.items()}
    for option, value in options.items():
        if option not in takes or option in _MADE_HERE:
            has = ", ".join(it for it in takes if it not in _MADE_HERE) or "none"
            raise ValueError(f"metrics: {full} has no option {option!r} here; it has {has}")
        _check_kind(full, option, value, takes[option])
    return AskedMetric(label.replace(name, full, 1), metric, options)


def _check_kind(metric: str, option: str, value: Any, default: Any) -> None:
    """Refuse words where a number is wanted before anything is computed; what else is wrong the metric itself says."""
    kinds: dict[Any, tuple[Any, str]] = {bool: (bool, "True or False"), int: (int, "a whole number")}
    kinds[float] = ((int, float), "a number")
    kind, wanted = kinds.get(type(default), (object, ""))
    if not isinstance(value, kind) or (isinstance(value, bool) and type(default) in (int, float)):
        raise ValueError(f"metrics: {metric}: {option} must be {wanted}, as {default} is; got {value!r}")
