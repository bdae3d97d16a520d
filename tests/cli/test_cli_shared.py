"""What the commands share: flags, one screen of help, names of classes, and an exit status where nothing is read."""

import json
from pathlib import Path

import pytest
from tiny_network import document
from typer.main import get_command

from egcam_jax.cli import app

pytest.importorskip("grain")
EXPLAINING = ("explain", "compare", "evaluate")


def flags(command):
    return {it.name: it for it in get_command(app).commands[command].params if it.param_type_name == "option"}


def test_explain_compare_and_evaluate_share_their_flags():
    explain, compare, evaluate = map(flags, EXPLAINING)
    common = set(explain) & set(compare) & set(evaluate)
    assert {"model", "weights", "methods", "metrics", "target", "layer", "refs", "samples", "out", "seed"} <= common
    for name in common:
        assert explain[name].opts == compare[name].opts == evaluate[name].opts
        assert explain[name].help == compare[name].help == evaluate[name].help
    assert set(explain) - common == {"format", "resume", "json"}
    assert set(compare) - common == {"json"}


@pytest.mark.parametrize("command", EXPLAINING)
def test_help_fits_one_screen_and_the_rest_is_below_help_all(egcam, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")
    short, whole = egcam(command, "--help").stdout, egcam(command, "--help-all").stdout
    assert len(short.splitlines()) <= 44
    assert max(map(len, short.splitlines())) <= 100
    assert "--chunk" not in short
    assert "--chunk" in whole
    assert all(max(option.opts, key=len) in whole for option in flags(command).values())


@pytest.mark.parametrize("target", ["persian", "2"])
def test_a_class_is_named_alike_in_every_command(egcam, tiny, photographs, target):
    from egcam_jax import evaluate

    it = document(egcam("explain", photographs / "0.png", "--method", "gradcam", "--target", target, "--json"))
    assert it["images"][0]["maps"][0]["target"]["index"] == 2
    asked = ("--methods", "gradcam", "--metrics", "sparseness", "--target", target, "--out", "run")
    assert egcam("evaluate", photographs, *asked).exit_code == 0
    assert {image.target for image in evaluate.read("run").images} == {2}


def test_three_classes_of_each_image_are_no_evaluation(egcam, tiny, photographs):
    result = egcam("evaluate", photographs, "--methods", "gradcam", "--metrics", "sparseness", "--target", "top:3")
    assert result.exit_code == 2
    assert "--target must be one class of each image in an evaluation; got top:3" in result.stderr


def test_where_nothing_can_be_read_the_exit_status_says_so(egcam, tiny, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    for i in range(2):
        (folder / f"{i}.png").write_bytes(b"no picture")
    asked = ("--methods", "gradcam", "--metrics", "sparseness", "--out", "run")
    assert egcam("explain", folder, "--method", "gradcam").exit_code == 1
    assert egcam("compare", folder, "--method", "gradcam").exit_code == 1
    result = egcam("evaluate", folder, *asked)
    assert result.exit_code == 1, result.output
    assert "0 images" in result.stdout
    assert egcam("report", "run", "--out", "out").exit_code == 1
    result = egcam("saturation", folder, "--methods", "gradcam", "--out", "curves")
    assert result.exit_code == 1, result.output
    assert "unreadable: 0.png" in result.stdout
    assert list(Path("curves").iterdir()) == []


def test_saturation_names_what_it_passes_over(egcam, tiny, photographs):
    (photographs / "a.heic").write_bytes(b"of another kind")
    result = egcam("saturation", photographs, "--methods", "gradcam", "--at", "1", "--steps", 2, "--out", "out")
    assert result.exit_code == 0, result.output
    assert "1 file was passed over: a.heic (.heic files are not read; convert them to JPEG or PNG)" in result.stdout
    assert json.loads(Path("out/saturation.json").read_text())["models"][0]["passed_over"] != []


def test_times_of_the_first_batch_alone_are_no_missing_values(egcam, tiny, photographs):
    asked = ("--methods", "gradcam", "--metrics", "running_time:repeats=1,sparseness", "--batch", 2, "--out", "run")
    result = egcam("evaluate", photographs, *asked)
    assert result.exit_code == 0, result.output
    assert "missing" not in result.stdout
