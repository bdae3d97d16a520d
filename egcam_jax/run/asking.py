"""Methods and metrics as people name them, ``NAME:OPTION=VALUE:...``, in every command and in Python."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from egcam_jax.core import checks
from egcam_jax.methods import METHODS, Method, find
from egcam_jax.metrics import FAMILIES, METRICS, Metric
from egcam_jax.run import grammar

_ALWAYS = frozenset({"saliency", "predict", "explain", "key"})
"""What every picture and network give to metrics."""
_IN_WORDS = {
    "saliency": "a map",
    "predict": "the network",
    "explain": "the method itself",
    "params": "the network's parameters",
    "mask": "masks of the objects",
    "key": "a seed",
    "batch": "several images to compare",
    "mosaic": "mosaics",
}
_ABSENT = {"mask": "the data has no masks", "mosaic": "the data is no mosaic"}
_SIDE = 224
"""Of the images whose defaults stand for those that follow the image's size."""
_MADE_HERE = (
    *("chunk_size", "context", "index", "key", "perturbations", "segments", "num_segments", "target"),
    *("predict", "layers"),
)
"""Options of metrics that the runner gives, or that no text can give."""


class AskedMethod(NamedTuple):
    """A method with those of its options that were given.

    Attributes:
        label: The text that named it.
        name: Name in ``METHODS``.
        gradients: Estimator of its gradients, where it is not the method's own.
        samples: ``num_samples``, where it was given.
        refs: How many of the references it takes; ``None`` for all.
        options: Options of the method.
    """

    label: str
    name: str
    gradients: str | None
    samples: int | None
    refs: int | None
    options: Mapping[str, Any]

    @property
    def method(self) -> Method:
        """The method that ``explain`` runs."""
        return find(self.name, self.gradients)

    @property
    def reads(self) -> bool:
        """Whether references are read, by the method or by an option of it."""
        return bool(self.method.reads(self.options))

    @property
    def arguments(self) -> dict[str, Any]:
        """The options as ``explain`` takes them: several numbers as an array."""
        return {name: np.asarray(value) if isinstance(value, list) else value for name, value in self.options.items()}


class AskedMetric(NamedTuple):
    """A metric with those of its options that were given, and the text that named it."""

    label: str
    metric: Metric
    options: Mapping[str, Any]


def methods(names: str | Iterable[str], *, samples: int | None = None, refs: Any = None) -> list[AskedMethod]:
    """Read methods; ``all`` stands for every method.

    Args:
        names: ``NAME[:OPTION=VALUE...]``. Besides its own options a method takes ``gradients``, ``samples``
            and ``refs``, the number of references.
        samples: For methods that have a number of samples or steps and do not name it.
        refs: The references that were given, if any: an error where no method uses them.

    Raises:
        ValueError: A method or an option is unknown, comes twice, or is used by no method.
        TypeError: A method does not have an option.
    """
    labels = [label for text in grammar.texts(names) for label in (METHODS if text == "all" else [text])]
    asked = _distinct([_method(label, samples) for label in labels], "methods")
    users = {
        "samples": (samples, [one.method.num_samples for one in asked]),
        "refs": (refs, [one.reads for one in asked]),
    }
    for argument, (given, used) in users.items():
        if given is not None and not any(used):
            raise ValueError(f"{argument} must be left out, since no method uses it; got {given}. Add one that does.")
    return asked


def metrics(names: str | Iterable[str], *, has: Iterable[str] = ()) -> tuple[list[AskedMetric], dict[str, str]]:
    """Read metrics; ``all`` and the families' names stand for every metric that the data allows.

    Args:
        names: ``NAME[:OPTION=VALUE...]``; ``_auc`` may be left out of a name.
        has: What the data gives beside pictures: ``"mask"``, ``"mosaic"``, ``"batch"``.

    Returns:
        The metrics, and why others of a group were left out, by name.

    Raises:
        ValueError: A metric or an option is unknown, comes twice, or needs what the data does not have.
    """
    there = _ALWAYS | frozenset(has)
    asked: list[AskedMetric] = []
    left_out: dict[str, str] = {}
    for text in grammar.texts(names):
        if text in METRICS or text not in ("all", *FAMILIES):  # complexity is a metric, and a family
            asked.append(_metric(text, there))
            continue
        for name, metric in METRICS.items():
            if text in ("all", metric.family):
                if reason := _unfit(metric, there):
                    left_out[name] = reason
                else:
                    asked.append(AskedMetric(name, metric, {}))
    if left_out and not asked:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ValueError(f"metrics must name one that can be computed here; got none ({reasons}). Name others, or all.")
    return _distinct(asked, "metrics"), left_out


def options(metric: Metric) -> dict[str, Any]:
    """The options of a metric that can be given, with their defaults."""
    takes = inspect.signature(metric.function).parameters.values()
    return {one.name: one.default for one in takes if one.kind == one.KEYWORD_ONLY and one.name not in _MADE_HERE}


def _distinct(asked: list[Any], argument: str) -> list[Any]:
    labels = [one.label for one in asked]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"{argument} must name each once; got {twice[0]} twice. Leave one out.")
    return asked


def _method(label: str, samples: int | None) -> AskedMethod:
    name, given = grammar.pairs(label, "methods")
    if name not in METHODS:
        raise ValueError(f"methods must name known methods; got {name!r}. {checks.nearest(name, METHODS)}")
    method = find(name, given.pop("gradients", None))
    own = {key: _count(label, key, given.pop(key)) for key in ("samples", "refs") if key in given}
    read = {key: _option(method, key, text) for key, text in given.items()}
    drawn = own.get("samples", samples) if method.num_samples else None
    gradients = method.gradients if METHODS[name].gradients != method.gradients else None
    asked = AskedMethod(label, name, gradients, drawn, own.get("refs"), read)
    for key, takes in {"samples": bool(method.num_samples), "refs": asked.reads}.items():
        if key in own and not takes:
            raise ValueError(f"methods: {label!r}: the method {method.name!r} takes no {key}. Leave it out.")
    try:
        method.check({key: _known(method, key, given) for key, given in asked.arguments.items()}, drawn)
    except (ValueError, TypeError) as error:
        raise type(error)(f"methods: {label!r}: {error}") from error
    return asked


def _known(method: Method, name: str, given: Any) -> Any:
    """An option's value as far as it can be checked: numbers for channels by their mean, as no image is at hand."""
    option = method.schema.get(name)
    return np.mean(given) if isinstance(given, np.ndarray) and getattr(option, "default", None) is not None else given


def _option(method: Method, name: str, text: str) -> Any:
    """A word where the method takes words; a number as a float where the method takes any number."""
    option = method.schema.get(name)
    if option is None or hasattr(option, "words"):
        return text
    read = grammar.value(text)
    return float(read) if type(read) is int and not option.static else read


def _count(label: str, name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"methods: {label!r}: {name} must be a whole number of at least 1; got {text!r}.")
    return int(text)


def _metric(label: str, has: frozenset[str]) -> AskedMetric:
    name, given = grammar.pairs(label, "metrics")
    full = next((known for known in (name, f"{name}_auc") if known in METRICS), None)
    if full is None:
        known = [*METRICS, "all", *FAMILIES]
        raise ValueError(f"metrics must name known metrics; got {name!r}. {checks.nearest(name, known)}")
    metric = METRICS[full]
    if lacking := _lacking(metric, has):
        raise ValueError(f"metrics must be of what the data gives; got {full}, which needs {lacking}. Leave it out.")
    takes, read = options(metric), {option: grammar.value(text) for option, text in given.items()}
    for option, number in read.items():
        if option not in takes:
            raise ValueError(f"metrics: {full} has no option {option!r} here; it has {', '.join(takes) or 'none'}.")
        scaled = metric.scaled.get(option)
        _check_kind(full, option, number, scaled(_SIDE, _SIDE) if scaled else takes[option])
    return AskedMetric(label.replace(name, full, 1), metric, read)


def _check_kind(metric: str, option: str, given: Any, default: Any) -> None:
    """Refuse words where a number is wanted before anything is computed; the metric itself checks the rest."""
    kinds: dict[Any, tuple[Any, str]] = {bool: (bool, "True or False"), int: (int, "a whole number")}
    kinds[float] = ((int, float), "a number")
    kind, wanted = kinds.get(type(default), (object, ""))
    if not isinstance(given, kind) or (isinstance(given, bool) and type(default) in (int, float)):
        raise ValueError(f"metrics: {metric}: {option} must be {wanted}, as {default} is; got {given!r}.")


def taken(metric: Metric) -> str:
    """What a metric takes, in words."""
    return ", ".join(words for need, words in _IN_WORDS.items() if need in metric.needs)


def _lacking(metric: Metric, has: frozenset[str]) -> str:
    """What a metric needs and the data does not give, in words; "" where nothing is missing."""
    needs = " and ".join(words for need, words in _IN_WORDS.items() if need in metric.needs - has)
    return f"{needs}; use egcam_jax.metrics.{metric.name} from Python" if "params" in metric.needs - has else needs


def _unfit(metric: Metric, has: frozenset[str]) -> str:
    """Why a group of metrics leaves this one out; "" where it does not."""
    absent = [words for need, words in _ABSENT.items() if need in metric.needs - has]
    needs = _lacking(metric, has)
    return metric.left_out or (absent[0] if absent else f"it needs {needs}" if needs else "")
