"""Markdown, CSV and LaTeX: what they show, and that nothing in a name is taken for markup."""

import csv
import io
import re

import numpy as np
import pytest
from made_results import EVIL, plausible

from egcam_jax import report
from egcam_jax.report import _numbers


@pytest.fixture
def evil(summarise):
    """A run in which everything that a user names is hostile."""
    scores = {(method, "sparseness"): [0.1 * i, 0.2, 0.3] for i, method in enumerate([EVIL, "=cmd()"])}
    troubles = {"failures": [(EVIL, "road", EVIL)], "unreadable": [(EVIL, "line\nbreak")]}
    return summarise(scores, data=EVIL, **troubles)


@pytest.fixture
def tied(summarise):
    """Two methods that are equal."""
    return summarise({(method, "sparseness"): list(np.linspace(0.2, 0.8, 10)) for method in "ab"})


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def markdown_rows(text):
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]


def test_markdown_marks_the_best_the_second_and_ties(summarise, tied):
    text = report.markdown(summarise(plausible()))
    table = text[text.index("## Faithfulness") : text.index("## Robustness")]
    assert "insertion\\_auc ↑" in table
    assert "deletion\\_auc ↓" in table
    by_method = {row[0]: row[1:] for row in markdown_rows(table)}
    assert all(
        re.match(r"\*\*0\.\d{3}\*\* <sub>0\.\d{3} to 0\.\d{3}</sub>$", it)
        for it in by_method["expected\\_gradcam:noise=none"]
    )
    assert all(re.match(r"<ins>0\.\d{3}</ins> <sub>", it) for it in by_method["layercam"])
    assert all(re.match(r"0\.\d{3} <sub>", it) for it in by_method["gradcam"])
    assert "(1 NaN) (1 missing)" in text
    assert "– (24 missing)" in text
    assert report.markdown(tied).count("<sup>=1</sup>") == 2


def test_nothing_in_a_name_is_markdown(evil):
    text = report.markdown(evil)
    ours = {"sub", "/sub", "sup", "/sup", "ins", "/ins"}
    assert set(re.findall(r"(?<!\\)<([^>]*)>", text)) <= ours
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 5)  # two or four cells, whatever a name has in it
    assert r"\<script\>alert('1')\</script\>\|\*\_\&" in text
    assert "line break" in text


@pytest.mark.parametrize("letter", ["\x1b", "\x00", "\x7f", "\x9b", "\u202e"])
def test_what_moves_a_cursor_is_seen_in_markdown(summarise, letter):
    name = f"a{letter}[2Jb"
    scores = {(method, "sparseness"): [0.1, 0.2] for method in (name, "c")}
    text = report.markdown(summarise(scores, data=name, failures=[(name, "road", name)]))
    assert letter not in text
    assert text.count(r"a�\[2Jb") == 4


def test_comma_separated_values_are_unrounded_and_read_back(summarise):
    found = summarise(plausible())
    lines = rows(report.comma_separated(found))
    assert len(lines) == len(found.methods) * len(found.columns)
    for line in lines:
        (column,) = [it for it in found.columns if it.label == line["metric"]]
        cell = column.cells[list(found.methods).index(line["method"])]
        assert line["better"] == ("higher" if column.metric.higher_is_better else "lower")
        assert (int(line["images"]), int(line["nan"]), int(line["missing"])) == (
            cell.interval.images,
            cell.undefined,
            cell.missing,
        )
        read = [float(line[name]) if line[name] else np.nan for name in ("mean", "low", "high", "p")]
        np.testing.assert_array_equal(read, [*cell.interval[:3], cell.p])
        assert line["mark"] == cell.mark


def test_no_name_is_a_formula_or_breaks_a_line_of_comma_separated_values(evil):
    methods = {line["method"] for line in rows(report.comma_separated(evil))}
    assert methods == {EVIL, "'=cmd()"}


def test_latex_sets_tables_as_papers_do(summarise, tied):
    text = report.latex(summarise(plausible()))
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 4
    for command in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(command) == 4
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) in (1, 3)
    assert re.search(
        r"expected\\_gradcam:noise=none & .*\\textbf\{0\.\d{3}\} \{\\scriptsize \[0\.\d{3}, 0\.\d{3}\]\}", text
    )
    assert re.search(r"layercam & .*\\underline\{0\.\d{3}\}", text)
    assert r"insertion\_auc $\uparrow$" in text
    assert "-- {\\scriptsize (24 missing)}" in text
    assert report.latex(tied).count("$^{=1}$") == 2


def test_a_family_of_many_metrics_is_several_tables_in_latex(summarise):
    labels = [f"infidelity:num_samples={i}" for i in range(1, 8)]
    text = report.latex(summarise({("a", label): [1.0, 2.0] for label in labels}))
    assert text.count(r"\begin{table}") == 2
    assert "Faithfulness, continued." in text
    assert r"\begin{tabular}{lrrrr}" in text
    assert r"\begin{tabular}{lrrr}" in text


def test_nothing_in_a_name_is_a_command_in_latex(evil):
    lines = [line for line in report.latex(evil).splitlines() if not line.startswith("%")]
    assert any("script" in line for line in lines)
    (row,) = [line for line in lines if line.startswith("\\textless")]
    assert row.startswith(
        r"\textless{}script\textgreater{}alert(\textquotesingle{}1\textquotesingle{})\textless{}/script\textgreater{}"
        r"\textbar{}*\_\&\textquotedbl{}\$\%\#\{\}\textbackslash{}.jpg &".replace("*", "{*}")
    )
    depth = 0
    for letter in re.sub(r"\\[{}]", "", "\n".join(lines)):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.71234, 0.05], ["0.712", "0.050"]),
        ([53.21, 7.777], ["53.2", "7.8"]),
        ([-0.00001, 0.5], ["-1e-05", "0.500"]),
        ([1234.5, 2.0], ["1234", "2"]),
        ([0.00001234, 0.0], ["1.23e-05", "0"]),
        ([2e7, np.nan], ["2.00e+07", ""]),
        ([0.0, -0.0], ["0.000", "0.000"]),
    ],
)
def test_numbers_have_the_decimals_that_the_largest_asks_for(values, expected):
    places = _numbers.decimals(values)
    assert [_numbers.number(it, places) for it in values] == expected


def test_numbers_are_spelt_with_a_true_minus():
    assert _numbers.spelt("-1.5") == "−1.5"
    assert _numbers.spelt("-1.23e-05") == "−1.23·10⁻⁵"
    assert _numbers.spelt("0.712") == "0.712"
