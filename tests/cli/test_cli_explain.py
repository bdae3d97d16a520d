"""`egcam explain` from arguments to files, with a tiny network."""

import dataclasses
import errno
import hashlib
import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image
from tiny_network import NAMES, PREPROCESS, TRACES, by_hand, document, tiny_model

from egcam_jax import data, render
from egcam_jax.cli import main
from egcam_jax.methods import METHODS, explain
from egcam_jax.output import console, records, words
from egcam_jax.run import runner


def method(*options):
    """The arguments that give the default method options."""
    return ("--method", ":".join(["expected_gradcam", *options]))


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_files_hold_what_the_library_computes(egcam, tiny, photographs, tmp_path):
    result = egcam("explain", photographs / "3.png", "--samples", 4, "--seed", 7)
    assert result.exit_code == 0, result.output
    expected = by_hand(tiny, [photographs / "3.png"], num_samples=4, seed=7)
    target = int(expected.target[0])
    slug = {0: "crane-0", 1: "tabby", 2: "persian-cat", 3: "crane-3", 4: "catamaran"}[target]
    out = tmp_path / "egcam-out"
    assert written(out) == [f"3.{slug}.json", f"3.{slug}.npz", f"3.{slug}.png"]
    with np.load(out / f"3.{slug}.npz") as arrays:
        for name in ("cam", "saliency", "stderr", "signed", "logits", "completeness_gap"):
            np.testing.assert_allclose(arrays[name], getattr(expected, name)[0], rtol=1e-5, atol=1e-6)
        assert arrays["target"] == target
    crop = data.crop(data.read(photographs / "3.png"), PREPROCESS)
    overlay = render.overlay(crop, np.asarray(expected.saliency[0]))
    sheet = data.read(out / f"3.{slug}.png")
    assert sheet.shape[1] == 2 * 448 + 3 * 8
    for left, picture in ((8, crop), (464, overlay)):
        small = Image.fromarray(sheet[32:480, left : left + 448]).resize((16, 16), Image.Resampling.BOX)
        assert np.abs(np.asarray(small).astype(int) - picture).mean() < 12


def test_the_json_file_holds_the_provenance(egcam, tiny, photographs, tmp_path):
    egcam("explain", photographs / "0.png", "--samples", 2, "--seed", 5, *method("noise=gaussian"), "--target", 2)
    it = json.loads((tmp_path / "egcam-out" / "0.persian-cat.json").read_text())
    assert it["sha256"] == hashlib.sha256((photographs / "0.png").read_bytes()).hexdigest()
    assert (it["width"], it["height"]) == (24, 20)
    assert it["image"] == str(photographs / "0.png")
    assert it["seed"] == 5
    assert it["samples"] == 2
    assert it["options"]["noise"] == "gaussian"
    assert it["options"]["sampling"] == "stratified"
    assert it["model"] == {"name": "tiny", "weights": "a fixed seed", "digest": "0" * 64}
    assert it["versions"]["jax"] == jax.__version__
    assert set(it["versions"]) >= {"python", "egcam-jax", "flax", "numpy", "scikit-image"}
    assert it["preprocessing"]["size"] == 16
    assert it["preprocessing"]["interpolation"] == "bilinear"
    assert it["chunk"] == 32
    assert it["pass"] == {"images": 1, "samples": 2}
    assert it["batch"] == 8
    assert it["key"] == "fold_in(key(5), index)"
    assert it["index"] == 0
    assert it["dtype"] == "float32"
    assert it["options"]["noise_scale"] == 0.1
    assert it["device"].startswith("cpu")
    assert it["references"]["count"] == 32
    assert it["references"]["files"] == list(data.DEMO_REFERENCES)
    assert it["map"]["target"]["index"] == 2
    assert it["map"]["layer"].endswith("features")
    assert it["map"]["map_shape"] == [4, 4]
    assert it["map"]["files"]["npz"] == os.path.join("egcam-out", "0.persian-cat.npz")


def test_the_versions_are_those_of_what_was_used(egcam, tiny, photographs):
    def versions(*arguments):
        return set(document(egcam("explain", *arguments, "--method", "gradcam", "--json"))["versions"])

    used = {"python", "egcam-jax", "jax", "jaxlib", "flax", "numpy", "pillow", "matplotlib"}
    assert versions(photographs / "0.png") == used
    assert versions() == used | {"scikit-image"}  # whose photograph the demonstration is


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--batch", 2, "--samples", 6), {"images": 2, "samples": 6}),
        (("--batch", 2, "--samples", 6, "--chunk", 7), {"images": 2, "samples": 3}),
        (("--samples", 6, "--chunk", 4), {"images": 3, "samples": 1}),
        (("--method", "gradcam", "--chunk", 4), {"images": 3, "samples": 1}),
    ],
)
def test_what_one_pass_holds_is_known(egcam, tiny, photographs, arguments, expected):
    assert document(egcam("explain", photographs, "--json", "--format", "npz", *arguments))["pass"] == expected


def test_the_numbers_reported_follow_from_their_definitions(egcam, tiny, photographs):
    result = egcam("explain", photographs / "0.png", "--samples", 4, "--target", "tabby", "--json")
    (image,) = document(result)["images"]
    (it,) = image["maps"]
    expected = by_hand(tiny, [photographs / "0.png"], num_samples=4, target=1)
    logits = np.asarray(expected.logits[0], np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum()
    order = np.argsort(-logits)
    assert [top["index"] for top in image["top_classes"]] == order.tolist()
    np.testing.assert_allclose([top["probability"] for top in image["top_classes"]], probabilities[order], rtol=1e-5)
    assert [top["name"] for top in image["top_classes"]] == [NAMES[i] for i in order]
    gap = float(expected.completeness_gap[0])
    np.testing.assert_allclose(it["completeness_gap"], gap, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        it["completeness_gap_relative"], gap / abs(float(expected.score_difference[0])), rtol=1e-4, atol=1e-6
    )
    relative = expected.stderr[0].mean() / expected.cam[0].max()
    np.testing.assert_allclose(it["stderr_relative"], float(relative), rtol=1e-4)


def test_the_report_says_what_was_explained_and_where_it_went(egcam, tiny, photographs):
    arguments = ("explain", photographs / "0.png", "--samples", 2, "--target", "persian")
    (image,) = document(egcam(*arguments, "--json"))["images"]
    (it,) = image["maps"]
    result = egcam(*arguments)
    assert str(photographs / "0.png") in result.stdout.splitlines()
    for text in (
        "model           tiny, weights from a fixed seed, on cpu",
        "references      32 from scikit-image's photographs (--refs for your own)",
        *(f"{100 * top['probability']:5.1f} %  {top['name']} ({top['index']})" for top in image["top_classes"]),
        "explained       Persian cat (2), by expected_attribution (2 samples, 1 pass through the features)",
        "features (4 × 4 map)",
        f"completeness    gap of {it['completeness_gap']:+.3g} logits",
        f"standard error  {100 * it['stderr_relative']:.2g} % of the map's maximum",
        os.path.join("egcam-out", "0.persian-cat.png"),
        os.path.join("egcam-out", "0.persian-cat.json"),
    ):
        assert text in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("target", ["1", "top:2"])
def test_later_batches_compile_nothing(egcam, photographs, monkeypatch, target):
    label = f"traced for {target}"
    model = tiny_model(label=label)
    monkeypatch.setattr("egcam_jax.models.load", lambda name, weights=None: model)
    counts = []

    def counted(*arguments):
        yield from one_batch(*arguments)
        counts.append(TRACES.count(label))

    one_batch = runner._one_batch
    monkeypatch.setattr(runner, "_one_batch", counted)
    egcam("explain", photographs, "--samples", 1, "--batch", 2, "--target", target)
    assert len(counts) == 3  # of two, two and one pictures
    assert counts[0] > 0
    assert counts == [counts[0]] * 3


def test_batches_change_nothing(egcam, tiny, photographs, tmp_path):
    for batch in (2, 5):
        result = egcam("explain", photographs, "--samples", 3, "--batch", batch, "--out", f"by{batch}", "--target", 1)
        assert result.exit_code == 0, result.output
        assert len(written(tmp_path / f"by{batch}")) == 15
    expected = by_hand(tiny, sorted(photographs.iterdir()), num_samples=3, target=1)
    for batch in (2, 5):
        for i in range(5):
            with np.load(tmp_path / f"by{batch}" / f"{i}.tabby.npz") as arrays:
                np.testing.assert_allclose(arrays["cam"], expected.cam[i], rtol=1e-5, atol=1e-6)


def test_the_last_batch_is_filled_up(egcam, tiny, photographs, monkeypatch):
    shapes = []

    def recorded(params, apply_fn, x, *args, **kwargs):
        shapes.append(x.shape)
        return explain(params, apply_fn, x, *args, **kwargs)

    monkeypatch.setattr("egcam_jax.run.programs.explain", recorded)
    result = egcam("explain", photographs, "--samples", 1, "--batch", 2, "--json")
    assert shapes == [(2, 16, 16, 3)]  # one program for all batches
    assert [image["index"] for image in document(result)["images"]] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("damage", ["not an image", "cut short", "missing"])
def test_one_bad_file_does_not_stop_the_rest_nor_change_them(egcam, tiny, photographs, tmp_path, damage):
    paths = sorted(photographs.iterdir())
    egcam("explain", *paths, "--samples", 2, "--batch", 2, "--out", "good", "--target", 1)
    if damage == "missing":
        paths[2].unlink()
    else:
        paths[2].write_bytes(b"text" if damage == "not an image" else paths[2].read_bytes()[:200])
    result = egcam("explain", *paths, "--samples", 2, "--batch", 2, "--out", "bad", "--target", 1)
    assert result.exit_code == 1
    assert "1 not explained, 4 explained" in result.stderr
    assert "2.png" in result.stderr
    assert written(tmp_path / "bad") == [name for name in written(tmp_path / "good") if name[0] != "2"]
    for name in ("0", "1", "3", "4"):
        with np.load(f"good/{name}.tabby.npz") as good, np.load(f"bad/{name}.tabby.npz") as bad:
            np.testing.assert_allclose(bad["cam"], good["cam"], rtol=1e-5, atol=1e-6)


def test_files_of_all_kinds_of_trouble_do_not_stop_the_rest(egcam, tiny, photographs, tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    bad = ["loop.png", "~no-such-user/x.png", "x" * 300 + ".png"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        bad.append("pipe.png")
    result = egcam("explain", photographs / "0.png", *bad, photographs / "1.png", "--samples", 1, "--json")
    assert result.exit_code == 1, result.output
    it = document(result)
    assert [image["image"][-5:] for image in it["images"]] == ["0.png", "1.png"]
    assert sorted(failure["path"] for failure in it["failures"]) == sorted(bad)


def test_a_file_that_vanishes_before_it_is_hashed(egcam, tiny, photographs, monkeypatch):
    def vanish(path):
        image = read(path)
        if path.name == "1.png":
            path.unlink()
        return image

    read = data.read
    monkeypatch.setattr("egcam_jax.data.read", vanish)
    result = egcam("explain", photographs, "--samples", 1, "--json")
    assert result.exit_code == 1
    (failure,) = document(result)["failures"]
    assert failure["path"].endswith("1.png")
    assert len(document(result)["images"]) == 4


@pytest.mark.parametrize("error", [MemoryError(), ValueError("no"), OSError("gone")])
def test_a_picture_that_cannot_be_cropped_does_not_stop_the_rest(egcam, tiny, photographs, monkeypatch, error):
    def crop(image, settings):
        if image[0, 0, 0] == first:
            raise error
        return cropped(image, settings)

    cropped, first = data.crop, data.read(photographs / "0.png")[0, 0, 0]
    monkeypatch.setattr("egcam_jax.data.crop", crop)
    result = egcam("explain", photographs, "--method", "gradcam", "--json")
    assert result.exit_code == 1
    explained = [image["image"][-5:] for image in document(result)["images"]]
    assert explained == ["1.png", "2.png", "3.png", "4.png"]


def test_a_picture_whose_output_cannot_be_written_does_not_stop_the_rest(egcam, tiny, photographs, tmp_path):
    (tmp_path / "egcam-out" / "1.tabby.png").mkdir(parents=True)
    result = egcam("explain", photographs, "--samples", 1, "--target", 1, "--json")
    assert result.exit_code == 1
    it = document(result)
    assert [image["image"][-5:] for image in it["images"]] == ["0.png", "2.png", "3.png", "4.png"]
    (failure,) = it["failures"]
    assert failure["path"].endswith("1.png")


def test_where_one_of_a_pictures_files_has_no_place_none_is_left(egcam, tiny, photographs, tmp_path):
    (tmp_path / "egcam-out" / "1.tabby.json").mkdir(parents=True)
    result = egcam("explain", photographs / "1.png", "--samples", 1, "--target", 1)
    assert result.exit_code == 1
    assert "1.tabby.json is a folder" in result.stderr
    assert written(tmp_path / "egcam-out") == ["1.tabby.json"]


def test_a_pipe_in_place_of_a_file_is_not_waited_for(egcam, tiny, photographs, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    (tmp_path / "egcam-out").mkdir()
    os.mkfifo(tmp_path / "egcam-out" / "1.tabby.png")
    assert egcam("explain", photographs / "1.png", "--samples", 1, "--target", 1).exit_code == 0
    assert (tmp_path / "egcam-out" / "1.tabby.png").is_file()


def test_a_disk_that_fills_up_fails_that_picture_and_leaves_nothing_half_written(
    egcam, tiny, photographs, monkeypatch, tmp_path
):
    def save(path, **arrays):
        if path.name.startswith("1."):
            path.write_bytes(b"PK")
            raise OSError(errno.ENOSPC, "No space left on device")
        return savez(path, **arrays)

    savez = np.savez_compressed
    monkeypatch.setattr("numpy.savez_compressed", save)
    result = egcam("explain", photographs, "--samples", 1, "--target", 1, "--json")
    assert result.exit_code == 1
    (failure,) = document(result)["failures"]
    assert failure["path"].endswith("1.png")
    assert "egcam-out: its files cannot be written there (No space left on device)" in failure["reason"]
    assert written(tmp_path / "egcam-out") == [
        f"{i}.tabby.{kind}" for i in (0, 2, 3, 4) for kind in ("json", "npz", "png")
    ]


def test_a_limit_on_the_size_of_files_is_reported(egcam, tiny, photographs, tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        result = egcam("explain", photographs, "--samples", 1, "--target", 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.exit_code == 1
    assert "5 not explained, 0 explained" in result.stderr
    assert result.stderr.count("cannot be written there (File too large)") == 5
    assert written(tmp_path / "egcam-out") == []


def test_what_the_device_cannot_do_for_a_batch_does_not_stop_the_rest(egcam, tiny, photographs, monkeypatch):
    def burst(session, arrays, method):
        if 2 in np.asarray(arrays["index"]):
            raise RuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return explained(session, arrays, method)

    explained = runner.explained
    monkeypatch.setattr(runner, "explained", burst)
    result = egcam("explain", photographs, "--method", "gradcam", "--batch", 2, "--json")
    assert result.exit_code == 1
    it = document(result)
    assert [image["image"][-5:] for image in it["images"]] == ["0.png", "1.png", "4.png"]
    assert [failure["path"][-5:] for failure in it["failures"]] == ["2.png", "3.png"]
    assert "RESOURCE_EXHAUSTED: out of memory (if memory ran out: a smaller --chunk" in it["failures"][0]["reason"]


def test_a_picture_that_is_a_line_works(egcam, tiny, tmp_path):
    Image.new("RGB", (20_000, 1), "red").save(tmp_path / "line.png")
    result = egcam("explain", "line.png", "--samples", 1, "--target", 1)
    assert result.exit_code == 0, result.output
    assert written(tmp_path / "egcam-out") == ["line.tabby.json", "line.tabby.npz", "line.tabby.png"]


def test_no_photograph_is_overwritten(egcam, tiny, photographs):
    other = photographs / "0.tabby.png"
    (photographs / "1.png").rename(other)
    before = other.read_bytes()
    arguments = (photographs / "0.png", other, "--out", photographs, "--samples", 1, "--target", 1)
    assert egcam("explain", *arguments).exit_code == 0
    assert other.read_bytes() == before
    assert {"0.tabby-2.png", "0.tabby-2.json", "0.tabby.tabby.png"} <= set(written(photographs))


def test_no_reference_is_overwritten(egcam, tiny, photographs):
    other = photographs / "0.tabby.png"
    (photographs / "1.png").rename(other)
    before = other.read_bytes()
    arguments = ("--refs", photographs, "--out", photographs, "--samples", 1, "--target", 1)
    assert egcam("explain", photographs / "0.png", *arguments).exit_code == 0
    assert other.read_bytes() == before


def test_no_photograph_that_could_have_been_a_reference_is_overwritten(egcam, tiny, photographs, monkeypatch):
    others = [photographs / f"{i}.tabby.png" for i in (0, 3)]
    for i, other in zip((1, 2), others):
        (photographs / f"{i}.png").rename(other)
    before = [other.read_bytes() for other in others]
    arguments = ("--refs", photographs, "--num-refs", 1, "--out", photographs, "--samples", 1, "--target", 1)
    inputs = (photographs / "0.png", photographs / "3.png")
    result = egcam("explain", *inputs, *arguments, "--json")
    assert document(result)["references"]["count"] == 1
    assert [other.read_bytes() for other in others] == before


def test_the_weights_are_not_overwritten(egcam, tiny, photographs, tmp_path):
    weights = tmp_path / "0.tabby.npz"
    weights.write_bytes(b"weights")
    arguments = ("--weights", weights, "--out", tmp_path, "--samples", 1, "--target", 1)
    assert egcam("explain", photographs / "0.png", *arguments).exit_code == 0
    assert weights.read_bytes() == b"weights"


def test_another_class_of_the_same_name_replaces_nothing_of_an_earlier_run(egcam, tiny, photographs, tmp_path):
    for target in (0, 3):
        egcam("explain", photographs / "0.png", "--method", "gradcam", "--target", target, "--format", "npz")
    assert written(tmp_path / "egcam-out") == [
        f"0.crane-{target}.{kind}" for target in (0, 3) for kind in ("json", "npz")
    ]


def test_a_map_that_is_not_finite_is_a_failure_of_its_picture(egcam, tiny, photographs, monkeypatch):
    def burst(*args, **kwargs):
        result = explain(*args, **kwargs)
        return dataclasses.replace(result, saliency=result.saliency.at[1].set(np.nan))

    monkeypatch.setattr("egcam_jax.run.programs.explain", burst)
    result = egcam("explain", photographs, "--samples", 1, "--json")
    assert result.exit_code == 1
    (failure,) = document(result)["failures"]
    assert failure["path"].endswith("1.png")
    assert "gradients overflow" in failure["reason"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seed", -1), ("--seed", 2**32), ("--chunk", 0), ("--samples", 0)],
)
def test_numbers_out_of_range_are_refused_before_anything_is_loaded(egcam, photographs, monkeypatch, option, value):
    monkeypatch.setattr("egcam_jax.models.load", lambda *args, **kwargs: pytest.fail("loaded"))
    result = egcam("explain", photographs / "0.png", option, value)
    assert result.exit_code == 2
    assert f"'{option}'" in result.stderr


def test_the_largest_seed_is_taken(egcam, tiny, photographs):
    result = egcam("explain", photographs / "0.png", "--samples", 1, "--seed", 2**32 - 1, "--json")
    assert document(result)["key"] == "fold_in(key(4294967295), index)"


def test_json_lists_the_failures_and_nothing_else_is_on_standard_output(egcam, tiny, photographs, tmp_path):
    result = egcam("explain", photographs / "0.png", tmp_path / "none.jpg", "--samples", 1, "--json")
    assert result.exit_code == 1
    it = document(result)
    assert [image["image"] for image in it["images"]] == [str(photographs / "0.png")]
    (failure,) = it["failures"]
    assert failure["path"] == str(tmp_path / "none.jpg")
    assert failure["reason"].startswith("no such file")  # the path is said once


def test_where_no_file_can_be_read_no_network_is_loaded(egcam, monkeypatch, tmp_path):
    monkeypatch.setattr("egcam_jax.models.load", lambda *args, **kwargs: pytest.fail("loaded"))
    result = egcam("explain", "none.jpg", tmp_path)
    assert result.exit_code == 1
    assert "none.jpg: no such file" in result.stderr
    assert "holds no image" in result.stderr


def test_top_3_explains_each_pictures_own_three_classes(egcam, tiny, photographs, tmp_path):
    result = egcam("explain", photographs, "--samples", 2, "--target", "top:3", "--json")
    paths = sorted(photographs.iterdir())
    logits = np.asarray(by_hand(tiny, paths, num_samples=1).logits)
    for i, image in enumerate(document(result)["images"]):
        order = np.argsort(-logits[i])[:3]
        assert [it["target"]["index"] for it in image["maps"]] == order.tolist()
        expected = by_hand(tiny, paths, num_samples=2, target=np.full(5, order[2]))
        with np.load(image["maps"][2]["files"]["npz"]) as arrays:
            np.testing.assert_allclose(arrays["cam"], expected.cam[i], rtol=1e-5, atol=1e-6)
    assert len(written(tmp_path / "egcam-out")) == 5 * 3 * 3


def test_classes_with_the_same_first_name_get_files_of_their_own(egcam, tiny, photographs, tmp_path):
    egcam("explain", photographs / "0.png", "--samples", 1, "--target", "top:5", "--format", "npz")
    names = [name for name in written(tmp_path / "egcam-out") if name.endswith(".npz")]
    assert len(names) == 5
    assert {"0.crane-0.npz", "0.crane-3.npz"} < set(names)


def test_pictures_of_the_same_name_get_files_of_their_own(egcam, tiny, photographs, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (16, 16), "red").save(other / "0.jpg")
    egcam("explain", photographs / "0.png", other / "0.jpg", "--samples", 1, "--target", 1, "--format", "npz")
    out = tmp_path / "egcam-out"
    assert written(out) == ["0-2.tabby.json", "0-2.tabby.npz", "0.tabby.json", "0.tabby.npz"]
    assert json.loads((out / "0-2.tabby.json").read_text())["image"] == str(other / "0.jpg")


def test_long_and_undecodable_names_work(egcam, tiny, photographs, tmp_path):
    odd = os.fsencode(photographs) + b"/" + b"x" * 240 + b"\xff.png"
    try:
        os.rename(photographs / "0.png", odd)
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    result = egcam("explain", photographs, "--samples", 1, "--target", 1)
    assert result.exit_code == 0, result.output
    assert f"{'x' * 180}.tabby.png" in written(tmp_path / "egcam-out")


def test_a_file_named_twice_is_explained_once(egcam, tiny, photographs):
    result = egcam("explain", photographs / "0.png", str(photographs / "[01].png"), "--samples", 1, "--json")
    assert [image["image"][-5:] for image in document(result)["images"]] == ["0.png", "1.png"]


@pytest.mark.parametrize(("format", "suffixes"), [("png", ["json", "png"]), ("npz", ["json", "npz"])])
def test_only_the_files_asked_for(egcam, tiny, photographs, tmp_path, format, suffixes):
    egcam("explain", photographs / "0.png", "--samples", 1, "--target", 1, "--format", format)
    assert written(tmp_path / "egcam-out") == [f"0.tabby.{suffix}" for suffix in suffixes]


def test_gradcam_needs_no_references_and_has_no_standard_error(egcam, tiny, photographs, monkeypatch):
    monkeypatch.setattr("egcam_jax.data.demo_references", lambda settings: pytest.fail("read"))
    result = egcam("explain", photographs / "0.png", "--method", "gradcam", "--json")
    it = document(result)
    assert it["references"] is None
    assert it["samples"] is None
    (map_,) = it["images"][0]["maps"]
    assert map_["stderr_mean"] is None
    assert map_["completeness_gap"] is None
    with np.load(map_["files"]["npz"]) as arrays:
        assert "stderr" not in arrays


def test_references_from_a_folder(egcam, tiny, photographs):
    result = egcam("explain", photographs / "0.png", "--refs", photographs, "--samples", 4, "--target", 1, "--json")
    it = document(result)
    files = [str(photographs / f"{i}.png") for i in range(5)]
    note = "5 references; 16 or more make a distribution"
    assert it["references"] == {"source": str(photographs), "count": 5, "files": files, "note": note}
    assert "scikit-image" not in it["versions"]
    x = data.preprocess(data.read(photographs / "0.png"), PREPROCESS)
    refs = data.references(photographs, PREPROCESS)
    options = {"method": "expected_attribution", "target": 1, "layer": "features", "num_samples": 4}
    expected = explain(tiny.params, tiny.apply_fn, x, refs, jax.random.key(0), **options)
    with np.load(it["images"][0]["maps"][0]["files"]["npz"]) as arrays:
        np.testing.assert_allclose(arrays["cam"], expected.cam, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ((), None),
        (("difference=latent",), {"path": "latent"}),
        (("path=latent", "difference=latent"), {}),
        (("difference=tangent",), {}),
        (("difference=tangent", "normalizer=elementwise", "noise=gaussian"), {}),
        (("path=latent", "difference=encoded"), {"difference": "latent"}),
        (("difference=encoded",), {"path": "latent", "difference": "latent"}),
    ],
)
def test_whether_the_gap_vanishes_with_more_samples_is_known(egcam, tiny, photographs, options, remedy):
    def gap(samples):
        result = egcam(
            "explain", photographs / "0.png", "--target", 1, "--samples", samples, "--json", *method(*options)
        )
        (it,) = document(result)["images"][0]["maps"]
        wide = abs(it["completeness_gap_relative"] or 0) > 0.1
        assert it["completeness_remedy"] == (remedy if wide else None)
        return abs(it["completeness_gap"] or 0)

    if remedy == {}:
        assert gap(1024) < 0.3 * gap(1)
    else:
        gap(1)


@pytest.mark.parametrize(("relative", "remedy"), [(1e-6, None), (0.09, None), (-0.2, {"path": "latent"}), (None, None)])
def test_a_remedy_is_named_where_the_gap_is_wide_and_only_there(tiny, photographs, relative, remedy):
    session = SimpleNamespace(model=tiny, plan=SimpleNamespace(probability="softmax"))
    it = by_hand(tiny, [photographs / "0.png"], num_samples=1)
    one = jax.tree.map(lambda leaf: np.asarray(leaf)[0], it)
    gap = None if relative is None else np.float32(4 * relative)
    one = dataclasses.replace(one, completeness_gap=gap, score_difference=np.float32(4))
    options = {**METHODS["expected_gradcam"].options, "difference": "latent"}
    shared = {"samples": 1, "draws": True, "against": "references", "options": options, "negative": False}
    record = records.of_map(session, one, shared)
    assert record["completeness_remedy"] == remedy
    assert ("with path=latent it does" in words.completeness(record)) == (remedy is not None)


@pytest.mark.parametrize("path", ["input", "latent"])
@pytest.mark.parametrize("difference", ["latent", "encoded"])
def test_after_the_remedy_more_samples_are_enough(path, difference):
    options = {**METHODS["expected_gradcam"].options, "path": path, "difference": difference}
    assert records.remedy(options | records.remedy(options)) == {}


def test_bfloat16_reaches_the_network(egcam, tiny, photographs):
    arguments = ("explain", photographs / "0.png", "--samples", 2, "--target", 1, "--json")
    full = document(egcam(*arguments))["images"][0]["maps"][0]
    half = document(egcam(*arguments, "--dtype", "bfloat16"))["images"][0]["maps"][0]
    assert half["map_maximum"] != full["map_maximum"]
    np.testing.assert_allclose(half["map_maximum"], full["map_maximum"], rtol=0.1)


def test_logits_that_are_not_finite_are_reported_and_not_drawn(egcam, photographs, monkeypatch, tmp_path):
    model = tiny_model(scale=np.nan)
    monkeypatch.setattr("egcam_jax.models.load", lambda name, weights=None: model)
    result = egcam("explain", photographs / "0.png", "--samples", 1)
    assert result.exit_code == 1
    assert "0.png: the network's output is NaN or infinite" in result.stderr
    assert written(tmp_path / "egcam-out") == []


def test_an_empty_map_is_said_in_words(egcam, tiny, photographs, monkeypatch):
    def empty(*args, **kwargs):
        result = explain(*args, **kwargs)
        return dataclasses.replace(result, cam=result.cam * 0, saliency=result.saliency * 0)

    full = egcam("explain", photographs / "0.png", "--samples", 2, "--out", "full")
    assert full.exit_code == 0
    monkeypatch.setattr("egcam_jax.run.programs.explain", empty)
    result = egcam("explain", photographs / "0.png", "--samples", 2, "--out", "empty")
    assert result.exit_code == 0
    heights = [data.read(next(Path(folder).glob("*.png"))).shape[0] for folder in ("full", "empty")]
    assert heights[1] > heights[0] + 15  # a line below the map says so
    assert (
        "note            empty: to this method nothing at this layer speaks for this class; to see more: with "
        "--negative, what speaks against it; or another --layer"
    ) in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "gradcamm"), "--methods must name known methods; got 'gradcamm'. Did you mean 'gradcam'"),
        (("--method", "gradcam:noise=uniform"), "method 'gradcam' has no option 'noise'; its options: contrast"),
        (("--method", "expected_gradcam:noise=pink"), "noise must be one of 'uniform', 'gaussian', 'none'; got 'pink'"),
        (("--method", "gradcam,layercam"), "--methods must be one method here; got 2"),
        (("--target", "cat"), "2 classes fit: 1 tabby, tabby cat; 2 Persian cat"),
        (
            ("--method", "gradcam", "--refs", "photographs"),
            "--refs must be left out, since no method uses it",
        ),
        (("--method", "gradcam", "--samples", "5"), "--samples must be left out, since no method uses it; got 5"),
        (("--target", ""), "--target must be a class by index"),
        (("--target", "5"), "--target must be an index of 0 to 4, or a name; got 5"),
        (("--layer", "featuers"), "features"),
        (("--refs", "nowhere"), "nowhere"),
        (("--out", "photographs/0.png"), "--out must be a folder that can be written to; got photographs/0.png"),
    ],
)
def test_a_bad_option_is_one_clean_line_and_status_2(egcam, tiny, photographs, arguments, message):
    result = egcam("explain", photographs / "0.png", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_colours_are_left_out_where_the_user_wants_none(egcam, monkeypatch):
    red = "\x1b[1;31merror: "
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert red in egcam("explain", "--method", "pink").stderr
    monkeypatch.setenv("NO_COLOR", "1")
    plain = egcam("explain", "--method", "pink").stderr
    assert "error: " in plain
    assert "31m" not in plain


@pytest.mark.parametrize("downloaded", [True, False])
def test_a_download_with_a_bar_of_its_own_comes_before_ours(egcam, photographs, monkeypatch, downloaded):
    events = []

    def load(name, weights=None):
        events.append("load")
        return tiny_model()

    def bar(*args, **kwargs):
        events.append("bar")
        return begin(*args, **kwargs)

    begin = console.bar
    monkeypatch.setattr("egcam_jax.output.console.bar", bar)
    monkeypatch.setattr("egcam_jax.models.load", load)
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda *args: "/cache/model.safetensors" if downloaded else None
    )
    egcam("explain", photographs / "0.png", "--model", "vgg16", "--method", "gradcam")
    assert events == (["bar", "load"] if downloaded else ["load", "bar"])


@pytest.mark.parametrize("json_", [True, False])
def test_a_terminal_that_knows_only_ascii(egcam, tiny, photographs, monkeypatch, json_):
    path = photographs / "käse.png"
    (photographs / "0.png").rename(path)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    arguments = ["explain", str(path), "--method", "gradcam", *(["--json"] if json_ else [])]
    monkeypatch.setattr(sys, "argv", ["egcam", *arguments])
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit, match="0"):
        main()
    stream.flush()
    text = stream.buffer.getvalue().decode("ascii")
    if json_:
        assert json.loads(text)["images"][0]["image"] == str(path)
    else:
        assert "k?se.png" in text
        assert "features (4 ? 4 map)" in text


def test_debug_keeps_the_traceback(egcam, tiny, photographs):
    result = egcam("explain", photographs / "0.png", "--method", "pink", "--debug")
    assert isinstance(result.exception, ValueError)


def test_an_unexpected_error_is_one_line_and_status_1(egcam, photographs, monkeypatch):
    def burst(name, weights=None):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr("egcam_jax.models.load", burst)
    result = egcam("explain", photographs / "0.png")
    assert result.exit_code == 1
    assert result.stderr == "error: RuntimeError: out of memory (unexpected: --debug shows where)\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_an_output_folder_without_permission(egcam, tiny, photographs, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    result = egcam("explain", photographs / "0.png", "--out", locked)
    assert result.exit_code == 2
    assert "(Permission denied)" in result.stderr
