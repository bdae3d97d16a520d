"""From a file of results to tables: means, counts, marks, troubles and facts."""

import numpy as np
import pytest
from made_results import plausible

from egcam_jax import evaluate
from egcam_jax.report import _facts
from egcam_jax.run import store as _store


def cells(found, label):
    (column,) = [it for it in found.columns if it.label == label]
    return dict(zip(found.methods, column.cells))


def test_metrics_by_family_with_their_direction(summarise):
    found = summarise(plausible())
    families = {table.family: {it.label: it.arrow for it in table.columns} for table in found.tables}
    assert families == {
        "faithfulness": {"insertion_auc": "↑", "deletion_auc": "↓", "insertion_deletion": "↑"},
        "robustness": {"max_sensitivity:num_samples=20": "↓"},
        "complexity": {"sparseness": "↑"},
        "cost": {"running_time": "↓"},
    }
    assert list(families) == ["faithfulness", "robustness", "complexity", "cost"]
    assert list(families["faithfulness"]) == ["insertion_auc", "deletion_auc", "insertion_deletion"]  # as asked for
    assert list(found.methods) == ["expected_gradcam:noise=none", "layercam", "gradcam", "hirescam", "vanilla_gradient"]


def test_means_and_marks(summarise):
    values = plausible()
    found = summarise(values)
    for label in ("insertion_auc", "deletion_auc"):
        of = cells(found, label)
        for method, cell in of.items():
            assert cell.interval.mean == pytest.approx(np.mean(values[method, label]))
            assert cell.interval.low < cell.interval.mean < cell.interval.high
            assert (cell.interval.images, cell.undefined, cell.missing) == (24, 0, 0)
        assert {method: cell.mark for method, cell in of.items() if cell.mark} == {
            "expected_gradcam:noise=none": "best",
            "layercam": "second",
        }
        assert of["gradcam"].interval == of["hirescam"].interval


def test_what_is_undefined_and_what_is_missing_are_told_apart(summarise):
    found = summarise(plausible())
    of = cells(found, "max_sensitivity:num_samples=20")["vanilla_gradient"]
    assert (of.interval.images, of.undefined, of.missing) == (22, 1, 1)
    nothing = cells(found, "sparseness")["vanilla_gradient"]
    assert (nothing.interval.images, nothing.undefined, nothing.missing, nothing.mark) == (0, 0, 24, "")
    assert np.isnan(nothing.interval.mean)


def test_infinite_values_count_as_undefined(summarise):
    of = cells(summarise({("gradcam", "sparseness"): [1, np.inf, 3.0]}), "sparseness")["gradcam"]
    assert (of.interval.mean, of.undefined) == (2, 1)


def test_one_image_and_one_method(summarise):
    found = summarise({("gradcam", "sparseness"): [0.25]})
    (cell,) = cells(found, "sparseness").values()
    assert (cell.interval.mean, cell.interval.images, cell.mark) == (0.25, 1, "")
    assert np.isnan(cell.interval.low)


def test_failures_of_a_kind_are_one_and_batches_that_fail_again_count_once(summarise):
    failures = [("a", "road", "no"), ("a", "road", "no"), ("a", None, "no"), ("b", "road", "no")]
    found = summarise(plausible(), failures=failures, unreadable=[("x.jpg", "truncated")])
    assert [tuple(it) for it in found.troubles] == [("a", "road", "no", 2), ("a", "", "no", 1), ("b", "road", "no", 1)]
    assert found.unreadable == [("x.jpg", "truncated")]
    assert found.facts["trouble"] == "1 image could not be read; 4 batches with a failure"


def test_the_facts_say_what_was_computed_on_what(summarise):
    assert summarise(plausible()).facts == {
        "network": "squeezenet, features",
        "data": "demo, 24 images",
        "explained": "the image's own label; the network's top class is right for 50.0 %",
        "references": "4 images from demo, seed 7",
        "computed": "from 2025-01-02 03:04, 2 × cpu",
    }


def test_what_failed_and_was_done_later_is_no_failure(summarise):
    values = {
        ("a", "road"): [0.1, 0.2],
        ("a", "irof"): [0.1, 0.2],
        ("b", "road"): [0.1, None],
        ("b", "irof"): [0.1, 0.3],
    }
    failures = [("a", "road", "no"), ("a", None, "no"), ("b", "road", "no"), ("b", "irof", "no"), ("b", None, "no")]
    found = summarise(values, failures=failures)
    assert {(it.method, it.metric) for it in found.troubles} == {("b", "road"), ("b", "")}
    assert found.facts["trouble"].endswith("with a failure")


def test_a_method_that_failed_and_was_done_later_is_no_failure_though_times_are_of_the_first_batch(summarise):
    timed = [0.1] * 4 + [None] * 6
    values = {("a", "road"): [0.1] * 10, ("a", "running_time"): timed, ("b", "road"): [0.1] * 10}
    failures = [("a", None, "no"), ("a", None, "no"), ("a", "running_time", "no")]
    assert summarise(values, failures=failures[:2]).troubles == []
    assert summarise(values, failures=failures[2:]).troubles == []
    lacks = values | {("a", "running_time"): [None] * 10}
    assert [it.batches for it in summarise(lacks, failures=failures[:2]).troubles] == [1]
    assert [it.metric for it in summarise(lacks, failures=failures[2:]).troubles] == ["running_time"]


def test_a_batch_that_was_done_later_is_no_failure_though_others_still_lack(summarise):
    values = {("a", "road"): [0.1] * 4 + [None] * 4 + [0.1] * 2}
    no = ("a", "road", "no")
    assert [it.batches for it in summarise(values, failures=[no] * 3).troubles] == [1]
    assert summarise(values, failures=[no]).troubles == []
    gaps = summarise(values, failures=[no] * 3, unreadable=[("x.jpg", "truncated")])  # of any batch
    assert [it.batches for it in gaps.troubles] == [2]


def test_times_are_of_the_first_batch_and_the_rest_is_not_missing(summarise):
    found = summarise({("a", "running_time"): [0.1, None, None], ("a", "road"): [0.1, None, 0.2]})
    assert cells(found, "running_time")["a"].missing == 0
    assert cells(found, "road")["a"].missing == 1


def test_labels_that_some_images_lack_are_said():
    image = _store.ImageRow(0, "a.jpg", 1, "cat", 0.5, None, None, None)
    made = lambda *correct: evaluate.Run({}, [], [image._replace(correct=it) for it in correct], [], [], {}, {})
    assert _facts.explained("label", made(True, False)) == "the image's own label"
    assert _facts.explained("label", made(None, None)) == "the network's top class, as the data has no labels"
    words = "the image's own label, and the network's top class for 1 image without one"
    assert _facts.explained("label", made(True, None)) == words
    assert _facts.explained("top", made(None)) == "the network's top class"


@pytest.mark.parametrize(("images", "told"), [(5, True), (7, False)])
def test_too_few_images_for_any_difference_are_said(summarise, images, told):
    rows = {(f"m{i}", "sparseness"): np.arange(images) + 10.0 * i for i in range(3)}
    found = summarise(rows)
    assert ("tests" in found.facts) == told
    assert any(cell.mark == "best" for cell in cells(found, "sparseness").values()) != told


def test_a_run_on_its_way_says_how_far_it_is(summarise):
    data = {"source": "tfds:x", "digest": "", "count": 5000, "target": "top"}
    facts = summarise(plausible(), asked={"data": data, "references": None}).facts
    assert facts["data"] == "tfds:x, 24 images of 5,000 so far"
    assert facts["explained"].startswith("the network's top class;")
    assert "references" not in facts


def test_the_facts_say_what_was_left_out_and_which_references_are_explained(summarise):
    references = {"source": "demo", "count": 1, "explained": 1, "ids": ["a"]}
    left_out = {"road": "no time", "mprt": "no layers", "irof": "no time"}
    facts = summarise(plausible(), asked={"references": references}, session={"left_out": left_out}).facts
    assert facts["references"] == "1 image from demo, seed 7; 1 of them explained too"
    assert facts["left out"] == "road, irof (no time); mprt (no layers)"


def test_a_metric_that_this_version_lacks_is_named(summarise):
    with pytest.raises(evaluate.ResultsError, match=r"metric 'telepathy'.*update egcam-jax"):
        summarise(plausible(), asked={"metrics": {"t": {"metric": "telepathy", "options": {}}}})
