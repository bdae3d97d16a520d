"""Runs of `explain` that were stopped: killed at any moment, the same command goes on with nothing lost or doubled."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_network import document

COMMAND = """
import sys
import tiny_network
from egcam_jax import models
models.load = lambda name, weights=None: tiny_network.tiny_model()
from egcam_jax.cli import main
sys.argv = ["egcam", *sys.argv[1:]]
main()
"""
HERE = Path(__file__).parent
KILLS = int(os.environ.get("KILLS", 3))
"""How often the process is killed; more by ``KILLS=30 pytest``."""


@pytest.fixture
def many(tmp_path):
    """A folder of 24 pictures."""
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(24):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{i:02d}.png")
    return folder


def arrays(folder):
    return {path.name: dict(np.load(path)) for path in sorted(Path(folder).glob("*.npz"))}


def test_a_process_that_is_killed_goes_on_with_nothing_lost_or_doubled(egcam, tiny, many, tmp_path):
    options = ("--batch", "2", "--target", "top:2", "--samples", "1", "--format", "npz")
    assert egcam("explain", many, *options, "--out", "whole").exit_code == 0
    out, draw = tmp_path / "out", random.Random(0)
    for _ in range(KILLS):
        killed(draw, lambda: len(list(out.glob("*.json"))), "explain", many, *options, "--out", "out", "--resume")
        for path in out.glob("*.json"):  # what is there is whole
            assert Path(json.loads(path.read_text())["map"]["files"]["npz"]).is_file()
    assert 0 < len(list(out.glob("*.json"))) < 48
    assert egcam("explain", many, *options, "--out", "out", "--resume").exit_code == 0
    whole, found = arrays("whole"), arrays("out")
    assert list(found) == list(whole)
    assert len(found) == 48
    for name, values in whole.items():
        for field, wanted in values.items():
            np.testing.assert_allclose(found[name][field], wanted, rtol=1e-5, atol=1e-6)
    assert {path.suffix for path in out.iterdir()} == {".json", ".npz"}  # nothing half written is left


def test_a_page_is_whole_whenever_the_process_is_killed(egcam, tiny, photographs, tmp_path):
    asked = ("compare", photographs, "--methods", "gradcam,hirescam", "--target", "1", "--out")
    assert egcam(*asked, "whole").exit_code == 0
    out, draw = tmp_path / "out", random.Random(1)
    for _ in range(max(1, KILLS // 3)):
        # its files wait in a folder of their own until all are there
        killed(draw, lambda: len(list(out.glob("*"))) + len(list(out.glob(".egcam-*/*"))), *asked, "out")
        for path in out.glob("compare.*"):
            whole(path)
    assert egcam(*asked, "out").exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["compare.html", "compare.json", "compare.png"]
    one, other = (json.loads(Path(name, "compare.json").read_text())["images"] for name in ("whole", "out"))
    assert one == other


def killed(draw, progress, *command):
    """Run a command, and kill it a moment after ``progress`` changes."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, command)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    already, deadline = progress(), time.monotonic() + 120
    while progress() == already and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.05 * draw.random())
    process.send_signal(signal.SIGKILL)
    process.wait()


def whole(path):
    """Fail where a file is cut short."""
    if path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    else:
        text = path.read_text(encoding="utf-8")
        assert json.loads(text) if path.suffix == ".json" else text.rstrip().endswith("</html>")


def test_what_is_there_of_this_run_is_passed_over_and_all_else_is_not(egcam, tiny, photographs):
    def explained(*arguments):
        result = egcam("explain", photographs, "--samples", 1, "--target", 1, "--resume", "--json", *arguments)
        assert result.exit_code == 0, result.output
        return [image["image"][-5:] for image in document(result)["images"]], result.stderr

    assert len(explained()[0]) == 5
    names, said = explained()
    assert names == []
    assert "going on in egcam-out: 5 pictures are there already and are kept" in said
    Image.new("RGB", (16, 16), "red").save(photographs / "2.png")
    assert explained()[0] == ["2.png"]  # another picture of the same name
    next(Path("egcam-out").glob("3.*.npz")).unlink()
    assert explained()[0] == ["3.png"]
    Path("egcam-out").rename("moved")
    assert explained("--out", "moved")[0] == []  # wherever the files lie now
    Path("moved").rename("egcam-out")
    Path("egcam-out/note.json").write_text("[1, 2]")  # a document of something else
    assert len(explained("--seed", 1)[0]) == 5  # other draws
    assert len(explained("--method", "gradcam:gradients=expected", "--seed", 1)[0]) == 0
    assert len(explained("--method", "expected_gradcam:noise=none", "--seed", 1)[0]) == 5


def test_the_pictures_pass_through_with_constant_memory(egcam, tiny, many, monkeypatch):
    """No picture of a batch is alive when the batch after the next is read."""
    import gc
    import weakref

    from egcam_jax import data

    alive, most, crop = [], [], data.crop

    def counted(image, preprocess):
        gc.collect()
        most.append(sum(one() is not None for one in alive))
        cropped = np.array(crop(image, preprocess))
        alive.append(weakref.ref(cropped))
        return cropped

    monkeypatch.setattr(data, "crop", counted)
    result = egcam("explain", many, "--method", "gradcam", "--batch", 2, "--target", 1, "--format", "npz")
    assert result.exit_code == 0, result.output
    assert len(most) == 24
    assert max(most[8:]) <= 6  # two batches, and what is being read
