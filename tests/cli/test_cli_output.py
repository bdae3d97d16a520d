"""Names of files, JSON, and the words of the report."""

import io
import json
import math
import re
from pathlib import Path

import pytest
from rich.console import Console

from egcam_jax.output import console, files, names, words
from egcam_jax.report import text as printing


def test_repeated_names_are_numbered_and_never_meet():
    given = ["cat", "dog", "cat", "Cat", "cat-2", "cat"]
    assert names.distinct(given) == ["cat", "dog", "cat-2", "Cat-3", "cat-2-2", "cat-4"]


def test_long_names_are_cut_between_letters():
    assert names.stem(Path("photo.of.me.jpg")) == "photo.of.me"
    assert names.stem(Path("a" * 250 + ".jpg")) == "a" * 180
    assert names.stem(Path("a" + "ä" * 120 + ".jpg")) == "a" + "ä" * 89


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
    assert names.slugs(["other", name]) == ["other", expected]


def test_classes_that_would_get_the_same_name_have_their_index_after_it():
    given = ["cardigan", "Cardigan", "cat", "crane, bird", "crane", "2", "?", "crane 3"]
    expected = ["cardigan-0", "cardigan-1", "cat", "crane-3", "crane-4", "2", "6", "crane-3-2"]
    assert names.slugs(given) == expected


def test_the_thousand_classes_of_imagenet_have_names_that_any_file_system_tells_apart():
    from egcam_jax.models._classes import class_names

    slugs = names.slugs(class_names("imagenet"))
    assert len({slug.casefold() for slug in slugs}) == 1000
    assert "egyptian-cat" in slugs


def test_names_that_differ_in_how_accents_are_written_are_told_apart():
    assert names.distinct(["caf\u00e9", "cafe\u0301"]) == ["caf\u00e9", "cafe\u0301-2"]


def test_staged_files_come_all_together_and_replace_what_was_there(tmp_path):
    (tmp_path / "a").write_text("old")
    with files.staged(tmp_path) as stage:
        (stage / "a").write_text("new")
        (stage / "b").write_text("b")
        assert (tmp_path / "a").read_text() == "old"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "b"}


def test_where_one_staged_file_has_no_place_none_is_left(tmp_path):
    (tmp_path / "b").mkdir()

    def stage_two():
        with files.staged(tmp_path) as stage:
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
    with files.staged(out) as stage:
        (stage / "a").write_text("a")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (out / "a").read_text() == "a"


def test_names_that_are_not_free_are_passed_over():
    assert names.distinct(["cat", "cat"], lambda name: name != "cat") == ["cat-2", "cat-3"]


def test_json_for_terminals_is_plain():
    assert files.dump({"ä": 1}, ascii=True).isascii()


def test_json_has_null_where_numbers_are_not_finite():
    text = files.dump({"a": [math.nan, 1.5], "b": (math.inf,), "c": {"d": "ä"}})
    assert json.loads(text) == {"a": [None, 1.5], "b": [None], "c": {"d": "ä"}}


def test_what_commands_a_terminal_is_shown_and_done_nowhere():
    text = printing.printable("a\x1b[2J\r\x07\x00b\x7f\x9b1m\ud800\tä 猫\n")
    assert text == "a␛[2J␍␇␀b␡�1m?\tä 猫\n"
    assert "\x1b" not in files.dump({"a": "\x1b"})
    assert json.loads(files.dump({"a": "\x1b"})) == {"a": "\x1b"}


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
        "completeness_remedy": {"path": "latent"},
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
            "need not vanish; with path=latent it does as --samples grow)",
        ),
        (
            {"completeness_gap": 3.0, "completeness_gap_relative": 0.3, "completeness_remedy": {}},
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
    text = words.completeness(record(**changes))
    assert text.startswith(expected)
    assert ("(" in text) == ("(" in expected)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1.0, "100 %"), (0.384, "38 %"), (0.01, "1 %"), (0.0034, "0.3 %"), (1e-9, "below 0.1 %")],
)
def test_a_probability_in_words(share, expected):
    assert words.percent(share) == expected


def test_a_class_that_is_hardly_there_is_said_unless_what_speaks_against_it_is_shown():
    rare, common = ({"name": "cat", "index": 3, "probability": share} for share in (0.04, 0.05))
    said = "cat (3) has a probability of 4 %: the map shows what speaks for it, not that it is there"
    assert words.rare(rare, False) == said
    assert words.rare(common, False) is None
    assert words.rare(rare, True) is None


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
    assert words.uncertainty(record(**changes)).startswith(expected)


def drawn(*, terminal, share=0.4):
    """What a bar leaves on a console."""
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    out = Console(file=stream, force_terminal=terminal, width=80)
    with console.bar(out) as step:
        step("loading", share)
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", stream.getvalue())


def test_a_bar_is_drawn_on_a_terminal_alone():
    assert re.search(r"0:00:0\d -:--:-- loading", drawn(terminal=True))
    assert drawn(terminal=False) == ""
