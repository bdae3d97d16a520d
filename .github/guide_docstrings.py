"""A griffe extension: the sections of this project's docstrings under the names that griffe knows."""

import re

import griffe


class Sections(griffe.Extension):
    """``Example:`` is one of the sections that griffe draws as code; it knows only the plural."""

    def on_object(self, *, obj: griffe.Object, **others: object) -> None:
        """Rename the sections of one docstring."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^Example:$", "Examples:", obj.docstring.value)
