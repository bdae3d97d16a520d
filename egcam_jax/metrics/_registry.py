"""The registry of the metrics, filled where they are defined."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from egcam_jax.metrics._scale import Size

FAMILIES = ("faithfulness", "robustness", "complexity", "localisation", "randomisation", "cost")
"""The properties that metrics measure."""

NEEDS = ("saliency", "predict", "explain", "params", "mask", "key", "batch", "mosaic")
"""The arguments of the metrics.

A metric that needs ``"batch"`` compares the images of a batch, and has no value for one image. For a metric that needs
``"mosaic"`` the mask is a cell of a mosaic.
"""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Metric:
    """A quality metric.

    Attributes:
        name: As in ``METRICS`` and ``egcam_jax.metrics``.
        function: The metric itself.
        family: One of ``FAMILIES``; a metric of ``"cost"`` measures the method and not the map.
        higher_is_better: Whether a higher value is better.
        needs: Its arguments, of ``NEEDS``.
        source: The publication.
        paper: The options of the Expected Grad-CAM paper's experiments that the paper names: pass them as
            ``metrics.f(..., **METRICS["f"].paper)``.
        scaled: Options whose default is ``None`` and follows the image's size: each with the function that gives the
            value, as ``METRICS["top_k_intersection"].scaled["k"](224, 224)`` gives 1000.
        undefined: When the value is NaN, in a few words; empty for a metric that always has a value.
        unit: Of the value; empty for a number without one.
        curve: The horizontal axis of ``Score.curve``, for a curve that runs keep and draw; else empty.
        difference: For a difference of two metrics with the same options, their names; else empty.
        segments: Whether the metric takes ``segments``, which the host computes once for all maps of an image.
        left_out: The reason why a run of all metrics leaves the metric out; else empty.

    Example:
        >>> from egcam_jax import METRICS
        >>> METRICS["pointing_game"].family, sorted(METRICS["pointing_game"].needs)
        ('localisation', ['mask', 'saliency'])
        >>> METRICS["top_k_intersection"].scaled["k"](224, 224)
        1000
    """

    name: str
    function: Callable[..., Any]
    family: str
    higher_is_better: bool
    needs: frozenset[str]
    source: str
    paper: Mapping[str, Any]
    scaled: Mapping[str, Size]
    undefined: str = ""
    unit: str = ""
    curve: str = ""
    difference: tuple[str, ...] = ()
    segments: bool = False
    left_out: str = ""


_METRICS: dict[str, Metric] = {}

METRICS: Mapping[str, Metric] = MappingProxyType(_METRICS)
"""Every metric by name, read-only."""


def metric(
    *,
    family: str,
    higher_is_better: bool,
    needs: tuple[str, ...],
    source: str,
    paper: Mapping[str, Any] = _NOTHING,
    scaled: Mapping[str, Size] = _NOTHING,
    **others: Any,
) -> Callable[..., Any]:
    """Register a function under its own name; the arguments are the fields of ``Metric``."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name, fixed, sizes = function.__name__, MappingProxyType(dict(paper)), MappingProxyType(dict(scaled))
        _METRICS[name] = Metric(
            name, function, family, higher_is_better, frozenset(needs), source, fixed, sizes, **others
        )
        return function

    return register
