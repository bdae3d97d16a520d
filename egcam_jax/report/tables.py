"""One table of cells, and its four writers: Markdown, LaTeX, comma-separated values and a terminal."""

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from egcam_jax.report import _numbers
from egcam_jax.report.text import printable

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~$&])")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "-": "{-}", "[": "{[}", "]": "{]}", "*": "{*}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "×": r"$\times$",
    "–": "--",
}  # fmt: skip
_STYLES = {"": ("{}",) * 2, "bold": ("**{}**", r"\textbf{{{}}}"), "underline": ("<ins>{}</ins>", r"\underline{{{}}}")}
"""How Markdown and LaTeX write a style."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the start of a formula."""
_NUMBER = re.compile(r"-?[\d.]+(e[-+]?\d+)?")


class Cell(NamedTuple):
    """A number with what stands beside it.

    Attributes:
        text: The number; "–" where there is none.
        low: Where its interval begins; "" where there is none.
        high: Where it ends, likewise.
        style: "bold", "underline" or "".
        place: What a terminal says of the style, which it may not show.
        raised: A mark, such as "=1".
        notes: What else there is to say, such as "3 NaN".
        colour: Of the number on a terminal.
    """

    text: str
    low: str = ""
    high: str = ""
    style: str = ""
    place: str = ""
    raised: str = ""
    notes: Sequence[str] = ()
    colour: str = ""


Row = Sequence[Any]
"""The name of a row, then its cells; text stands for itself."""


def markdown(head: Sequence[str], rows: Iterable[Row]) -> str:
    """Write a table in GitHub's Markdown; its texts are escaped."""
    lines = [list(map(escape, head)), ["---"] * len(head), *([_markdown(cell) for cell in row] for row in rows)]
    return "\n".join(f"|{'|'.join(line)}|" if line[0] == "---" else f"| {' | '.join(line)} |" for line in lines)


def latex(head: Sequence[str], rows: Iterable[Row]) -> str:
    """Write a table for LaTeX's booktabs; its texts are escaped."""
    body = [f"{' & '.join(map(_latex, row))} \\\\" for row in rows]
    begin = f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}"
    title = f"{' & '.join(map(escape_latex, head))} \\\\"
    return "\n".join([begin, r"\toprule", title, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"])


def separated(head: Sequence[str], rows: Iterable[Row]) -> str:
    """Write comma-separated values: numbers unrounded, and nothing where they are not finite."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([head, *(map(_plain, row) for row in rows)])
    return file.getvalue()


def terminal(head: Sequence[str], rows: Iterable[Row], *, between: str = "–") -> Table:
    """Make a table that Rich prints; ``between`` stands between the ends of an interval."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for i, title in enumerate(head):
        table.add_column(
            Text(printable(title), "" if i else "bold"), no_wrap=bool(i), overflow="ellipsis" if i else "fold"
        )
    for row in rows:
        table.add_row(*(_terminal(cell, between) for cell in row))
    return table


def width(title: str, cells: Iterable[Cell]) -> int:
    """How wide a column is on a terminal."""
    return 2 + max(len(printable(title)), *(len(_terminal(cell, "–")) for cell in cells))


def notes(undefined: int, missing: int) -> list[str]:
    """How many images have no value."""
    return [f"{undefined} NaN"] * bool(undefined) + [f"{missing} missing"] * bool(missing)


def escape(text: str) -> str:
    """Text in which nothing is markup, and which moves no terminal's cursor."""
    shown = "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))
    return _MARKUP.sub(r"\\\1", shown)


def escape_latex(text: str) -> str:
    """Text in which nothing is a command."""
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))


def _markdown(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return escape(cell)
    number = _STYLES[cell.style][0].format(_numbers.spelt(cell.text))
    raised = f" <sup>{cell.raised}</sup>" if cell.raised else ""
    bounds = f" <sub>{_numbers.spelt(cell.low)} to {_numbers.spelt(cell.high)}</sub>" if cell.low else ""
    return f"{number}{raised}{bounds}{''.join(f' ({note})' for note in cell.notes)}"


def _latex(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return escape_latex(cell)
    number = _STYLES[cell.style][1].format(_latex_number(cell.text))
    raised = f"$^{{{cell.raised}}}$" if cell.raised else ""
    bounds = rf" {{\scriptsize [{_latex_number(cell.low)}, {_latex_number(cell.high)}]}}" if cell.low else ""
    notes = rf" {{\scriptsize ({', '.join(cell.notes)})}}" if cell.notes else ""
    return f"{number}{raised}{bounds}{notes}"


def _terminal(cell: Cell | str, between: str) -> Text:
    if isinstance(cell, str):
        return Text(printable(cell))
    beside = cell.place or cell.raised
    bounds = f" {_numbers.spelt(cell.low)}{between}{_numbers.spelt(cell.high)}" if cell.low else ""
    number = (_numbers.spelt(cell.text), cell.style or cell.colour)
    return Text.assemble(number, f" {beside}" * bool(beside), (bounds, "dim"), *(f" {note}" for note in cell.notes))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) and not _NUMBER.fullmatch(value) else value
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else ""
    return value


def _latex_number(text: str) -> str:
    """A number with a minus sign, and its power of ten written as one."""
    mantissa, e, power = text.partition("e")
    if e:
        return rf"${mantissa}\cdot 10^{{{int(power)}}}$"
    return f"$-${text[1:]}" if text.startswith("-") else text.replace("–", "--")
