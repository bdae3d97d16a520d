"""The registry of the metrics, filled where they are defined."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

FAMILIES = ("faithfulness", "robustness", "complexity", "localisation", "randomisation", "cost")
"""What a metric can measure."""

NEEDS = ("saliency", "predict", "explain", "params", "mask", "key", "batch")
"""What a metric can take; with ``"batch"`` it compares the images of a batch, and has no value for one alone."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """A quality metric.

    Attributes:
        name: As in ``METRICS`` and ``egcam_jax.metrics``.
        function: The metric itself.
        family: What it measures, one of ``FAMILIES``.
        higher_is_better: Its direction.
        needs: What it takes, of ``NEEDS``.
        undefined: When its value is NaN, in a few words; empty where it never is.
        paper: The options of the Expected Grad-CAM paper's experiments, as far as it names them: pass them as
            ``metrics.f(..., **METRICS["f"].paper)``.
        source: The publication.
    """

    name: str
    function: Callable[..., Any]
    family: str
    higher_is_better: bool
    needs: frozenset[str]
    undefined: str
    paper: Mapping[str, Any]
    source: str


_METRICS: dict[str, Metric] = {}

METRICS: Mapping[str, Metric] = MappingProxyType(_METRICS)
"""Every metric by name, read-only."""


def metric(
    *,
    family: str,
    higher_is_better: bool,
    needs: tuple[str, ...],
    source: str,
    undefined: str = "",
    paper: Mapping[str, Any] = MappingProxyType({}),
) -> Callable[..., Any]:
    """Register a function under its own name."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name, fixed = function.__name__, MappingProxyType(dict(paper))
        _METRICS[name] = Metric(name, function, family, higher_is_better, frozenset(needs), undefined, fixed, source)
        return function

    return register
