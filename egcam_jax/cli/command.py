"""From a record of options to a command: each field a flag, shown on one screen of help, or on `--help-all`."""

import dataclasses
import inspect
import typing
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from egcam_jax.cli import cache, errors


def flag(help: str, *names: str, panel: str | None = None, rare: bool = False, **more: Any) -> Any:
    """A flag: its help, its names where they are not the field's, and whether `--help-all` alone shows it."""
    return typer.Option(*names, help=help, rich_help_panel=panel, hidden=rare, **more)


class Command(TyperCommand):
    """A command that refuses an option given twice, of which all but the last would be dropped without a word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, after a look at how often each option came."""
        came: Counter[Any] = Counter(self.make_parser(ctx).parse_args(args=list(args))[2])
        for option, times in came.items():
            if times > 1 and option.param_type_name == "option" and not option.multiple and not option.is_flag:
                raise typer.BadParameter(f"came {times} times; it takes one value", ctx=ctx, param=option)
        return super().parse_args(ctx, args)


def _show_all(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        for parameter in ctx.command.params:
            parameter.hidden = False  # type: ignore[attr-defined]
        typer.echo(ctx.get_help())
        raise typer.Exit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The flags of every command."""

    debug: Annotated[bool, flag("Show where an error comes from, with its traceback.", "--debug", rare=True)] = False
    help_all: Annotated[
        bool, flag("Show all options.", "--help-all", is_eager=True, callback=_show_all, expose_value=True)
    ] = False


def _called(name: str, hint: Any) -> str:
    """What a field is called on the command line: its flag, or the word that the help has for an argument."""
    arguments = [one for one in typing.get_args(hint) if isinstance(one, typer.models.ArgumentInfo)]
    return str(arguments[0].metavar) if arguments else f"--{name.replace('_', '-')}"


def add(app: typer.Typer, name: str, options: type[Any], run: Callable[[Any], int | None]) -> None:
    """Add a command to the application.

    Args:
        app: The application.
        name: Name of the command.
        options: A dataclass whose fields are the flags.
        run: Takes a record of them, and returns how much could not be done; its docstring is the help.
    """
    hints = typing.get_type_hints(options, include_extras=True)
    flags = {name: _called(name, hint) for name, hint in hints.items()} | {"name": "--model"}

    def call(**given: Any) -> None:
        with errors.one_line(given["debug"], flags):
            if not given.get("no_cache", True) and (refused := cache.start()):
                typer.echo(f"programs are not kept: {refused}", err=True)
            if run(options(**given)):
                raise typer.Exit(errors.FAILED)

    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[field.name],
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
        )
        for field in dataclasses.fields(options)
    ]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {field.name: hints[field.name] for field in dataclasses.fields(options)}
    call.__doc__ = run.__doc__
    app.command(name, cls=Command)(call)
