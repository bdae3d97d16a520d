"""Ours against Quantus 0.4.4 and 0.6.0 and RISE on one small network, where they compute the same thing.

``published.npz`` holds what they answered (``make_quantus.py``); the test marked ``live`` asks the Quantus that is
installed again. Random metrics get the same noise, and then each its own. Not compared, and why:
- IROF of 0.6.0, which fails on images with channels, as does the ROAD of both: its imputation is compared instead.
- Sufficiency that is not strict, completeness, average drop and mosaics, which mean something else there or nothing.
"""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import judged
import numpy as np
import pytest

from egcam_jax import metrics
from egcam_jax.metrics.road import impute

OLD, NEW = "0.4.4", "0.6.0"
FILE = Path(__file__).parent / "published.npz"


@pytest.fixture(scope="module")
def stored():
    with np.load(FILE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def given(stored):
    """Arguments of ours by name, over the stored arrays."""

    def network(hidden, out, x):
        return jnp.tanh(x.reshape(len(x), -1) @ hidden) @ out

    def explain(hidden, out, x, target):
        score = lambda x: jnp.take_along_axis(network(hidden, out, x), target[:, None], axis=1).sum()
        return jnp.abs(jax.grad(score)(x) * x).sum(axis=-1)

    weights = stored["hidden"], stored["out"]
    return {
        "predict": jax.tree_util.Partial(network, *weights),
        "explain": jax.tree_util.Partial(explain, *weights),
        "x": stored["images"],
        "saliency": stored["maps"],
        "mask": stored["masks"],
        "target": stored["targets"],
        "perturbations": stored["noise"],
        "segments": stored[f"{OLD}/segments"],
    }


MODEL, MASK = ("predict", "x", "saliency", "target"), ("saliency", "mask")
COPIES = ("explain", "x", "target", "predict", "perturbations")
STEPS = {OLD: {"step": judged.STEP, "mode": "quantus_0_4_4"}, NEW: {"step": 3 * judged.STEP, "mode": "quantus"}}
PATCHES = {version: {"patch_size": judged.PATCH, "mode": options["mode"]} for version, options in STEPS.items()}
STABLE = {"mode": "quantus"}
SUFFICIENT = {"strict": True, "normalize": False, "threshold": judged.THRESHOLD}

# theirs: our function, what it takes, its options with either generation, the field, the relative tolerance. Values are
# sums of float32 terms; correlations, differences of scores and relative changes lose up to three digits more.
SAME = {
    "faithfulness_estimate": ("faithfulness_estimate", MODEL, STEPS, "value", 2e-4),
    "pixel_flipping": ("pixel_flipping", MODEL, STEPS, "value", 1e-5),
    "pixel_flipping curve": ("pixel_flipping", MODEL, STEPS, "curve", 5e-5),
    "pixel_flipping mean": (
        "pixel_flipping",
        MODEL,
        {version: {**options, "baseline": "mean"} for version, options in STEPS.items()},
        "curve",
        5e-5,
    ),
    "infidelity": ("infidelity", MODEL, PATCHES, "value", 1e-4),
    "irof": ("irof", (*MODEL, "segments"), {OLD: {"mode": "quantus"}}, "value", 1e-4),
    "sufficiency": (
        "sufficiency",
        ("predict", "x", "saliency"),
        {OLD: {**SUFFICIENT, "absolute": False}, NEW: SUFFICIENT},
        "value",
        1e-6,
    ),
    "local_lipschitz": ("local_lipschitz", COPIES, {OLD: {}, NEW: {}}, "value", 2e-4),
    "max_sensitivity": ("max_sensitivity", COPIES, {OLD: {}, NEW: {}}, "value", 2e-4),
    "avg_sensitivity": ("avg_sensitivity", COPIES, {OLD: {}, NEW: {}}, "value", 2e-4),
    "relative_input_stability": ("relative_input_stability", COPIES, {OLD: STABLE, NEW: STABLE}, "value", 2e-3),
    "relative_output_stability": ("relative_output_stability", COPIES, {OLD: STABLE, NEW: STABLE}, "value", 2e-3),
    "complexity": ("complexity", ("saliency",), {OLD: {}, NEW: {}}, "value", 1e-5),
    "sparseness": ("sparseness", ("saliency",), {OLD: {}, NEW: {}}, "value", 1e-5),
    "attribution_localisation": ("attribution_localisation", MASK, {OLD: {}, NEW: {}}, "value", 1e-5),
    "relevance_mass_accuracy": ("relevance_mass_accuracy", MASK, {OLD: {}, NEW: {}}, "value", 1e-5),
    "relevance_rank_accuracy": ("relevance_rank_accuracy", MASK, {OLD: {}, NEW: {}}, "value", 1e-6),
    "top_k_intersection": (
        "top_k_intersection",
        MASK,
        {OLD: {"k": judged.TOP}, NEW: {"k": judged.TOP}},
        "value",
        1e-6,
    ),
    "pointing_game": ("pointing_game", MASK, {OLD: {"tolerance": 0}, NEW: {"tolerance": 0}}, "value", 0),
}
CASES = [(name, version) for name, case in SAME.items() for version in case[2]]


def ours(given, name, version):
    function, takes, options, field, _ = SAME[name]
    return getattr(getattr(metrics, function)(**{it: given[it] for it in takes}, **options[version]), field)


@pytest.mark.parametrize(("name", "version"), CASES)
def test_equal_to_quantus(stored, given, name, version):
    np.testing.assert_allclose(ours(given, name, version), stored[f"{version}/{name}"], rtol=SAME[name][4])


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("name", [name for name, case in SAME.items() if case[1] == COPIES])
def test_random_metrics_are_within_three_standard_errors_of_quantus_with_noise_of_their_own(
    stored, given, name, version
):
    function, takes, options, _, _ = SAME[name]
    arguments = {it: given[it] for it in takes if it != "perturbations"}
    ask = functools.partial(getattr(metrics, function), **arguments, num_samples=judged.COPIES, **options[version])
    ours = np.stack([ask(key=key).value for key in jax.random.split(jax.random.key(0), judged.RUNS)])
    theirs = stored[f"{version}/{name} drawn"]
    assert ours.shape == theirs.shape
    variance = (ours.var(axis=0, ddof=1) + theirs.var(axis=0, ddof=1)) / judged.RUNS
    difference = ours.mean(axis=0) - theirs.mean(axis=0)
    assert (np.abs(difference) < 3 * np.sqrt(variance)).all()
    assert (np.sqrt(variance) < 0.1 * theirs.mean(axis=0)).all()  # so that three of them tell something


@pytest.mark.parametrize(("mode", "metric"), [("ins", metrics.insertion_auc), ("del", metrics.deletion_auc)])
def test_equal_to_rise(stored, given, mode, metric):
    got = metric(given["predict"], given["x"], given["saliency"], step=judged.STEP)
    np.testing.assert_allclose(got.value, stored[f"rise/{mode}"], rtol=1e-5)
    np.testing.assert_allclose(got.curve, stored[f"rise/{mode} curve"], rtol=5e-5)


def test_imputation_equals_the_sparse_solution(stored, given):
    got = jax.vmap(lambda x, gone: impute(x, gone, 60))(jnp.asarray(given["x"]), jnp.asarray(given["mask"]))
    for version in (OLD, NEW):
        np.testing.assert_allclose(got, stored[f"{version}/imputed"], atol=2e-6)


def test_the_segments_are_those_that_quantus_finds(stored, given):
    """The same function of scikit-image; its releases may differ, hence the stored labels elsewhere."""
    pytest.importorskip("skimage")
    alone, with_labels = (metrics.irof(*(given[it] for it in MODEL), segments=it) for it in (None, given["segments"]))
    np.testing.assert_allclose(alone.value, with_labels.value, rtol=1e-5)


def test_the_stored_arrays_are_those_of_the_script(stored):
    for name, value in judged.arrays().items():
        np.testing.assert_array_equal(stored[name], value)


@pytest.mark.live
@pytest.mark.filterwarnings("ignore")  # theirs
def test_the_stored_scores_are_what_quantus_answers(stored):
    pytest.importorskip("quantus", reason="quantus is not installed: see tests/metrics/make_quantus.py")
    import published_scores

    version = published_scores.generation()
    found = published_scores.scores(judged.arrays())
    theirs = {name.split("/")[1] for name in stored if name.startswith(f"{version}/")} - {"versions"}
    assert set(found) == theirs
    for name, value in found.items():
        np.testing.assert_allclose(value, stored[f"{version}/{name}"], rtol=1e-4, atol=1e-6)
