"""Habits of writing that readers whose English is a second language stumble over; shared by the tests of all texts."""

HABITS = (
    "is told from",
    "is said to",
    "what follows from",
    "who lacks",
    "are no harm",
    "is no harm",
    "a layer that there is not",
)
"""Idioms translated from another language, and sentences without a subject."""


def habits_in(text):
    """The habits that a text has, whatever its line breaks."""
    plain = " ".join(text.split()).lower()
    return [habit for habit in HABITS if habit in plain]
