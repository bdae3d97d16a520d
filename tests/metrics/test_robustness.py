"""Sensitivity and stability: by hand, against plain loops, and with an explainer that draws."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import egcam_jax
from egcam_jax import metrics

SENSITIVE = ("local_lipschitz", "max_sensitivity", "avg_sensitivity")
STABLE = ("relative_input_stability", "relative_output_stability")


def predict(x):
    weights = jnp.sin(jnp.arange(x[0].size * 3.0)).reshape(-1, 3)
    return jnp.tanh(x.reshape(len(x), -1) @ weights) * 3


def explain(x, target):
    """A map that depends on image and class, not linearly, and is never 0."""
    return jnp.square(x).sum(axis=-1) * (1 + target[:, None, None]) + jnp.abs(x[..., 0]) + 0.1


def example(count=2, copies=5):
    draw = np.random.default_rng(0).standard_normal
    return draw((count, 4, 3, 2)).astype(np.float32), 0.05 * draw((copies, 4, 3, 2)).astype(np.float32)


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


@pytest.mark.parametrize("mode", ["definition", "quantus"])
@pytest.mark.parametrize("name", STABLE)
def test_stability_equals_plain_loops(name, mode):
    x, noise = example()
    x[0, 0, 0] = 0.0  # an entry that is 0, and one that is nearly
    x[0, 1, 0] = 1e-8
    options = {"perturbations": noise, "mode": mode, "nan_on_change": False, "predict": predict}
    got = getattr(metrics, name)(explain, x, target=np.array([1, 0]), **options)
    for i, target in enumerate((1, 0)):
        want = by_loops(x[i], noise, target, mode=mode)[name]
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
    larger = lambda x, target: 50 * explain(x, target)
    options = {"target": 1, "perturbations": noise}
    for name, more in {"max_sensitivity": {}, "local_lipschitz": {}, STABLE[0]: {"nan_on_change": False}}.items():
        one, other = (getattr(metrics, name)(it, x, **options, **more).value for it in (explain, larger))
        np.testing.assert_allclose(one, other, rtol=1e-4)


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
        assert np.isfinite(metric(explain, x, nan_on_change=False, **options).value).all()
    with pytest.raises(ValueError, match="predict is None, but copies that change"):
        metrics.max_sensitivity(explain, x, target=0, perturbations=noise, nan_on_change=True)


def test_without_a_class_it_is_the_images_top_class_and_without_either_an_error():
    x, noise = example()
    top = np.argmax(predict(x), axis=1)
    for name in (*SENSITIVE, *STABLE):
        metric = functools.partial(getattr(metrics, name), explain, x, perturbations=noise, nan_on_change=False)
        np.testing.assert_allclose(metric(predict=predict).value, metric(target=top, predict=predict).value, rtol=1e-6)
    with pytest.raises(ValueError, match="target is None, and so is predict"):
        metrics.max_sensitivity(explain, x, perturbations=noise)


@pytest.mark.parametrize(
    ("name", "other", "low", "high"),
    [("max_sensitivity", "avg_sensitivity", -0.3, 0.3), (*STABLE, 0.1, 0.3)],
)
def test_uniform_noise_has_its_bounds_and_is_the_same_for_both(name, other, low, high):
    """The map is the image, read through local sizes: each copy's curve is a function of its noise alone."""
    x = np.full((6, 6, 1), 2.0, np.float32)
    itself, shifted = (
        (lambda x, target: x[..., 0]),
        (lambda x: jnp.concatenate([x[:, 0, :1, 0], 0 * x[:, 0, :1, 0]], axis=1)),
    )
    bounds = {"radius": high} if low < 0 else {"low": low, "high": high}
    options = {"target": 0, "num_samples": 400, "predict": shifted, "nan_on_change": False, **bounds}
    one, two = (getattr(metrics, it)(itself, x, jax.random.key(3), **options) for it in (name, other))
    norms = np.asarray(one.curve) * (np.sqrt(36) * 2 if low < 0 else 1)
    if low < 0:
        np.testing.assert_array_equal(one.curve, two.curve)
        squares = norms**2 / 36  # of a uniform variable: a third of the square of its bound
        assert abs(squares.mean() - high**2 / 3) < 3 * squares.std() / 20
        assert norms.max() <= high * 6
    else:
        np.testing.assert_allclose(norms, 1, rtol=1e-5)  # the map's relative change is the image's
        # per copy: relative change of the map, over the change of one pixel, which is between low and high
        relative = np.asarray(two.curve)
        assert relative.min() >= low / 2 * 6 / high
        assert relative.max() <= high / 2 * 6 / low


def test_normal_noise_has_its_deviation():
    """Of 36 normal variables d of deviation s, ``||d^2|| / ||d||`` is about ``sqrt(3 s^4 36) / sqrt(s^2 36)``."""
    squares, zeros = (lambda x, target: jnp.square(x[..., 0])), np.zeros((6, 6, 1), np.float32)
    options = {"target": 0, "num_samples": 400, "noise_std": 0.5, "normalize": False}
    got = metrics.local_lipschitz(squares, zeros, jax.random.key(0), **options)
    assert abs(float(got.curve.mean()) / (0.5 * 3**0.5) - 1) < 0.1


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(5, (3, 3), name="last")(x))
        return nn.Dense(3)(nn.tanh(x.mean(axis=(1, 2))))


def test_an_explainer_that_draws_draws_the_same_for_every_copy():
    """Equal to explaining every copy by a call of its own, with the same key."""
    module, key = Network(), jax.random.key(7)
    x, noise = (
        np.random.default_rng(seed).standard_normal((count, 8, 8, 2)).astype(np.float32)
        for seed, count in ((0, 1), (1, 3))
    )
    refs, params = np.random.default_rng(2).standard_normal((4, 8, 8, 2)).astype(np.float32), None
    params = module.init(jax.random.key(0), x)

    def saliency(params, refs, key, x, target):
        return egcam_jax.explain(params, module.apply, x, refs, key, target=target, num_samples=4).saliency

    got = metrics.max_sensitivity(
        jax.tree_util.Partial(saliency, params, refs, key), x, target=1, perturbations=0.1 * noise
    )
    own = np.asarray(saliency(params, refs, key, x[0], 1))
    for change, one in zip(got.curve[0], noise):
        other = np.asarray(saliency(params, refs, key, x[0] + 0.1 * one, 1))
        np.testing.assert_allclose(change, np.linalg.norm(own - other) / np.linalg.norm(own), rtol=1e-3)
    still = metrics.max_sensitivity(
        jax.tree_util.Partial(saliency, params, refs, key), x, target=1, perturbations=0 * noise
    )
    assert float(still.value[0]) == 0
