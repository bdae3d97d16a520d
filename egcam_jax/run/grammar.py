"""The grammar of names with options, ``NAME:OPTION=VALUE:...,NAME...``, whatever is named."""

import contextlib
import re
from collections.abc import Iterable
from typing import Any

_WORDS = {"true": True, "false": False, "none": None}


def split(text: str) -> list[str]:
    """Cut a text at its commas; a comma before a digit or a sign belongs to a list of numbers."""
    return [part.strip() for part in re.split(r",(?!\s*[-+.\d])", text) if part.strip()]


def texts(value: str | Iterable[str]) -> list[str]:
    """The names in a text, or in several."""
    return split(value) if isinstance(value, str) else [part for text in value for part in split(text)]


def value(text: str) -> Any:
    """A whole number, a number or several, true, false, none, or the word itself."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for read in (int, float, lambda numbers: [float(part) for part in numbers.split(",")]):
        with contextlib.suppress(ValueError):
            return read(text)
    return text


def pairs(label: str, argument: str) -> tuple[str, dict[str, str]]:
    """The name before the first colon, and the options after it."""
    name, *rest = label.split(":")
    given: dict[str, str] = {}
    for text in rest:
        option, _, written = (part.strip() for part in text.partition("="))
        option = option.replace("-", "_")
        if not option or not written or option in given:
            raise ValueError(f"{argument} must be NAME:OPTION=VALUE:..., each option once; got {label!r}.")
        given[option] = written
    return name, given
