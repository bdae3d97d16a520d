"""The paper's figures held to one another, and its settings to what the library takes."""

import inspect

import pytest

from egcam_jax import METHODS, METRICS, paper
from egcam_jax.models import Preprocess, names
from egcam_jax.run import asking

TABLES = [paper.table(name) for name in paper.names()]
ROUNDING = 0.0051
"""Of a figure with two decimals."""


def number(table, network, method, metric):
    return float(table.printed[network, method, metric])


def test_every_table_of_figures_is_there():
    assert list(paper.names()) == [f"table{number}" for number in (1, 3, 4, 5, 6, 7, 8)]
    assert sum(len(table.printed) for table in TABLES) == 370


@pytest.mark.parametrize("table", TABLES, ids=paper.names())
def test_a_table_is_complete(table):
    assert len(table.methods) == 10
    cells = {
        (network, method, metric) for network in table.networks for method in table.methods for metric in table.metrics
    }
    assert set(table.printed) == cells
    dashes = {cell for cell, text in table.printed.items() if not text}
    left_out = {"integrated_gradcam", "hirescam", "ablationcam"} if table.number == 6 else set()
    assert dashes == {cell for cell in cells if cell[1] in left_out}
    assert all(float(text) > 0 for text in table.printed.values() if text)


def test_single_figures_are_as_printed():
    for name, network, method, metric, text in [
        ("table1", "vgg16", "layercam", "pixel_flipping", "58.15"),
        ("table1", "vgg16", "scorecam", "pixel_flipping", "5.37"),
        ("table1", "vgg16", "expected_gradcam", "max_sensitivity", "0.194"),
        ("table3", "resnet50", "xgradcam", "deletion_auc", "0.2097"),
        ("table3", "alexnet", "expected_gradcam", "insertion_deletion", "0.3556"),
        ("table4", "resnet50", "scorecam", "relevance_rank_accuracy", "0.132"),
        ("table5", "vgg16", "ablationcam", "relevance_mass_accuracy", "0.15"),
        ("table6", "resnet50", "xgradcam", "relative_output_stability", "1.65e+04"),
        ("table7", "vgg16", "integrated_gradcam", "infidelity", "1.64e+09"),
        ("table8", "vgg16", "expected_gradcam", "running_time", "0.115"),
    ]:
        assert paper.table(name).printed[network, method, metric] == text


def test_insertion_less_deletion_is_their_difference():
    table = paper.table("table3")
    for network in table.networks:
        for method in table.methods:
            insertion, deletion, gap = (number(table, network, method, metric) for metric in table.metrics)
            assert abs(insertion - deletion - gap) < 2.5 * ROUNDING, (network, method)


def test_mass_accuracy_is_attribution_localisation_rounded():
    whole, rounded = paper.table("table4"), paper.table("table5")
    apart = {
        (network, method)
        for network in rounded.networks
        for method in rounded.methods
        if abs(
            number(rounded, network, method, "relevance_mass_accuracy")
            - number(whole, network, method, "attribution_localisation")
        )
        > ROUNDING
    }
    assert apart == {("resnet50", "expected_gradcam")}
    assert rounded.doubts_of("resnet50", "expected_gradcam", "relevance_mass_accuracy")


def test_complexity_is_no_more_than_that_of_an_even_map():
    table = paper.table("table1")
    assert all(number(table, "vgg16", method, "complexity") < 10.83 for method in table.methods)  # ln 224 ** 2
    assert all(0 < number(table, "vgg16", method, "sparseness") < 1 for method in table.methods)


def test_what_is_doubted_is_there():
    for table in TABLES:
        for doubt in table.doubts:
            assert doubt.network in (None, *table.networks)
            assert doubt.method in (None, *table.methods)
            assert doubt.metric in (None, *table.metrics)
    assert "misprint" in paper.table("table1").doubts_of("vgg16", "scorecam", "pixel_flipping")[0]
    assert paper.table("table1").doubts_of("vgg16", "gradcam", "pixel_flipping") == []


@pytest.mark.parametrize("table", TABLES, ids=paper.names())
def test_networks_methods_and_metrics_are_the_librarys(table):
    assert set(table.networks) <= set(names())
    assert set(table.methods) <= set(METHODS)
    assert set(table.metrics) <= set(METRICS)


@pytest.mark.parametrize("table", TABLES, ids=paper.names())
@pytest.mark.parametrize("own", [224, 227, 32])
def test_the_runner_takes_what_a_table_asks(table, own):
    settings = paper.preprocess(table, Preprocess(size=own, resize=256))
    asked, left_out = asking.metrics(paper.metrics(table, settings, draws=3), has={"mask", "batch"})
    assert [it.metric.name for it in asked] == list(table.metrics)
    assert not left_out
    assert [it.name for it in asking.methods(table.methods)] == list(table.methods)
    for it in asked:
        assert ("num_samples" in it.options) == (it.metric.family == "robustness")
        if it.metric.name == "infidelity":
            assert settings.size % it.options["patch_size"] == 0


def test_settings_are_the_papers_at_its_own_size():
    metrics = paper.metrics(paper.table("table1"), Preprocess())
    assert "pixel_flipping:step=224" in metrics
    assert "infidelity:mode=quantus_0_4_4:patch_size=56" in metrics
    assert "max_sensitivity" in metrics
    for name in ("local_lipschitz", "max_sensitivity", "avg_sensitivity", "relative_input_stability"):
        assert inspect.signature(METRICS[name].function).parameters["num_samples"].default == 200
    assert METRICS["top_k_intersection"].scaled["k"](224, 224) == 1000
    assert paper.metrics(paper.table("table7"), Preprocess(size=96)) == ["infidelity:mode=quantus_0_4_4:patch_size=32"]
    assert paper.metrics(paper.table("table8"), Preprocess()) == ["running_time:repeats=100"]


def test_pictures_have_the_size_of_the_table_or_one_that_blocks_divide():
    own = Preprocess(size=227, resize=256)
    assert paper.preprocess(paper.table("table3"), Preprocess()) == Preprocess()
    assert (paper.preprocess(paper.table("table1"), own).size, paper.preprocess(paper.table("table1"), own).resize) == (
        224,
        256,
    )
    enlarged = paper.preprocess(paper.table("table7"), Preprocess())
    assert (enlarged.size, enlarged.resize) == (96, 96)


def test_a_network_of_small_pictures_keeps_its_size():
    small = Preprocess(size=32, resize=32)
    assert paper.preprocess(paper.table("table7"), small) == small
    assert paper.metrics(paper.table("table7"), small) == ["infidelity:mode=quantus_0_4_4:patch_size=8"]


def test_noise_changes_pictures_as_much_whatever_the_inputs_units():
    caffe = Preprocess(mean=(104, 117, 123), std=(1, 1, 1), scale=255.0, bgr=True)
    metrics = paper.metrics(paper.table("table1"), caffe)
    assert "max_sensitivity:radius=11.52" in metrics  # 0.2 times 57.6 = 255 times torchvision's 0.226
    assert "local_lipschitz:noise_std=5.76" in metrics
    assert "infidelity:mode=quantus_0_4_4:patch_size=56" in metrics
    stability = paper.metrics(paper.table("table6"), Preprocess(mean=(0, 0, 0), std=(1, 1, 1)))
    assert "relative_input_stability:mode=quantus:low=0.00452:high=0.0452" in stability


def test_another_table_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="table1"):
        paper.table("table2")
