"""`egcam metrics`, and `egcam explain --metrics`: scores as the library gives them, with what they mean."""

import jax
import numpy as np
import pytest
from tiny_network import document, pictures

from egcam_jax import metrics
from egcam_jax.cli import _completion


def scores(result):
    assert result.exit_code == 0, result.output
    return [record["scores"] for image in document(result)["images"] for record in image["maps"]]


def test_scores_are_the_librarys_whatever_the_batch(egcam, tiny, photographs):
    asked = ("--method", "gradcam", "--metrics", "insertion:step=30,insertion_deletion,deletion", "--json")
    paths = sorted(photographs.glob("*.png"))
    result = egcam("explain", *paths, "--target", 1, "--batch", 2, *asked)
    assert document(result)["metrics"] == {
        "insertion_auc": {"step": 30},
        "insertion_deletion": {},
        "deletion_auc": {},
    }
    predict = jax.tree_util.Partial(tiny.apply_fn, tiny.params)
    for path, found in zip(paths, scores(result)):
        (x,) = pictures([path])
        saliency = np.load(next(path.parent.parent.glob(f"egcam-out/{path.stem}.*.npz")))["saliency"]
        np.testing.assert_allclose(
            [found["insertion_auc"]["value"], found["deletion_auc"]["value"]],
            [
                metrics.insertion_auc(predict, x, saliency, 1, step=30).value,
                metrics.deletion_auc(predict, x, saliency, 1).value,
            ],
            rtol=1e-4,
        )
        assert found["insertion_auc"]["higher_is_better"] is True
        assert found["deletion_auc"]["higher_is_better"] is False


def test_a_score_that_is_not_defined_says_why(egcam, tiny, photographs):
    for side in ((), ("--negative",)):
        for target in range(5):
            asked = ("--target", target, "--method", "gradcam", "--metrics", "insertion", "--json", *side)
            result = egcam("explain", photographs / "0.png", *asked)
            (found,) = scores(result)
            (record,) = document(result)["images"][0]["maps"]
            if record["empty"]:
                assert found["insertion_auc"]["value"] is None
                assert "undefined: the map is constant" in found["insertion_auc"]["note"]
                return
    pytest.fail("no map of the tiny network is empty")


def test_scores_are_printed_with_their_direction(egcam, tiny, photographs):
    result = egcam("explain", photographs / "0.png", "--metrics", "deletion", "--samples", 2)
    assert "scores          deletion_auc 0." in result.stdout
    assert "(lower is better)" in result.stdout


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nonsense", "--metrics 'nonsense' is unknown"),
        ("insertion:stop=3", "--metrics insertion:stop: insertion_auc has no such option; it has step, chunk_size"),
        ("insertion:step=0", "step must be at least 1; got 0"),
        ("insertion:step", "NAME=VALUE wanted"),
    ],
)
def test_what_makes_no_sense_is_refused(egcam, tiny, photographs, asked, said):
    result = egcam("explain", photographs / "0.png", "--metrics", asked)
    assert result.exit_code != 0
    assert said in result.output


def test_the_list_names_every_metric(egcam):
    listed = egcam("metrics").stdout
    for name, metric in metrics.METRICS.items():
        (line,) = [line for line in listed.splitlines() if line.split()[:1] == [name]]
        assert metric.family in line
        assert ("higher" if metric.higher_is_better else "lower") in line


def test_their_names_are_completed():
    assert _completion.metrics("deletion,ins") == ["deletion,insertion_auc", "deletion,insertion_deletion"]
