"""Sizes in pixels that follow the image's size: the published ones at 224 x 224, and the best map ahead by default."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics
from egcam_jax.metrics import METRICS, _scale

SHAPES = [(32, 32, 3), (28, 28, 1), (224, 224, 1)]
# What does not depend on the size and takes long at 224: numbers of draws, and shares of the pixels.
QUICK = {"num_samples": 4, "percentages": (5, 50), "iterations": 200}
SCALED = {name: it.scaled for name, it in METRICS.items() if it.scaled}


@pytest.mark.parametrize(
    ("size", "values"),
    [
        (_scale.step, {(224, 224): 224, (32, 32): 5, (28, 28): 4, (5, 5): 1, (448, 448): 896, (96, 64): 28}),
        (_scale.top, {(224, 224): 1000, (32, 32): 20, (28, 28): 16, (5, 5): 1, (448, 448): 4000, (224, 112): 500}),
        (_scale.tolerance, {(224, 224): 15, (32, 32): 2, (28, 28): 2, (5, 5): 0, (448, 448): 30, (224, 112): 8}),
        (_scale.patch, {(224, 224): 56, (32, 32): 8, (28, 28): 7, (3, 3): 1, (448, 448): 112, (224, 112): 28}),
    ],
)
def test_sizes_by_hand(size, values):
    assert {shape: size(*shape) for shape in values} == values


def test_the_registry_says_which_defaults_follow_the_size():
    stepping = ("insertion_auc", "deletion_auc", "insertion_deletion", "pixel_flipping", "faithfulness_estimate")
    assert {
        **{name: {"step": _scale.step} for name in stepping},
        "infidelity": {"patch_size": _scale.patch},
        "top_k_intersection": {"k": _scale.top},
        "pointing_game": {"tolerance": _scale.tolerance},
    } == SCALED
    for name, sizes in SCALED.items():
        takes = inspect.signature(METRICS[name].function).parameters
        assert {takes[option].default for option in sizes} == {None}
        for option in sizes.keys() & METRICS[name].paper.keys():
            assert sizes[option](224, 224) == METRICS[name].paper[option]


def scene(shape, seed=0):
    """A bright square on a darker ground, which a linear network looks for, and its weights as the best map."""
    height, width, _ = shape
    draw = np.random.default_rng(seed)
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 4 + max(1, height // 4), width // 2 : width // 2 + max(1, width // 4)] = True
    x = np.where(mask, 1.0, 0.5)[..., None] + 0.05 * draw.standard_normal(shape)
    weights = np.where(mask, 4 / mask.sum(), -0.5 / (~mask).sum()) / shape[-1]
    maps = np.stack([weights, *draw.random((1 if height > 100 else 3, height, width)) * weights.max()])
    return {"x": x.astype(np.float32), "mask": mask, "weights": weights.astype(np.float32), "maps": maps}


def looks_for(weights, x):
    """Logits (what the weights say, 2.5): 3.75 for the scene, 1.75 where the square has the ground's brightness."""
    score = (x * weights[..., None]).sum(axis=(1, 2, 3))
    return jnp.stack([score, jnp.full_like(score, 2.5)], axis=1)


def explains(weights, x, target):
    """The weights for class 0; for class 1 what is another map for each image, however near."""
    chaos = jnp.abs(jnp.sin(1e4 * x.sum(axis=-1)))
    return jnp.where(target[:, None, None] == 0, weights, chaos)


def of_maps(name, scene, shape):
    """Values of the best map and of random ones, by a metric that takes maps."""
    count = len(scene["maps"])
    same = lambda array: np.repeat(array[None], count, axis=0)
    given = {
        "saliency": scene["maps"],
        "mask": same(scene["mask"]),
        "x": same(scene["x"]),
        "target": np.zeros(count, int),
    }
    given |= {"predict": jax.tree_util.Partial(looks_for, scene["weights"]), "key": jax.random.key(0)}
    if name == "completeness_gap":
        attributed = (scene["weights"][..., None] * (scene["x"] - scene["x"].min())).sum(axis=-1)
        given["saliency"] = np.concatenate([attributed[None], scene["maps"][1:]])
    return called(name, given | (QUICK if shape[0] > 100 else {}))


def of_explainers(name, scene, shape):
    """Values of an explainer that is right and of one that is chaotic, as maps of class 0 and of class 1."""
    explain = jax.tree_util.Partial(explains, scene["weights"])
    given = {"explain": explain, "x": np.stack([scene["x"]] * 2), "target": np.array([0, 1]), "key": jax.random.key(0)}
    if name == "mprt":
        given |= {"explain": explains, "params": scene["weights"], "perturbations": [scene["weights"][::-1].copy()]}
    given["predict"] = jax.tree_util.Partial(looks_for, scene["weights"])
    return called(name, given | (QUICK if shape[0] > 100 else {}))


def called(name, given):
    function = METRICS[name].function
    takes = inspect.signature(function).parameters
    return np.asarray(function(**{argument: value for argument, value in given.items() if argument in takes}).value)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", sorted(set(METRICS) - {"running_time", "sufficiency"}))
def test_the_best_map_is_ahead_of_random_ones_by_default(name, shape):
    made = scene(shape)
    values = (of_explainers if "explain" in METRICS[name].needs else of_maps)(name, made, shape)
    best, others = values[0], values[1:].mean()
    assert (best > others) if METRICS[name].higher_is_better else (best < others)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_like_maps_of_like_images_are_sufficient_by_default(shape):
    """Two kinds of scene, explained by one map each; random maps have no like ones."""
    made = scene(shape)
    other = np.rot90(made["weights"], 2)
    x = np.stack([made["x"], made["x"] * 0.9, np.rot90(made["x"], 2), np.rot90(made["x"], 2) * 0.9])
    best = np.stack([made["weights"], made["weights"], other, other])
    random = np.random.default_rng(1).random(best.shape)
    answers = np.array([0, 0, 1, 1])
    np.testing.assert_array_equal(metrics.sufficiency(None, x, best, answers).value, 1)
    assert not (metrics.sufficiency(None, x, random, answers).value == 1).all()


@pytest.mark.parametrize("name", ["insertion_auc", "pixel_flipping", "top_k_intersection", "pointing_game"])
def test_five_by_five_pixels_are_enough(name):
    made = scene((5, 5, 1))
    values = of_maps(name, made, (5, 5, 1))
    best, others = values[0], values[1:].mean()
    assert (best > others) if METRICS[name].higher_is_better else (best < others)


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("insertion_auc", {"step": 5}, (32, 32)),
        ("deletion_auc", {"step": 5}, (32, 32)),
        ("insertion_deletion", {"step": 5}, (32, 32)),
        ("pixel_flipping", {"step": 7}, (28, 56)),
        ("faithfulness_estimate", {"step": 7}, (28, 56)),
        ("infidelity", {"patch_size": 7}, (28, 56)),
        ("top_k_intersection", {"k": 31}, (28, 56)),
        ("pointing_game", {"tolerance": 2}, (28, 56)),
    ],
)
def test_the_default_is_the_explicit_value(name, options, shape):
    made = scene((*shape, 1))
    given = {"saliency": made["maps"][1], "x": made["x"], "target": 0, "mask": made["mask"]}
    given |= {"predict": jax.tree_util.Partial(looks_for, made["weights"])}
    given |= {"perturbation": "blocks"} if name == "infidelity" else {}
    np.testing.assert_array_equal(called(name, given), called(name, given | options))


def test_the_modes_of_quantus_have_its_own_defaults():
    made = scene((16, 16, 1))
    predict = jax.tree_util.Partial(looks_for, made["weights"])
    given = {"predict": predict, "x": made["x"], "saliency": made["maps"][1], "target": 0}
    theirs = given | {"mode": "quantus_0_4_4"}
    for name, options in {"pixel_flipping": {"step": 1}, "infidelity": {"patch_size": 4}}.items():
        np.testing.assert_array_equal(called(name, theirs), called(name, theirs | options))
    assert called("pixel_flipping", given) != called("pixel_flipping", theirs)


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize("name", ["insertion_auc", "deletion_auc", "insertion_deletion", "pixel_flipping"])
def test_one_step_for_the_whole_image_is_refused(name):
    """The published 224 for an image of 14 x 14: the curve would be the same for every map."""
    made = scene((14, 14, 3))
    predict = jax.tree_util.Partial(looks_for, made["weights"])
    with pytest.raises(ValueError, match=r"^step must be less than 196, .* got 224\. .*Leave step out"):
        METRICS[name].function(predict, made["x"], made["maps"][1], 0, step=224)
