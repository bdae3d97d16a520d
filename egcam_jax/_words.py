"""From words to values: options as people type them."""

import contextlib
from typing import Any

WORDS = {"true": True, "false": False, "none": None}


def value(text: str) -> Any:
    """A whole number, a number, true, false, none, or the word itself."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for read in (int, float):
        with contextlib.suppress(ValueError):
            return read(text)
    return text


def pairs(texts: list[str], whole: str) -> dict[str, str]:
    """Read ``NAME=VALUE`` texts, parts of a ``whole`` that errors name.

    Raises:
        ValueError: There is no name, no value, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, _, given = (part.strip() for part in text.partition("="))
        if not name or not given or name in found:
            raise ValueError(f"{whole!r}: NAME:OPTION=VALUE:... wanted, each option once; got {text!r}")
        found[name] = given
    return found
