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
    parts = ["# Evaluation", "\n".join(f"- {name}: {_escape(text)}" for name, text in summary.facts.items())]
    for table in summary.tables:
        parts += [f"## {table.family.capitalize()}", _table(table, summary)]
    parts += [f"{_cells.LEGEND} {_MARKS} {_escape(_cells.TESTED)}"]
    if summary.troubles:
        parts += ["## Failed", _rows([("method", "metric", "batches", "reason"), *_failed(summary)])]
    if summary.unreadable:
        bad = [tuple(map(_escape, it)) for it in summary.unreadable]
        parts += [f"## {counted(len(bad), 'image')} could not be read", _rows([("image", "reason"), *bad])]
    return "\n\n".join(parts) + "\n"


def _failed(summary: Summary) -> list[tuple[str, ...]]:
    return [(_escape(it.method), _escape(it.metric), str(it.batches), _escape(it.reason)) for it in summary.troubles]


def _table(table: Table, summary: Summary) -> str:
    heads = [f"{_escape(column.label)} {column.arrow}" for column in table.columns]
    columns = [list(map(_cell, _cells.words(column))) for column in table.columns]
    return _rows([("method", *heads), *zip(map(_escape, summary.methods), *columns)])


def _rows(rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def _cell(words: _cells.Words) -> str:
    mean = _numbers.spelt(words.mean)
    mean = f"**{mean}**" if words.best else f"<ins>{mean}</ins>" if words.second else mean
    tie = f" <sup>{words.tie}</sup>" if words.tie else ""
    bounds = f" <sub>{_numbers.spelt(words.low)} to {_numbers.spelt(words.high)}</sub>" if words.low else ""
    return f"{mean}{tie}{bounds}{''.join(f' ({note})' for note in words.notes)}"


def _escape(text: str) -> str:
    """Text in which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
