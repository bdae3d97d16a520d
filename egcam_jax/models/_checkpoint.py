"""The state dict inside a checkpoint: training code saves more than weights, and in many wrappings."""

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from egcam_jax.core.checks import nearest

_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params")
_NO_WEIGHTS = re.compile(r"optim|sched|scaler", re.IGNORECASE)
_AVERAGE = re.compile(r"(^|[._])(ema|swa|averaged?)([._]|$)", re.IGNORECASE)
_DEPTH = 3


def state_dict(tree: Any, entry: str | None, path: Path) -> dict[str, Any]:
    """Find a network's tensors in what a file holds.

    Args:
        tree: Tensors by name, or containers with such a dict in them.
        entry: The dict's name, as in ``"model_ema"``, or what the names of its tensors begin with; by default the
            weights that were trained: an average of them (EMA) is taken where there is nothing else.
        path: The file, for messages.

    Returns:
        Tensors by name.

    Raises:
        ValueError: There is no such entry, or there are several dicts, of which none is the usual one.

    Warns:
        UserWarning: An average is beside the weights that are returned.
    """
    sets = dict(_sets(tree, "", set()))
    if entry is not None:
        return _entry(sets, entry, path)
    kept = {name: tensors for name, tensors in sets.items() if not _NO_WEIGHTS.search(name)}
    trained = [name for name in kept if not _AVERAGE.search(name)]
    known = [name for name in trained if name.rpartition(".")[2] in _WRAPPERS]
    chosen = known or [name for name in trained if not name] or trained or list(kept)
    if len(chosen) > 1:
        raise ValueError(
            f"weights: {path} must hold one set of tensors; got {', '.join(map(repr, chosen))}. Name one with entry=."
        )
    if not chosen:
        return {}
    if averages := [name for name in kept if name not in trained and name not in chosen]:
        warnings.warn(
            f"weights: {path} holds {chosen[0]!r} and its average {averages[0]!r}; {chosen[0]!r} is taken. Pass "
            f"entry={averages[0]!r} for the average.",
            stacklevel=4,
        )
    return dict(kept[chosen[0]])


def _sets(tree: Any, name: str, seen: set[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All dicts with arrays in them, by where they are; a single number, such as the best accuracy, is no weight."""
    if not isinstance(tree, Mapping) or name.count(".") >= _DEPTH or id(tree) in seen:
        return
    seen.add(id(tree))  # a container that is shared many times is looked at once
    if any(isinstance(value, np.ndarray) and value.ndim for value in tree.values()):
        yield name, {str(key): value for key, value in tree.items() if not (name == "" and isinstance(value, Mapping))}
    for key, value in tree.items():
        yield from _sets(value, f"{name}.{key}" if name else str(key), seen)


def _entry(sets: Mapping[str, dict[str, Any]], entry: str, path: Path) -> dict[str, Any]:
    inside = [name for name in sets if name == entry or name.startswith(f"{entry}.")]
    if inside:
        return dict(sets[inside[0]])
    start = entry.removesuffix(".") + "."
    for tensors in sets.values():
        if chosen := {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}:
            return chosen
    starts = {name.partition(".")[0] for tensors in sets.values() for name in tensors}
    raise ValueError(
        f"entry must be a set of tensors in {path}, or what their names begin with; got {entry!r}. "
        f"{nearest(entry, sorted({*filter(None, sets), *starts}))}"
    )
