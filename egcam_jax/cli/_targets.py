"""What `--target` means: a class by index or by name, or the k top classes of each image."""

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

_SHOWN = 8


class Top(NamedTuple):
    """The ``k`` classes with the largest logits, of each image its own."""

    k: int


def parse(text: str | None, class_names: Sequence[str] | None) -> int | Top:
    """Read a target.

    A name is looked for in four steps, and the first step that finds anything decides: the whole name; one of
    its comma-separated synonyms; whole words of it; any part of it.

    Args:
        text: An index, ``top:k``, or a name or part of a name; ``None`` is ``top:1``.
        class_names: The model's, by index, or ``None``.

    Returns:
        The class, or how many of the top classes.

    Raises:
        ValueError: No such class, several that fit, or ``k`` out of range.
    """
    if text is None:
        return Top(1)
    text = text.strip()
    if not text:
        raise ValueError("--target '': a class wanted, by index or name, or top:k; leave it out for the top class")
    if match := re.fullmatch(r"top:(.*)", text, re.IGNORECASE):
        return _top(match[1], class_names)
    if re.fullmatch(r"[+-]?\d+", text):
        return _index(int(text), class_names)
    if not class_names:
        raise ValueError(f"--target {text!r}: this model has no class names; give the index or top:k")
    return _named(text, class_names)


def _top(count: str, class_names: Sequence[str] | None) -> Top:
    if not count.isdecimal() or int(count) < 1:
        raise ValueError(f"--target top:{count}: a whole number of at least 1 wanted, as in top:3")
    if class_names and int(count) > len(class_names):
        raise ValueError(f"--target top:{count}: the model has only {len(class_names)} classes")
    return Top(int(count))


def _index(index: int, class_names: Sequence[str] | None) -> int:
    if index < 0 or (class_names and index >= len(class_names)):
        last = f" to {len(class_names) - 1}" if class_names else " or more"
        raise ValueError(f"--target {index}: an index of 0{last} wanted, or a name")
    return index


def _named(text: str, class_names: Sequence[str]) -> int:
    wanted = text.casefold()
    folded = [name.casefold() for name in class_names]
    words = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
    steps = (
        lambda name: name == wanted,
        lambda name: wanted in _synonyms(name),
        words.search,
        lambda name: wanted in name,
    )
    for step in steps:
        found = [i for i, name in enumerate(folded) if step(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(_ambiguous(text, found, class_names))
    raise ValueError(_unknown(text, class_names))


def _synonyms(name: str) -> list[str]:
    return [synonym.strip() for synonym in name.split(",")]


def _ambiguous(text: str, found: Sequence[int], class_names: Sequence[str]) -> str:
    listed = "; ".join(f"{i} {class_names[i]}" for i in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"--target {text!r}: {len(found)} classes fit: {listed}{more}. Give more of the name, or the index"


def _unknown(text: str, class_names: Sequence[str]) -> str:
    owner = {synonym: i for i, name in enumerate(class_names) for synonym in _synonyms(name.casefold())}
    close = difflib.get_close_matches(text.casefold(), owner, n=3, cutoff=0.6)
    nearest = "; ".join(f"{owner[name]} {class_names[owner[name]]}" for name in close)
    remedy = f"did you mean: {nearest}?" if nearest else "give another part of its name, or its index"
    return f"--target {text!r}: no class of this name; {remedy}"
