"""Numbers as tables show them."""

import math
from collections.abc import Iterable

_DIGITS = 3
_SMALL, _LARGE = 1e-3, 1e5
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def decimals(values: Iterable[float]) -> int | None:
    """How many decimals show the largest of the values with three digits; ``None`` for powers of ten instead.

    Example:
        >>> from egcam_jax import report
        >>> report.decimals([0.1234, 12.3]), report.decimals([1e-7])
        (1, None)
    """
    size = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if size == 0:
        return _DIGITS
    if not _SMALL <= size < _LARGE:
        return None
    return max(0, _DIGITS - 1 - math.floor(math.log10(size)))


def number(value: float, places: int | None) -> str:
    """A number with so many decimals; with a power of ten where they would not show it, "" where there is none.

    Example:
        >>> from egcam_jax import report
        >>> report.number(0.5, 2), report.number(1e-7, None), report.number(float("nan"), 2)
        ('0.50', '1.00e-07', '')
    """
    if not math.isfinite(value):
        return ""
    text = f"{value:.{_DIGITS - 1}e}" if places is None and value else f"{value:.{places or 0}f}"
    if value and float(text) == 0:
        return f"{value:.0e}"
    return text.removeprefix("-") if float(text) == 0 else text


def spelt(text: str) -> str:
    """A number with a true minus sign, and its power of ten as people write it."""
    mantissa, e, power = text.partition("e")
    times = f"·10{str(int(power)).translate(_RAISED)}" if e else ""
    return f"{mantissa}{times}".replace("-", "−")
