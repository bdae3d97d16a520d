"""What the two halves compute: the network's logits and its derivatives, for every layer that can be named."""

import collections
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from splitting_models import case, conv, images, plain, plain_params

import egcam_jax
from egcam_jax.splitting import Split, _cut, layers, split

NETWORKS = [
    "plain",
    "plain_jit",
    "plain_remat",
    "channels_first",
    "resnet",
    "resnet_remat",
    "resnet_jit",
    "vgg",
    "looped",
    "vit_grid",
]


@pytest.mark.parametrize("name", NETWORKS)
def test_head_of_features_is_the_network_at_every_layer(name):
    apply_fn, params, x = case(name)
    expected = jax.jit(apply_fn)(params, x)
    known = layers(apply_fn, params, x)
    assert known
    pieces = {layer: split(apply_fn, params, x, layer) for layer in known}
    for layer, results in run_all(pieces, params, x).items():
        assert pieces[layer].layer == layer
        activations, *logits = results
        assert activations.shape == (x.shape[0], *known[layer]), layer
        for each in logits:
            np.testing.assert_allclose(each, expected, rtol=1e-5, atol=1e-5, err_msg=layer)


def run_all(pieces, params, x):
    """For each split the activations, the head's logits, and those by way of the bypass: one compilation for all."""

    def run(each):
        activations = each.features(params, x)
        if each.bypass is None:
            return activations, each.head(params, activations)
        again, carried = each.bypass(params, x)
        assert all(leaf.shape[0] == x.shape[0] for leaf in jax.tree.leaves(carried))
        return activations, each.head(params, activations), each.head(params, again, carried)

    return jax.jit(lambda: {layer: run(each) for layer, each in pieces.items()})()


def test_features_are_the_values_that_the_network_computes():
    params, x = plain_params(), images()
    stem = np.maximum(conv(params["stem"], x), 0)
    inner = conv(params["inner"], stem)
    for layer, value in (("stem", stem), ("inner", inner), ("merged", np.tanh(inner + stem)), ("block", None)):
        value = np.tanh(inner + stem) if value is None else value
        np.testing.assert_allclose(split(plain, params, x, layer).features(params, x), value, rtol=1e-5, atol=1e-6)


def test_gradient_at_a_bypassed_layer_holds_what_goes_around_it_constant():
    params, x = plain_params(), images()
    pieces = split(plain, params, x, "block/inner")
    activations, carried = pieces.bypass(params, x)
    gradient = jax.grad(lambda a: pieces.head(params, a, carried)[:, 2].sum())(activations)
    stem = np.maximum(np.asarray(conv(params["stem"], x)), 0)
    merged = np.tanh(np.asarray(activations) + stem)
    by_hand = (1 - merged**2) * np.asarray(params["dense"])[:, 2] / (x.shape[1] * x.shape[2])
    np.testing.assert_allclose(gradient, by_hand, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(carried[0].reshape(stem.shape), stem, rtol=1e-5, atol=1e-6)


def test_x_itself_is_carried_where_it_is_used_again():
    def twice(w, x):
        with jax.named_scope("first"):
            a = conv(w, x)
        return (a * x.sum(-1, keepdims=True)).mean((1, 2))

    w, x = plain_params()["stem"], images()
    pieces = split(twice, w, x, "first")
    activations, carried = pieces.bypass(w, x)
    gradient = jax.grad(lambda a: pieces.head(w, a, carried)[:, 1].sum())(activations)
    np.testing.assert_allclose(gradient[..., 1], np.asarray(x).sum(-1) / 64, rtol=1e-5, atol=1e-6)
    assert not np.any(gradient[..., 0])


def test_integers_that_depend_on_x_are_carried():
    def ranked(w, x):
        order = jnp.argsort(x.reshape(x.shape[0], -1).sum(-1, keepdims=True) + jnp.arange(4), axis=-1)
        with jax.named_scope("first"):
            a = conv(w, x)
        return jnp.take_along_axis(a.mean((1, 2)), order, axis=-1)

    w, x = plain_params()["stem"], images()
    pieces = split(ranked, w, x, "first")
    activations, carried = pieces.bypass(w, x)
    np.testing.assert_allclose(pieces.head(w, activations, carried), ranked(w, x), rtol=1e-6)


def test_relu_keeps_its_derivative_at_zero():
    # jax.nn.relu defines it as 0 by a custom rule; the max inside of it would give 1/2.
    pieces = split(lambda w, x: jax.nn.relu(checkpointed(w, x)).mean((1, 2)), 1.0, images(), "linear")
    gradient = jax.grad(lambda a: pieces.head(1.0, a).sum())(jnp.zeros((2, 8, 8, 3)))
    assert not np.any(gradient)


def checkpointed(w, x):
    with jax.named_scope("linear"):
        return jax.lax.conv_general_dilated(
            x, w * jnp.eye(3)[None, None], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )


@pytest.mark.parametrize("name", ["plain", "resnet", "resnet_remat", "looped", "vgg"])
def test_gradients_with_respect_to_params_flow_through_both_halves(name):
    apply_fn, params, x = case(name)
    layer = {"plain": "inner", "vgg": "features/conv1"}.get(name, "stem")
    pieces = split(apply_fn, params, x, layer)

    def whole(params):
        return (apply_fn(params, x) ** 2).sum()

    def halves(params):
        activations, carried = pieces.bypass(params, x) if pieces.bypass else (pieces.features(params, x), ())
        return (pieces.head(params, activations, carried) ** 2).sum()

    for a, b in zip(*map(jax.tree.leaves, (jax.jit(jax.grad(halves))(params), jax.jit(jax.grad(whole))(params)))):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_an_image_never_sees_its_batch_even_in_training_mode():
    apply_fn, params, x = case("resnet_train")
    pieces = split(apply_fn, params, x)
    together = pieces.head(params, pieces.features(params, x))
    alone = jnp.concatenate([apply_fn(params, x[i : i + 1]) for i in range(2)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    assert np.abs(together - apply_fn(params, x)).max() > 1e-2


def test_channels_first_activations_come_out_channels_last():
    apply_fn, params, x = case("channels_first")
    assert layers(apply_fn, params, x) == {"conv": (3, 5, 4), "act": (3, 5, 4)}
    pieces = split(apply_fn, params, x)
    assert pieces.layer == "act"
    by_hand = jax.lax.conv_general_dilated(
        jnp.transpose(x, (0, 3, 1, 2)), params["conv"], (1, 1), "VALID", dimension_numbers=("NCHW", "OIHW", "NCHW")
    )
    np.testing.assert_allclose(
        pieces.features(params, x), np.maximum(np.moveaxis(np.asarray(by_hand), 1, -1) * 2 + 1, 0), rtol=1e-5
    )


def test_any_batch_size_and_a_shape_alone_will_do():
    apply_fn, params, _ = case("resnet")
    pieces = split(apply_fn, params, jax.ShapeDtypeStruct((7, 8, 8, 3), jnp.float32))
    more = images(3)
    np.testing.assert_allclose(
        pieces.head(params, pieces.features(params, more)), apply_fn(params, more), rtol=1e-5, atol=1e-5
    )


def test_the_function_is_called_once():
    calls = []

    def counted(params, x):
        calls.append(x.shape)
        return plain(params, x)

    pieces = split(counted, plain_params(), images(), "inner")
    assert calls == [(1, 8, 8, 3)]
    pieces.head(plain_params(), pieces.features(plain_params(), images()))
    assert len(calls) == 1


def test_a_split_by_hand_is_accepted_as_it_is():
    by_hand = Split(lambda p, x: x * p, lambda p, a: a.mean((1, 2)))
    assert split(by_hand, 2.0, images()) is by_hand
    assert by_hand.layer == "split by hand"
    assert layers(by_hand, 2.0, images()) == {"split by hand": (8, 8, 3)}
    assert hash(by_hand) == hash(Split(by_hand.features, by_hand.head))
    assert by_hand == Split(by_hand.features, by_hand.head)
    with pytest.raises(ValueError, match=r"a Split is already cut .*Leave layer out"):
        split(by_hand, 2.0, images(), "stem")
    # The check of annotations, which is on in tests, comes before the class's own: call that one directly.
    wrong = object.__new__(Split)
    for name, value in (("features", by_hand.features), ("head", 3), ("bypass", None), ("layer", "")):
        object.__setattr__(wrong, name, value)
    with pytest.raises(TypeError, match="`head` must be a function, got int"):
        wrong.__post_init__()


def test_remat_stays_whole_where_the_layer_can_be_seen_without_opening_it():
    apply_fn, params, x = case("resnet_remat")
    around = jax.make_jaxpr(split(apply_fn, params, x, "stem").head)(params, jnp.ones((1, 8, 8, 4)))
    assert str(around).count("checkpoint") + str(around).count("remat") >= 2
    inside = split(apply_fn, params, x, "layer2/conv1")
    np.testing.assert_allclose(
        inside.head(params, inside.features(params, x)), apply_fn(params, x), rtol=1e-5, atol=1e-5
    )


@jax.custom_vjp
def straight(y):
    """Tanh whose derivative is 2, by its own rule."""
    return jnp.tanh(y)


straight.defvjp(lambda y: (jnp.tanh(y), None), lambda _, cotangent: (2 * cotangent,))


def test_custom_derivatives_and_control_flow_keep_their_meaning():
    def network(w, x):
        with jax.named_scope("conv"):
            y = conv(w, x)
        with jax.named_scope("straight"):
            y = straight(y)
        with jax.named_scope("doubled"):
            y = jax.lax.fori_loop(0, 3, lambda _, y: 2 * y, y)
        with jax.named_scope("signed"):
            y = jax.lax.cond(y.sum() > 0, lambda y: y, lambda y: -y, y)
        return y.mean((1, 2))

    w, x = plain_params()["stem"], images(1)
    assert list(layers(network, w, x)) == ["conv", "straight", "doubled", "signed"]
    pieces = split(network, w, x, "conv")
    activations = pieces.features(w, x)
    gradient = jax.grad(lambda a: pieces.head(w, a)[:, 1].sum())(activations)
    sign = np.sign(np.tanh(np.asarray(activations)).sum())
    np.testing.assert_allclose(gradient[..., 1], np.full((1, 8, 8), sign * 2 * 8 / 64), rtol=1e-6)
    np.testing.assert_allclose(pieces.head(w, activations), network(w, x), rtol=1e-5, atol=1e-6)


def test_each_half_is_traced_once_however_often_it_is_used(monkeypatch):
    """The network's equations are carried out once for each half, under maps, derivatives and loops too."""
    counts = collections.Counter()
    carried_out = _cut.apply

    def counted(step, operands):
        counts[step.name] += 1
        return carried_out(step, operands)

    monkeypatch.setattr(_cut, "apply", counted)
    params, x = plain_params(), images()
    options = {"num_samples": 6, "chunk_size": 4, "layer": "merged"}
    for method in ("gradcam", "expected_gradcam", "smooth_gradcam++", "integrated_gradcam"):
        counts.clear()
        explain = functools.partial(egcam_jax.explain, params, plain, method=method, **options)
        jax.make_jaxpr(explain)(x, -x, jax.random.key(0))
        assert (counts["conv_general_dilated"], counts["dot_general"]) == (2, 1), method


def test_what_the_function_closes_over_is_in_the_program_once():
    params, x = plain_params(), images()
    dense = jax.random.normal(jax.random.key(9), (4, 5))
    pieces = split(lambda p, x: plain({**p, "dense": dense}, x), params, x)
    activations = pieces.features(params, x)
    both = lambda a: pieces.head(params, a) + jax.vmap(lambda b: pieces.head(params, b[None])[0])(a)
    np.testing.assert_allclose(both(activations), 2 * activations.mean((1, 2)) @ dense, rtol=1e-5, atol=1e-6)
    closed = jax.make_jaxpr(both)(activations)
    assert sum(getattr(const, "shape", ()) == dense.shape for const in closed.consts) <= 1
