"""The runner against the library called by hand; what is killed goes on; what fails stops nothing else."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from evaluation import METHODS, METRICS, assert_same, plan, tolerance, write_pictures
from PIL import Image
from tiny_network import NAMES, PREPROCESS, tiny_model

from egcam_jax import data, evaluate, explain, metrics
from egcam_jax.run import progress as _progress
from egcam_jax.run import runner, under_way
from egcam_jax.run import store as _store

pytest.importorskip("grain")

QUICK = {"methods": ("gradcam", "expected_gradcam:samples=4"), "metrics": ("sparseness",)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """All of it, in one go."""
    asked = plan(folder, tmp_path_factory.mktemp("whole"))
    return asked, evaluate.read(evaluate.run(asked))


@pytest.fixture(scope="module")
def quick(folder, tmp_path_factory):
    """Less of it, in one go."""
    return evaluate.read(evaluate.run(plan(folder, tmp_path_factory.mktemp("quick"), **QUICK)))


def by_hand(asked, run):
    """The images, references and classes of a run, read without the runner."""
    source = data.open_source(asked.data, class_names=NAMES)
    place = {name: i for i, name in enumerate(source.ids)}
    read = lambda names: np.stack([data.preprocess(source[place[it]].image, asked.model.preprocess) for it in names])
    target = np.array([source[it.image].labels[0] for it in run.images])
    return read([it.id for it in run.images]), read(run.asked["references"]["ids"]), target


def explained(asked, run, x, refs, target, **options):
    key = jax.random.fold_in(jax.random.key(0), 0)
    options.setdefault("index", np.array([it.image for it in run.images])[: len(x)])
    model = asked.model
    return explain(model.params, model.apply_fn, x, refs, key, target=target, layer="features", **options)


def test_values_are_those_of_the_library_called_by_hand(whole):
    asked, run = whole
    x, refs, target = by_hand(asked, run)
    assert [it.target for it in run.images] == target.tolist()
    predict = jax.tree_util.Partial(asked.model.apply_fn, asked.model.params)
    options = {"gradcam": {}, METHODS[1]: {"num_samples": 4}, METHODS[2]: {"num_samples": 4, "noise": "none"}}
    for label, given in options.items():
        name = label.split(":")[0]
        maps = explained(asked, run, x, refs, target, method=name, **given).saliency
        expected = {
            METRICS[0]: metrics.insertion_auc(predict, x, maps, target, step=64).value,
            "sparseness": metrics.sparseness(maps).value,
            "irof": metrics.irof(predict, x, maps, target).value,
        }
        for metric, values in expected.items():
            atol = tolerance(metric)
            np.testing.assert_allclose(run.values[label, metric], values, rtol=1e-5, atol=atol, err_msg=label)


def test_a_metric_that_explains_again_has_the_methods_options_and_the_images_index(whole):
    asked, run = whole
    x, refs, target = by_hand(asked, run)
    predict = jax.tree_util.Partial(asked.model.apply_fn, asked.model.params)

    def again(x, target, index):
        return explained(asked, run, x, refs, target, method="expected_gradcam", num_samples=4, index=index).saliency

    key, index = jax.random.fold_in(jax.random.key(0), 1), np.array([it.image for it in run.images])
    score = metrics.max_sensitivity(again, x, key, target=target, predict=predict, num_samples=3, index=index)
    np.testing.assert_allclose(run.values[METHODS[1], METRICS[2]], score.value, rtol=1e-4)


def test_sufficiency_compares_the_images_of_a_batch_and_nothing_that_fills_it_up(whole):
    asked, run = whole
    x, refs, target = by_hand(asked, run)
    maps = explained(asked, run, x, refs, target, method="gradcam").saliency
    answers = asked.model.apply_fn(asked.model.params, jnp.asarray(x)).argmax(axis=1)
    parts = [slice(0, 3), slice(3, 6), slice(6, 8)]
    values = [metrics.sufficiency(None, x[it], maps[it], answers[it], threshold=1.0).value for it in parts]
    assert np.isfinite(np.concatenate(values)).all()
    np.testing.assert_allclose(run.values["gradcam", METRICS[3]], np.concatenate(values), rtol=1e-6)


def test_an_image_that_is_alone_in_its_batch_has_none_to_compare_with(folder, tmp_path):
    asked = plan(folder, tmp_path, limit=4, methods=("gradcam",), metrics=("sufficiency:threshold=1.0",))
    values = evaluate.read(evaluate.run(asked)).values["gradcam", "sufficiency:threshold=1.0"]
    assert np.isnan(values).tolist() == [False, False, False, True]


def test_programs_are_traced_once_though_the_last_batch_is_smaller(whole):
    traces = whole[1].sessions[0]["traces"]
    assert set(traces.values()) == {1}
    assert {"look", *METHODS} <= set(traces)


def test_maps_and_curves_are_kept(whole):
    asked, run = whole
    x, refs, target = by_hand(asked, run)
    maps = explained(asked, run, x, refs, target, method="gradcam")
    with _store.opened(asked.out) as store:
        np.testing.assert_allclose(_store.cam(store, run.images[2].image, "gradcam"), maps.cam[2], rtol=1e-5, atol=1e-6)
        curves = _store.curves(store, "gradcam", METRICS[0])
        picture, mask = _store.picture(store, run.images[0].image)
    area = (curves.sum(axis=1) - (curves[:, 0] + curves[:, -1]) / 2) / (curves.shape[1] - 1)
    np.testing.assert_allclose(area, run.values["gradcam", METRICS[0]], rtol=1e-5)
    assert picture[:2] == b"\xff\xd8"
    assert mask is None


def test_references_are_none_of_the_images_that_are_explained(whole):
    run = whole[1]
    references = run.asked["references"]
    assert references["count"] == 3
    assert not {it.id for it in run.images} & set(references["ids"])


def test_fewer_references_than_asked_for_are_the_datas_own_while_they_will_do(folder, tmp_path, monkeypatch):
    asked = plan(folder, tmp_path, num_refs=32)
    few = _asked(asked)["references"]
    assert "scikit-image" in few["source"]
    monkeypatch.setattr("egcam_jax.run.references._FEWEST", 3)
    own = _asked(asked)["references"]
    assert own["count"] == 3
    assert own["source"].endswith("what is not explained")


def test_references_from_elsewhere_are_told_apart_by_where_they_lie(folder, tmp_path):
    """Not by their names: a folder above has the same pictures, another folder others of the same names."""
    above = _asked(plan(folder / "crane", tmp_path, limit=None, refs=f"folder:{folder}", num_refs=32))["references"]
    assert above["ids"] == [f"catamaran/{i:02d}.png" for i in range(0, 11, 2)]
    other = write_pictures(tmp_path / "other")
    for path in other.glob("*/*.png"):
        Image.open(path).transpose(Image.Transpose.ROTATE_180).save(path)
    named_alike = _asked(plan(folder, tmp_path, refs=f"folder:{other}", num_refs=32))["references"]
    assert named_alike["count"] == 11


def test_a_layer_that_is_not_there_is_refused_before_any_work(folder, tmp_path):
    with pytest.raises(ValueError, match="layer='features/dens': there is no such layer"):
        evaluate.run(plan(folder, tmp_path, layer=("features/dens",)))
    assert not (tmp_path / "results.sqlite").exists()


def test_a_folder_that_cannot_be_made_is_refused(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(evaluate.ResultsError, match="give another --out"):
        evaluate.run(plan(folder, tmp_path / "file", **QUICK))


def test_the_batch_changes_nothing(folder, tmp_path, quick):
    assert_same(quick, evaluate.read(evaluate.run(plan(folder, tmp_path, batch=5, **QUICK))))


def test_a_run_that_was_stopped_goes_on_where_it_was(folder, tmp_path, quick):
    asked = plan(folder, tmp_path, **QUICK)

    def stop(progress):
        if progress.batch == 1 and progress.doing.startswith("expected"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate.run(asked, report=stop)
    half = evaluate.read(tmp_path)
    counts = {kind: there.sum() for kind, there in half.computed.items()}
    assert counts == {("gradcam", "sparseness"): 6, ("expected_gradcam:samples=4", "sparseness"): 3}
    seen = []
    assert_same(quick, evaluate.read(evaluate.run(asked, report=seen.append)))
    assert seen[-1].batches == 2
    assert sum(it.doing == "gradcam" for it in seen) == 1


def test_each_metric_is_kept_as_soon_as_it_is_there(folder, tmp_path):
    asked = plan(folder, tmp_path, methods=("gradcam",), metrics=("sparseness", "complexity"))

    def stop(progress):
        if progress.doing == "gradcam · complexity":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate.run(asked, report=stop)
    kept = evaluate.read(tmp_path)
    assert {kind: there.sum() for kind, there in kept.computed.items()} == {("gradcam", "sparseness"): 3}
    assert np.isfinite(kept.values["gradcam", "sparseness"]).all()
    whole = evaluate.read(evaluate.run(asked))
    assert {kind: there.sum() for kind, there in whole.computed.items()} == {
        ("gradcam", "sparseness"): 8,
        ("gradcam", "complexity"): 8,
    }


def test_a_finished_run_does_nothing_again(folder, tmp_path):
    asked = plan(folder, tmp_path, **QUICK)
    evaluate.run(asked)
    seen = []
    evaluate.run(asked, report=seen.append)
    assert seen == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, r"run: seed was 0, now 1\. Give another"),
        ({"methods": ("gradcam",)}, "methods now without expected_gradcam:samples=4"),
        ({"limit": 7}, "data.count was 8, now 7"),
        ({"batch": 4}, "batch was 3, now 4"),
        ({"target": "top"}, "data.target was label, now top"),
        ({"num_refs": 2}, "references.* was 3, now 2"),
        ({"refs": "demo"}, "references.source was .*, now demo"),
        ({"dtype": "bfloat16"}, "model.dtype was float32, now bfloat16"),
        ({"layer": ("features", "features/dense")}, "model.layer was .*, now "),
        ({"metrics": ("complexity",)}, "metrics now without sparseness and with complexity"),
        (
            {"model": dataclasses.replace(tiny_model(), preprocess=dataclasses.replace(PREPROCESS, scale=2.0))},
            r"model\.preprocessing\.scale was 1\.0, now 2\.0",
        ),
        ({"model": tiny_model(scale=2.0)}, "content of the model's parameters was [0-9a-f]+, now [0-9a-f]+"),
    ],
)
def test_a_changed_option_is_refused_with_the_difference(folder, tmp_path, change, said):
    asked = plan(folder, tmp_path, **QUICK)
    work = _store.create(tmp_path / "results.sqlite", _asked(asked))
    work.close()
    with pytest.raises(evaluate.ResultsError, match=said):
        evaluate.run(dataclasses.replace(asked, **change))


def test_labels_that_have_changed_are_another_run(tmp_path):
    """Else methods that were done before would have explained other classes than those after."""
    folder = write_pictures(tmp_path / "pictures", 5)
    asked = plan(folder, tmp_path / "run", limit=None, num_refs=2, **QUICK)
    evaluate.run(asked)
    table = [f"crane/0{i}.png,catamaran" if i % 2 else f"catamaran/0{i}.png,crane" for i in range(5)]
    (folder / "labels.csv").write_text("\n".join(["file,label", *table]))
    with pytest.raises(evaluate.ResultsError, match=r"data\.digest .* was"):
        evaluate.run(asked)


def test_a_picture_that_could_be_read_in_the_end_is_scored_and_no_longer_unreadable(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 5)
    broken = folder / "crane" / "01.png"
    whole = broken.read_bytes()
    broken.write_bytes(b"no picture")
    asked = plan(folder, tmp_path / "run", limit=None, num_refs=2, **QUICK)
    first = evaluate.read(evaluate.run(asked))
    assert [name for name, _ in first.unreadable] == ["crane/01.png"]
    broken.write_bytes(whole)
    run = evaluate.read(evaluate.run(asked))
    assert run.unreadable == []
    assert "crane/01.png" in [it.id for it in run.images]
    assert all(there.all() for there in run.computed.values())


def _asked(asked):
    from egcam_jax.run import prepare

    return prepare(asked).asked


def test_what_changes_no_number_may_change(folder, tmp_path):
    asked = plan(folder, tmp_path, **QUICK)
    one, other = _asked(asked), _asked(dataclasses.replace(asked, chunk=2, pictures=0, out=tmp_path / "elsewhere"))
    assert one == other


def test_a_failing_method_and_a_failing_metric_stop_no_other(folder, tmp_path, quick, monkeypatch):
    def out_of_memory(*arguments, method, **options):
        if method == "scorecam":
            raise RuntimeError("no memory for this one")
        return explain(*arguments, method=method, **options)

    monkeypatch.setattr("egcam_jax.run.programs.explain", out_of_memory)
    indivisible = "infidelity:mode=quantus:patch_size=5"
    asked = plan(
        folder,
        tmp_path,
        methods=("gradcam", "scorecam", "expected_gradcam:samples=4"),
        metrics=(indivisible, "sparseness"),
    )
    seen = []
    run = evaluate.read(evaluate.run(asked, report=seen.append))
    for method in QUICK["methods"]:
        np.testing.assert_allclose(run.values[method, "sparseness"], quick.values[method, "sparseness"], rtol=1e-5)
    failed = {(it.method, it.metric): it.reason for it in run.failures}
    assert failed.keys() == {("scorecam", None), *((method, indivisible) for method in QUICK["methods"])}
    assert failed["scorecam", None] == "RuntimeError: no memory for this one"
    assert "patch" in failed["gradcam", indivisible]
    assert len(run.failures) == 3  # each is tried once, not once a batch
    assert sum(bool(it.failure) for it in seen) == 3


def test_a_corrupt_picture_is_named_and_left_out(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 5)
    (folder / "crane" / "01.png").write_bytes(b"no picture")
    asked = plan(folder, tmp_path / "run", limit=None, num_refs=2, batch=2, **QUICK)
    run = evaluate.read(evaluate.run(asked))
    assert [name for name, _ in run.unreadable] == ["crane/01.png"]
    assert len(run.images) == 4
    assert all(there.all() for there in run.computed.values())
    seen = []
    evaluate.run(asked, report=seen.append)
    assert seen == []


def test_masks_follow_and_localisation_is_by_hand(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 4)
    for file in folder.rglob("*.png"):
        mask = np.zeros((20, 24), np.uint8)
        mask[:, :12] = 255
        Image.fromarray(mask).save(file.with_name(f"{file.stem}_mask.png"))
    asked = plan(folder, tmp_path / "run", limit=None, methods=("gradcam",), metrics=("localisation",), num_refs=1)
    run = evaluate.read(evaluate.run(asked))
    x, refs, target = by_hand(dataclasses.replace(asked), run) if run.asked["references"] else (None, None, None)
    assert refs is None
    source = data.open_source(asked.data, class_names=NAMES)
    x = np.stack([data.preprocess(source[i].image, asked.model.preprocess) for i in range(4)])
    target = np.array([source[i].labels[0] for i in range(4)])
    maps = explained(asked, run, x, None, target, method="gradcam").saliency
    mask = np.zeros((4, 16, 16), bool)
    mask[:, :, :8] = True
    expected = metrics.relevance_mass_accuracy(maps, mask).value
    np.testing.assert_allclose(run.values["gradcam", "relevance_mass_accuracy"], expected, rtol=1e-5)
    assert ("gradcam", "grid_pointing_game") not in run.values
    assert run.sessions[0]["left_out"] == {"grid_pointing_game": "the data is no mosaic"}


def test_a_picture_without_a_mask_is_undefined_where_others_have_one(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 5)
    mask = np.zeros((20, 24), np.uint8)
    mask[:, :12] = 255
    for i in (0, 1, 3):
        Image.fromarray(mask).save(folder / ("crane" if i % 2 else "catamaran") / f"{i:02d}_mask.png")
    asked = plan(
        folder,
        tmp_path / "run",
        limit=None,
        batch=2,
        methods=("gradcam",),
        metrics=("relevance_mass_accuracy", "sparseness"),
    )
    run = evaluate.read(evaluate.run(asked))
    with_mask = [name in ("catamaran/00.png", "crane/01.png", "crane/03.png") for name in (it.id for it in run.images)]
    np.testing.assert_array_equal(np.isfinite(run.values["gradcam", "relevance_mass_accuracy"]), with_mask)
    assert np.isfinite(run.values["gradcam", "sparseness"]).all()
    assert set(run.sessions[0]["traces"].values()) == {1}


def test_insertion_deletion_follows_from_its_parts(folder, tmp_path):
    asked = plan(
        folder,
        tmp_path,
        limit=3,
        methods=("gradcam",),
        metrics=("insertion_deletion:step=64", "insertion:step=64", "deletion:step=64"),
    )
    run = evaluate.read(evaluate.run(asked))
    parts = [run.values["gradcam", f"{name}:step=64"] for name in ("insertion_auc", "deletion_auc")]
    np.testing.assert_allclose(run.values["gradcam", "insertion_deletion:step=64"], parts[0] - parts[1], rtol=1e-6)
    assert len(run.sessions[0]["traces"]) == 4  # look, the map, and two programs, not four


def test_what_fails_once_it_is_fetched_takes_its_metrics_with_it(folder, tmp_path, quick, monkeypatch):
    """The first metric has started by then: what it gives is of maps that failed, and is dropped."""

    class Lost:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("the device is gone")

    def explained(session, arrays, method):
        maps = real(session, arrays, method)
        return maps._replace(cam=Lost()) if method.label == "gradcam" else maps

    real = runner.explained
    monkeypatch.setattr(runner, "explained", explained)
    methods = ("gradcam", "expected_gradcam:samples=4")
    run = evaluate.read(evaluate.run(plan(folder, tmp_path, methods=methods, metrics=("sparseness", "complexity"))))
    assert [(it.method, it.metric, it.reason) for it in run.failures] == [
        ("gradcam", None, "RuntimeError: the device is gone")
    ]
    assert run.values.keys() == {(methods[1], "sparseness"), (methods[1], "complexity")}
    kind = "expected_gradcam:samples=4", "sparseness"
    np.testing.assert_allclose(run.values[kind], quick.values[kind], rtol=1e-5)


def test_work_is_fetched_once_the_next_has_started():
    """``end`` asks nothing of the device, and ``clock`` wants the device for itself."""
    events = []

    def finish(name):
        events.append(f"{name} fetched")
        yield name

    def pieces():
        for name, load in (("maps", 1), ("score", 1), ("end", 0), ("next", 1), ("clock", under_way.ALONE), ("last", 1)):
            events.append(name)
            yield under_way.Started(functools.partial(finish, name), load)

    names = ["maps", "score", "end", "next", "clock", "last"]
    assert list(under_way.finished(pieces())) == names
    assert events == [
        *("maps", "score", "maps fetched", "end", "next", "score fetched", "end fetched"),
        *("clock", "next fetched", "clock fetched", "last", "last fetched"),
    ]


def test_times_are_taken_on_the_first_batch_alone(folder, tmp_path):
    asked = plan(folder, tmp_path, methods=("gradcam",), metrics=("running_time:repeats=2", "sparseness"))
    run = evaluate.read(evaluate.run(asked))
    there = run.computed["gradcam", "running_time:repeats=2"]
    assert there.tolist() == [True] * 3 + [False] * 5
    assert (run.values["gradcam", "running_time:repeats=2"][:3] > 0).all()


def test_what_fills_a_batch_up_is_not_timed(folder, tmp_path, monkeypatch):
    def seen(explain, x, **options):
        timed.append(len(x))
        return metrics.running_time(explain, x, **options)

    timed = []
    monkeypatch.setattr("egcam_jax.run.judge.running_time", seen)
    asked = plan(folder, tmp_path, limit=2, batch=4, methods=("gradcam",), metrics=("running_time:repeats=1",))
    evaluate.run(asked)
    assert timed == [2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": ("gradcan",)}, "gradcam"),
        ({"methods": ("gradcam", "gradcam")}, "twice"),
        ({"methods": ()}, "at least one method"),
        ({"methods": ("gradcam:samples=3",)}, "takes no samples"),
        ({"methods": ("expected_gradcam:samples=0",)}, "at least 1"),
        ({"methods": ("expected_gradcam:noise",)}, "NAME:OPTION=VALUE"),
        ({"methods": ("expected_gradcam:noise=pink",)}, "uniform"),
        ({"metrics": ("spareness",)}, "sparseness"),
        ({"metrics": ("insertion:stepp=3",)}, "it has step"),
        ({"metrics": ("insertion:step=abc",)}, "insertion_auc: step must be a whole number, as 224 is; got 'abc'"),
        ({"metrics": ("pixel_flipping:normalize=3",)}, "normalize must be True or False"),
        ({"metrics": ("infidelity:noise_std=much",)}, "noise_std must be a number"),
        ({"model": lambda params, x: x}, r"model must be a network's name or a models\.Model"),
        ({"metrics": ("mprt",)}, "from Python"),
        ({"metrics": ("top_k_intersection",)}, "masks"),
        ({"target": "truth"}, "label"),
        ({"limit": 0}, "limit"),
        ({"batch": 0}, "batch"),
        ({"dtype": "float16"}, "bfloat16"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_computed(folder, tmp_path, change, said):
    with pytest.raises((ValueError, TypeError), match=said):
        evaluate.run(plan(folder, tmp_path / "run", **change))
    assert not (tmp_path / "run").exists()


SEVERAL = ((1, 2, 4), (3, 4), (0, 2, 3))


class Own:
    """A source of one's own: pictures of which several labels are true."""

    name, has_masks, ids = "own", False, tuple(f"picture {i}" for i in range(12))

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        pixels = np.random.default_rng(index).integers(0, 256, (16, 16, 3), np.uint8)
        return data.Example(self.ids[index], pixels, SEVERAL[index % 3], None)


@pytest.mark.parametrize("target", ["label", "top"])
def test_what_is_explained_is_the_likeliest_of_the_labels_or_the_top_class(tmp_path, target):
    source = Own()
    asked = plan(None, tmp_path, data=source, target=target, limit=9, num_refs=3, pictures=3, **QUICK)
    file = evaluate.run(asked)
    run = evaluate.read(file)
    model = asked.model
    x = jnp.stack([data.preprocess(source[it.image].image, model.preprocess) for it in run.images])
    logits = np.asarray(model.apply_fn(model.params, x))
    true = [SEVERAL[it.image % 3] for it in run.images]
    of_labels = [max(labels, key=lambda label: logits[i, label]) for i, labels in enumerate(true)]
    top = logits.argmax(axis=1).tolist()
    assert len(set(of_labels)) > 1
    assert [it.target for it in run.images] == (of_labels if target == "label" else top)
    assert [it.label for it in run.images] == [NAMES[it.target] for it in run.images]
    correct = [it.correct for it in run.images]
    assert correct == [it in labels for it, labels in zip(top, true)]
    assert set(correct) == {True, False}
    probability = jax.nn.softmax(logits)[np.arange(9), [it.target for it in run.images]]
    np.testing.assert_allclose([it.probability for it in run.images], probability, rtol=1e-5)
    with _store.opened(file) as store:
        kept = [it.image for it in run.images if _store.picture(store, it.image)[0]]
    assert kept == [run.images[i].image for i in (0, 3, 6)]


def test_arithmetic_of_half_the_bits_is_used_where_it_is_asked_for(folder, tmp_path, quick):
    run = evaluate.read(evaluate.run(plan(folder, tmp_path, dtype="bfloat16", **QUICK)))
    for kind, values in quick.values.items():
        difference = np.abs(run.values[kind] - values)
        assert 1e-5 < np.median(difference) < 0.05, kind


def test_progress_is_of_the_work_and_not_of_its_pieces():
    """Two batches of one method and one metric; a map takes 2 seconds after the first, compiled in 10, a score 6."""
    seen, kinds = [], [("gradcam", None), ("gradcam", "insertion")]
    clock = _progress.Clock({0: kinds, 3: kinds}, 4, seen.append)
    clock.times["gradcam", None] = [10.0]
    clock.tell(0, "gradcam")
    clock.times["gradcam", "insertion"] = [6.0]
    clock.times["gradcam", None] = [10.0, 2.0]
    clock.tell(3, "gradcam", "out of memory")
    clock.broken.add(("gradcam", None))
    clock.tell(4, "batch 4")
    assert [one.batch for one in seen] == [0, 1, 2]
    assert {one.batches for one in seen} == {2}
    assert [one.failure for one in seen] == ["", "out of memory", ""]
    assert seen[1].left == 6
    assert seen[1].share == pytest.approx(18 / 24)
    assert seen[1].rates == {"gradcam": 4 / 2}
    assert seen[2].left == 0
    assert seen[2].share == 1


def test_time_left_counts_each_kind_of_work_for_itself():
    times = {"a": [9.0, 1.0, 1.0], "b": [4.0]}
    assert _progress.left(times, {"a": 2, "b": 1}) == 2 * 1 + 4
    assert _progress.left(times, {"c": 2}) == 2 * 2.5
    assert _progress.left({}, {"a": 1}) is None
    assert math.isclose(_progress.typical([7.0]), 7.0)


def test_one_name_is_one_method_and_one_layer_and_a_path_is_a_folder(folder, tmp_path):
    one = evaluate.Plan(data=folder, out=tmp_path, layer="features", methods="gradcam", metrics="sparseness,complexity")
    assert (one.data, one.layer, one.methods) == (str(folder), ("features",), ("gradcam",))
    assert one.metrics == ("sparseness", "complexity")


def test_a_folder_that_was_moved_or_is_called_otherwise_is_the_same_run(tmp_path, monkeypatch):
    folder = write_pictures(tmp_path / "pictures", 5)
    asked = plan(folder, tmp_path / "run", limit=None, num_refs=2, **QUICK)
    evaluate.run(asked)
    monkeypatch.chdir(tmp_path)
    names = ["pictures", "./pictures", "pictures/", "folder:pictures", "folder:./pictures/"]
    folder.rename(tmp_path / "moved")
    for name in [*(name.replace("pictures", "moved") for name in names), f"folder:{tmp_path}/moved"]:
        seen = []
        evaluate.run(dataclasses.replace(asked, data=name), report=seen.append)
        assert seen == []


def test_other_pixels_under_the_same_names_are_another_run(tmp_path):
    folder = write_pictures(tmp_path / "pictures", 5)
    asked = plan(folder, tmp_path / "run", limit=None, num_refs=2, **QUICK)
    evaluate.run(asked)
    path = folder / "crane" / "01.png"
    Image.open(path).transpose(Image.Transpose.ROTATE_180).save(path)
    with pytest.raises(evaluate.ResultsError, match=r"crane/01\.png has changed since \(its content is another\)"):
        evaluate.run(asked)


def test_other_references_under_the_same_names_are_another_run(folder, tmp_path):
    refs = write_pictures(tmp_path / "refs", 4)
    asked = plan(folder, tmp_path / "run", refs=f"folder:{refs}", **QUICK)
    turned = lambda how: [Image.open(path).transpose(how).save(path) for path in refs.rglob("*.png")]
    turned(Image.Transpose.ROTATE_180)  # none of them is explained too
    evaluate.run(asked)
    turned(Image.Transpose.FLIP_TOP_BOTTOM)
    with pytest.raises(evaluate.ResultsError, match="the content of the references was"):
        evaluate.run(asked)


def test_a_network_of_other_parameters_is_another_run_though_its_file_is_called_the_same(folder, tmp_path):
    asked = plan(folder, tmp_path, limit=2, methods=("gradcam",), metrics=("sparseness",))
    evaluate.run(asked)
    evaluate.run(dataclasses.replace(asked, model=dataclasses.replace(asked.model, digest="1" * 64)))
    other = dataclasses.replace(asked.model, params=jax.tree.map(lambda leaf: leaf * 1.5, asked.model.params))
    with pytest.raises(evaluate.ResultsError, match="the content of the model's parameters was"):
        evaluate.run(dataclasses.replace(asked, model=other))


def test_two_rules_of_probability_with_one_name_are_two_runs(folder, tmp_path):
    rules = [lambda logits, heat=heat: jax.nn.softmax(logits / heat) for heat in (1, 1, 2)]
    one, same, other = (_asked(plan(folder, tmp_path, probability=rule, **QUICK))["probability"] for rule in rules)
    assert one == same
    assert one["name"] == other["name"]
    wanted = jax.nn.softmax(np.linspace(-1, 2, 5) / 2)[:4]
    np.testing.assert_allclose(other["values"], wanted, rtol=5e-3)


def test_a_method_records_the_references_that_it_had(folder, tmp_path):
    methods = ("expected_gradcam:samples=2", "expected_gradcam:samples=2:refs=2")
    known = _asked(plan(folder, tmp_path, methods=methods))["methods"]
    assert [known[method]["references"] for method in methods] == [3, 2]
    with pytest.raises(ValueError, match="num_refs must be at least 64, which 'expected_gradcam:refs=64' takes; got 3"):
        _asked(plan(folder, tmp_path, methods=("expected_gradcam:refs=64",)))


def test_what_the_network_takes_beside_the_pictures_goes_with_each_picture(tmp_path):
    """The logits of a picture depend on its own context, in the maps and in the metrics."""
    rng = np.random.default_rng(3)
    pixels, others = np.split(rng.integers(0, 256, (7, 16, 16, 3), np.uint8), [5])
    scales = np.array([[1.0, 2], [0.5, 1], [3, 0.1], [1, 1], [2, 2]], np.float32)
    base = tiny_model(label="in context")
    apply_fn = lambda params, x, context: base.apply_fn(params, x) * jnp.repeat(context["scale"], 3, axis=1)[:, :5]
    read = lambda i: data.Example(f"{i}", pixels[i], (i,), None, {"scale": scales[i]})
    source = data.Records("mine", tuple("01234"), has_masks=False, read=read, labels=lambda i: (i,))
    asked = evaluate.Plan(
        data=source,
        out=tmp_path,
        model=dataclasses.replace(base, apply_fn=apply_fn),
        methods=("gradcam", "expected_attribution:samples=4"),
        metrics=("insertion_auc:step=64", "avg_sensitivity:num_samples=2"),
        refs=data.Records(
            "refs", ("a", "b"), False, lambda i: data.Example("ab"[i], others[i], (), None), lambda i: ()
        ),
        batch=2,
    )
    run = evaluate.read(evaluate.run(asked))
    assert not run.failures
    x, context = np.stack([data.preprocess(one, PREPROCESS) for one in pixels]), {"scale": scales}
    refs = np.stack([data.preprocess(others["ab".index(id)], PREPROCESS) for id in run.asked["references"]["ids"]])
    key = jax.random.fold_in(jax.random.key(0), 0)
    for method in ("gradcam", "expected_attribution"):
        options = {"method": method, "target": np.arange(5), "layer": "features", "context": context}
        options |= {"num_samples": 4} if method != "gradcam" else {}
        maps = explain(base.params, apply_fn, x, refs, key, index=np.arange(5), **options).saliency
        predict = lambda images, context: apply_fn(base.params, images, context)
        want = metrics.insertion_auc(predict, x, maps, np.arange(5), step=64, context=context).value
        label = next(label for label, _ in run.values if label.startswith(method))
        np.testing.assert_allclose(run.values[label, "insertion_auc:step=64"], want, rtol=1e-3, err_msg=method)


@pytest.mark.parametrize(("given", "gamma"), [("top:2", None), ("tabby,3", 0.3)])
def test_classes_are_held_against_rivals(given, gamma, folder, tmp_path):
    asked = plan(folder, tmp_path, rivals=given, gamma=gamma, **QUICK)
    run = evaluate.read(evaluate.run(asked))
    x, refs, target = by_hand(asked, run)
    rivals = given if given.startswith("top") else [1, 3]
    for label, samples in (("gradcam", {}), ("expected_gradcam:samples=4", {"num_samples": 4})):
        maps = explained(
            asked, run, x, refs, target, method=label.split(":")[0], rivals=rivals, gamma=gamma, **samples
        ).saliency
        np.testing.assert_allclose(run.values[label, "sparseness"], metrics.sparseness(maps).value, rtol=1e-4)
    assert run.asked["rivals"] == (given if given.startswith("top") else [1, 3])


def test_a_contrast_with_references_is_given_them(folder, tmp_path):
    labels = {"hirescam:contrast=references": None, "hirescam:contrast=references:refs=2": 2}
    asked = plan(folder, tmp_path, methods=tuple(labels), metrics=("sparseness",))
    run = evaluate.read(evaluate.run(asked))
    x, refs, target = by_hand(asked, run)
    assert len(refs) > 2
    for label, count in labels.items():
        maps = explained(asked, run, x, refs[:count], target, method="hirescam", contrast="references").saliency
        np.testing.assert_allclose(run.values[label, "sparseness"], metrics.sparseness(maps).value, rtol=1e-4)
