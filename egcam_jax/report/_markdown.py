"""A report in Markdown."""

import re

from egcam_jax.report import _cells, _numbers
from egcam_jax.report._facts import counted
from egcam_jax.report._summary import Summary, Table

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~$&])")
_MARKS = "**Bold** (best) and <ins>underlined</ins> (second):"


def markdown(summary: Summary) -> str:
    """Write a report in GitHub's Markdown; names are escaped.

    Args:
        summary: What there is to say.

    Returns:
        The text of a file.
    """
    parts = ["# Evaluation", "\n".join(f"- {name}: {escape(text)}" for name, text in summary.facts.items())]
    for table in summary.tables:
        parts += [f"## {table.family.capitalize()}", _table(table, summary)]
    parts += [f"{_cells.LEGEND} {_MARKS} {escape(_cells.TESTED)}"]
    if summary.troubles:
        parts += ["## Failed", grid([("method", "metric", "batches", "reason"), *_failed(summary)])]
    if summary.unreadable:
        bad = [tuple(map(escape, it)) for it in summary.unreadable]
        parts += [f"## {counted(len(bad), 'image')} could not be read", grid([("image", "reason"), *bad])]
    return "\n\n".join(parts) + "\n"


def _failed(summary: Summary) -> list[tuple[str, ...]]:
    return [(escape(it.method), escape(it.metric), str(it.batches), escape(it.reason)) for it in summary.troubles]


def _table(table: Table, summary: Summary) -> str:
    heads = [f"{escape(column.label)} {column.arrow}" for column in table.columns]
    columns = [list(map(_cell, _cells.words(column))) for column in table.columns]
    return grid([("method", *heads), *zip(map(escape, summary.methods), *columns)])


def grid(rows: list[tuple[str, ...]]) -> str:
    """A table of cells that are Markdown already, the first row its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def _cell(words: _cells.Words) -> str:
    mean = _numbers.spelt(words.mean)
    mean = f"**{mean}**" if words.best else f"<ins>{mean}</ins>" if words.second else mean
    tie = f" <sup>{words.tie}</sup>" if words.tie else ""
    bounds = f" <sub>{_numbers.spelt(words.low)} to {_numbers.spelt(words.high)}</sub>" if words.low else ""
    return f"{mean}{tie}{bounds}{''.join(f' ({note})' for note in words.notes)}"


def escape(text: str) -> str:
    """Text in which nothing is markup, and which moves no terminal's cursor."""
    shown = "".join(it if it.isprintable() else "�" for it in " ".join(text.split()))
    return _SPECIAL.sub(r"\\\1", shown)
