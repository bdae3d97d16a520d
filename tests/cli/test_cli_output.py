"""Names of files, JSON, and the words of the report."""

import io
import json
import math
import re
import time
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
        ("", "1"),
        ("???", "1"),
        ("x" * 99, "x" * 40),
    ],
)
def test_a_class_as_part_of_a_file_name(name, expected):
    assert _output.slugs(["other", name]) == ["other", expected]


def test_classes_that_would_get_the_same_name_have_their_index_after_it():
    names = ["cardigan", "Cardigan", "cat", "crane, bird", "crane", "2", "?", "crane 3"]
    expected = ["cardigan-0", "cardigan-1", "cat", "crane-3", "crane-4", "2", "6", "crane-3-2"]
    assert _output.slugs(names) == expected


def test_the_thousand_classes_of_imagenet_have_names_that_any_file_system_tells_apart():
    from egcam_jax.models._classes import class_names

    slugs = _output.slugs(class_names("imagenet"))
    assert len({slug.casefold() for slug in slugs}) == 1000
    assert "egyptian-cat" in slugs


def test_names_that_differ_in_how_accents_are_written_are_told_apart():
    assert _output.distinct(["caf\u00e9", "cafe\u0301"]) == ["caf\u00e9", "cafe\u0301-2"]


def test_staged_files_come_all_together_and_replace_what_was_there(tmp_path):
    (tmp_path / "a").write_text("old")
    with _output.staged(tmp_path) as stage:
        (stage / "a").write_text("new")
        (stage / "b").write_text("b")
        assert (tmp_path / "a").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "b"}


def test_where_one_staged_file_has_no_place_none_is_left(tmp_path):
    (tmp_path / "b").mkdir()

    def stage_two():
        with _output.staged(tmp_path) as stage:
            (stage / "a").write_text("a")
            (stage / "b").write_text("b")

    with pytest.raises(IsADirectoryError, match=r"cannot be written there \(.*b is a folder\); make room"):
        stage_two()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_link_is_replaced_and_not_written_through(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious").write_text("precious")
    (out / "a").symlink_to(tmp_path / "precious")
    with _output.staged(out) as stage:
        (stage / "a").write_text("a")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (out / "a").read_text() == "a"


def test_names_that_are_not_free_are_passed_over():
    assert _output.distinct(["cat", "cat"], lambda name: name != "cat") == ["cat-2", "cat-3"]


def test_json_for_terminals_is_plain():
    assert _output.dump({"ä": 1}, ascii=True).isascii()


def test_json_has_null_where_numbers_are_not_finite():
    text = _output.dump({"a": [math.nan, 1.5], "b": (math.inf,), "c": {"d": "ä"}})
    assert json.loads(text) == {"a": [None, 1.5], "b": [None], "c": {"d": "ä"}}


def test_what_commands_a_terminal_is_shown_and_done_nowhere():
    text = _output.printable("a\x1b[2J\r\x07\x00b\x7f\x9b1m\ud800\tä 猫\n")
    assert text == "a␛[2J␍␇␀b␡�1m?\tä 猫\n"
    assert "\x1b" not in _output.dump({"a": "\x1b"})
    assert json.loads(_output.dump({"a": "\x1b"})) == {"a": "\x1b"}


def test_files_whose_names_command_the_terminal_are_named_harmlessly(egcam, tiny, photographs):
    pytest.importorskip("grain")
    bad = photographs / "\x1b[31mred\x9b.png"
    bad.write_bytes(b"no picture")
    options = ("--steps", 2, "--pictures", 0, "--methods", "gradcam")
    result = egcam("saturation", photographs, *options, "--out", "out")
    assert result.exit_code == 0, result.output
    assert "unreadable: ␛[31mred�.png" in result.output
    assert not {"\x1b", "\x9b"} & set(result.output)
    refused = egcam("saturation", f"folder:{photographs}/\x1b[31mnone", *options, "--out", "out")
    assert refused.exit_code == 2
    assert "␛[31mnone" in refused.stderr
    assert "\x1b" not in refused.output


def record(**changes):
    return {
        "draws": True,
        "against": "references",
        "completeness_gap": 0.5,
        "score_difference": 10.0,
        "completeness_gap_relative": 0.05,
        "completeness_remedy": "--path latent",
        "target": {"logit": 10.0},
        "stderr_mean": 0.2,
        "stderr_relative": 0.04,
    } | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "gap of +0.5 logits, 5 % of the +10 logits between picture and references"),
        (
            {"completeness_gap": -8.0, "completeness_gap_relative": -0.8},
            "gap of -8 logits, 80 % of the +10 logits between picture and references (with these options it "
            "need not vanish; with --path "
            "latent it does as --samples grow)",
        ),
        (
            {"completeness_gap": 3.0, "completeness_gap_relative": 0.3, "completeness_remedy": "--samples"},
            "gap of +3 logits, 30 % of the +10 logits between picture and references (more --samples narrow it, unless "
            "a skip",
        ),
        (
            {"completeness_gap": 3.0, "completeness_gap_relative": 0.3, "completeness_remedy": None},
            "gap of +3 logits, 30 % of the +10 logits between picture and references (this method need not be "
            "complete)",
        ),
        ({"completeness_gap": 1e-3, "completeness_gap_relative": 1e-4}, "gap of +0.001 logits, 0.01 % of"),
        ({"completeness_gap": 5e-4, "completeness_gap_relative": 5e-5}, "no gap to rounding, beside the +10 logits"),
        ({"against": "baseline"}, "gap of +0.5 logits, 5 % of the +10 logits between picture and baseline"),
        ({"completeness_gap": None}, "not defined for this method"),
        ({"completeness_gap": math.nan}, "not finite"),
        ({"completeness_gap_relative": None}, "gap of +0.5 logits"),
    ],
)
def test_the_completeness_gap_in_words(changes, expected):
    text = _report.completeness(record(**changes))
    assert text.startswith(expected)
    assert ("(" in text) == ("(" in expected)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1.0, "100 %"), (0.384, "38 %"), (0.01, "1 %"), (0.0034, "0.3 %"), (1e-9, "below 0.1 %")],
)
def test_a_probability_in_words(share, expected):
    assert _report.percent(share) == expected


def test_a_class_that_is_hardly_there_is_said_unless_what_speaks_against_it_is_shown():
    rare, common = ({"name": "cat", "index": 3, "probability": share} for share in (0.04, 0.05))
    said = "cat (3) has a probability of 4 %: the map shows what speaks for it, not that it is there"
    assert _report.rare(rare, False) == said
    assert _report.rare(common, False) is None
    assert _report.rare(rare, True) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "4 % of the map's maximum"),
        ({"stderr_mean": None, "draws": False}, "none: this method draws no samples"),
        ({"stderr_mean": None}, "not known of a map fused from several"),
        ({"stderr_mean": math.nan}, "unknown: one sample"),
        ({"stderr_relative": None}, "0.2 on average, in the map's units"),
    ],
)
def test_the_standard_error_in_words(changes, expected):
    assert _report.uncertainty(record(**changes)).startswith(expected)


@pytest.mark.parametrize(
    ("done", "since", "now", "expected"),
    [
        (0, 0, 0, 10),  # a second for each step, before anything is known
        (0, 0, 4, 6),  # counting down within the first step
        (0, 0, 40, 20),  # which takes longer than was thought
        (4, 9, 9, 12),  # (9 + 1) / (4 + 1) seconds a step, 6 to go
        (4, 9, 14, 7),
        (10, 30, 31, 0),
    ],
)
def test_the_time_left_follows_from_the_steps_done(done, since, now, expected):
    assert _progress.left(done, 10, since, now) == pytest.approx(expected)


def drawn(*, terminal, delay, done=4, seconds=14.0):
    """What a bar of ten steps leaves on a console: ``done`` of them in 9 s, ``seconds`` after its start."""
    stream, now = io.StringIO(), [0.0]
    console = Console(file=stream, force_terminal=terminal, width=80)
    with _progress.bar(console, 10, delay=delay, clock=lambda: now[0]) as step:
        now[0] = 9.0
        step("loading", done)
        now[0] = seconds
        deadline = time.monotonic() + 10
        while terminal and delay == 0 and "loading" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", stream.getvalue())


def test_a_bar_is_drawn_on_a_terminal_with_the_time_left():
    assert re.search(r"loading \S+ +0:00:14 about 0:00:07 left", drawn(terminal=True, delay=0))


def test_the_time_left_is_shown_before_the_first_step_is_done():
    assert "about 0:00:07 left" in drawn(terminal=True, delay=0, done=0, seconds=3.0)


def test_no_bar_for_what_is_quick_or_piped():
    assert drawn(terminal=True, delay=60) == ""
    assert drawn(terminal=False, delay=0) == ""
