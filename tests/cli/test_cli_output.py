"""Names of files, JSON, and the words of the report."""

import io
import json
import math
import re
from pathlib import Path

import pytest
from rich.console import Console

from egcam_jax.cli import _output, _progress, _report


def test_repeated_names_are_numbered_and_never_meet():
    names = ["cat", "dog", "cat", "Cat", "cat-2", "cat"]
    assert _output.distinct(names) == ["cat", "dog", "cat-2", "Cat-3", "cat-2-2", "cat-4"]


def test_long_names_are_cut_between_letters():
    assert _output.stem(Path("photo.of.me.jpg")) == "photo.of.me"
    assert _output.stem(Path("a" * 250 + ".jpg")) == "a" * 180
    assert _output.stem(Path("a" + "ä" * 120 + ".jpg")) == "a" + "ä" * 89


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tabby, tabby cat", "tabby"),
        ("Egyptian cat", "egyptian-cat"),
        ("jack-o'-lantern", "jack-o-lantern"),
        ("CD player", "cd-player"),
        ("../../etc/passwd", "etc-passwd"),
        ("a.b", "a-b"),
        (None, "7"),
        ("???", "7"),
        ("x" * 99, "x" * 40),
    ],
)
def test_a_class_as_part_of_a_file_name(name, expected):
    assert _output.slug(7, name) == expected


def test_names_that_are_not_free_are_passed_over():
    assert _output.distinct(["cat", "cat"], lambda name: name != "cat") == ["cat-2", "cat-3"]


def test_json_for_terminals_is_plain():
    assert _output.dump({"ä": 1}, ascii=True).isascii()


def test_json_has_null_where_numbers_are_not_finite():
    text = _output.dump({"a": [math.nan, 1.5], "b": (math.inf,), "c": {"d": "ä"}})
    assert json.loads(text) == {"a": [None, 1.5], "b": [None], "c": {"d": "ä"}}


def record(**changes):
    return {
        "completeness_gap": 0.5,
        "completeness_gap_relative": 0.05,
        "completeness_remedy": "--path latent",
        "target": {"logit": 10.0},
        "stderr_mean": 0.2,
        "stderr_relative": 0.04,
    } | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "gap of +0.5 logits, 5 % of the +10 logits explained"),
        (
            {"completeness_gap": -8.0, "completeness_gap_relative": -0.8},
            "gap of -8 logits, 80 % of the +10 logits explained (--path latent would narrow it)",
        ),
        ({"completeness_gap": 1e-3, "completeness_gap_relative": 1e-4}, "gap of +0.001 logits, 0.01 % of"),
        ({"completeness_gap": 5e-4, "completeness_gap_relative": 5e-5}, "no gap to rounding, beside the +10 logits"),
        ({"completeness_gap": None}, "not defined for this method"),
        ({"completeness_gap": math.nan}, "not finite"),
        ({"completeness_gap_relative": None}, "gap of +0.5 logits"),
    ],
)
def test_the_completeness_gap_in_words(changes, expected):
    text = _report.completeness(record(**changes))
    assert text.startswith(expected)
    assert ("narrow" in text) == ("narrow" in expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "4 % of the map's maximum"),
        ({"stderr_mean": None}, "none: this method draws no samples"),
        ({"stderr_mean": math.nan}, "unknown: one sample"),
        ({"stderr_relative": None}, "0.2 on average, in the map's units"),
    ],
)
def test_the_standard_error_in_words(changes, expected):
    assert _report.uncertainty(record(**changes)).startswith(expected)


def drawn(*, terminal, delay):
    """What a bar of two steps leaves on a console."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=80)
    with _progress.bar(console, 2, delay=delay) as step:
        step("loading", 1)
        if delay == 0:
            while terminal and "loading" not in stream.getvalue():
                pass
    return stream.getvalue()


def test_a_bar_is_drawn_on_a_terminal_with_the_time_left():
    text = drawn(terminal=True, delay=0)
    assert "1/2" in text
    assert re.search(r"left (-:--:--|\d+:\d\d:\d\d)", re.sub(r"\x1b\[[\d;]*m", "", text))


def test_no_bar_for_what_is_quick_or_piped():
    assert drawn(terminal=True, delay=60) == ""
    assert drawn(terminal=False, delay=0) == ""
