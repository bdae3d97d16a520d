"""What is said beside the maps: of the references, of classes that are hardly there, and in files' names."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_network import document, tiny_model

from egcam_jax import data, render

FEW = "5 references; 16 or more make a distribution"


@pytest.fixture
def told(egcam, photographs):
    """What a command prints about one picture, and its document."""

    def run(command, *arguments, picture=photographs / "0.png"):
        methods = ("--method" if command == "explain" else "--methods", "expected_gradcam")
        target = () if "--target" in arguments else ("--target", 1)
        call = (command, picture, *methods, "--samples", 1, *target, *arguments)
        printed, it = egcam(*call), egcam(*call, "--json")
        assert printed.exit_code == it.exit_code == 0, printed.output
        return printed.stdout, document(it)

    return run


@pytest.mark.parametrize("command", ["explain", "compare"])
def test_few_references_are_said(told, tiny, photographs, command):
    printed, it = told(command, "--refs", photographs)
    assert f"  note            {FEW}\n" in printed
    assert it["references"]["note"] == FEW
    for i in range(5, 16):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(photographs / f"{i}.png")
    printed, it = told(command, "--refs", photographs)
    assert "make a distribution" not in printed
    assert it["references"]["note"] is None


@pytest.mark.parametrize("command", ["explain", "compare"])
@pytest.mark.parametrize("copied", [True, False])
def test_a_picture_among_its_own_references_is_named(told, tiny, photographs, tmp_path, command, copied):
    picture = photographs / "0.png"
    if copied:
        picture = shutil.copy(picture, tmp_path / "other.png")
    printed, it = told(command, "--refs", photographs / "0.png", picture=picture)
    assert f"{picture} is among its own references; name others with --refs" in printed
    assert "1 reference; 16 or more" in printed
    assert it["images"][0]["among_references"] is True
    printed, it = told(command, "--refs", photographs / "1.png", picture=picture)
    assert "among its own" not in printed
    assert it["images"][0]["among_references"] is False


def test_a_photograph_among_the_references_of_the_demonstration_is_named(told, tiny):
    photograph = data.demo_path().with_name(data.DEMO_REFERENCES[0])
    assert told("explain", picture=photograph)[1]["images"][0]["among_references"] is True
    assert told("explain")[1]["images"][0]["among_references"] is False


@pytest.mark.parametrize("command", ["explain", "compare"])
def test_a_class_that_is_hardly_there_is_said(told, photographs, monkeypatch, command):
    monkeypatch.setattr("egcam_jax.models.load", lambda name, weights=None: tiny_model(scale=20.0))
    _, it = told(command)
    probable = {top["index"]: top["probability"] for top in it["images"][0]["top_classes"]}
    likely, unlikely = max(probable, key=probable.get), min(probable, key=probable.get)
    assert probable[unlikely] < 0.05 < probable[likely]
    note = "the map shows what speaks for it, not that it is there"
    assert note in told(command, "--target", unlikely)[0]
    assert note not in told(command, "--target", unlikely, "--negative")[0]
    assert note not in told(command, "--target", likely)[0]


def test_the_title_says_how_sure_the_network_is(told, tiny, monkeypatch):
    titles = []

    def grid(*args, **kwargs):
        titles.append(kwargs["titles"])
        return drawn(*args, **kwargs)

    drawn = render.grid
    monkeypatch.setattr("egcam_jax.render.grid", grid)
    _, it = told("explain")
    share = {top["index"]: top["probability"] for top in it["images"][0]["top_classes"]}[1]
    assert titles[-1] == ["0.png", f"tabby, tabby cat (1), {np.round(100 * share):.0f} %, expected_gradcam"]


def test_what_speaks_against_a_class_replaces_nothing_that_speaks_for_it(told, tiny):
    told("explain", "--format", "npz")
    _, it = told("explain", "--format", "npz", "--negative")
    names = ["0.against-tabby.json", "0.against-tabby.npz", "0.tabby.json", "0.tabby.npz"]
    assert sorted(os.listdir("egcam-out")) == names
    assert it["images"][0]["maps"][0]["files"]["npz"] == os.path.join("egcam-out", "0.against-tabby.npz")
