"""A command that refuses an option given twice, of which all but the last would be dropped without a word."""

from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand


class Command(TyperCommand):
    """A command whose options may be given several times only where they take several values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, after a look at how often each option came."""
        came: Counter[Any] = Counter(self.make_parser(ctx).parse_args(args=list(args))[2])
        for option, times in came.items():
            if times > 1 and option.param_type_name == "option" and not option.multiple and not option.is_flag:
                raise typer.BadParameter(f"came {times} times; it takes one value", ctx=ctx, param=option)
        return super().parse_args(ctx, args)
