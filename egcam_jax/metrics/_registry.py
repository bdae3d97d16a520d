"""The registry of the metrics, filled where they are defined."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any


@dataclasses.dataclass(frozen=True)
class Metric:
    """A quality metric.

    Attributes:
        name: As in ``METRICS`` and ``egcam_jax.metrics``.
        function: The metric itself.
        family: What it measures: faithfulness, robustness, complexity or localisation.
        higher_is_better: Its direction.
        needs: What it takes beside the saliency: ``"predict"``, ``"explain"``, ``"mask"``, ``"key"``.
        source: The publication.
    """

    name: str
    function: Callable[..., Any]
    family: str
    higher_is_better: bool
    needs: frozenset[str]
    source: str


_METRICS: dict[str, Metric] = {}

METRICS: Mapping[str, Metric] = MappingProxyType(_METRICS)
"""Every metric by name, read-only."""


def metric(*, family: str, higher_is_better: bool, needs: tuple[str, ...] = (), source: str) -> Callable[..., Any]:
    """Register a function under its own name."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        _METRICS[name] = Metric(name, function, family, higher_is_better, frozenset(needs), source)
        return function

    return register
