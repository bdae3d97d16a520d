"""Which class of each image is explained: its label, its top class or classes, or one class for all images."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from egcam_jax import data

_SHOWN = 8
_WANTED = "target must be a class by index, name or part of its name, or label, top or top:K"


class Target(NamedTuple):
    """The ``k`` classes with the largest logits, among those that are allowed.

    Attributes:
        k: How many.
        label: Whether an image's own labels are the only ones that are allowed, where it has some.
        index: The only class that is allowed; ``None`` for any.
    """

    k: int = 1
    label: bool = False
    index: int | None = None  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a target

    def allowed(self, labels: Sequence[int], classes: int) -> Bool[np.ndarray, " classes"]:
        """The classes of an image of which the ``k`` with the largest logits are explained, ``(classes,)``.

        Raises:
            ValueError: A label is no class of the network.
        """
        only = [self.index] if self.index is not None else list(labels) if self.label else []
        outside = [label for label in only if not 0 <= label < classes]
        if outside:
            raise ValueError(
                f"data must have labels from 0 to {classes - 1}, one for each of the network's {classes} classes; got "
                f"{outside[0]}. Take a network of this data's classes, or target='top'."
            )
        allowed = np.full(classes, not only)
        allowed[only] = True
        return allowed


def parse(text: str | None, class_names: Sequence[str] | None, classes: int | None = None) -> Target:
    """Read a target.

    A name is looked for in four steps, and the first step that fits any class decides: the whole name, or one of
    its comma-separated synonyms, as in the data's folders and tables; whole words of it; any part of it.

    Args:
        text: ``label``, ``top``, ``top:K``, an index, or a name or part of a name; ``None`` is ``top``.
        class_names: The model's, by index, or ``None``.
        classes: How many classes the model has; by default as many as it has names.

    Returns:
        The target.

    Raises:
        ValueError: No class fits, several do, or ``K`` is out of range.
    """
    count = len(class_names) if classes is None and class_names else classes
    text = "top" if text is None else text.strip()
    if text.lower() == "label":
        return Target(label=True)
    if match := re.fullmatch(r"top(?::(.*))?", text, re.IGNORECASE):
        return Target(k=_count(text, match[1], count))
    if re.fullmatch(r"[+-]?\d+", text):
        return Target(index=_index(int(text), count))
    if not text or not class_names:
        why = " This model has no class names: give the index." if text else " Leave it out for the top class."
        raise ValueError(f"{_WANTED}; got {text!r}.{why}")
    return Target(index=_named(text, class_names))


def rivals(given: str | Sequence[int] | None, class_names: Sequence[str] | None, classes: int) -> Any:
    """Read the classes that each image's class is held against, as ``explain`` takes them.

    Args:
        given: Indices or names of classes between commas, or ``top:K``; indices; or ``None`` for no rivals.
        class_names: The model's, by index, or ``None``.
        classes: How many classes the model has.

    Raises:
        ValueError: No class fits, several do, or there are fewer other classes.
    """
    if not isinstance(given, str):
        return given and tuple(_index(int(one), classes) for one in given)
    if match := re.fullmatch(r"top(?::(.*))?", given.strip(), re.IGNORECASE):
        return f"top:{_count(given, match[1], classes - 1)}"
    try:
        chosen = [parse(text, class_names, classes).index for text in given.split(",")]
    except ValueError as error:
        raise ValueError(str(error).replace("target", "rivals", 1)) from None
    if None in chosen:
        raise ValueError(f"rivals must be classes by index or name between commas, or top:K; got {given!r}.")
    return tuple(chosen)


def _count(text: str, number: str | None, classes: int | None) -> int:
    if number is None:
        return 1
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"target must be top:K with K a whole number of at least 1, as in top:3; got {text}.")
    if classes and int(number) > classes:
        raise ValueError(f"target must be top:K with K at most {classes}, the number of classes; got {text}.")
    return int(number)


def _index(index: int, classes: int | None) -> int:
    if index < 0 or (classes and index >= classes):
        last = f" to {classes - 1}" if classes else " or more"
        raise ValueError(f"target must be an index of 0{last}, or a name; got {index}.")
    return index


def _named(text: str, class_names: Sequence[str]) -> int:
    if (known := data.find(text, class_names)) is not None:
        return known
    wanted = text.casefold()
    whole_words = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
    for fits in (whole_words.search, lambda name: wanted in name):
        fitting = [i for i, name in enumerate(class_names) if fits(name.casefold())]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise ValueError(_ambiguous(text, fitting, class_names))
    raise ValueError(f"{_WANTED}; got {data.unknown(text, class_names)}.")


def _ambiguous(text: str, fitting: Sequence[int], class_names: Sequence[str]) -> str:
    listed = "; ".join(f"{i} {class_names[i]}" for i in fitting[:_SHOWN])
    more = f"; and {len(fitting) - _SHOWN} more" if len(fitting) > _SHOWN else ""
    return (
        f"target must name one class; got {text!r}, and {len(fitting)} classes fit: {listed}{more}. Give more of the "
        "name, or the index."
    )
