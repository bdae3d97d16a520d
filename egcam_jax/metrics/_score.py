"""What a metric returns."""

from typing import Any, NamedTuple


class Score(NamedTuple):
    """The values of a metric, image by image.

    Attributes:
        value: ``(B,)``, or a scalar for a single image; NaN where the metric is undefined.
        curve: ``(B, T)`` the values that it was made from, for metrics that have a curve, else ``None``.
    """

    value: Any
    curve: Any = None
