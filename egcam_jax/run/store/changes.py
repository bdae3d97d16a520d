"""Whether a file of results is of the run that is asked for, and what differs, in words."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_GROUPS = ("methods", "metrics")
_NAMES_ONLY = ("data.source", "references.source", "model.digest", "model.weights")
"""Names of what the digests stand for: a folder that was moved, or is called otherwise, is the same run."""
_CONSEQUENCES = ("data.digest", "references.ids", "references.count", "references.explained", "references.content")
"""Facts that other parts of the document imply: shown only where nothing else has changed."""
_CONTENTS = {
    "model.parameters": "the content of the model's parameters",
    "references.content": "the content of the references",
    "data.digest": "data.digest (the images' names and labels)",
}
"""What digests are of, in words."""
_NAMES = 4


class ResultsError(OSError):
    """A file of results that cannot be used, or that belongs to another run.

    Example:
        >>> import tempfile
        >>> from egcam_jax import evaluate
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     try:
        ...         evaluate.read(folder)
        ...     except evaluate.ResultsError:
        ...         print("no results")
        no results
    """


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
    """What differs, in words; its consequences only where nothing else differs."""
    groups = {name: _exchanged(there.get(name) or (), asked.get(name) or ()) for name in _GROUPS}
    before, now = dict(_flat(there)), dict(_flat(asked))
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    names = [name for name in changed if name in _NAMES_ONLY]
    changed = [name for name in changed if name not in names and not groups.get(name.partition(".")[0])]
    told = [name for name in changed if name not in _CONSEQUENCES]
    if changed and not told and not any(groups.values()):
        told = [*names, *changed]
    elif changed and "references.source" in names:
        told = ["references.source", *told]
    short = lambda document, name: _short(document.get(name, "not given"))
    values = [f"{_CONTENTS.get(name, name)} was {short(before, name)}, now {short(now, name)}" for name in told]
    return [f"{name} now {words}" for name, words in groups.items() if words] + values


def _exchanged(before: Iterable[str], now: Iterable[str]) -> str:
    gone, new = sorted({*before} - {*now}), sorted({*now} - {*before})
    return " and ".join(f"{word} {', '.join(names)}" for word, names in (("without", gone), ("with", new)) if names)


def _short(value: Any) -> Any:
    return f"{len(value)} others" if isinstance(value, list) and len(value) > _NAMES else value


def _flat(document: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a document by their path."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, document
