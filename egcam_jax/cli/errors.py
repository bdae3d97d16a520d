"""From an exception to one line on standard error and an exit status."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import NoReturn

import typer

FAILED = 1
"""Exit status where some of the work could not be done."""
REFUSED = 2
"""Exit status where what was asked for makes no sense, or cannot be had."""
REFUSALS = (ValueError, TypeError, LookupError, OSError, ImportError)
"""Kinds of errors that the library raises on bad input."""

_REMEDIES = {
    r"egcam_jax\.models\.names\(\) lists all": "`egcam models` lists all",
    r"\bweights=(?=$|\s)": "--weights FILE",
    r"\bentry=(?=\.|$|\s)": "--entry NAME",
    r"egcam_jax\.layers\(apply_fn, params, x\) lists": "`egcam layers` with the same --model lists",
}
"""What the library's remedies are called on the command line: the one place where they are put in its words."""


@contextlib.contextmanager
def one_line(debug: bool, flags: Mapping[str, str]) -> Iterator[None]:
    """Turn an error into a line that says what came and what to do; with ``debug``, leave it its traceback.

    The argument that an error begins with is called by its flag, where ``flags`` has one.

    Errors of the kinds that the library raises on bad input exit with 2, any other with 1.
    """
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except REFUSALS as error:
        if debug:
            raise
        stop(_called(text(error), flags), REFUSED)
    except Exception as error:
        if debug:
            raise
        stop(f"{type(error).__name__}: {text(error)} (unexpected: --debug shows where)", FAILED)


def stop(message: str, status: int) -> NoReturn:
    """Say what is wrong, on standard error, and exit."""
    from rich.console import Console
    from rich.text import Text

    from egcam_jax.report.text import printable

    said = Text.assemble(("error: ", "bold red"), printable(message))
    # Rich's, as all else that is printed: it leaves colours out where NO_COLOR or the terminal asks for it.
    Console(stderr=True, highlight=False).print(said, soft_wrap=True)
    raise typer.Exit(status)


def text(error: Exception) -> str:
    """What an exception says, on one line, in the command line's words."""
    # str(KeyError) is the repr of its argument
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    line = " ".join(said.split()) or type(error).__name__
    for ours, theirs in _REMEDIES.items():
        line = re.sub(ours, theirs, line)
    return line


def _called(line: str, flags: Mapping[str, str]) -> str:
    """A message in which the argument that comes first is called by its flag."""
    first = re.match(r"(\w+)(=| must|:)", line)
    if first is None or first[1] not in flags:
        return line
    return f"{flags[first[1]]}{line[len(first[1]) :].replace('=', ' ', first[2] == '=')}"
