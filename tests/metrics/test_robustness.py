"""Sensitivity and stability given what is added to the images: by hand, against plain loops, and their laws."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from egcam_jax import metrics

SENSITIVE = ("local_lipschitz", "max_sensitivity", "avg_sensitivity")
STABLE = ("relative_input_stability", "relative_output_stability")


def predict(x):
    weights = jnp.sin(jnp.arange(x[0].size * 3.0)).reshape(-1, 3)
    return jnp.tanh(x.reshape(len(x), -1) @ weights / 4) * 3


def explain(x, target):
    """A map that depends on image and class, not linearly, and is never 0."""
    return jnp.square(x).sum(axis=-1) * (1 + target[:, None, None]) + jnp.abs(x[..., 0]) + 0.1


def example(count=2, copies=5):
    draw = np.random.default_rng(0).standard_normal
    return draw((count, 4, 3, 2)).astype(np.float32), 0.05 * draw((copies, 4, 3, 2)).astype(np.float32)


def ask(name, explain, x, noise, **options):
    """A metric given what is added, and with all that it needs."""
    options = {"target": 0, "predict": predict, "nan_on_change": False, **options}
    return getattr(metrics, name)(explain, x, perturbations=noise, **options)


def by_loops(x, noise, target, *, normalize=False, mode="definition", eps=1e-6):
    """The quotients of every copy by the name of the metric, from the equations."""
    norm = lambda a: float(np.sqrt((np.asarray(a, np.float64) ** 2).sum()))
    guard = (lambda a: a + eps * (a == 0)) if mode == "quantus" else (lambda a: np.maximum(np.abs(a), eps))
    found = {name: [] for name in (*SENSITIVE, *STABLE)}
    for one in noise:
        moved = x + one
        maps = [np.asarray(explain(it[None], jnp.array([target]))[0], np.float64) for it in (x, moved)]
        scaled = [a / np.abs(a).max() for a in maps] if normalize else maps
        found["local_lipschitz"].append(norm(scaled[0] - scaled[1]) / (norm(one) + 1e-10))
        found["max_sensitivity"].append(norm(scaled[0] - scaled[1]) / norm(scaled[0]))
        found["avg_sensitivity"].append(found["max_sensitivity"][-1])
        change = norm((maps[0] - maps[1]) / guard(maps[0]))
        found["relative_input_stability"].append(change / guard(norm((x - moved) / guard(x))))
        logits = [np.asarray(predict(it[None])[0], np.float64) for it in (x, moved)]
        found["relative_output_stability"].append(change / guard(norm(logits[0] - logits[1])))
    return found


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", SENSITIVE)
def test_sensitivity_equals_plain_loops(name, normalize):
    x, noise = example()
    got = getattr(metrics, name)(explain, x, target=np.array([0, 2]), perturbations=noise, normalize=normalize)
    for i, target in enumerate((0, 2)):
        want = by_loops(x[i], noise, target, normalize=normalize)[name]
        np.testing.assert_allclose(got.curve[i], want, rtol=2e-4)
        np.testing.assert_allclose(got.value[i], np.mean(want) if name == "avg_sensitivity" else max(want), rtol=2e-4)


@pytest.mark.parametrize("eps", [1e-6, 0.3])
@pytest.mark.parametrize("mode", ["definition", "quantus"])
@pytest.mark.parametrize("name", STABLE)
def test_stability_equals_plain_loops(name, mode, eps):
    x, noise = example()
    x[0, 0, 0] = 0.0  # an entry that is 0, and one that is nearly
    x[0, 1, 0] = 1e-8
    options = {"perturbations": noise, "mode": mode, "eps": eps, "nan_on_change": False, "predict": predict}
    got = getattr(metrics, name)(explain, x, target=np.array([1, 0]), **options)
    for i, target in enumerate((1, 0)):
        want = by_loops(x[i], noise, target, mode=mode, eps=eps)[name]
        np.testing.assert_allclose(got.curve[i], want, rtol=2e-3)
        np.testing.assert_allclose(got.value[i], max(want), rtol=2e-3)


def test_by_hand_on_the_image_as_its_own_map():
    """With the image as its map the map moves as much as the image: by 3 and 4, of a map of size 5."""
    x = np.array([[[3.0], [4.0]]], np.float32)
    noise = np.array([[[[3.0], [4.0]]], [[[0.0], [-4.0]]]], np.float32)
    itself = lambda x, target: x[..., 0]
    options = {"target": 0, "perturbations": noise}
    np.testing.assert_allclose(metrics.local_lipschitz(itself, x, normalize=False, **options).curve, [1, 1], rtol=1e-6)
    np.testing.assert_allclose(metrics.max_sensitivity(itself, x, **options).curve, [5 / 5, 4 / 5], rtol=1e-6)
    np.testing.assert_allclose(metrics.avg_sensitivity(itself, x, **options).value, 0.9, rtol=1e-6)
    stable = metrics.relative_input_stability(itself, x, nan_on_change=False, **options)
    np.testing.assert_allclose(stable.curve, [1, 1], rtol=1e-6)
    double = lambda x: jnp.concatenate([2 * x[:, 0, :, 0], 0 * x[:, 0, :, 0]], axis=1)
    output = metrics.relative_output_stability(itself, x, nan_on_change=False, predict=double, **options)
    np.testing.assert_allclose(output.curve, [2**0.5 / 10, 1 / 8], rtol=1e-6)


def test_by_hand_a_map_that_is_normalized():
    """The map (2, 4) becomes (4, 2): (1/2, 1) and (1, 1/2) once normalized, the image moved by the root of 8."""
    x, noise = np.array([[[2.0], [4.0]]], np.float32), np.array([[[[2.0], [-2.0]]]], np.float32)
    itself = lambda x, target: x[..., 0]
    np.testing.assert_allclose(ask("local_lipschitz", itself, x, noise).value, 0.5**0.5 / 8**0.5, rtol=1e-6)
    normal = ask("max_sensitivity", itself, x, noise, normalize=True).value
    np.testing.assert_allclose(normal, 0.5**0.5 / 1.25**0.5, rtol=1e-6)
    np.testing.assert_allclose(ask("max_sensitivity", itself, x, noise).value, 8**0.5 / 20**0.5, rtol=1e-6)


def test_by_hand_an_entry_of_the_map_that_is_almost_and_one_that_is_quite_zero():
    """The image (1, 2) moves by (1, 0), relatively by 1. The map (m, 4) becomes (m + 0.1, 5): 0.1 / guard and 1 / 4."""
    x, noise = np.array([[[1.0], [2.0]]], np.float32), np.array([[[[1.0], [0.0]]]], np.float32)

    def explain(small, x, target):
        moved = x[:, 0, 0, 0] - 1
        return jnp.stack([small + 0.1 * moved, 4 + moved], axis=1)[:, None]

    logits = lambda x: x[:, 0, :, 0] / 5
    for small, mode, guard in (
        (0.0, "definition", 0.5),
        (0.0, "quantus", 0.5),
        (0.05, "definition", 0.5),
        (0.05, "quantus", 0.05),
        (-0.05, "definition", 0.5),
        (-0.05, "quantus", 0.05),
    ):
        bound = Partial(explain, small)
        want = ((0.1 / guard) ** 2 + (1 / 4) ** 2) ** 0.5
        got = ask("relative_input_stability", bound, x, noise, eps=0.5, mode=mode)
        np.testing.assert_allclose(got.value, want, rtol=1e-5)
        # the logits move by 1 / 5: the definition takes eps in its place, the reference does not
        got = ask("relative_output_stability", bound, x, noise, eps=0.5, mode=mode, predict=logits)
        np.testing.assert_allclose(got.value, want / (0.5 if mode == "definition" else 0.2), rtol=1e-5)


@pytest.mark.parametrize("name", [*SENSITIVE, *STABLE])
def test_no_move_is_no_change(name):
    x, noise = example(1)
    got = ask(name, explain, x, np.concatenate([0 * noise[:1], noise[:1]]))
    assert float(got.curve[0, 0]) == 0
    assert float(got.curve[0, 1]) > 0


@pytest.mark.parametrize("name", [*SENSITIVE, *STABLE])
def test_each_image_has_perturbations_of_its_own_where_they_are_given(name):
    x, noise = example(2, 6)
    got = ask(name, explain, x, noise.reshape(2, 3, 4, 3, 2), target=np.array([0, 2]))
    for i, target in enumerate((0, 2)):
        want = by_loops(x[i], noise[3 * i : 3 * i + 3], target, normalize=name == "local_lipschitz")[name]
        np.testing.assert_allclose(got.curve[i], want, rtol=2e-3)


def test_a_map_that_moves_more_is_never_more_robust():
    """The part of the map that moves with the image, beside one that stays."""
    x, noise = example()
    moving = lambda share, x, target: 1 + share * jnp.sin(3 * x[..., 0])
    for name in (*SENSITIVE, *STABLE):
        values = [ask(name, Partial(moving, share), x, noise).value for share in (0.0, 0.1, 0.3, 0.6)]
        assert (np.diff(values, axis=0) > 0).all(), name
        np.testing.assert_array_equal(values[0], 0)


def test_the_largest_is_that_of_the_curve_and_never_less_than_the_mean():
    x, noise = example(3)
    largest, mean = (ask(name, explain, x, noise) for name in ("max_sensitivity", "avg_sensitivity"))
    np.testing.assert_array_equal(largest.curve, mean.curve)
    np.testing.assert_array_equal(largest.value, np.max(largest.curve, axis=1))
    np.testing.assert_allclose(mean.value, np.mean(largest.curve, axis=1), rtol=1e-6)
    assert (largest.value > mean.value).all()


def test_a_shift_of_the_map_does_not_count_for_the_lipschitz_constant_and_makes_relative_changes_smaller():
    x, noise = example()
    lifted = [Partial(lambda level, x, target: explain(x, target) + level, level) for level in (0.0, 10.0)]
    for name in SENSITIVE:
        one, other = (ask(name, it, x, noise, normalize=False).value for it in lifted)
        if name == "local_lipschitz":
            np.testing.assert_allclose(one, other, rtol=1e-3)
        else:
            assert (other < one / 2).all()


@pytest.mark.parametrize("name", [*SENSITIVE, *STABLE])
def test_the_places_of_the_pixels_do_not_count(name):
    """With a map made pixel by pixel; turned over with what is added to it, the image has the same value."""
    x, noise = example()
    flat = lambda x: jnp.stack([x.sum(axis=(1, 2, 3)), jnp.square(x).sum(axis=(1, 2, 3))], axis=1)
    one, other = (
        ask(name, explain, it, moved, predict=flat).curve
        for it, moved in ((x, noise), (x[:, ::-1, ::-1], noise[:, ::-1, ::-1]))
    )
    np.testing.assert_allclose(one, other, rtol=1e-3)


def spoilt(wrong, x, target):
    """The image as its map, but for its first column where it is 5."""
    bad = (x[..., 0] == 5).at[:, :, 1].set(False)
    return jnp.where(bad, wrong, x[..., 0])


def first_row(x):
    return x[:, 0, :, 0]


@pytest.mark.parametrize("name", [*SENSITIVE, *STABLE])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_maps_that_are_not_finite_are_undefined(name, wrong):
    """The first image's own map, a copy's of the second, none of the third."""
    x = np.stack([np.full((2, 2, 1), level, np.float32) for level in (5.0, 1.0, 2.0)])
    noise = np.stack([np.full((2, 2, 1), level, np.float32) for level in (0.25, 4.0)])

    got = ask(name, Partial(spoilt, wrong), x, noise, predict=first_row)
    np.testing.assert_array_equal(np.isnan(got.curve), [[True, True], [False, True], [False, False]])
    np.testing.assert_array_equal(np.isnan(got.value), [True, True, False])


def test_a_map_that_is_zero_but_for_one_tiny_value_has_a_size():
    x, noise = example()
    alone = lambda size, x, target: jnp.zeros(x.shape[:3]).at[:, 1, 1].set(size * (2 + jnp.sin(x[:, 0, 0, 0])))
    for name, options in (("max_sensitivity", {}), ("avg_sensitivity", {}), ("local_lipschitz", {"normalize": True})):
        one, other = (ask(name, it, x, noise, **options).value for it in (Partial(alone, 1e-28), Partial(alone, 1.0)))
        np.testing.assert_allclose(one, other, rtol=1e-5)
        assert name == "local_lipschitz" or (one > 0).all()
    zeros = lambda x, target: jnp.zeros(x.shape[:3])
    for name in (*SENSITIVE, *STABLE):  # nothing twice is not the best of maps
        assert np.isnan(ask(name, zeros, x, noise, predict=predict, target=1).value).all()


def test_a_map_that_is_zero_has_stability_and_each_pixel_that_wakes_costs_one_over_eps():
    """Of 12 pixels each wakes to 1e-3 against eps 1e-6: 1000 times the root of 12, over the image's relative move."""
    x, noise = np.ones((4, 3, 1), np.float32), np.full((1, 4, 3, 1), 0.5, np.float32)
    wakes = lambda x, target: 2e-3 * (x[..., 0] - 1)
    for mode in ("definition", "quantus"):
        got = ask("relative_input_stability", wakes, x, noise, mode=mode).value
        np.testing.assert_allclose(got, 1000 * 12**0.5 / (0.5 * 12**0.5), rtol=1e-4)


def test_a_map_that_ignores_the_image_is_robust_and_one_that_is_zero_has_no_size():
    x, noise = example()
    constant, zeros = (lambda x, target, level=level: jnp.full(x.shape[:3], level) for level in (0.7, 0.0))
    options = {"target": 0, "perturbations": noise}
    for name in SENSITIVE:
        np.testing.assert_array_equal(getattr(metrics, name)(constant, x, **options).value, 0)
    for name in ("max_sensitivity", "avg_sensitivity"):
        assert np.isnan(getattr(metrics, name)(zeros, x, **options).value).all()
    vanishing = lambda x, target: jnp.where(x[:1, 0, 0, 0] == 0.0, 1.0, 0.0)[:, None, None] * jnp.ones(x.shape[:3])
    gone = metrics.max_sensitivity(vanishing, np.zeros((4, 3, 2), np.float32), **options)
    np.testing.assert_allclose(gone.value, 1, rtol=1e-6)  # copies whose maps are all zero


def test_scale_of_the_map_does_not_count_where_it_should_not():
    x, noise = example()
    scaled = [Partial(lambda scale, x, target: scale * explain(x, target), scale) for scale in (1.0, 50.0)]
    for name in (*SENSITIVE, *STABLE):
        one, other = (ask(name, it, x, noise, target=1).value for it in scaled)
        np.testing.assert_allclose(one, other, rtol=1e-4)
    one, other = (ask("local_lipschitz", it, x, noise, target=1, normalize=False).value for it in scaled)
    np.testing.assert_allclose(50 * one, other, rtol=1e-4)  # it is of the scale of the map unless normalized


@pytest.mark.usefixtures("unannotated")
def test_a_copy_that_changes_the_answer_makes_the_image_undefined_where_that_is_asked():
    first = lambda x: jnp.stack([x[:, 0, 0, 0], -x[:, 0, 0, 0]], axis=1)
    x = np.stack([np.full((4, 3, 2), level, np.float32) for level in (0.05, 3.0)])
    noise = np.full((2, 4, 3, 2), 0.1, np.float32)
    noise[1] *= -1  # turns the first image's answer round
    options = {"perturbations": noise, "predict": first}
    for name in (*SENSITIVE, *STABLE):
        metric = getattr(metrics, name)
        asked = metric(explain, x, nan_on_change=True, **options)
        np.testing.assert_array_equal(np.isnan(asked.value), [True, False])
        np.testing.assert_array_equal(np.isnan(asked.curve), [[False, True], [False, False]])
        assert asked.undefined == 1
        other = metric(explain, x, target=1, nan_on_change=True, **options)  # another class than the model's answer
        np.testing.assert_array_equal(np.isnan(other.curve), np.isnan(asked.curve))
        assert np.isfinite(metric(explain, x, nan_on_change=False, **options).value).all()
    with pytest.raises(ValueError, match="predict must be the model where nan_on_change=True"):
        metrics.max_sensitivity(explain, x, target=0, perturbations=noise, nan_on_change=True)


@pytest.mark.usefixtures("unannotated")
def test_without_a_class_it_is_the_images_top_class_and_without_either_an_error():
    x, noise = example()
    top = np.argmax(predict(x), axis=1)
    for name in (*SENSITIVE, *STABLE):
        metric = functools.partial(getattr(metrics, name), explain, x, perturbations=noise, nan_on_change=False)
        np.testing.assert_allclose(metric(predict=predict).value, metric(target=top, predict=predict).value, rtol=1e-6)
    with pytest.raises(ValueError, match="target must be the class of each image where predict is None"):
        metrics.max_sensitivity(explain, x, perturbations=noise)
