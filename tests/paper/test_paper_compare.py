"""Our figures beside the paper's: which stands beside which, in what unit, and what is not as in the paper."""

import math

import numpy as np
import pytest

from egcam_jax import paper
from egcam_jax.evaluate import Run
from egcam_jax.run.store import Failure, ImageRow

IMAGES = 6


def made(values, *, network="vgg16", layer="features", metrics=None, methods=None, **changes):
    """A run whose values are told: by method and metric, one number for all images, or one for each."""
    labels = list(dict.fromkeys(method for method, _ in values))
    names = list(dict.fromkeys(metric for _, metric in values))
    asked = {
        "data": {"source": "folder:photographs", "digest": "0", "count": IMAGES, "target": "label"},
        "model": {
            "name": network,
            "layer": [layer],
            "dtype": "float32",
            "preprocessing": {"size": 224, "std": [0.229, 0.224, 0.225], "scale": 1.0},
        },
        "references": {"source": "elsewhere", "count": 4},
        "methods": {it: {"method": it.split(":")[0], "samples": None} for it in labels} | (methods or {}),
        "metrics": {it: {"metric": it, "options": {}} for it in names} | (metrics or {}),
        "batch": 4,
    }
    rows = [ImageRow(i, f"{i}.jpg", 0, "zebra", 0.5, i < 3, None, None) for i in range(IMAGES)]
    spread = {kind: np.broadcast_to(np.asarray(it, float), IMAGES).copy() for kind, it in values.items()}
    there = {kind: np.ones(IMAGES, bool) for kind in values}
    return Run(**({"asked": asked, "sessions": [{"weights": "w.safetensors"}], "images": rows, "unreadable": [],
                   "failures": [], "values": spread, "computed": there} | changes))  # fmt: skip


def printed(table, network, metric):
    """The paper's figures as our values would be."""
    unit = table.unit(network, metric)
    return {(it, metric): unit * float(table.printed[network, it, metric] or "nan") for it in table.methods}


def by(rows):
    return {(row.metric, row.method): row for row in rows}


def test_the_papers_own_figures_stand_beside_themselves():
    for name in paper.names():
        table = paper.table(name)
        for network in table.networks:
            values = {kind: it for metric in table.metrics for kind, it in printed(table, network, metric).items()}
            rows = paper.compare(table, {"same": made(values, network=network)})
            assert len(rows) == len(table.methods) * len(table.metrics)
            for row in rows:
                assert row.network == network
                if row.printed:
                    assert row.ours.mean == pytest.approx(float(row.printed))
                else:
                    assert math.isnan(row.ours.mean)
            for it in paper.agreements(rows):
                assert it.correlation == pytest.approx(1)
                assert it.place == it.paper_place
                assert it.p < 1e-6 or it.methods < 6
            compared = [it for it in paper.agreements(rows) if it.correlation == it.correlation]
            same = sum(it.p < 0.05 for it in compared)
            text = paper.markdown(table, {"same": made(values, network=network)})
            assert text.split("\n\n")[1].startswith(f"**In {same} of {len(compared)} columns our order of the methods")


def test_shares_become_percent_and_infidelity_the_captions_unit():
    table = paper.table("table1")
    (row,) = paper.compare(table, {"a": made({("gradcam", "sufficiency"): 0.02})})
    assert row.ours.mean == pytest.approx(2.0)
    assert row.printed == "1.91"
    (row,) = paper.compare(paper.table("table7"), {"a": made({("gradcam", "infidelity"): 3e8}, network="resnet50")})
    assert row.ours.mean == pytest.approx(3.0)


def test_intervals_and_counts_are_of_our_images():
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5, np.nan])
    computed = {("gradcam", "insertion_auc"): np.array([True] * IMAGES)}
    (row,) = paper.compare(
        paper.table("table3"), {"a": made({("gradcam", "insertion_auc"): values}, computed=computed)}
    )
    assert row.ours.mean == pytest.approx(0.3)
    assert 0.1 <= row.ours.low < 0.3 < row.ours.high <= 0.5
    assert (row.ours.images, row.undefined, row.missing) == (5, 1, 0)


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("resnet50", "resnet50"),
        ("resnet50_v1", "resnet50"),
        ("cifar_resnet20", "resnet50"),
        ("vgg19", "vgg16"),
        ("alexnet", "alexnet"),
        ("squeezenet1_0", "vgg16"),
    ],
)
def test_a_network_stands_beside_its_own_kind(name, beside):
    (row,) = paper.compare(paper.table("table3"), {"a": made({("gradcam", "insertion_auc"): 0.5}, network=name)})
    assert row.network == beside


def test_a_method_with_other_options_has_no_figure_in_the_paper():
    labels = ("expected_gradcam:samples=8", "expected_gradcam:noise=none", "expected_layercam")
    rows = by(paper.compare(paper.table("table3"), {"a": made({(it, "insertion_auc"): 0.5 for it in labels})}))
    assert [rows["insertion_auc", it].printed for it in labels] == ["0.65", None, None]


def test_the_opposite_order_is_told_with_the_direction_of_the_metric():
    table = paper.table("table3")
    figures = printed(table, "vgg16", "insertion_auc")
    rows = paper.compare(table, {"a": made({kind: 1 - it for kind, it in figures.items()})})
    (it,) = paper.agreements(rows)
    assert it.correlation == pytest.approx(-1)
    assert it.p > 1 - 1e-6
    assert "**In 0 of 1 columns" in paper.markdown(table, {"a": made({kind: 1 - it for kind, it in figures.items()})})
    assert (it.methods, it.place, it.paper_place) == (10, 10, 1)
    assert it.paper_ahead == ["expected_gradcam"]


def test_a_deviation_is_named_in_words():
    options = {"max_sensitivity": {"metric": "max_sensitivity", "options": {"num_samples": 20}}}
    run = made({("gradcam", "max_sensitivity"): 0.5}, network="resnet50_v1", metrics=options)
    said = "\n".join(paper.deviations(paper.table("table1"), run))
    assert "no resnet50_v1: its VGG-16" in said
    assert "Weights: w.safetensors" in said
    assert "6 images of folder:photographs" in said
    assert "right for 50.0 %" in said
    assert "num_samples is 20 for max_sensitivity, where the paper's is 200" in said
    assert "pixel_flipping was not computed" in said
    assert "Not computed: gradcam++" in said
    assert "4 reference images from elsewhere" in said


def test_other_pictures_and_the_options_that_follow_are_named():
    options = {"infidelity": {"metric": "infidelity", "options": {"mode": "quantus_0_4_4", "patch_size": 8}}}
    run = made({("gradcam", "infidelity"): 1.0}, network="cifar_resnet20", metrics=options)
    run.asked["model"]["preprocessing"]["size"] = 32
    said = "\n".join(paper.deviations(paper.table("table7"), run))
    assert "Pictures of 32 × 32 pixels, where the paper's have 96 × 96." in said
    assert "patch_size is 8 for infidelity, where the paper's is 32." in said
    assert "mode" not in said


def test_noise_in_other_units_is_explained_and_no_other_option():
    options = {"max_sensitivity": {"metric": "max_sensitivity", "options": {"radius": 11.52}}}
    run = made({("gradcam", "max_sensitivity"): 1.0}, metrics=options)
    run.asked["model"]["preprocessing"] |= {"std": [1.0, 1.0, 1.0], "scale": 255.0}
    said = "\n".join(paper.deviations(paper.table("table1"), run))
    assert "Noise is 57.6 times the paper's" in said
    assert "radius" not in said


def test_what_is_as_in_the_paper_is_no_deviation():
    table = paper.table("table3")
    values = {kind: it for metric in table.metrics for kind, it in printed(table, "resnet50", metric).items()}
    same = made(values, network="resnet50", layer="layer4")
    other = made(values, network="resnet50", layer="layer3/4")
    said, changed = ("\n".join(paper.deviations(table, run)) for run in (same, other))
    for word in ("Not computed", "was not computed", "layer", "pixels", "where the paper's is"):
        assert word not in said, said
    assert "Target layer layer3/4, where the paper's ResNet-50 has layer4." in changed


def test_failures_are_named():
    run = made({("gradcam", "insertion_auc"): 0.5}, failures=[Failure(1, 0, "scorecam", None, "out of memory")])
    assert "Failed: scorecam." in paper.deviations(paper.table("table3"), run)


def test_the_text_has_both_figures_and_the_doubts():
    table = paper.table("table1")
    values = {("scorecam", "pixel_flipping"): np.linspace(50, 60, IMAGES), ("gradcam", "pixel_flipping"): 54.0}
    text = paper.markdown(table, {"a|b": made(values)})
    assert "## a\\|b, beside VGG-16" in text
    (line,) = (line for line in text.splitlines() if line.startswith("| scorecam"))
    assert "where paired tests tell the leading one from any other" in text
    assert "| 55.0 <sub>" in line  # not told apart from gradcam's, and so neither is best
    assert "| a\\|b | pixel\\_flipping | not told apart |" in text
    assert "| 5.37 <sup>a</sup> |" in line
    assert "<sup>a</sup> a tenth of every other method's figure" in text
    assert "Quantus 0.4.4" in text


def test_what_is_best_is_bold_where_a_test_tells_it_from_another():
    """Six pairs that all go one way have p = 2 / 2^6."""
    table = paper.table("table1")
    low, high = np.linspace(50, 60, IMAGES), np.linspace(70, 90, IMAGES)
    text = paper.markdown(
        table, {"run": made({("gradcam", "pixel_flipping"): low, ("scorecam", "pixel_flipping"): high})}
    )
    heads = [line for line in text.splitlines() if line.startswith(("| gradcam | **", "| scorecam | **"))]
    assert [line.split()[1] for line in heads] == ["gradcam"]
    assert "| run | pixel\\_flipping | gradcam |" in text


def test_what_is_explained_where_there_are_no_labels_is_the_top_class():
    run = made({("gradcam", "insertion_auc"): 0.5})
    run = run._replace(images=[row._replace(correct=None) for row in run.images])
    said = "\n".join(paper.deviations(paper.table("table3"), run))
    assert "What is explained is the network's top class, as the data has no labels." in said


def test_a_dash_of_the_paper_is_a_dash():
    text = paper.markdown(paper.table("table6"), {"a": made({("hirescam", "relative_input_stability"): 2.0})})
    assert "| hirescam | 2.00 <sub>2.00 to 2.00</sub> | – <sup>a</sup> |" in text
