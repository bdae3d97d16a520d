"""Which axes hold places and channels: followed from the image, not read off the shape."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from splitting_models import conv, images, weights

from egcam_jax import from_equinox
from egcam_jax.splitting import layers, split

CHANNELS = 4


def first(x):
    return jnp.transpose(x, (0, 3, 1, 2))


def last(x):
    return jnp.transpose(x, (0, 2, 3, 1))


def normal(x, axes):
    return (x - x.mean(axes, keepdims=True)) / jnp.sqrt(x.var(axes, keepdims=True) + 1e-5)


def grouped(x):
    b, k, h, w = x.shape
    return normal(x.reshape(b, 2, k // 2, h, w), (2, 3, 4)).reshape(b, k, h, w)


def grouped_flat(x):
    b, k, h, w = x.shape
    return normal(x.reshape(b, 2, k // 2 * h * w), (2,)).reshape(b, k, h, w)


def mapped_groups(x):
    return jax.vmap(lambda image: jax.vmap(lambda g: normal(g, (0, 1, 2)))(image.reshape(2, 2, *image.shape[1:])))(
        x
    ).reshape(x.shape)


def windows(x):
    """Windows of 2 x 2 places, as shifted-window transformers part an image, and back."""
    b, h, w, k = x.shape
    parts = x.reshape(b, h // 2, 2, w // 2, 2, k).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 4, k)
    parts = normal(parts, (1, 2)).reshape(b, h // 2, w // 2, 2, 2, k)
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(b, h, w, k)


def with_class_token(x):
    """To tokens with two others before them, mixed by attention, and back on the grid."""
    b, h, w, k = x.shape
    tokens = jnp.concatenate([jnp.ones((b, 2, k)), x.reshape(b, h * w, k)], 1)
    tokens = tokens + jax.nn.softmax(tokens @ tokens.swapaxes(1, 2)) @ tokens
    return tokens[:, 2:].reshape(b, h, w, k)


def shuffled(x):
    """Depth to space after space to depth: half the places and back."""
    b, h, w, k = x.shape
    deep = x.reshape(b, h // 2, 2, w // 2, 2, k).transpose(0, 1, 3, 2, 4, 5).reshape(b, h // 2, w // 2, 4 * k)
    deep = jnp.tanh(deep @ jnp.eye(4 * k)[::-1])
    return deep.reshape(b, h // 2, w // 2, 2, 2, k).transpose(0, 1, 3, 2, 4, 5).reshape(b, h, w, k)


KINDS = {
    "group norm": lambda x: last(grouped(first(x))),
    "group norm over flat groups": lambda x: last(grouped_flat(first(x))),
    "group norm under vmap": lambda x: last(mapped_groups(first(x))),
    "layer norm": lambda x: last(normal(first(x), (1, 2, 3))),
    "instance norm": lambda x: last(normal(first(x), (2, 3))),
    "width before height": lambda x: jnp.swapaxes(normal(jnp.swapaxes(x, 1, 2), (1, 2)), 1, 2),
    "windows": windows,
    "tokens": with_class_token,
    "space to depth": shuffled,
    "resized": lambda x: jax.image.resize(x, (x.shape[0], 6, 10, x.shape[3]), "linear"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["channels last", "channels first", "width before height"])
def test_a_value_has_its_places_and_channels_in_the_images_order(kind, order):
    moved = {"channels last": lambda x: x, "channels first": first, "width before height": lambda x: x.swapaxes(1, 2)}
    w, dense = weights((3, 3, 3, CHANNELS), (CHANNELS, 3))
    x = jax.random.normal(jax.random.key(2), (2, 4, 8, 3))
    plain = lambda w, x: KINDS[kind](conv(w, x))

    def network(params, x):
        with jax.named_scope("layer"):
            y = moved[order](plain(params[0], x))
        axes = [axis for axis in (1, 2, 3) if y.shape[axis] != CHANNELS]
        axes = (2, 3) if order == "channels first" else (1, 2)
        return jnp.tanh(y).mean(axes) @ params[1]

    expected = plain(w, x)
    assert layers(network, (w, dense), x)["layer"] == expected.shape[1:]
    pieces = split(network, (w, dense), x, "layer")
    np.testing.assert_allclose(pieces.features((w, dense), x), expected, rtol=1e-4, atol=1e-4)
    gradient = jax.grad(lambda a: pieces.head((w, dense), a)[:, 1].sum())(expected)
    by_hand = (1 - jnp.tanh(expected) ** 2) * dense[:, 1] / (expected.shape[1] * expected.shape[2])
    np.testing.assert_allclose(gradient, by_hand, rtol=1e-3, atol=1e-5)


def test_equinox_group_norm_has_its_channels_last_and_the_gradient_by_hand():
    class Net(eqx.Module):
        conv: eqx.nn.Conv2d
        norm: eqx.nn.GroupNorm
        dense: eqx.nn.Linear

        def __call__(self, x):
            return self.dense(jax.nn.relu(self.norm(self.conv(x))).mean((1, 2)))

    keys = jax.random.split(jax.random.key(0), 2)
    net = Net(eqx.nn.Conv2d(3, 24, 3, 2, key=keys[0]), eqx.nn.GroupNorm(4, 24), eqx.nn.Linear(24, 5, key=keys[1]))
    params, apply_fn = from_equinox(net)
    x = images(size=9)
    assert layers(apply_fn, params, x)["norm"] == (4, 4, 24)
    pieces = split(apply_fn, params, x)
    expected = jax.vmap(lambda image: jax.nn.relu(net.norm(net.conv(jnp.moveaxis(image, -1, 0)))))(x)
    np.testing.assert_allclose(pieces.features(params, x), jnp.moveaxis(expected, 1, -1), rtol=1e-4, atol=1e-5)
    gradient = jax.grad(lambda a: pieces.head(params, a)[:, 2].sum())(pieces.features(params, x))
    np.testing.assert_allclose(gradient, jnp.broadcast_to(net.dense.weight[2] / 16, gradient.shape), rtol=1e-4)


def adaptive(x):
    """As Equinox pools adaptively: one axis after the other."""
    return x.reshape(*x.shape[:2], 1, -1, x.shape[3]).mean(3).reshape(*x.shape[:2], 1, x.shape[3]).mean(1)[:, 0]


def staged(x):
    x = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 1, x.shape[2], 1), (1, 1, 1, 1), "VALID")
    x = 2 * x
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, x.shape[1], 1, 1), (1, 1, 1, 1), "VALID")[:, 0, 0]


def kept(x):
    rows = jnp.tanh(x.mean(2, keepdims=True))
    return jnp.tanh(rows.max(1, keepdims=True))[:, 0, 0]


def transposed(x):
    return jnp.tanh(first(x).mean(3)).swapaxes(1, 2).mean(1)


@pytest.mark.parametrize("pool", [adaptive, staged, kept, transposed])
def test_the_automatic_choice_lost_no_spatial_axis(pool):
    params = weights((3, 3, 3, CHANNELS), (CHANNELS, 5))

    def network(params, x):
        with jax.named_scope("act"):
            y = jax.nn.relu(conv(params[0], x))
        with jax.named_scope("pool"):
            y = pool(y)
        return y @ params[1]

    pieces = split(network, params, images())
    assert pieces.layer == "act"
    np.testing.assert_allclose(
        pieces.features(params, images()), jax.nn.relu(conv(params[0], images())), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    "gather",
    [
        lambda scores: scores.mean((1, 2)),
        lambda scores: scores[:, 3, 4],
        lambda scores: jax.image.resize(jax.nn.sigmoid(scores), (scores.shape[0], 16, 16, 5), "linear").max((1, 2)),
    ],
)
def test_the_automatic_choice_is_no_map_of_the_logits(gather):
    params = weights((3, 3, 3, CHANNELS), (3, 3, CHANNELS, 6), (1, 1, 6 + CHANNELS, 5))

    def unet(params, x):
        skip = jax.nn.relu(conv(params[0], x))
        down = jax.nn.relu(conv(params[1], skip[:, ::2, ::2]))
        with jax.named_scope("decoder"):
            up = jnp.concatenate([jnp.repeat(jnp.repeat(down, 2, 1), 2, 2), skip], -1)
        with jax.named_scope("scores"):
            scores = conv(params[2], up)
        return gather(scores)

    pieces = split(unet, params, images())
    assert pieces.layer == "decoder"
    assert layers(unet, params, images())["decoder"] == (8, 8, 6 + CHANNELS)


def test_rows_alone_are_no_tokens():
    def network(params, x):
        with jax.named_scope("act"):
            y = jax.nn.relu(conv(params[0], x))
        with jax.named_scope("rows"):
            y = jnp.tanh(y.mean(2))
        return y.mean(1) @ params[1]

    params = weights((3, 3, 3, CHANNELS), (CHANNELS, 5))
    assert layers(network, params, images()) == {"act": (8, 8, CHANNELS)}
    with pytest.raises(ValueError, match="layer='rows': its value has neither a spatial grid"):
        split(network, params, images(), "rows")
