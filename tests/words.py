"""Habits of writing that readers whose English is a second language stumble over; shared by the tests of all texts."""

import re

EVERYWHERE = (
    "are no harm",
    "a layer that there is not",
    "by the way",
    "comes? to what",
    "for want of",
    "hand(s|ed)? on to",
    "is no harm",
    "is told (apart )?(from|by)",
    "lacking",
    "made anew",
    "none the less",
    "passes over",
    "said to",
    "the same goes for",
    "what follows from",
    "who (lacks?|can leave|wants)",
    "works? alike",
)
"""Idioms translated from another language, and sentences without a subject, as patterns."""
IN_THE_GUIDE = (
    "alike",
    "all the same",
    "anew",
    "at hand",
    "but for",
    "by (itself|themselves)",
    "do(es)? not count",
    "foretells?",
    "held? against",
    "lacks?",
    "of theirs",
    "sets? out from",
    "that there (is|are)",
    "those who",
    "what (stands?|came|is left|there is|was wanted)",
    "whatever",
)
"""More of them, which the texts for readers avoid and the docstrings not yet."""


def habits_in(text: str, patterns: tuple[str, ...] = EVERYWHERE) -> list[str]:
    """The habits that a text has, in any line breaks."""
    return [match[0].lower() for match in re.finditer(rf"\b({'|'.join(patterns)})\b", " ".join(text.split()), re.I)]
