"""A griffe extension: the sections of this project's docstrings under the names that griffe knows."""

import re

import griffe


class Sections(griffe.Extension):
    """Griffe draws ``Examples:`` as code and ``Other Parameters:`` as a list; this project writes shorter names."""

    def on_object(self, *, obj: griffe.Object, **others: object) -> None:
        """Rename the sections of one docstring."""
        if obj.docstring:
            text = re.sub(r"(?m)^Example:$", "Examples:", obj.docstring.value)
            obj.docstring.value = re.sub(r"(?m)^Options:$", "Other Parameters: Options", text)
