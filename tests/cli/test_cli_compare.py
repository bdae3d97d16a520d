"""`egcam compare` from arguments to files, with a tiny network."""

import dataclasses
import json
import os

import jax
import numpy as np
import pytest
from PIL import Image
from tiny_network import NAMES, PREPROCESS, TRACES, by_hand, document, pictures, tiny_model

from egcam_jax import data, metrics, render
from egcam_jax.methods import METHODS, explain
from egcam_jax.run import runner

FILES = ["compare.html", "compare.json", "compare.png"]
SCORES = ("--metrics", "insertion,deletion")


@pytest.fixture
def compare(egcam, tiny):
    """Run `egcam compare` with the tiny network, two samples unless told otherwise, printing JSON."""

    def run(*arguments, methods="gradcam,expected_layercam", samples=2):
        return egcam("compare", *arguments, "--methods", methods, "--samples", samples, "--json")

    return run


@pytest.fixture
def without(monkeypatch):
    """Let one method do something else to what the library returns for it."""

    def change(method, then):
        def changed(*args, **kwargs):
            result = explain(*args, **kwargs)
            return then(result) if kwargs["method"] == method else result

        monkeypatch.setattr("egcam_jax.run.programs.explain", changed)

    return change


def burst(result):
    raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")


def emptied(result):
    return dataclasses.replace(result, cam=result.cam * 0, saliency=result.saliency * 0)


def not_finite(result):
    return dataclasses.replace(result, saliency=result.saliency * np.nan)


def figure():
    """The figure that was written."""
    return data.read("egcam-out/compare.png")


def page():
    """The page that was written, without the places where names may break."""
    with open("egcam-out/compare.html", encoding="utf-8") as file:
        return file.read().replace("<wbr>", "")


def test_all_methods_on_several_pictures(compare, tiny, photographs):
    result = compare(photographs / "0.png", photographs / "1.png", methods="all")
    assert result.exit_code == 0, result.output
    it = document(result)
    assert list(it["methods"]) == list(METHODS)
    assert it["failures"] == []
    assert sorted(os.listdir("egcam-out")) == FILES
    for name in ("hirescam", "expected_layercam"):
        samples = {"num_samples": 2} if METHODS[name].num_samples else {}
        expected = by_hand(tiny, [photographs / "0.png", photographs / "1.png"], method=name, **samples)
        peaks = [image["maps"][name]["map_maximum"] for image in it["images"]]
        np.testing.assert_allclose(peaks, expected.cam.max((1, 2)), rtol=1e-5)
        assert [image["target"]["index"] for image in it["images"]] == expected.target.tolist()
    # three lines of five maps for each picture, each with the picture at its start
    assert figure().shape[1] == 6 * 224 + 7 * 8
    assert figure().shape[0] > 6 * 224
    assert all(f">{name}</th>" in page() for name in METHODS)


def test_the_figure_shows_each_picture_under_each_map(compare, tiny, photographs):
    compare(photographs / "0.png")
    crop = data.crop(data.read(photographs / "0.png"), PREPROCESS)
    shown = [crop]
    for name in ("gradcam", "expected_layercam"):
        samples = {"num_samples": 2} if METHODS[name].num_samples else {}
        saliency = by_hand(tiny, [photographs / "0.png"], method=name, **samples).saliency[0]
        shown.append(render.overlay(crop, np.asarray(saliency)))
    expected = render.grid([shown], height=224)
    np.testing.assert_array_equal(figure()[: 8 + 224, : expected.shape[1]], expected[: 8 + 224])


def test_the_provenance_is_complete(compare, photographs):
    it = document(compare(photographs / "0.png", "--target", "tabby", "--negative"))
    assert ">against tabby, tabby cat (1), " in page()
    assert it["model"] == {"name": "tiny", "weights": "a fixed seed", "digest": "0" * 64}
    assert it["versions"]["jax"] == jax.__version__
    assert it["preprocessing"]["size"] == 16
    assert (it["seed"], it["key"], it["dtype"], it["batch"]) == (0, "fold_in(key(0), index)", "float32", 8)
    assert (it["target"], it["negative"], it["scored"]) == ("tabby", True, False)
    assert it["references"]["files"] == list(data.DEMO_REFERENCES)
    assert it["methods"]["gradcam"]["samples"] is None
    method = it["methods"]["expected_layercam"]
    assert method["samples"] == 2
    assert method["options"] == METHODS["expected_layercam"].options
    (image,) = it["images"]
    assert len(image["sha256"]) == 64
    assert image["target"]["name"] == NAMES[1]
    assert image["maps"]["expected_layercam"]["layer"].endswith("features")
    assert image["maps"]["expected_layercam"]["passes"] == 3  # the image, and two samples
    assert image["maps"]["gradcam"]["stderr_mean"] is None
    with open("egcam-out/compare.json") as file:
        written = json.load(file)
    assert written == {name: value for name, value in it.items() if name != "failures"}
    assert it["files"] == {kind: os.path.join("egcam-out", f"compare.{kind}") for kind in ("png", "html", "json")}


def test_the_scores_are_those_of_the_metrics(compare, tiny, photographs):
    paths = [photographs / "0.png", photographs / "3.png"]
    it = document(compare(*paths, *SCORES, "--batch", 3))
    predict = jax.tree_util.Partial(tiny.apply_fn, tiny.params)
    for name, samples in (("gradcam", {}), ("expected_layercam", {"num_samples": 2})):
        found = by_hand(tiny, paths, method=name, **samples)
        for score, metric in (("insertion", metrics.insertion_auc), ("deletion", metrics.deletion_auc)):
            expected = metric(predict, pictures(paths), found.saliency, found.target).value
            got = [image["maps"][name]["scores"][score] for image in it["images"]]
            np.testing.assert_allclose(got, expected, rtol=1e-5)
            assert all(f"<dd>{value:.3f}</dd>" in page() for value in got)


def test_the_report_gives_the_means(egcam, tiny, photographs):
    arguments = ("compare", photographs / "0.png", photographs / "1.png", "--methods", "gradcam,layercam", *SCORES)
    scores = [image["maps"]["layercam"]["scores"] for image in document(egcam(*arguments, "--json"))["images"]]
    result = egcam(*arguments)
    means = "; ".join(f"{name} {np.mean([it[name] for it in scores]):.3f}" for name in ("insertion", "deletion"))
    assert "2 pictures by 2 methods" in result.stdout
    assert any(line.split() == ["layercam", *means.split()] for line in result.stdout.splitlines())
    assert "Insertion: higher is better. Deletion: lower is better." in result.stdout
    assert all(f"wrote {os.path.join('egcam-out', name)}" in result.stdout for name in FILES)


def test_the_two_top_classes_of_each_picture(compare, tiny, photographs):
    paths = [photographs / "0.png", photographs / "1.png"]
    it = document(compare(*paths, "--target", "top:2"))
    order = np.argsort(-np.asarray(by_hand(tiny, paths, method="gradcam").logits))[:, :2]
    assert [image["target"]["index"] for image in it["images"]] == order.ravel().tolist()
    assert [image["image"] for image in it["images"]] == [str(path) for path in paths for _ in range(2)]
    second = by_hand(tiny, paths, method="gradcam", target=order[:, 1])
    peaks = [image["maps"]["gradcam"]["map_maximum"] for image in it["images"][1::2]]
    np.testing.assert_allclose(peaks, second.cam.max((1, 2)), rtol=1e-5)


def test_one_bad_picture_does_not_stop_the_rest(compare, photographs):
    (photographs / "1.png").write_bytes((photographs / "1.png").read_bytes()[:200])
    result = compare(photographs, photographs / "none.png", "--batch", 2)
    assert result.exit_code == 1
    it = document(result)
    assert [image["image"][-5:] for image in it["images"]] == ["0.png", "2.png", "3.png", "4.png"]
    assert [failure["path"][-8:] for failure in it["failures"]] == ["none.png", "hs/1.png"]
    assert "2 not explained, 4 compared" in result.stderr


def test_where_no_picture_can_be_read_nothing_is_written(compare, tmp_path):
    result = compare("none.png")
    assert result.exit_code == 1
    assert document(result)["images"] == []
    assert os.listdir("egcam-out") == []


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (burst, "RESOURCE_EXHAUSTED: out of memory (if memory ran out: a smaller --chunk or --batch)"),
        (not_finite, "the map is NaN or infinite though the network's output is not"),
    ],
)
def test_a_method_that_fails_does_not_stop_the_others(compare, photographs, without, then, reason):
    good = document(
        compare(photographs / "0.png", photographs / "1.png", *SCORES, methods="gradcam,layercam,smooth_gradcam++")
    )
    without("layercam", then)
    result = compare(photographs / "0.png", photographs / "1.png", *SCORES, methods="gradcam,layercam,smooth_gradcam++")
    assert result.exit_code == 1
    it = document(result)
    assert [failure["path"][-5:] for failure in it["failures"]] == ["0.png", "1.png"]
    assert all(f"layercam: {reason}" in failure["reason"] for failure in it["failures"])
    for before, after in zip(good["images"], it["images"]):
        for name in ("gradcam", "smooth_gradcam++"):
            assert after["maps"][name] == before["maps"][name]
        failed = after["maps"]["layercam"]
        assert failed["scores"] == {}
        assert failed["note"].startswith("failed: ")
    assert page().count("<p>failed: ") == 2
    faded = render.overlay(data.crop(data.read(photographs / "0.png"), PREPROCESS), np.zeros((16, 16)))
    third = figure()[8 : 8 + 224, 8 + 2 * 232 : 8 + 2 * 232 + 224]
    np.testing.assert_array_equal(third, render.grid([[faded]], height=224)[8:232, 8:232])


def test_logits_that_are_not_finite_are_said(egcam, photographs, monkeypatch):
    monkeypatch.setattr("egcam_jax.models.load", lambda name, weights=None: tiny_model(scale=np.nan))
    result = egcam("compare", photographs / "0.png", "--methods", "gradcam,layercam", "--json")
    assert result.exit_code == 1
    (image,) = document(result)["images"]
    assert all("the network's output is NaN" in it["note"] for it in image["maps"].values())
    assert image["maps"]["gradcam"]["map_maximum"] is None


def test_an_empty_map_is_said_everywhere(compare, egcam, photographs, without):
    without("gradcam", emptied)
    result = compare(photographs / "0.png")
    assert result.exit_code == 0
    (image,) = document(result)["images"]
    note = "empty: to this method nothing at this layer speaks for this class"
    assert image["maps"]["gradcam"]["note"] == note
    assert image["maps"]["expected_layercam"]["note"] is None
    assert page().count(f"<p>{note}</p>") == 1
    below = figure()[240:-24, 8 + 232 : 8 + 2 * 232]
    assert (below[24:] < 100).any()  # more than the method's name
    assert (figure()[240 + 24 : -24, 8 + 2 * 232 :] == 255).all()
    said = egcam("compare", photographs / "0.png", "--methods", "gradcam,layercam").stdout
    assert f"1 of 1 {note}\n" in said
    assert "  Where maps are empty, to see more: with --negative, what speaks against it; or another --layer.\n" in said


def test_no_photograph_is_overwritten(compare, photographs):
    names = ["compare.png", "compare-2.png"]
    for i, name in enumerate(names):
        (photographs / f"{i}.png").rename(photographs / name)
    (photographs / "compare-3.png").write_bytes(b"a damaged photograph")
    before = {path.name: path.read_bytes() for path in photographs.iterdir()}
    result = compare(photographs, "--out", photographs)
    assert {name: (photographs / name).read_bytes() for name in before} == before
    assert document(result)["files"]["png"] == str(photographs / "compare-4.png")


def test_a_second_run_replaces_the_first(compare, photographs):
    compare(photographs / "0.png")
    compare(photographs / "1.png")
    assert sorted(os.listdir("egcam-out")) == FILES
    assert "1.png</b>" in page()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--methods", "gradcam,gradcamm"),
            "--methods must name known methods; got 'gradcamm'. Did you mean 'gradcam'",
        ),
        (("--methods", ","), "--methods must name at least one method; got none"),
        (("--methods", "gradcam,gradcam"), "--methods must name each once; got gradcam twice"),
        (("--methods", "gradcam,hirescam", "--samples", 3), "--samples must be left out, since no method uses it"),
        (("--methods", "gradcam,scorecam", "--refs", "photographs"), "--refs must be left out, since no method uses"),
        (("--target", "cat"), "2 classes fit: 1 tabby, tabby cat; 2 Persian cat"),
        (("--methods", "gradcam,hirescam", "--layer", "featuers"), "features"),
    ],
)
def test_a_bad_option_is_one_clean_line_and_status_2(egcam, tiny, photographs, arguments, message):
    result = egcam("compare", photographs / "0.png", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_unknown_methods_are_refused_before_anything_is_loaded(egcam, photographs, monkeypatch):
    monkeypatch.setattr("egcam_jax.models.load", lambda *args, **kwargs: pytest.fail("loaded"))
    assert egcam("compare", photographs / "0.png", "--methods", "nothing").exit_code == 2


def test_later_batches_compile_nothing(egcam, photographs, monkeypatch):
    label = "compared"
    model = tiny_model(label=label)
    monkeypatch.setattr("egcam_jax.models.load", lambda name, weights=None: model)
    counts = []

    def counted(*arguments):
        yield from one_batch(*arguments)
        counts.append(TRACES.count(label))

    one_batch = runner._one_batch
    monkeypatch.setattr(runner, "_one_batch", counted)
    arguments = ("--methods", "gradcam,expected_gradcam", "--samples", 1, "--batch", 2, "--target", "top:2", *SCORES)
    assert egcam("compare", photographs, *arguments).exit_code == 0
    assert len(counts) == 3  # of two, two and one pictures
    assert counts[0] > 0
    assert counts == [counts[0]] * 3


def test_a_link_to_a_picture_stands_in_for_it(compare, photographs, tmp_path):
    Image.new("RGB", (16, 16), "red").save(tmp_path / "r&<d.png")
    compare(tmp_path / "r&<d.png")
    assert "r&amp;&lt;d.png" in page()
    assert "r&<d.png" not in page().split("<details>")[0]
