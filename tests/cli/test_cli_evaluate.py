"""`egcam evaluate` and `egcam merge`: what they say, how they end, and that the same command goes on."""

import numpy as np
import pytest
from PIL import Image

from egcam_jax import evaluate

pytest.importorskip("grain")

COMMON = ("--methods", "gradcam,expected_gradcam:samples=2", "--metrics", "sparseness,complexity", "--batch", "2")


@pytest.fixture
def two_classes(tmp_path):
    """Five pictures in the folders of two of the tiny classifier's classes."""
    folder = tmp_path / "data"
    for i in range(5):
        place = folder / ("catamaran" if i % 2 else "Persian cat")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)).save(place / f"{i}.png")
    return folder


def test_a_run_says_what_there_is_and_what_comes_next(egcam, tiny, two_classes):
    result = egcam("evaluate", f"folder:{two_classes}", *COMMON, "--limit", 4, "--num-refs", 1, "--out", "run")
    assert result.exit_code == 0, result.output
    assert "4 images, 2 methods, 2 metrics in run/results.sqlite" in result.stdout
    assert "each once" in result.stdout
    assert "next: egcam report run" in result.stdout
    assert "batch 1 of 2 done; about" in result.stderr
    run = evaluate.read(two_classes.parent / "run")
    assert run.values["gradcam", "sparseness"].shape == (4,)
    undefined = sum(int(np.isnan(values).sum()) for values in run.values.values())
    assert f"{undefined} values undefined, 0 unreadable, 0 failures" in result.stdout


def test_a_long_batch_is_not_silent(egcam, tiny, two_classes, monkeypatch):
    monkeypatch.setattr("egcam_jax.output.console._SILENCE", -1)
    result = egcam("evaluate", f"folder:{two_classes}", *COMMON, "--limit", 4, "--num-refs", 1, "--out", "run")
    assert "batch 1 of 2: done gradcam · sparseness, " in result.stderr


def test_the_same_command_goes_on_and_another_is_refused(egcam, tiny, two_classes):
    command = ("evaluate", f"folder:{two_classes}", *COMMON, "--out", "run")
    first, again = egcam(*command), egcam(*command)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "going on" not in first.stderr
    assert again.stderr == "going on with the run in run: what is there is kept\n"
    other = egcam(*command, "--seed", 3)
    assert other.exit_code == 2
    assert "seed was 0, now 3" in other.stderr
    assert "going on" not in other.stderr
    assert "--out" in other.stderr


def test_a_failure_is_named_at_once_and_is_the_exit_status(egcam, tiny, two_classes):
    indivisible = "infidelity:mode=quantus:patch_size=5,sparseness"
    result = egcam("evaluate", two_classes, "--methods", "gradcam", "--metrics", indivisible, "--out", "run")
    assert result.exit_code == 1
    assert (
        "failed, and left out from here on: gradcam · infidelity:mode=quantus:patch_size=5: ValueError" in result.stderr
    )
    assert "1 failure\n" in result.stdout
    assert "5 images, 1 method, 1 metric" in result.stdout


def test_stopping_it_says_that_the_same_command_goes_on(egcam, tiny, two_classes, monkeypatch):
    def stopped(plan, process, report):
        raise KeyboardInterrupt

    monkeypatch.setattr("egcam_jax.evaluate.run", stopped)
    result = egcam("evaluate", two_classes, *COMMON, "--out", "run")
    assert result.exit_code == 130
    assert "the same command goes on there" in result.stderr


def test_what_the_data_does_not_allow_is_said(egcam, tiny, two_classes):
    result = egcam("evaluate", two_classes, "--methods", "gradcam", "--metrics", "localisation", "--out", "run")
    assert result.exit_code == 2
    assert "the data has no masks" in result.stderr


def test_the_parts_of_two_processes_are_merged(egcam, tiny, two_classes):
    command = ("evaluate", two_classes, *COMMON, "--out", "run", "--num-processes", 2)
    for number in range(2):
        part = egcam(*command, "--process-id", number)
        assert part.exit_code == 0, part.output
        assert "next: egcam merge run" in part.stdout
    merged = egcam("merge", "run")
    assert merged.exit_code == 0
    assert "5 images, 2 methods, 2 metrics in run/results.sqlite" in merged.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "nowhere:x"), "folder:"),
        (("evaluate", "folder:missing"), "missing"),
        (("evaluate", "demo", "--methods", "gradcan"), "gradcam"),
        (("evaluate", "demo", "--target", "truth"), "label"),
        (("evaluate", "demo", "--process-id", 1), "belong together"),
        (("merge", "empty"), "no parts"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(egcam, tiny, arguments, said):
    result = egcam(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
