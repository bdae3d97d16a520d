"""MPRT: the layers that lose their weights, and what the similarity makes of it."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from egcam_jax import metrics
from egcam_jax.metrics._layers import Loss, losses
from egcam_jax.metrics.mprt import _shuffled

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


def lost(layers, function=lambda params: saliency(params, images(), jnp.array([0, 2])), params=PARAMS):
    return losses(params, layers, function)


def members(layers, *rest):
    return [{loss.number for loss in found} for found in lost(layers, *rest)]


@pytest.mark.usefixtures("unannotated")
def test_a_layer_is_the_arrays_below_its_key_where_there_are_no_scopes():
    assert members(["out", "first", "params/first", "first/bias", "params"]) == [{2}, {0, 1}, {0, 1}, {0}, {0, 1, 2}]
    with pytest.raises(ValueError, match=r"layers must be names of layers with parameters; got 'fist'\. Did you mean"):
        lost(["fist"])
    with pytest.raises(ValueError, match=r"must name one layer each; got 'kernel', which could be"):
        lost(["kernel"])
    with pytest.raises(ValueError, match="layers must be a sequence of names"):
        metrics.mprt(saliency, PARAMS, images(), jax.random.key(0), layers="out", target=0)


@pytest.mark.usefixtures("unannotated")
def test_a_layer_is_the_arrays_that_its_scope_uses_first():
    params = {
        "b": jnp.ones((3, 2)),
        "a": jnp.ones(2),
        "unused": jnp.ones(3),
        "late": jnp.ones((2, 2)),
        "n": jnp.arange(2),
    }

    @jax.jit
    def body(params, x):
        with jax.named_scope("block"):
            with jax.named_scope("dense"):
                x = x @ params["b"].astype(x.dtype) + params["a"]
            with jax.named_scope("again"):
                x = x * params["a"] + params["n"]
        return x

    def function(params):
        params = {key: params[key] * 1 if key in "abn" else params[key] for key in params}  # outside of all scopes
        x = jax.vmap(lambda x: jax.checkpoint(body)(params, x))(jnp.ones((4, 3)))
        with jax.named_scope("head"):
            return jax.lax.scan(lambda x, _: (x @ params["late"].T, None), x, None, length=2)[0]

    numbers = {key: place for place, key in enumerate(sorted(params))}
    found = members(["head", "dense", "block", "block/dense", "unused"], function, params)
    dense = {numbers["a"], numbers["b"]}
    assert found == [{numbers["late"]}, dense, dense, dense, {numbers["unused"]}]
    orders = {loss.number: loss.axes for found in lost(["head", "block"], function, params) for loss in found}
    assert orders == {numbers["late"]: (1, 0), numbers["a"]: (0,), numbers["b"]: (0, 1)}
    with pytest.raises(ValueError, match="got 'again'"):
        lost(["again"], function, params)


def stacked(params, x, target, unroll):
    """Three blocks under a loop over stacked weights, or one by one: input times gradient."""

    def block(x, weights):
        with jax.named_scope("dense"):
            y = jnp.tanh(x @ weights["kernel"] + weights["bias"])
        with jax.named_scope("add"):
            return x + y, None

    def score(x):
        h = x.reshape(len(x), -1)
        with jax.named_scope("blocks"):
            if unroll:
                for number in range(3):
                    with jax.named_scope(str(number)):
                        h, _ = block(h, {key: leaf[number] for key, leaf in params.items()})
            else:
                h, _ = jax.lax.scan(block, h, params)
        return h[:, target[0]].sum()

    return (jax.grad(score)(x) * x).sum(axis=-1)


def test_steps_of_a_loop_over_layers_lose_their_weights_one_by_one():
    draw = np.random.default_rng(1)
    params = {
        "kernel": draw.standard_normal((3, 48, 48), np.float32) / 7,
        "bias": draw.standard_normal((3, 48), np.float32),
    }
    ask = lambda unroll, layers: metrics.mprt(
        functools.partial(stacked, unroll=unroll), params, images(), jax.random.key(0), layers=layers, target=1
    )
    layers = ("blocks/2", "blocks/1/dense", "blocks/0")
    np.testing.assert_allclose(ask(False, layers).curve, ask(True, layers).curve, rtol=1e-3, atol=1e-4)
    apart = [
        loss[:2] for loss in losses(params, ["blocks/1"], lambda p: stacked(p, images(), jnp.array([1]), False))[0]
    ]
    assert sorted(apart) == [(0, 1), (1, 1)]


@pytest.mark.parametrize(
    ("shape", "matrix"),
    [
        ((1, 1, 3, 6), lambda w: w[0][0]),  # one axis after the other
        ((1, 1, 3, 6), lambda w: w[0, 0]),
        ((6, 3, 1, 1), lambda w: w[:, :, 0, 0].T),  # PyTorch's layout
        ((3, 1, 6), lambda w: w[:, 0]),
    ],
)
def test_axes_of_length_one_that_the_network_drops_do_not_change_what_is_shuffled(shape, matrix):
    """The kernel of a 1 x 1 convolution, used as a matrix, loses the weights that the matrix loses."""
    weights = np.random.default_rng(3).standard_normal((3, 6)).astype(np.float32)
    back = lambda array: np.asarray(array.T if shape[0] == 6 else array).reshape(shape)

    def use(params):
        with jax.named_scope("layer"):
            return jnp.ones((2, 3)) @ matrix(params["w"])

    params = {"w": back(weights)}
    (found,) = losses(params, ["layer"], use)
    assert [loss.step for loss in found] == [None]  # an axis of length 1 is no stack of layers
    got = _shuffled(params, found, jax.random.key(0))["w"]
    plain = _shuffled({"w": weights}, [Loss(0, None, 0, (0, 1))], jax.random.key(0))["w"]
    assert not np.array_equal(plain, weights)
    np.testing.assert_array_equal(matrix(got), plain)


def test_weights_are_lost_and_their_distribution_is_kept():
    shuffled = _shuffled(PARAMS, [Loss(1, None, 0, (0, 1))], jax.random.key(0))
    before, after = (np.asarray(it["params"]["first"]["kernel"]) for it in (PARAMS, shuffled))
    assert (before != after).mean() > 0.8
    np.testing.assert_array_equal(np.sort(before.ravel()), np.sort(after.ravel()))
    np.testing.assert_array_equal(shuffled["params"]["out"]["kernel"], PARAMS["params"]["out"]["kernel"])
    turned = {
        "params": {"first": {"kernel": PARAMS["params"]["first"]["kernel"].T, "bias": 0.0}, "out": {"kernel": 0.0}}
    }
    other = _shuffled(turned, [Loss(1, None, 0, (1, 0))], jax.random.key(0))
    np.testing.assert_array_equal(other["params"]["first"]["kernel"].T, after)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("similarity", ["pearson", "spearman"])
@pytest.mark.parametrize("cascading", [True, False])
def test_equal_to_explaining_with_the_weights_lost(cascading, similarity, absolute):
    x, target, key, layers = images(), jnp.array([0, 2]), jax.random.key(1), ("out", "first")
    options = {"cascading": cascading, "similarity": similarity, "absolute": absolute}
    got = metrics.mprt(saliency, PARAMS, x, key, layers=layers, target=target, **options)
    own, now = np.asarray(saliency(PARAMS, x, target)), PARAMS
    for number, arrays in enumerate(lost(layers)):
        now = _shuffled(now if cascading else PARAMS, arrays, jax.random.fold_in(key, number))
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


def test_layers_and_their_parts_are_shuffled_apart():
    """Five alike: two of one part share their order, other parts and other layers have their own; the last stays."""
    alike = {"a": {"x": {"w": jnp.arange(50.0), "v": jnp.arange(50.0)}, "y": {"w": jnp.arange(50.0)}}}
    alike["b"] = {"w": jnp.arange(50.0)}
    alike["c"] = {"w": jnp.arange(50.0)}
    x = np.ones((4, 50, 1), np.float32)
    all_of = lambda params: jnp.stack(jax.tree.leaves(params))
    row = lambda number: lambda params, x, target: jnp.broadcast_to(all_of(params)[number], (1, 4, 50))
    ask = lambda number: metrics.mprt(row(number), alike, x, jax.random.key(0), layers=("a", "b"), target=0).curve
    orders = [tuple(np.round(np.asarray(ask(number), float), 4)) for number in range(5)]
    assert orders[0] == orders[1]
    assert len({orders[0][0], orders[2][0], orders[3][1]}) == 3
    assert max(abs(value) for value in (orders[0][0], orders[2][0], orders[3][1])) < 0.6
    assert orders[3][0] == 1
    assert orders[4] == (1, 1)


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
        ({"target": None}, "^target must be a class"),
        ({"layers": ()}, "^layers must be a sequence"),
        ({"similarity": "kendall"}, "^similarity must be one of"),
        ({"key": None}, "^key must be a PRNG key"),
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


@pytest.mark.usefixtures("unannotated")
def test_parameters_can_be_given_in_place_of_a_key_and_layers():
    x, key, target = images(), jax.random.key(5), np.array([0, 2])
    drawn = metrics.mprt(saliency, PARAMS, x, key, layers=("out", "first"), target=target)
    out, first = lost(["out", "first"])
    once = _shuffled(PARAMS, out, jax.random.fold_in(key, 0))
    twice = _shuffled(once, first, jax.random.fold_in(key, 1))
    given = metrics.mprt(saliency, PARAMS, x, target=target, perturbations=[once, twice])
    np.testing.assert_allclose(given.curve, drawn.curve, rtol=1e-6)
    assert given.evaluations == drawn.evaluations == 3
    ask = lambda **options: metrics.mprt(saliency, PARAMS, x, target=target, **options)
    with pytest.raises(ValueError, match="number 1 has other leaves"):
        ask(perturbations=[once, {"params": PARAMS["params"]["out"]}])
    with pytest.raises(ValueError, match="at least one step"):
        ask(perturbations=[])
    with pytest.raises(ValueError, match="layers must be names of layers where perturbations is None"):
        ask()
