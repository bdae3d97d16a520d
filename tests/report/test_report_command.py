"""`egcam report` from a folder of results to tables and files."""

import csv

import pytest
from made_results import EVIL, plausible, write
from typer.testing import CliRunner

FILES = ["report.csv", "report.html", "report.md", "report.tex"]


@pytest.fixture
def egcam(tmp_path, monkeypatch):
    """Run the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        from egcam_jax.cli import app

        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def results(tmp_path):
    def make(values=None, **given):
        return write(tmp_path / "x" / "results.sqlite", values or plausible(), **given).parent

    return make


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("results"))


def test_tables_on_the_terminal_and_files_beside_the_results(egcam, results):
    folder = results(failures=[("layercam", "road", "out of memory")])
    done = egcam("report", folder)
    assert done.exit_code == 0, done.output
    assert names(folder) == FILES
    lines = done.stdout.splitlines()
    assert "data        demo, 24 images" in lines
    (head,) = [line.split() for line in lines if line.startswith("faithfulness")]
    assert head == ["faithfulness", "insertion_auc", "↑", "deletion_auc", "↓", "insertion_deletion", "↑"]
    first = next(line for line in lines if line.startswith("expected_gradcam:noise=none")).split()
    assert [first[2], first[5], first[8]] == ["1st"] * 3
    assert "2nd" in next(line for line in lines if line.startswith("layercam"))
    assert any("1 NaN 1 missing" in line for line in lines)
    assert "failed: layercam, road: out of memory (1 batch)" in lines
    assert [line for line in lines if line.startswith("wrote")] == [
        f"wrote {folder}/report.{suffix}" for suffix in ("html", "md", "csv", "tex")
    ]
    with open(folder / "report.csv", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 30
    assert "<!doctype html>" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_file_and_another_folder_and_some_formats(egcam, results, tmp_path):
    done = egcam("report", results() / "results.sqlite", "--out", tmp_path / "new" / "y", "--format", "latex, csv")
    assert done.exit_code == 0, done.output
    assert names(tmp_path / "x") == []
    assert names(tmp_path / "new" / "y") == ["report.csv", "report.tex"]


def test_narrow_terminals_get_more_tables(egcam, results, monkeypatch):
    monkeypatch.setattr("egcam_jax.output.console.console", narrow)
    done = egcam("report", results(), "--format", "csv")
    tables = done.stdout[: done.stdout.index("Mean over")].splitlines()[6:]
    assert sum(line.startswith("faithfulness") for line in tables) == 3
    assert max(map(len, tables)) <= 60
    assert "…" not in done.stdout


def narrow(*, stderr=False):
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, width=60)


def test_names_that_no_terminal_can_show_do_not_stop_it(egcam, results):
    folder = results({(EVIL, "sparseness"): [1.0, 2.0]}, data="[bold]\ud800")
    done = egcam("report", folder)
    assert done.exit_code == 0, done.output
    assert "[bold]?" in done.stdout
    assert EVIL in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no"], "no: no results.sqlite there; name the folder that `egcam evaluate --out` was given"),
        (["x", "--format", "pdf"], "--format must be one of 'html', 'md', 'csv', 'latex'; got 'pdf'."),
        (["x", "--format", ","], "--format must name some of html, md, csv, latex; got ','"),
        (["notes.txt"], "no file of results"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(egcam, results, tmp_path, arguments, said):
    results()
    (tmp_path / "notes.txt").write_text("no database, but some text that is long enough")
    done = egcam("report", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_leaves_none_half_written(egcam, results):
    folder = results()
    (folder / "report.tex").mkdir()
    done = egcam("report", folder)
    assert done.exit_code == 2
    assert names(folder) == ["report.tex"]
