"""MPRT: the layers that lose their weights, and what the similarity makes of it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from egcam_jax import metrics
from egcam_jax.metrics.randomisation import _members, _shuffled

PARAMS = {
    "params": {
        "first": {"kernel": jnp.arange(48.0).reshape(48, 1) ** 0.5 * jnp.ones((1, 5)), "bias": jnp.zeros(5)},
        "out": {"kernel": jnp.arange(15.0).reshape(5, 3) - 4},
    }
}


def saliency(params, x, target):
    """Input times gradient of a small network."""

    def score(x):
        hidden = jnp.tanh(x.reshape(len(x), -1) @ params["params"]["first"]["kernel"] / 20)
        logits = hidden @ params["params"]["out"]["kernel"]
        return jnp.take_along_axis(logits, target[:, None], axis=1).sum()

    return (jax.grad(score)(x) * x).sum(axis=-1)


def images(count=2):
    return np.random.default_rng(0).standard_normal((count, 4, 4, 3)).astype(np.float32)


def test_a_layer_is_the_arrays_below_its_name():
    assert _members(PARAMS, ["out", "first", "params/first", "first/bias", "params"]) == [
        frozenset({2}),
        frozenset({0, 1}),
        frozenset({0, 1}),
        frozenset({0}),
        frozenset({0, 1, 2}),
    ]
    with pytest.raises(ValueError, match=r"layers: 'fist' is not in params\. Did you mean"):
        _members(PARAMS, ["fist"])
    with pytest.raises(ValueError, match="layers must be a sequence of names"):
        metrics.mprt(saliency, PARAMS, images(), jax.random.key(0), layers="out", target=0)


def test_weights_are_lost_and_their_distribution_is_kept():
    shuffled = _shuffled(PARAMS, frozenset({1}), jax.random.key(0))
    before, after = (np.asarray(it["params"]["first"]["kernel"]) for it in (PARAMS, shuffled))
    assert (before != after).mean() > 0.8
    np.testing.assert_array_equal(np.sort(before.ravel()), np.sort(after.ravel()))
    np.testing.assert_array_equal(shuffled["params"]["out"]["kernel"], PARAMS["params"]["out"]["kernel"])


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("similarity", ["pearson", "spearman"])
@pytest.mark.parametrize("cascading", [True, False])
def test_equal_to_explaining_with_the_weights_lost(cascading, similarity, absolute):
    x, target, key, layers = images(), jnp.array([0, 2]), jax.random.key(1), ("out", "first")
    options = {"cascading": cascading, "similarity": similarity, "absolute": absolute}
    got = metrics.mprt(saliency, PARAMS, x, key, layers=layers, target=target, **options)
    own, now = np.asarray(saliency(PARAMS, x, target)), PARAMS
    for number, members in enumerate(_members(PARAMS, layers)):
        now = _shuffled(now if cascading else PARAMS, members, jax.random.fold_in(key, number))
        other = np.asarray(saliency(now, x, target))
        size = np.abs if absolute else np.asarray
        alike = getattr(scipy.stats, f"{similarity}r")
        want = [alike(size(a).ravel(), size(b).ravel()).statistic for a, b in zip(own, other)]
        np.testing.assert_allclose(got.curve[:, number], want, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got.value, np.mean(got.curve, axis=1), rtol=1e-6)
    assert got.evaluations == 3


def test_a_map_of_the_image_alone_stays_and_a_map_of_the_weights_goes():
    edges = lambda params, x, target: jnp.abs(jnp.diff(x.sum(-1), axis=1, prepend=0))
    x, options = images(6), {"layers": ("out", "first"), "target": 1}
    stays = metrics.mprt(edges, PARAMS, x, jax.random.key(2), **options).value
    np.testing.assert_allclose(stays, 1, rtol=1e-6)
    goes = metrics.mprt(saliency, PARAMS, x, jax.random.key(2), **options).value
    assert (goes < 0.99).all()


def test_constant_maps_are_left_out_and_where_all_are_the_value_is_undefined():
    vanishing = lambda params, x, target: x[..., 0] * (params["params"]["out"]["kernel"][0, 0] == -4)
    options = {"layers": ("first", "out"), "target": 0}
    got = metrics.mprt(vanishing, PARAMS, images(), jax.random.key(3), **options)
    np.testing.assert_allclose(got.curve[:, 0], 1, rtol=1e-6)
    assert np.isnan(got.curve[:, 1]).all()
    np.testing.assert_allclose(got.value, 1, rtol=1e-6)
    flat = metrics.mprt(lambda params, x, target: 0 * x[..., 0], PARAMS, images(), jax.random.key(3), **options)
    assert np.isnan(flat.value).all()


def weights_as_the_map(params, x, target):
    """The first layer's weights are the map, whatever the image."""
    return jnp.broadcast_to(params["first"], (len(x), 2, 2))


def test_by_hand_four_weights_are_the_map():
    """Of four ranks the correlation is ``1 - sum d^2 / 10``; where no weights are lost it is 1."""
    params = {"first": jnp.array([[1.0, 2], [3, 4]]), "out": jnp.arange(9.0)}
    options = {"layers": ("out", "first"), "target": 0}
    places = np.array(list(itertools.permutations(range(4))))
    possible = set(np.round(1 - ((places - np.arange(4)) ** 2).sum(axis=1) / 10, 5))
    score = jax.jit(
        lambda key: metrics.mprt(weights_as_the_map, params, np.ones((2, 2, 2, 1), np.float32), key, **options)
    )
    curves = np.array([score(jax.random.key(seed)).curve for seed in range(60)])
    np.testing.assert_allclose(curves[..., 0], 1, rtol=1e-6)
    np.testing.assert_array_equal(curves[:, 0], curves[:, 1])  # the same permutation for all images
    lost = np.round(curves[:, 0, 1].astype(float), 5)
    assert set(lost) <= possible
    assert len(set(lost)) > 5
    # over all permutations of n = 4 the mean is 0 and the variance 1 / (n - 1)
    assert abs(lost.mean()) < 3 * (1 / 3 / 60) ** 0.5
    assert abs(lost.std() - 3**-0.5) < 0.15


def test_only_absolute_values_do_not_see_a_map_turned_round():
    """Two signs lose their places, and the map turns round or not: 1 or -1, without signs 1 always."""
    params = {"sign": jnp.array([1.0, -1])}
    turned = lambda params, x, target: params["sign"][0] * x[..., 0]
    x, seen = images(1)[0], set()
    for seed in range(8):
        options = {"layers": ("sign",), "target": 0, "similarity": "pearson"}
        value, size = (
            float(metrics.mprt(turned, params, x, jax.random.key(seed), absolute=absolute, **options).value)
            for absolute in (False, True)
        )
        seen.add(round(value, 4))
        assert abs(size - 1) < 1e-5
    assert seen == {-1, 1}


def test_layers_that_follow_keep_the_lost_weights_of_the_first_only_when_cascading():
    """The map is of the first to go; as the second goes it is as lost as before, or whole again."""
    params = {"first": jnp.arange(4.0).reshape(2, 2), "out": jnp.arange(9.0)}
    x, options = np.ones((2, 2, 1), np.float32), {"layers": ("first", "out"), "target": 0}
    key = next(  # a key whose permutation moves something
        key
        for key in map(jax.random.key, range(9))
        if metrics.mprt(weights_as_the_map, params, x, key, **options).curve[0] < 0.9
    )
    together = metrics.mprt(weights_as_the_map, params, x, key, **options)
    apart = metrics.mprt(weights_as_the_map, params, x, key, cascading=False, **options)
    assert together.curve[0] == together.curve[1] == apart.curve[0]
    np.testing.assert_allclose(apart.curve[1], 1, rtol=1e-6)
    np.testing.assert_allclose(apart.value, (apart.curve[0] + 1) / 2, rtol=1e-6)


def test_arrays_of_a_layer_and_layers_are_shuffled_apart():
    """Four alike: two of one layer and one of another, shuffled in three ways; the fourth stays."""
    alike = {"a": {"w": jnp.arange(50.0), "v": jnp.arange(50.0)}, "b": [jnp.arange(50.0), jnp.arange(50.0)]}
    seen = lambda params, x, target: jnp.stack([params["a"]["w"], params["a"]["v"], *params["b"]])[None]
    x, got = np.ones((4, 50, 1), np.float32), {}

    def row(number):
        return lambda params, x, target: seen(params, x, target)[:, number : number + 1]

    for number in range(4):
        one = metrics.mprt(row(number), alike, x, jax.random.key(0), layers=("a", "b/0"), target=0)
        got[number] = tuple(np.round(np.asarray(one.curve, float), 4))
    lost = [got[0][0], got[1][0], got[2][1]]
    assert len(set(lost)) == 3
    assert max(map(abs, lost)) < 0.6
    assert got[2][0] == 1
    assert got[3] == (1, 1)


def test_a_map_that_is_not_finite_is_like_no_other():
    gone = lambda params, x, target: jnp.where(params["out"][0] == 0, x[..., 0], jnp.nan)
    params = {"first": jnp.arange(4.0), "out": jnp.arange(9.0)}
    for similarity in ("spearman", "pearson"):
        options = {"layers": ("first", "out"), "target": 0, "similarity": similarity}
        got = metrics.mprt(gone, params, images(1)[0], jax.random.key(0), **options)
        np.testing.assert_array_equal(np.isnan(got.curve), [False, True])
        np.testing.assert_allclose(got.value, 1, rtol=1e-6)
        never = lambda params, x, target: x[..., 0].at[:, 0, 0].set(jnp.inf)
        assert np.isnan(metrics.mprt(never, params, images(1)[0], jax.random.key(0), **options).value)


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": None}, "^target is None"),
        ({"layers": ()}, "^layers must be a sequence"),
        ({"similarity": "kendall"}, "^similarity must be one of"),
        ({"key": None}, "^key is None"),
        ({"chunk_size": 0}, "^chunk_size must be"),
    ],
)
def test_bad_input_is_named(changes, message):
    given = {"x": images(), "key": jax.random.key(0), "layers": ("out",), "target": 0} | changes
    with pytest.raises(ValueError, match=message):
        metrics.mprt(saliency, PARAMS, **given)


def test_one_trace_for_all_layers():
    traces = []

    def counted(params, x, target):
        traces.append(1)
        return saliency(params, x, target)

    metrics.mprt(counted, PARAMS, images(), jax.random.key(0), layers=("out", "first", "params"), target=0)
    assert len(traces) == 1


def test_parameters_can_be_given_in_place_of_a_key_and_layers():
    x, key, target = images(), jax.random.key(5), np.array([0, 2])
    drawn = metrics.mprt(saliency, PARAMS, x, key, layers=("out", "first"), target=target)
    once = _shuffled(PARAMS, frozenset({2}), jax.random.fold_in(key, 0))
    twice = _shuffled(once, frozenset({0, 1}), jax.random.fold_in(key, 1))
    given = metrics.mprt(saliency, PARAMS, x, target=target, perturbations=[once, twice])
    np.testing.assert_allclose(given.curve, drawn.curve, rtol=1e-6)
    assert given.evaluations == drawn.evaluations == 3
    ask = lambda **options: metrics.mprt(saliency, PARAMS, x, target=target, **options)
    with pytest.raises(ValueError, match="number 1 has other leaves"):
        ask(perturbations=[once, {"params": PARAMS["params"]["out"]}])
    with pytest.raises(ValueError, match="at least one step"):
        ask(perturbations=[])
    with pytest.raises(ValueError, match="layers is None, and so is perturbations"):
        ask()
