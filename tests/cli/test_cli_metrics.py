"""`egcam metrics`, and `egcam explain --metrics`: scores as the library gives them, with what they mean."""

import functools

import jax
import numpy as np
import pytest
from tiny_network import document, pictures

import egcam_jax
from egcam_jax import metrics
from egcam_jax.metrics import FAMILIES


def scores(result):
    assert result.exit_code == 0, result.output
    return [record["scores"] for image in document(result)["images"] for record in image["maps"]]


def test_scores_are_the_librarys_whatever_the_batch(egcam, tiny, photographs):
    asked = ("--method", "gradcam", "--metrics", "insertion:step=30,insertion_deletion,deletion:step=128", "--json")
    paths = sorted(photographs.glob("*.png"))
    result = egcam("explain", *paths, "--target", 1, "--batch", 2, *asked)
    assert document(result)["metrics"] == {
        "insertion_auc": {"step": 30},
        "insertion_deletion": {},
        "deletion_auc": {"step": 128},
    }
    predict = jax.tree_util.Partial(tiny.apply_fn, tiny.params)
    for path, found in zip(paths, scores(result)):
        (x,) = pictures([path])
        saliency = np.load(next(path.parent.parent.glob(f"egcam-out/{path.stem}.*.npz")))["saliency"]
        np.testing.assert_allclose(
            [found["insertion_auc"]["value"], found["deletion_auc"]["value"]],
            [
                metrics.insertion_auc(predict, x, saliency, 1, step=30).value,
                metrics.deletion_auc(predict, x, saliency, 1, step=128).value,
            ],
            rtol=1e-4,
        )
        assert found["insertion_auc"]["higher_is_better"] is True
        assert found["deletion_auc"]["higher_is_better"] is False
        assert (found["insertion_auc"]["evaluations"], found["deletion_auc"]["evaluations"]) == (10, 3)


def test_a_score_that_is_not_defined_says_why(egcam, tiny, photographs):
    for method in ("gradcam", "xgradcam", "hirescam"):
        for target in range(5):
            asked = ("--target", target, "--method", method, "--metrics", "insertion", "--json")
            result = egcam("explain", photographs / "0.png", *asked)
            (found,) = scores(result)
            (record,) = document(result)["images"][0]["maps"]
            if record["empty"]:
                assert found["insertion_auc"]["value"] is None
                assert "undefined: the map is constant" in found["insertion_auc"]["note"]
                return
    pytest.fail("no map of the tiny network is empty")


def test_scores_are_printed_with_their_direction(egcam, tiny, photographs):
    asked = "deletion:step=128,max_sensitivity:num_samples=3,sparseness,running_time:repeats=2"
    result = egcam("explain", photographs / "0.png", "--metrics", asked, "--samples", 2)
    assert "scores          deletion_auc 0." in result.stdout
    assert "(lower is better, 3 model runs)" in result.stdout
    assert "(lower is better, 4 explanations)" in result.stdout
    assert "(higher is better)" in result.stdout
    assert " seconds (lower is better, 3 explanations)" in result.stdout


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nonsense", "--metrics must name known metrics; got 'nonsense'"),
        ("insertion:stop=3", "--metrics: insertion_auc has no option 'stop' here; it has step"),
        ("insertion:step=0", "step must be at least 1; got 0"),
        ("insertion:step", "--metrics must be NAME:OPTION=VALUE"),
        ("pointing_game", "got pointing_game, which needs masks of the objects"),
        ("sufficiency", "which needs several images to compare"),
        ("mprt", "which needs the network's parameters; use egcam_jax.metrics.mprt from Python"),
        ("complexity:step=3", "complexity has no option 'step' here; it has none"),
    ],
)
def test_what_makes_no_sense_is_refused(egcam, tiny, photographs, asked, said):
    result = egcam("explain", photographs / "0.png", "--metrics", asked)
    assert result.exit_code != 0
    assert said in result.output


def test_the_list_names_every_metric_with_what_it_takes_and_its_options(egcam):
    lines = egcam("metrics").stdout.splitlines()
    for name, metric in metrics.METRICS.items():
        (place,) = [i for i, line in enumerate(lines) if line.split()[:1] == [name] and line.startswith("  ")]
        assert f"({'higher' if metric.higher_is_better else 'lower'} is better; {metric.source})" in lines[place]
        assert lines[place + 1].startswith("    takes ")
        assert ("masks of" in lines[place + 1]) == ("mask" in metric.needs)
        families = [line for line in lines[:place] if line in FAMILIES]
        assert families[-1] == metric.family
    (place,) = [i for i, line in enumerate(lines) if line.startswith("  top_k_intersection")]
    assert lines[place + 2] == "    options k=1000 at 224 × 224, concept_influence=false"


def test_metrics_that_explain_again_and_that_draw(egcam, tiny, photographs):
    few = "max_sensitivity:num_samples=3:radius=0.1,relative_output_stability:num_samples=2,infidelity:num_samples=4"
    asked = ("--target", 1, "--method", "gradcam", "--metrics", few, "--json", "--seed", 5)
    (found,) = scores(egcam("explain", photographs / "0.png", *asked))
    (x,) = pictures([photographs / "0.png"])
    saliency = np.load(next(photographs.parent.glob("egcam-out/0.*.npz")))["saliency"]
    ours = functools.partial(egcam_jax.explain, tiny.params, tiny.apply_fn, method="gradcam", layer=tiny.layer)
    explain = lambda x, target: ours(x, target=target).saliency
    predict, key = lambda x: tiny.apply_fn(tiny.params, x), jax.random.key(5)
    want = {
        "max_sensitivity": metrics.max_sensitivity(explain, x, key, target=1, num_samples=3, radius=0.1),
        "relative_output_stability": metrics.relative_output_stability(
            explain, x, key, target=1, predict=predict, num_samples=2
        ),
        "infidelity": metrics.infidelity(predict, x, saliency, 1, key, num_samples=4),
    }
    for name, score in want.items():
        np.testing.assert_allclose(found[name]["value"], score.value, rtol=1e-3)
