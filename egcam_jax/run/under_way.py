"""Work of the devices that is started now and fetched later, so that they do not wait for the host."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from egcam_jax.run.progress import Clock, Kind

_Work = TypeVar("_Work")


class Started(NamedTuple):
    """A piece of work that the devices have been given.

    Attributes:
        finish: Waits for the work, and gives its results.
        load: 1 for work of the devices, 0 for none; ``ALONE`` where all earlier work must end before any more starts.
    """

    finish: Callable[[], Iterator[Any]]
    load: int = 1


ALONE = 2


def finished(pieces: Iterable[Started]) -> Iterator[Any]:
    """Give the results of pieces of work, in their order: of each once the next piece has started."""
    waiting: deque[Started] = deque()
    for piece in pieces:
        waiting.append(piece)
        while waiting and (sum(one.load for one in waiting) > 1 or not waiting[0].load):
            yield from waiting.popleft().finish()
    while waiting:
        yield from waiting.popleft().finish()


def start(
    clock: Clock, number: int, kind: Kind, work: Callable[[], _Work]
) -> tuple[_Work | None, Callable[[Callable[[], Any] | None], tuple[Any, Exception | None]]]:
    """Start a piece of work; what fails, whatever it is, is told, left out from there on, and stops nothing else.

    Returns:
        What ``work`` gave, ``None`` where it failed; and a function that fetches the result, or says what went wrong.
    """
    began, started, failure = time.perf_counter(), None, None
    try:
        started = work()
    except Exception as error:
        failure = error

    def end(fetch: Callable[[], Any] | None) -> tuple[Any, Exception | None]:
        result, wrong = None, failure
        try:
            if fetch is not None and wrong is None:
                result = fetch()
                clock.note(kind, began)
        except Exception as error:
            wrong = error
        if wrong is not None:
            clock.broken.add(kind)
        doing = " · ".join(filter(None, kind))
        clock.tell(number, doing, f"{doing}: {describe(wrong)}" if wrong else "")
        return result, wrong

    return started, end


def describe(error: Exception) -> str:
    """An error on one line, with its kind."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
