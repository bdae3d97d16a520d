"""What `egcam explain` passes on: gradients, the side of the class, layers, and every option of a method."""

import numpy as np
import pytest
from tiny_network import by_hand, document

from egcam_jax.methods import METHODS
from egcam_jax.run import asking


@pytest.fixture
def one(egcam, tiny, photographs):
    """Explain one picture's class 1: the document, its map's record, and its arrays."""

    def run(*arguments):
        result = egcam("explain", photographs / "0.png", "--target", 1, "--json", *arguments)
        assert result.exit_code == 0, result.output
        it = document(result)
        (record,) = it["images"][0]["maps"]
        with np.load(record["files"]["npz"]) as arrays:
            return it, record, dict(arrays)

    return run


def test_gradients_under_an_aggregator(one, tiny, photographs):
    it, record, arrays = one("--method", "layercam:gradients=smooth", "--samples", 3)
    options = {"method": "layercam", "gradients": "smooth", "num_samples": 3}
    expected = by_hand(tiny, [photographs / "0.png"], target=1, **options)
    np.testing.assert_allclose(arrays["cam"], expected.cam[0], rtol=1e-5, atol=1e-6)
    assert it["method"] == record["method"] == "smooth_layercam"
    assert it["samples"] == 3


def test_what_speaks_against_a_class(one, tiny, photographs):
    it, record, arrays = one("--method", "gradcam", "--negative")
    expected = by_hand(tiny, [photographs / "0.png"], target=1, method="gradcam", negative=True)
    np.testing.assert_allclose(arrays["cam"], expected.cam[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(arrays["signed"], -one("--method", "gradcam")[2]["signed"], rtol=1e-5, atol=1e-6)
    assert it["negative"] is True
    assert record["negative"] is True


def test_what_speaks_against_a_class_is_called_so(egcam, tiny, photographs):
    result = egcam("explain", photographs / "0.png", "--target", 1, "--method", "gradcam", "--negative")
    assert "explained       against tabby, tabby cat (1), by gradcam" in result.stdout


def test_an_empty_map_of_what_speaks_against_a_class(egcam, tiny, photographs):
    # one side or the other of a map of one sign is empty
    said = []
    for target in range(5):
        for side in ((), ("--negative",)):
            result = egcam("explain", photographs / "0.png", "--method", "gradcam", "--target", target, *side, "--json")
            (record,) = document(result)["images"][0]["maps"]
            assert (record["note"] is not None) == record["empty"]
            said.append((record["note"], record["advice"]))
    against = "empty: to this method nothing at this layer speaks against this class"
    assert (against, "to see more: without --negative, what speaks for it; or another --layer") in said
    in_favour = "empty: to this method nothing at this layer speaks for this class"
    assert (in_favour, "to see more: with --negative, what speaks against it; or another --layer") in said


def test_several_layers_are_fused(one, tiny, photographs):
    layers = ["features/dense", "features"]
    _, record, arrays = one("--method", "hirescam", "--layer", layers[0], "--layer", layers[1])
    expected = by_hand(tiny, [photographs / "0.png"], target=1, method="hirescam", layer=layers)
    np.testing.assert_allclose(arrays["cam"], expected.cam[0], rtol=1e-5, atol=1e-6)
    assert "signed" not in arrays
    assert record["layer"] == "features/dense + features"


@pytest.mark.parametrize(
    ("method", "text", "value"),
    [
        ("expected_gradcam", "noise=none", "none"),
        ("ablationcam", "denominator=score", "score"),
        ("gradcam++", "clamp=true", True),
        ("gradcam++", "normalize-alphas=False", False),
        ("scorecam", "top_channels=2", 2),
        ("scorecam", "top_channels=none", None),
        ("smooth_gradcam++", "sigma=1e-1", 0.1),
        ("smooth_gradcam++", "noise_scale=0", 0.0),
        ("expected_gradcam", "alpha=0.25", 0.25),
        ("expected_gradcam", "alpha=0.25, 1", [0.25, 1]),
        ("integrated_gradcam", "baseline=-1.5", -1.5),
        ("integrated_gradcam", "baseline=0.1,0.2,0.3", [0.1, 0.2, 0.3]),
    ],
)
def test_each_kind_of_option(one, tiny, photographs, method, text, value):
    samples = {"num_samples": 2} if METHODS[method].num_samples else {}
    it, _, arrays = one("--method", f"{method}:{text}", *(["--samples", 2] if samples else []))
    name = text.split("=")[0].replace("-", "_")
    assert it["options"] == {**METHODS[method].options, name: value}
    given = np.asarray(value, np.float32) if isinstance(value, list) else value
    expected = by_hand(tiny, [photographs / "0.png"], target=1, method=method, **samples, **{name: given})
    np.testing.assert_allclose(arrays["cam"], expected.cam[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("gradcam++:clamp", "--methods must be NAME:OPTION=VALUE:..., each option once; got 'gradcam++:clamp'"),
        ("gradcam++:=3", "--methods must be NAME:OPTION=VALUE"),
        ("gradcam++:clamp=", "--methods must be NAME:OPTION=VALUE"),
        ("gradcam++:clmap=true", "method 'gradcam++' has no option 'clmap'; its options: "),
        ("gradcam++:clamp=3", "clamp must be True or False"),
        ("gradcam++:clamp=yes", "clamp must be True or False"),
        ("gradcam:refs=3", "the method 'gradcam' takes no refs"),
        ("expected_gradcam:refs=64", "--num-refs must be at least 64, which 'expected_gradcam:refs=64' takes; got 32"),
        ("scorecam:top_channels=2.5", "top_channels must be a whole number"),
        ("scorecam:top_channels=0", "top_channels must be at least 1; got 0"),
        ("scorecam:weights=1", "weights must be one of 'softmax', 'prob'; got '1'"),
        ("expected_gradcam:alpha=2", "alpha must lie in [0, 1]"),
        ("expected_gradcam:alpha=0.1,0.2,0.3", "alpha must be a number or have"),
        ("expected_gradcam:noise_scale=much", "noise_scale must be a single number"),
        ("expected_gradcam:noise-scale=-1", "noise_scale must be finite and at least 0"),
        ("integrated_gradcam:baseline=nan", "baseline has 1 entries that are NaN"),
        ("gradcam:gradients=smoth", "must be one of 'expected', 'integrated', 'smooth', 'vanilla'; got 'smoth'"),
        ("scorecam:gradients=smooth", "'scorecam' takes no gradients, only forward passes. Pass"),
    ],
)
@pytest.mark.parametrize("command", ["explain", "compare"])
def test_a_bad_option_is_one_clean_line_that_says_what_to_do(egcam, photographs, monkeypatch, command, method, message):
    monkeypatch.setattr("egcam_jax.models.load", lambda *args, **kwargs: pytest.fail("loaded"))
    result = egcam(command, photographs / "0.png", "--method", method)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", METHODS)
def test_every_default_can_be_given_as_it_is_listed(name):
    listed = [f"{option}={default}" for option, default in METHODS[name].options.items()]
    (asked,) = asking.methods(":".join([name, *listed]))
    assert asked.options == METHODS[name].options


def test_numbers_between_commas_belong_together():
    text = "gradcam, expected_gradcam:alpha=0.1,0.25:samples=2,integrated_gradcam:baseline=-1,.5,+2"
    labels = [one.label for one in asking.methods(text)]
    assert labels == [
        "gradcam",
        "expected_gradcam:alpha=0.1,0.25:samples=2",
        "integrated_gradcam:baseline=-1,.5,+2",
    ]


def test_an_option_that_takes_one_value_is_refused_twice(egcam, tiny, photographs):
    for command in ("explain", "compare"):
        result = egcam(command, photographs / "0.png", "--target", 1, "--target", 2)
        assert result.exit_code == 2
        assert "'--target': came 2 times; it takes one value" in result.output
    layers = ("--layer", "features/dense", "--layer", tiny.layer)  # one that takes several is not
    assert egcam("explain", photographs / "0.png", "--method", "gradcam", *layers).exit_code == 0


def test_references_that_cannot_be_read_are_left_out_and_named(egcam, tiny, photographs):
    bad = photographs / "zero.png"
    bad.write_bytes(b"")
    result = egcam("explain", photographs / "0.png", "--refs", photographs, "--samples", 2)
    assert result.exit_code == 0
    assert "left out: zero.png: the file is empty" in result.stdout
    result = egcam("explain", photographs / "0.png", "--refs", bad, "--samples", 2)
    assert result.exit_code == 2
    assert "error: --refs: " in result.output
    assert "the file is empty" in result.output
    result = egcam("explain", photographs / "0.png", "--refs", photographs / "none", "--samples", 2)
    assert result.exit_code == 2
    assert "error: --refs" in result.output


def test_scores_of_a_map_of_what_speaks_against_a_class_are_refused(egcam, tiny, photographs):
    common = (photographs / "0.png", "--negative", "--target", 1)
    result = egcam("explain", *common, "--method", "gradcam", "--metrics", "complexity,deletion")
    assert (
        "--negative must be left out with deletion_auc, which judges a map of what speaks for the class"
        in result.output
    )
    assert egcam("explain", *common, "--method", "gradcam", "--metrics", "sparseness").exit_code == 0
    result = egcam("compare", *common, "--methods", "gradcam", "--metrics", "insertion")
    assert "--negative must be left out with insertion_auc" in result.output
