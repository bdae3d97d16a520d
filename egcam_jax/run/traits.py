"""What is special about a metric, as its record says it: the one place where the runner asks."""

from egcam_jax.metrics import METRICS, Metric
from egcam_jax.metrics._registry import FAMILIES as FAMILIES

ALWAYS = frozenset({"saliency", "predict", "explain", "key"})
"""What every picture and network give."""
_IN_WORDS = {
    "saliency": "a map",
    "predict": "the network",
    "explain": "the method itself",
    "params": "the network's parameters",
    "mask": "masks of the objects",
    "key": "a seed",
    "batch": "several images to compare",
}
_UNITS = {"running_time": "seconds"}
_LEFT_OUT = {"completeness_gap": "maps scaled to [0, 1] do not add up to a score"}
"""Metrics that a group leaves out, and why."""


def taken(metric: Metric) -> str:
    """What a metric takes, in words."""
    return ", ".join(words for need, words in _IN_WORDS.items() if need in metric.needs)


def lacking(metric: Metric, has: frozenset[str]) -> str:
    """What a metric needs and the data does not give, in words; "" where nothing is missing."""
    needs = " and ".join(words for need, words in _IN_WORDS.items() if need in metric.needs - has)
    return f"{needs}; use egcam_jax.metrics.{metric.name} from Python" if "params" in metric.needs - has else needs


def unfit(metric: Metric, has: frozenset[str], *, mosaics: bool) -> str:
    """Why a group of metrics leaves this one out; "" where it does not."""
    if "mask" in metric.needs - has:
        return "the data has no masks"
    if needs := lacking(metric, has):
        return f"it needs {needs}"
    if metric.name == "grid_pointing_game" and not mosaics:
        return "the data is no mosaic"
    return _LEFT_OUT.get(metric.name, "")


def is_cost(metric: Metric) -> bool:
    """Whether it measures time: of single images of the first batch alone, and no quality of the map."""
    return metric.family == "cost"


def of_batch(metric: Metric) -> bool:
    """Whether it compares the images of a batch with one another."""
    return "batch" in metric.needs


def takes_segments(metric: Metric) -> bool:
    """Whether it takes superpixels, which are made on the host."""
    return metric.name == "irof"


def keeps_curve(metric: Metric) -> bool:
    """Whether its curve is kept with its value."""
    return metric.name in ("insertion_auc", "deletion_auc")


def difference_of(metric: Metric) -> tuple[str, str] | None:
    """The two metrics whose difference it is."""
    return ("insertion_auc", "deletion_auc") if metric.name == "insertion_deletion" else None


def unit(metric: Metric) -> str | None:
    """The unit of its value."""
    return _UNITS.get(metric.name)


def is_cost_of(name: str) -> bool:
    """Whether the metric of a name measures time; a name that this version does not know does not."""
    return name in METRICS and is_cost(METRICS[name])
