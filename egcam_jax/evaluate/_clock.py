"""How long what is left will take, from how long each kind of work has taken so far."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

Kind = TypeVar("Kind")


def typical(seconds: Sequence[float]) -> float:
    """The mean of a kind of work's times; the first, which compiles, only where there is no other."""
    later = seconds[1:] or seconds
    return sum(later) / len(later)


def left(times: Mapping[Kind, Sequence[float]], pending: Mapping[Kind, int]) -> float | None:
    """Seconds that what is pending will take.

    Args:
        times: Seconds of what is done, by kind.
        pending: How often each kind is still to be done. A kind that has not been done yet is taken to last as long as
            the others do.

    Returns:
        ``None`` before anything has been done.
    """
    known = {kind: typical(seconds) for kind, seconds in times.items() if seconds}
    if not known:
        return None
    mean = sum(known.values()) / len(known)
    return sum(count * known.get(kind, mean) for kind, count in pending.items())
