"""Whether a file of results is of the run that is asked for, and what differs, in words."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_GROUPS = ("methods", "metrics")
_FOLLOWS = ("data.digest", "references.ids", "references.count", "references.explained")
"""Of what was asked for, what follows from other parts of it, and is told only where nothing else has changed."""
_NAMES = 4


class ResultsError(OSError):
    """A file of results that cannot be used, or that belongs to another run."""


def check(path: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse a file of another run.

    Raises:
        ResultsError: Something differs.
    """
    if changes := _changes(there, asked):
        raise ResultsError(
            f"{path}: results of another run: {'; '.join(changes)}. Give another --out, or the same options."
        )


def _changes(there: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What differs, in words, without what only follows from it."""
    groups = {name: _exchanged(there.get(name) or (), asked.get(name) or ()) for name in _GROUPS}
    before, now = dict(_flat(there)), dict(_flat(asked))
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    changed = [name for name in changed if not groups.get(name.partition(".")[0])]
    told = [name for name in changed if name not in _FOLLOWS]
    told = told if told or any(groups.values()) else changed
    values = [f"{it} was {_short(before.get(it, 'not given'))}, now {_short(now.get(it, 'not given'))}" for it in told]
    return [f"{name} now {words}" for name, words in groups.items() if words] + values


def _exchanged(before: Iterable[str], now: Iterable[str]) -> str:
    gone, new = sorted({*before} - {*now}), sorted({*now} - {*before})
    return " and ".join(f"{word} {', '.join(them)}" for word, them in (("without", gone), ("with", new)) if them)


def _short(value: Any) -> Any:
    return f"{len(value)} others" if isinstance(value, list) and len(value) > _NAMES else value


def _flat(document: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a document by their path."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, document
