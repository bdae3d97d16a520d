"""`egcam reproduce`: a run for each network with the paper's settings, and the table with ours beside its."""

import numpy as np
import pytest
from PIL import Image
from tiny_network import tiny_model

from egcam_jax import evaluate, paper

pytest.importorskip("grain")

COMMON = ("--methods", "gradcam,layercam,hirescam", "--num-refs", 1, "--batch", 2)


@pytest.fixture
def two_classes(tmp_path):
    """Four pictures in the folders of two of the tiny classifier's classes."""
    folder = tmp_path / "data"
    for i in range(4):
        place = folder / ("catamaran" if i % 2 else "Persian cat")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)).save(place / f"{i}.png")
    return folder


def test_a_table_is_computed_printed_and_written(egcam, tiny, two_classes, tmp_path):
    result = egcam("reproduce", "table3", two_classes, *COMMON, "--model", "resnet18", "--out", "out")
    assert result.exit_code == 0, result.output
    run = evaluate.read(tmp_path / "out" / "table3" / "resnet18")
    assert list(run.asked["metrics"]) == list(paper.table("table3").metrics)
    text = (tmp_path / "out" / "table3.md").read_text(encoding="utf-8")
    assert text == paper.markdown(paper.table("table3"), {"resnet18": run})
    mean = np.nanmean(run.values["gradcam", "insertion_auc"])
    assert f"gradcam {mean:.3f}" in " ".join(result.stdout.split())
    for said in ("0.60", "beside VGG-16", "4 images of", "Not computed: gradcam++", "table3.md"):
        assert said in result.stdout


def test_the_same_command_goes_on(egcam, tiny, two_classes):
    command = ("reproduce", "table3", two_classes, *COMMON, "--model", "resnet18", "--out", "out")
    assert egcam(*command).exit_code == 0
    again = egcam(*command)
    assert again.exit_code == 0
    assert "batch" not in again.stderr
    other = egcam(*command, "--seed", 1)
    assert other.exit_code == 2
    assert "--out" in other.stderr


def test_each_network_and_layer_has_a_run(egcam, tiny, two_classes, tmp_path, monkeypatch):
    asked = []
    weights = tmp_path / "w.npz"
    weights.touch()

    def load(name, weights=None):
        asked.append((name, weights and weights.name))
        return tiny_model()

    monkeypatch.setattr("egcam_jax.models.load", load)
    models = ("--model", "resnet18", "--model", "resnet18:features", "--model", "vgg16:features/dense")
    command = ("reproduce", "table3", two_classes, *COMMON, *models, "--weights", f"vgg16={weights}", "--out", "out")
    result = egcam(*command)
    assert result.exit_code == 0, result.output
    assert asked == [("resnet18", None), ("resnet18", None), ("vgg16", "w.npz")]
    folders = {path.name for path in (tmp_path / "out" / "table3").iterdir()}
    assert folders == {"resnet18", "resnet18-features", "vgg16-features-dense"}
    for name in ("resnet18, beside", "resnet18:features, beside", "vgg16:features/dense, beside"):
        assert name in result.stdout


def test_a_network_that_cannot_be_run_leaves_the_others_their_table(egcam, two_classes, tmp_path, monkeypatch):
    def load(name, weights=None):
        if name == "resnet34":
            raise OSError("resnet34: no weights")
        return tiny_model()

    monkeypatch.setattr("egcam_jax.models.load", load)
    models = ("--model", "resnet18", "--model", "resnet34", "--model", "vgg16")
    result = egcam("reproduce", "table3", two_classes, *COMMON, *models, "--out", "out")
    assert result.exit_code == 1, result.output
    assert "left out: resnet34: no weights" in result.stdout
    written = (tmp_path / "out" / "table3.md").read_text()
    assert "resnet18" in written
    assert "vgg16" in written
    assert "resnet34" not in written


def test_perturbed_copies_are_as_many_as_are_asked_for(egcam, tiny, two_classes, tmp_path):
    result = egcam("reproduce", "table6", two_classes, *COMMON, "--model", "resnet50", "--draws", 2, "--out", "out")
    assert result.exit_code == 0, result.output
    options = evaluate.read(tmp_path / "out" / "table6" / "resnet50").asked["metrics"].values()
    low_high = {"low": 0.00452, "high": 0.0452}  # its input is from 0 to 1, the paper's has units of 0.226
    assert [it["options"] for it in options] == [{"mode": "quantus", "num_samples": 2} | low_high] * 2
    said = "num_samples is 2 for relative_input_stability, relative_output_stability, where the paper's is 200"
    assert said in result.stdout


def test_pixels_go_as_many_at_a_time_as_are_asked_for(egcam, tiny, two_classes, tmp_path):
    result = egcam("reproduce", "table3", two_classes, *COMMON, "--model", "resnet50", "--step", 128, "--out", "out")
    assert result.exit_code == 0, result.output
    run = evaluate.read(tmp_path / "out" / "table3" / "resnet50")
    assert [it["options"] for it in run.asked["metrics"].values()] == [{"step": 128}] * 3
    assert "step is 128 for insertion_auc, deletion_auc, insertion_deletion, where the paper's is 224" in result.stdout


def test_time_is_that_of_one_image_explained_again_and_again(egcam, tiny, two_classes, tmp_path):
    result = egcam("reproduce", "table8", two_classes, *COMMON, "--model", "resnet18", "--out", "out")
    assert result.exit_code == 0, result.output
    run = evaluate.read(tmp_path / "out" / "table8" / "resnet18")
    assert run.asked["metrics"]["running_time:repeats=100"]["options"] == {"repeats": 100}
    assert (len(run.images), run.asked["batch"]) == (1, 1)
    assert run.values["gradcam", "running_time:repeats=100"] > 0
    assert "0.006" in result.stdout
    assert "A100" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("table2", "demo"), "table1, table3"),
        (("table3", "nowhere"), "nowhere"),
        (("table4", "demo"), "masks"),
        (("table3", "demo", "--model", "resnet5"), "resnet50"),
        (("table3", "demo", "--model", "vgg16:a", "--model", "vgg16:a"), "twice"),
        (("table3", "demo", "--methods", "gradcan"), "gradcam"),
        (("table3", "demo", "--weights", "vgg16=missing.npz"), "no such file"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(egcam, tiny, arguments, said):
    result = egcam("reproduce", *arguments, "--out", "out")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
