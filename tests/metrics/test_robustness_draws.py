"""What the metrics of robustness draw, read back from their curves, and explainers that draw for themselves."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import egcam_jax
from egcam_jax import metrics

COPIES = 600
KEY = jax.random.key(3)
ONE, ZERO = np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
OPTIONS = {"target": 0, "num_samples": COPIES, "predict": lambda x: x.reshape(len(x), -1)}
SYMMETRIC = ("local_lipschitz", "max_sensitivity", "avg_sensitivity")
STABLE = ("relative_input_stability", "relative_output_stability")


def itself(x, target):
    return x[..., 0]


def near(mean, values, deviation):
    """Whether values have a mean within three standard errors, theirs of a known deviation."""
    return abs(np.mean(values) - mean) < 3 * deviation / len(values) ** 0.5


def drawn(name, x=ONE, key=KEY, explain=itself, **options):
    return np.asarray(getattr(metrics, name)(explain, x, key, **{**OPTIONS, **options}).curve)


def test_sensitivity_is_of_uniform_noise_on_either_side():
    """With one pixel that is 1 and its own map the change is ``|d|``."""
    size = drawn("max_sensitivity", radius=0.3)
    assert size.max() <= 0.3 + 1e-6
    assert size.max() > 0.29
    assert near(0.15, size, 0.3 / 12**0.5)
    upwards = drawn("max_sensitivity", radius=0.3, explain=lambda x, target: 1 + jax.nn.relu(x[..., 0] - 1))
    assert near(0.5, upwards > 0, 0.5)
    np.testing.assert_allclose(upwards[upwards > 0], size[upwards > 0], rtol=1e-4)  # the same key, the same copies


def test_the_lipschitz_constant_is_of_normal_noise():
    """With the square of one pixel that is 0 as the map, the quotient is ``d^2 / |d|``; with ReLU 1 or 0."""
    options = {"x": ZERO, "noise_std": 0.5, "normalize": False}
    size = drawn("local_lipschitz", explain=lambda x, target: jnp.square(x[..., 0]), **options)
    assert near(0.5 * (2 / np.pi) ** 0.5, size, 0.5 * (1 - 2 / np.pi) ** 0.5)
    assert near(0.25, size**2, 0.25 * 2**0.5)
    assert near(0.0455, size > 1, 0.21)  # beyond two deviations
    upwards = drawn("local_lipschitz", explain=lambda x, target: jax.nn.relu(x[..., 0]), **options)
    assert near(0.5, upwards > 0.5, 0.5)


def test_stability_is_of_uniform_noise_on_one_side_the_same_for_inputs_and_outputs():
    """With one pixel that is 1, its square as map and itself as logit, the quotient is ``(2 d + d^2) / d``."""
    options = {"low": 0.1, "high": 0.5, "nan_on_change": False, "explain": lambda x, target: jnp.square(x[..., 0])}
    inputs, outputs = (drawn(name, **options) for name in STABLE)
    moves = inputs - 2
    assert moves.min() >= 0.1 - 1e-5
    assert moves.max() <= 0.5 + 1e-5
    assert np.ptp(moves) > 0.38
    assert near(0.3, moves, 0.4 / 12**0.5)
    np.testing.assert_allclose(inputs, outputs, rtol=1e-4)


def test_the_defaults_are_those_of_the_reference():
    square = lambda x, target: jnp.square(x[..., 0])
    moves = drawn("relative_input_stability", explain=square, nan_on_change=False) - 2
    assert 0.02 - 1e-4 < moves.min() < 0.03 < 0.19 < moves.max() < 0.2 + 1e-4
    size = drawn("avg_sensitivity")
    assert 0.19 < size.max() <= 0.2 + 1e-6
    size = drawn("local_lipschitz", x=ZERO, explain=square, normalize=False)
    assert near(0.1 * (2 / np.pi) ** 0.5, size, 0.1 * (1 - 2 / np.pi) ** 0.5)
    few = metrics.max_sensitivity(itself, ONE, KEY, target=0)
    assert few.curve.shape == (200,)
    assert few.evaluations == 201


def test_pixels_channels_and_copies_are_drawn_apart():
    """The changes of single entries of an image of ones: no two are correlated, nor one with itself a copy later."""
    x = np.ones((2, 1, 2), np.float32)
    entry = lambda number: lambda x, target: x.reshape(len(x), -1)[:, None, number : number + 1]
    curves = [drawn("max_sensitivity", x=x, explain=entry(number)) for number in range(4)]
    curves.append(np.roll(curves[0], 1))
    found = np.corrcoef(curves)
    assert np.abs(found[np.triu_indices(5, 1)]).max() < 4 / COPIES**0.5  # of ten


@pytest.mark.parametrize("name", [*SYMMETRIC, *STABLE])
def test_draws_follow_from_the_key_the_index_and_the_copys_number(name):
    x = np.ones((3, 1, 1, 1), np.float32) + np.float32(0.5) * (name == "local_lipschitz")
    square = lambda x, target: jnp.square(x[..., 0])
    options = {"explain": square, "nan_on_change": False, "num_samples": 12}
    options |= {"normalize": False} if name in SYMMETRIC else {}
    together = drawn(name, x, index=4, **options)
    for i in range(3):
        np.testing.assert_allclose(drawn(name, x[i], index=4 + i, **options), together[i], rtol=1e-4)
    assert len(np.unique(np.round(together, 5))) == together.size  # no two images, no two copies alike
    shuffled = drawn(name, x, index=np.array([6, 4, 5]), **options)
    np.testing.assert_allclose(shuffled, together[[2, 0, 1]], rtol=1e-4)
    more = drawn(name, x, index=4, **{**options, "num_samples": 30})
    np.testing.assert_allclose(more[:, :12], together, rtol=1e-4)
    other = drawn(name, x, key=jax.random.key(8), index=4, **options)
    assert np.abs(other - together).min() > 0


def test_more_copies_never_find_a_smaller_maximum_and_larger_ones_change_more():
    x = np.random.default_rng(0).standard_normal((4, 3, 2)).astype(np.float32)
    few, many = (drawn("max_sensitivity", x, num_samples=count).max() for count in (5, 40))
    assert many >= few
    narrow, wide = (drawn("max_sensitivity", x, num_samples=40, radius=radius) for radius in (0.1, 0.2))
    np.testing.assert_allclose(2 * narrow, wide, rtol=1e-4)  # the same draws, twice as far


def noisy(share, key, x, target, index):
    """A map of noise from the image's own key, and of the image."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, index)
    return jax.vmap(lambda key: jax.random.normal(key, x.shape[1:3]))(keys) + share * x[..., 0]


def test_an_explainer_that_draws_sees_the_same_numbers_for_the_image_and_every_copy():
    """With common random numbers a map of noise never changes, or by the image alone."""
    x = np.random.default_rng(0).standard_normal((2, 3, 3, 1)).astype(np.float32)
    options = {"num_samples": 7, "nan_on_change": False, "chunk_size": 4}
    for name in (*SYMMETRIC, *STABLE):
        bound = [jax.tree_util.Partial(noisy, share, jax.random.key(5)) for share in (0.0, 1.0)]
        still, moving = (drawn(name, x, explain=it, **options) for it in bound)
        np.testing.assert_array_equal(still, 0)
        assert (moving > 0).all()


@pytest.mark.parametrize("name", [*SYMMETRIC, *STABLE])
def test_the_map_that_is_judged_is_the_one_of_the_images_index(name):
    """As if every map had been made before with these indices: no two images share their draws."""
    x = np.ones((2, 3, 3, 1), np.float32)
    key, index = jax.random.key(5), np.array([7, 4])
    options = {"num_samples": 5, "nan_on_change": False, "index": index}
    got = drawn(name, x, explain=jax.tree_util.Partial(noisy, 1.0, key), **options)
    stored = noisy(0.0, key, x, None, index)
    assert np.abs(stored[0] - stored[1]).max() > 0.1
    for i in range(2):
        by_hand = jax.tree_util.Partial(lambda stored, x, target: stored + x[..., 0], stored[i])
        want = drawn(name, x[i], explain=by_hand, **{**options, "index": index[i]})
        np.testing.assert_allclose(got[i], want, rtol=1e-4)


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize("name", [*SYMMETRIC, *STABLE])
def test_an_explainer_that_draws_without_its_index_is_refused(name):
    forgetful = lambda x, target: noisy(1.0, jax.random.key(5), x, target, jnp.zeros(1, jnp.int32))
    for explain in (forgetful, lambda x, target, index: forgetful(x, target)):
        with pytest.raises(TypeError, match="explain must have an argument index and use it, since it draws random"):
            drawn(name, explain=explain)
    with pytest.raises(
        TypeError, match=r"explain must be a function of x and target.*got one of \(x, target, number\)"
    ):
        drawn(name, explain=lambda x, target, number: x[..., 0])


flat = egcam_jax.Split(lambda params, x: x, lambda params, a: a.mean(axis=(1, 2)))


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(
    ("explain", "came"),
    [
        (lambda x, target: x[0, ..., 0], r"shape \(3, 3\)"),
        (lambda x, target: jnp.zeros((2, 3, 3)), r"shape \(2, 3, 3\)"),
        (lambda x, target: x, r"shape \(1, 3, 3, 1\)"),
        (lambda x, target: (x[..., 0],), "tuple"),
        (lambda x, target: egcam_jax.explain({}, flat, x, method="gradcam"), "Explanation. Return its saliency"),
    ],
)
def test_an_explainer_that_returns_other_than_a_map_for_each_image_is_refused(explain, came):
    x = np.ones((2, 3, 3, 1), np.float32)
    with pytest.raises(ValueError, match=rf"explain must return \(1, h, w\) for one image.*got {came}"):
        drawn("max_sensitivity", x, explain=explain, num_samples=2)
    with pytest.raises(ValueError, match="explain must return"):
        metrics.mprt(lambda params, x, target: explain(x, target), {"a": ONE}, x, KEY, layers=("a",), target=0)


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(5, (3, 3), name="last")(x))
        return nn.Dense(3)(nn.tanh(x.mean(axis=(1, 2))))


def test_expected_gradcam_equals_a_loop_of_explanations_with_the_images_own_draws():
    """The noise is what the key says, or given; the maps are those of one call for each copy."""
    module, key = Network(), jax.random.key(7)
    draw = np.random.default_rng(0).standard_normal
    x, refs = draw((2, 8, 8, 2)).astype(np.float32), draw((4, 8, 8, 2)).astype(np.float32)
    params = module.init(jax.random.key(0), x)

    def saliency(params, refs, key, x, target, index):
        options = {"method": "expected_gradcam", "num_samples": 4, "index": index}
        return egcam_jax.explain(params, module.apply, x, refs, key, target=target, **options).saliency

    noise = np.array(
        [
            [
                0.1 * jax.random.normal(jax.random.fold_in(jax.random.fold_in(KEY, 5 + i), s), (8, 8, 2))
                for s in range(3)
            ]
            for i in range(2)
        ]
    )
    one = jax.jit(saliency)
    norm = lambda a: float(np.sqrt((np.asarray(a, np.float64) ** 2).sum()))
    lipschitz, change = np.zeros((2, 3)), np.zeros((2, 3))
    for i in range(2):
        own = np.asarray(one(params, refs, key, x[i : i + 1], 1, 5 + i)[0])
        for s in range(3):
            other = np.asarray(one(params, refs, key, x[i : i + 1] + noise[i, s], 1, 5 + i)[0])
            lipschitz[i, s] = norm(own / own.max() - other / other.max()) / norm(noise[i, s])
            change[i, s] = norm(own - other) / norm(own)
    bound = jax.tree_util.Partial(saliency, params, refs, key)
    got = metrics.local_lipschitz(bound, x, KEY, target=1, num_samples=3, index=5)
    np.testing.assert_allclose(got.curve, lipschitz, rtol=2e-3)
    np.testing.assert_allclose(got.value, lipschitz.max(axis=1), rtol=2e-3)
    got = metrics.max_sensitivity(bound, x, target=1, perturbations=noise, index=np.array([5, 6]))
    np.testing.assert_allclose(got.curve, change, rtol=2e-3)
    still = metrics.max_sensitivity(bound, x, target=1, perturbations=0 * noise)
    np.testing.assert_array_equal(still.value, 0)
