"""What every metric promises, whatever it measures: one table over the registry."""

import functools
import inspect
import math
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics
from egcam_jax.metrics import METRICS
from egcam_jax.metrics._registry import FAMILIES, NEEDS

SIZE, IMAGES = 6, 5
# Small sizes for what would take long: options of the metrics, not of the test.
OPTIONS = {
    "faithfulness_estimate": {"step": 3},
    "pixel_flipping": {"step": 5},
    "insertion_auc": {"step": 5},
    "deletion_auc": {"step": 5},
    "insertion_deletion": {"step": 5},
    "infidelity": {"num_samples": 5},
    "road": {"percentages": (10, 40, 70), "iterations": 40},
    "top_k_intersection": {"k": 7},
    "pointing_game": {"tolerance": 1},
    "running_time": {"repeats": 2},
    "sufficiency": {"threshold": 0.99},
}
TIMING = {"running_time"}  # it measures seconds, outside any program
TOGETHER = {"sufficiency"}  # it compares the images of a batch
COMPUTED = sorted(set(METRICS) - TIMING)
TAKES = {name: inspect.signature(it.function).parameters for name, it in METRICS.items()}
PASSES = sorted(name for name in COMPUTED if METRICS[name].needs & {"predict", "explain"} and name != "mprt")
EXPLAINING = sorted(name for name, it in METRICS.items() if "explain" in it.needs)
ORDERING = sorted(name for name, it in METRICS.items() if "no order" in it.undefined)
PREDICTING = sorted(name for name in COMPUTED if "predict" in TAKES[name])


def default_rule(name):
    return TAKES[name]["probability"].default if "probability" in TAKES[name] else None


def itself(probabilities):
    return probabilities


def network(weights, x):
    hidden = jnp.tanh(x.reshape(len(x), -1) @ weights["hidden"])
    return hidden @ weights["out"]


def explainer(weights, x, target):
    score = lambda x: jnp.take_along_axis(network(weights, x), target[:, None], axis=1).sum()
    return jnp.abs(jax.grad(score)(x) * x).sum(axis=-1)


def arrays(seed=0, shape=(SIZE, SIZE, 3)):
    draw = np.random.default_rng(seed)
    normal = lambda *shape: jnp.asarray(draw.standard_normal(shape), jnp.float32)
    size, features = shape[:2], math.prod(shape)
    mask = np.zeros((IMAGES, *size), bool)
    for i in range(IMAGES):
        mask[i, i % 3 : 4, 1 : 3 + i % 3] = True
    return {
        "weights": {"hidden": normal(features, 7) / features**0.5, "out": normal(7, 4)},
        "x": normal(IMAGES, *shape),
        "saliency": jnp.abs(normal(IMAGES, *size)),
        "mask": jnp.asarray(mask),
        "target": jnp.arange(IMAGES) % 4,
        "segments": jnp.asarray(
            draw.permuted(np.tile(np.arange(math.prod(size)) // 4, (IMAGES, 1)), axis=1).reshape(IMAGES, *size)
        ),
    }


def ask(name, given, **options):
    """Call a metric with all that it takes of ``given``, as ``predict`` and ``explain`` over its weights."""
    function = METRICS[name].function
    known = {
        "predict": jax.tree_util.Partial(network, given["weights"]),
        "explain": explainer if name == "mprt" else jax.tree_util.Partial(explainer, given["weights"]),
        "params": given["weights"],
        "key": jax.random.key(4),
        "num_samples": 4,
        "layers": ("out", "hidden"),
        "num_segments": given["saliency"].shape[-2] * given["saliency"].shape[-1] // 4,
        **given,
        **OPTIONS.get(name, {}),
        **options,
    }
    if name in TOGETHER:
        known.pop("target")
    return function(**{argument: value for argument, value in known.items() if argument in TAKES[name]})


def image(given, i):
    return {name: value if name == "weights" else value[i] for name, value in given.items()}


def indexed(name, i):
    """Where an image is in the whole, for metrics that draw by it."""
    return {"index": i} if "index" in TAKES[name] else {}


def test_all_nineteen_are_there_and_the_extras():
    nineteen = [
        *("faithfulness_estimate", "pixel_flipping", "insertion_auc", "deletion_auc", "insertion_deletion", "irof"),
        *("sufficiency", "infidelity", "local_lipschitz", "max_sensitivity", "avg_sensitivity"),
        *("relative_input_stability", "relative_output_stability", "complexity", "sparseness"),
        *("attribution_localisation", "top_k_intersection", "relevance_rank_accuracy", "relevance_mass_accuracy"),
    ]
    extras = [
        *("running_time", "pointing_game", "energy_pointing_game", "grid_pointing_game", "road", "completeness_gap"),
        *("mprt", "average_drop", "average_drop_deletion", "increase_in_confidence", "coherency", "adcc"),
    ]
    assert len(nineteen) == 19
    assert sorted(METRICS) == sorted(nineteen + extras)
    for name, it in METRICS.items():
        assert it.name == name
        assert getattr(metrics, name) is it.function


def test_each_metric_has_a_file_of_its_name_and_hides_it_in_any_order_of_imports():
    """``egcam_jax.metrics.road`` is the metric, and its module is reached by ``from egcam_jax.metrics.road import``."""
    assert {name: it.function.__module__ for name, it in METRICS.items()} == {
        name: f"egcam_jax.metrics.{name}" for name in METRICS
    }
    code = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"egcam_jax.metrics.{name}")
import egcam_jax
assert list(egcam_jax.METRICS) == sorted(egcam_jax.METRICS)
assert all(getattr(egcam_jax.metrics, name) is it.function for name, it in egcam_jax.METRICS.items())
assert egcam_jax.metrics.road.__name__ == "road" and sys.modules["egcam_jax.metrics.road"].impute
"""
    subprocess.run([sys.executable, "-c", code, "_localisation", *sorted(METRICS, reverse=True)], check=True)


def test_modules_are_small():
    files = sorted(pathlib.Path(metrics.__file__).parent.glob("*.py"))
    assert not [path.name for path in files if len(path.read_text().splitlines()) > 250]


@pytest.mark.parametrize("name", sorted(METRICS))
def test_what_the_registry_says_is_so(name):
    it = METRICS[name]
    takes = TAKES[name]
    words = {"saliency", "predict", "explain", "params", "mask", "key"}
    needed = {word for word in words if word in takes and takes[word].kind is not takes[word].KEYWORD_ONLY}
    assert needed <= it.needs
    assert it.needs - needed <= {"batch", "predict", "mosaic"}
    assert it.needs <= set(NEEDS)
    assert it.family in FAMILIES
    assert it.segments == ("segments" in takes)
    assert set(it.paper) <= {word for word, parameter in takes.items() if parameter.kind is parameter.KEYWORD_ONLY}
    assert it.source
    assert "Source:" in inspect.getdoc(it.function)


def test_a_difference_is_that_of_the_metrics_that_it_names():
    named = {name: it.difference for name, it in METRICS.items() if it.difference}
    assert named == {"insertion_deletion": ("insertion_auc", "deletion_auc")}
    given = arrays()
    for name, (more, less) in named.items():
        difference = ask(more, given).value - ask(less, given).value
        np.testing.assert_allclose(ask(name, given).value, difference, rtol=1e-5, atol=1e-6)


def test_curves_to_be_drawn_and_units_and_what_a_run_of_all_leaves_out():
    drawn = [name for name, it in METRICS.items() if it.curve]
    assert sorted(drawn) == ["deletion_auc", "insertion_auc"]
    assert all(ask(name, arrays()).curve is not None for name in drawn)
    assert {name: it.unit for name, it in METRICS.items() if it.unit} == {"running_time": "seconds"}
    assert [name for name, it in METRICS.items() if it.family == "cost"] == ["running_time"]
    assert sorted(name for name, it in METRICS.items() if it.left_out) == ["completeness_gap", "mprt"]


@pytest.mark.parametrize("name", sorted(set(COMPUTED) - TOGETHER))
def test_a_batch_is_its_images_one_by_one(name):
    given = arrays()
    together = ask(name, given, **indexed(name, 10))
    assert together.value.shape == (IMAGES,)
    for i in range(IMAGES):
        alone = ask(name, image(given, i), **indexed(name, 10 + i))
        assert jnp.shape(alone.value) == ()
        np.testing.assert_allclose(alone.value, together.value[i], rtol=1e-4, atol=1e-6)
        first = ask(name, image(given, slice(i, i + 1)), **indexed(name, 10 + i))  # a batch of one
        np.testing.assert_array_equal(first.value, alone.value[None])
        if together.curve is not None:
            assert first.curve.shape == (1, *alone.curve.shape)
            np.testing.assert_allclose(alone.curve, together.curve[i], rtol=1e-4, atol=1e-5)


def two_classes(given):
    """One oblong image of one channel, alone in its batch where it may be, and its class, of two."""
    given = {**given, "target": given["target"] % 2}
    return lambda name: given if name in TOGETHER else {k: v if k == "weights" else v[1:2] for k, v in given.items()}


@pytest.mark.parametrize("name", PREDICTING)
def test_one_logit_is_two_classes(name):
    """As a model with the logit z and its negative, each with its sigmoid, or each as it is."""
    given = two_classes(arrays(shape=(SIZE, 8, 1)))(name)
    one = lambda weights, x: network(weights, x)[:, 1:2]
    both = lambda weights, x: jnp.concatenate([-one(weights, x), one(weights, x)], axis=1)
    rule = {"probability": "sigmoid"} if default_rule(name) is not None else {}
    bind = lambda function: jax.tree_util.Partial(function, given["weights"])
    for target in (0, 1, None):
        judged = {**given, "target": target}
        got = ask(name, judged, predict=bind(one), nan_on_change=False)
        want = ask(name, judged, predict=bind(both), nan_on_change=False, **rule).value
        scale = 2**0.5 if name == "relative_output_stability" else 1  # which divides by the change of all logits
        np.testing.assert_allclose(got.value, want * scale, rtol=1e-4, atol=1e-6)
        assert np.isfinite(got.value).all() or name in TOGETHER


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize("name", [name for name in PREDICTING if "probability" in TAKES[name]])
def test_a_sigmoid_head_asks_of_each_class_alone(name):
    """``sigmoid(z)`` is the softmax of ``(z, 0)``; a function of the logits is taken as it is."""
    given = {**image(arrays(), 0), "target": 2}
    bind = lambda function: jax.tree_util.Partial(function, given["weights"])
    alone = lambda weights, x: jnp.stack([network(weights, x)[:, 2], jnp.zeros(len(x))], axis=1)
    given["explain"] = bind(lambda weights, x, target: explainer(weights, x, jnp.full_like(target, 2)))
    want = ask(name, {**given, "target": 0}, predict=bind(alone), probability="softmax").value
    np.testing.assert_allclose(ask(name, given, probability="sigmoid").value, want, rtol=1e-4, atol=1e-6)
    done = lambda weights, x: jax.nn.sigmoid(network(weights, x))
    np.testing.assert_allclose(
        ask(name, given, predict=bind(done), probability=itself).value, want, rtol=1e-4, atol=1e-6
    )
    with pytest.warns(RuntimeWarning, match=r"^predict must return logits; got outputs that lie in \[0, 1\]"):
        ask(name, given, predict=bind(done), probability="softmax")
    with pytest.raises(ValueError, match=r"^probability must be 'softmax', 'sigmoid' or a function"):
        ask(name, given, probability="logistic")


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize("name", PREDICTING)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda z: z[:, None, None], r"got shape \(1, 1, 1, 4\)"),
        (lambda z: z[0], r"got shape \(4,\)"),
        (lambda z: jnp.concatenate([z, z]), r"got shape \(2, 4\).* one row for each"),
        (lambda z: (z[..., None], z), r"got a tuple with .* Pass lambda x: predict\(x\)\[1\]"),
        (lambda z: z.argmax(axis=-1)[:, None], "Return the scores, not the class"),
    ],
)
def test_a_model_that_returns_no_row_of_logits_for_each_image_is_refused(name, wrong, said):
    given = arrays()
    predict = lambda x: wrong(network(given["weights"], x))
    with pytest.raises((ValueError, TypeError), match=rf"^predict must return logits of shape \(b, classes\).*{said}"):
        ask(name, {**given, "target": None}, predict=predict)


@pytest.mark.parametrize("name", COMPUTED)
def test_an_oblong_picture_of_one_channel_has_the_same_value_on_its_side(name):
    """Image, map, mask, segments and noise are turned, and so is all that model and explainer see."""
    given = arrays(shape=(4, 9, 1))
    noise = jnp.asarray(np.random.default_rng(2).standard_normal((1 if name == "road" else 3, 4, 9, 1)), jnp.float32)
    given |= {} if name == "mprt" else {"perturbations": noise / 10}
    turned = {key: value.swapaxes(1, 2) if getattr(value, "ndim", 0) > 2 else value for key, value in given.items()}
    predict = jax.tree_util.Partial(lambda weights, x: network(weights, x.swapaxes(1, 2)), given["weights"])
    explain = lambda weights, x, target: explainer(weights, x.swapaxes(1, 2), target).swapaxes(1, 2)
    functions = {"explain": explain if name == "mprt" else jax.tree_util.Partial(explain, given["weights"])}
    want, got = ask(name, given).value, ask(name, turned, predict=predict, **functions).value
    assert np.isfinite(want).any()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(name for name in COMPUTED if "chunk_size" in TAKES[name]))
def test_the_chunk_size_does_not_count(name):
    want = ask(name, arrays())
    got = ask(name, arrays(), chunk_size=3)  # images, samples, or both go through in parts that are not equal
    np.testing.assert_allclose(got.value, want.value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", COMPUTED)
def test_images_and_maps_in_bfloat16_have_the_value_of_the_same_numbers_in_float32(name):
    """Images and noise are multiples of 1/8, which bfloat16 holds exactly; the maps are rounded before."""
    given, low = arrays(), lambda array: array.astype(jnp.bfloat16)
    seen = set()

    def judged(weights, x):
        seen.add(x.dtype)
        return network(weights, x)

    given["x"] = jnp.round(given["x"] * 8) / 8
    given["saliency"] = low(given["saliency"]).astype(jnp.float32)
    if name != "mprt" and "perturbations" in TAKES[name]:
        count = 1 if name == "road" else 4
        noise = np.random.default_rng(2).integers(-2, 3, (count, SIZE, SIZE, 3))
        given["perturbations"] = jnp.asarray(noise / 8, jnp.float32)
    want = ask(name, given).value
    halves = {**given, "x": low(given["x"]), "saliency": low(given["saliency"])}
    got = ask(name, halves, predict=jax.tree_util.Partial(judged, given["weights"])).value
    assert got.dtype == jnp.float32
    assert seen <= {jnp.dtype(jnp.bfloat16)}  # the model is asked in the dtype of the images
    np.testing.assert_allclose(got, want, rtol=2e-2, atol=5e-3)


@pytest.mark.parametrize("name", COMPUTED)
def test_jit_and_vmap_of_the_users_change_nothing(name):
    given = arrays()
    want = ask(name, given).value
    np.testing.assert_allclose(jax.jit(lambda given: ask(name, given).value)(given), want, rtol=1e-4, atol=1e-6)
    if name in TOGETHER or "key" in METRICS[name].needs:
        return  # an image's draws follow from its index, which vmap does not know: pass it
    weights = given.pop("weights")
    mapped = jax.vmap(lambda given: ask(name, {**given, "weights": weights}).value)(given)
    np.testing.assert_allclose(mapped, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(name for name in COMPUTED if "index" in TAKES[name]))
def test_draws_follow_from_the_index_under_vmap(name):
    given = arrays()
    want, weights = ask(name, given).value, given.pop("weights")
    one = lambda given, index: ask(name, {**given, "weights": weights}, index=index).value
    np.testing.assert_allclose(jax.vmap(one)(given, jnp.arange(IMAGES)), want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", PASSES)
def test_one_trace_for_a_shape_and_a_set_of_options(name):
    calls = []

    def counted(function, *arguments):
        calls.append(function)
        return function(*arguments)

    def functions(given):
        return {
            "predict": jax.tree_util.Partial(predict, given["weights"]),
            "explain": jax.tree_util.Partial(explain, given["weights"]),
        }

    predict, explain = functools.partial(counted, network), functools.partial(counted, explainer)
    first, second = arrays(), arrays(1)
    one = ask(name, first, **functions(first)).value
    traced = len(calls)
    other = ask(name, second, **functions(second), key=jax.random.key(9)).value
    assert len(calls) == traced > 0
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", sorted(name for name, it in METRICS.items() if "saliency" in it.needs))
def test_a_map_that_is_not_finite_has_no_value_and_spoils_no_other(name):
    given = arrays()
    want = ask(name, given)
    got = ask(name, {**given, "saliency": given["saliency"].at[2, 1, 1].set(jnp.nan)})
    assert np.isnan(got.value[2])
    if name not in TOGETHER:
        assert got.undefined == want.undefined + 1
        others = np.array([0, 1, 3, 4])
        np.testing.assert_allclose(got.value[others], want.value[others], rtol=1e-5)


@pytest.mark.parametrize("name", ORDERING)
def test_a_constant_map_has_no_order(name):
    given = arrays()
    got = ask(name, {**given, "saliency": given["saliency"].at[0].set(0.5)})
    assert np.isnan(got.value[0])
    assert not np.isnan(got.value[1:]).any()


@pytest.mark.parametrize("name", sorted(name for name, it in METRICS.items() if "mask" in it.needs))
def test_an_empty_mask_has_no_value(name):
    given = arrays()
    got = ask(name, {**given, "mask": given["mask"].at[3].set(False)})
    np.testing.assert_array_equal(np.isnan(got.value), [False, False, False, True, False])
    assert got.undefined == 1


@pytest.mark.parametrize("name", [*PASSES, "running_time"])
def test_evaluations_are_what_the_network_is_asked(name):
    """Counted as the images of a pass, at one image and one block of all samples."""
    given, seen = arrays(), []

    def predict(x):
        jax.debug.callback(lambda x: seen.append(len(x)), x)
        return network(given["weights"], x)

    def explain(x, target):
        jax.debug.callback(lambda x: seen.append(len(x)), x)
        return explainer(given["weights"], x, target)

    functions = {"explain": explain} if name in EXPLAINING else {"predict": predict}
    one = given if name in TOGETHER else image(given, 0)
    score = ask(name, one, **functions)
    jax.effects_barrier()
    per_image = sum(seen) / (IMAGES if name in TOGETHER else 1)
    assert per_image == score.evaluations


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize("name", sorted(METRICS))
def test_bad_input_is_named(name):
    given, it, takes = arrays(), METRICS[name], TAKES[name]
    if it.needs >= {"saliency", "predict"}:
        with pytest.raises(ValueError, match="saliency must have shape"):
            ask(name, {**given, "saliency": given["saliency"][:, :3]})
    if it.needs == {"saliency"}:
        with pytest.raises(ValueError, match="saliency must have shape"):
            ask(name, {**given, "saliency": given["x"]})
    if "mask" in it.needs:
        with pytest.raises(ValueError, match="mask must have the shape of saliency"):
            ask(name, {**given, "mask": given["mask"][:, :3]})
        with pytest.raises(ValueError, match="mask must be boolean, or zeros and ones"):
            ask(name, {**given, "mask": given["mask"] * 0.5})
    if "x" in takes:
        with pytest.raises((ValueError, TypeError), match=r"^x "):
            ask(name, {**given, "x": given["x"][..., 0, 0]})
    if "key" in it.needs:
        with pytest.raises(ValueError, match="key must be a PRNG key"):
            ask(name, given, key=None)
    for option, wrong in {"mode": "strange", "step": 0, "chunk_size": 0, "num_samples": 0, "noise_std": -1.0}.items():
        if option in takes:
            with pytest.raises(ValueError, match=f"^{option} must be"):
                ask(name, given, **{option: wrong})
    if "perturbations" in takes:
        form = "be a sequence of trees" if name == "mprt" else "have shape"
        with pytest.raises(ValueError, match=f"perturbations must {form}"):
            ask(name, given, perturbations=jnp.zeros((2, SIZE, SIZE)))


@pytest.mark.parametrize(
    ("name", "few", "many"),
    [
        ("insertion_auc", {"step": 64}, {"step": 4}),
        ("infidelity", {"num_samples": 16}, {"num_samples": 256}),
        ("max_sensitivity", {"num_samples": 16}, {"num_samples": 256}),
    ],
)
def test_memory_is_bounded_by_the_chunk_size(name, few, many):
    """Sixteen times the samples take no more room; only the curve, a number for each, is longer."""
    side = 32
    x = jnp.linspace(0, 1, side * side * 3).reshape(side, side, 3)
    weights = {"hidden": jnp.ones((side * side * 3, 7)) / 100, "out": jnp.ones((7, 4))}
    given = {"weights": weights, "x": x, "saliency": x[..., 0], "target": 1}

    def room(options, chunk_size):
        program = jax.jit(lambda given: ask(name, given, chunk_size=chunk_size, **options).value)
        return program.lower(given).compile().memory_analysis().temp_size_in_bytes

    assert room(many, 4) < room(few, 4) + 10_000
    assert room(many, 32) > room(many, 4) + 4 * x.nbytes
