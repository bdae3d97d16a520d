"""A report's tables in LaTeX, as papers print them."""

from collections.abc import Sequence

from egcam_jax.report import _cells
from egcam_jax.report._summary import Column, Summary, Table

_ACROSS = 4
"""Metrics side by side that fit a page."""
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "-": "{-}", "[": "{[}", "]": "{]}", "*": "{*}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "×": r"$\times$",
    "–": "--",
}  # fmt: skip
_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Makes a table smaller only where it is wider than the text: names with their options are long."""


def latex(summary: Summary) -> str:
    r"""Write the tables for LaTeX's booktabs; names are escaped.

    Args:
        summary: What there is to say.

    Returns:
        The text of a file to ``\input``: a ``table`` for each family, or several where a family has many metrics.
    """
    head = [r"% \usepackage{booktabs, graphicx, textcomp} and \usepackage[T1]{fontenc}"]
    head += [f"% {name}: {' '.join(text.split())}" for name, text in summary.facts.items()]
    tables = [
        _table(table, summary.methods, table.columns[start : start + _ACROSS], start == 0)
        for table in summary.tables
        for start in range(0, len(table.columns), _ACROSS)
    ]
    return "\n\n".join(["\n".join(head), *tables]) + "\n"


def _table(table: Table, methods: Sequence[str], columns: Sequence[Column], first: bool) -> str:
    heads = [f"{_escape(column.label)} {_escape(column.arrow)}" for column in columns]
    cells = [list(map(_cell, _cells.words(column))) for column in columns]
    rows = [f"{' & '.join(row)} \\\\" for row in zip(map(_escape, methods), *cells)]
    title = f"{table.family.capitalize()}{'' if first else ', continued'}."
    caption = f"{title} {_escape(_cells.LEGEND)} Bold (best) and underlined (second): {_escape(_cells.TESTED)}"
    lines = [
        r"\begin{table}",
        r"\centering\small",
        f"\\caption{{{caption if first else title}}}",
        _FIT,
        f"\\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        f"{' & '.join(['Method', *heads])} \\\\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _cell(words: _cells.Words) -> str:
    mean = _number(words.mean)
    mean = rf"\textbf{{{mean}}}" if words.best else rf"\underline{{{mean}}}" if words.second else mean
    tie = f"$^{{{words.tie}}}$" if words.tie else ""
    bounds = rf" {{\scriptsize [{_number(words.low)}, {_number(words.high)}]}}" if words.low else ""
    notes = rf" {{\scriptsize ({', '.join(words.notes)})}}" if words.notes else ""
    return f"{mean}{tie}{bounds}{notes}"


def _number(text: str) -> str:
    """A number with a minus sign, and its power of ten written as one."""
    mantissa, e, power = text.partition("e")
    if e:
        return rf"${mantissa}\cdot 10^{{{int(power)}}}$"
    return f"$-${text[1:]}" if text.startswith("-") else text.replace("–", "--")


def _escape(text: str) -> str:
    """Text in which nothing is a command."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
