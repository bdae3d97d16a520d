"""The automatic choice of the layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from splitting_models import case, conv, images, plain_params, pool, weights

from egcam_jax.splitting import layers, split


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("vgg", "features"),
        ("resnet", "layer2"),
        ("resnet_remat", "layer2"),
        ("resnet_jit", "layer2"),
        ("plain", "block"),
        ("plain_remat", "block"),
        ("channels_first", "act"),
        ("vit_grid", "grid"),
    ],
)
def test_the_last_activation_that_everything_goes_through(name, layer):
    pieces = split(*case(name))
    assert pieces.layer == layer
    assert pieces.bypass is None


def test_vgg_takes_the_last_pool_and_not_what_transposes_it():
    apply_fn, params, x = case("vgg")
    pieces = split(apply_fn, params, x)
    assert pieces.features(params, x).shape == (2, 2, 2, 6)
    assert float(pieces.features(params, x).min()) >= 0


def test_a_skip_at_the_end_makes_the_sum_the_last_activation():
    def network(params, x):
        with jax.named_scope("stem"):
            y = jax.nn.relu(conv(params["stem"], x))
        with jax.named_scope("inner"):
            z = conv(params["inner"], y)
        with jax.named_scope("sum"):
            out = y + z
        return out.mean((1, 2)) @ params["dense"]

    assert split(network, plain_params(), images()).layer == "sum"


def test_a_value_of_no_scope_gets_a_name_that_can_be_given_back():
    def network(params, x):
        y = pool(jax.nn.relu(conv(params["stem"], x)))
        z = jax.nn.relu(conv(params["inner"], y))
        return z.mean((1, 2)) @ params["dense"]

    params, x = plain_params(), images()
    pieces = split(network, params, x)
    assert pieces.layer == "relu"
    assert layers(network, params, x) == {"relu": (4, 4, 4)}
    np.testing.assert_array_equal(split(network, params, x, "relu").features(params, x), pieces.features(params, x))


def test_pooling_to_one_position_does_not_count_and_neither_does_a_conversion():
    def network(params, x):
        with jax.named_scope("act"):
            y = jax.nn.relu(conv(params["stem"], x)).astype(jnp.bfloat16)
        y = y.astype(jnp.float32)
        y = jnp.mean(y, (1, 2), keepdims=True)
        with jax.named_scope("classify"):
            y = conv(params["out"], y)
        return y[:, 0, 0]

    params = dict(zip(("stem", "out"), weights((3, 3, 3, 4), (1, 1, 4, 5))))
    assert split(network, params, images()).layer == "act"


def test_gates_and_scales_after_the_mean_do_not_matter():
    def network(params, x):
        with jax.named_scope("stem"):
            y = jax.nn.relu(conv(params["stem"], x))
        with jax.named_scope("gated"):
            y = y * jax.nn.sigmoid(y.mean((1, 2), keepdims=True))
        return y.mean((1, 2)) @ params["dense"]

    pieces = split(network, plain_params(), images())
    assert pieces.layer == "gated"
    np.testing.assert_allclose(
        pieces.head(plain_params(), pieces.features(plain_params(), images())),
        network(plain_params(), images()),
        rtol=1e-5,
        atol=1e-6,
    )


def test_an_mlp_says_what_to_pass():
    with pytest.raises(ValueError, match="layer=None: no activation with spatial extent") as caught:
        split(*case("mlp"))
    said = str(caught.value)
    assert "Pass layer=..." in said
    assert "checkpoint_name(value, 'name')" in said
    assert "Split(features, head)" in said


def test_a_vision_transformer_without_a_grid_says_what_to_pass():
    with pytest.raises(ValueError, match=r"after 'patches', .* works on tokens of shape \(16, 8\)") as caught:
        split(*case("vit"))
    assert "Pass layer=..." in str(caught.value)
    assert "'LayerNorm_0' (16, 8)" in str(caught.value)
    assert not any(name in str(caught.value) for name in ("'LayerNorm_1'", "'mlp'", "'attention'"))
    assert split(*case("vit"), "patches").layer == "patches"


def halves(a):
    """The means of four quarters, as adaptive pooling to 2 by 2 makes them."""
    b, h, w, k = a.shape
    return a.reshape(b, 2, h // 2, 2, w // 2, k).mean((2, 4))


def windows(a):
    """The same by windows."""
    size = (1, a.shape[1] // 2, a.shape[2] // 2, 1)
    return jax.lax.reduce_window(a, 0.0, jax.lax.add, size, size, "VALID") / (size[1] * size[2])


def parts(a):
    """The same by slices that are put together."""
    rows = [part.mean(1, keepdims=True) for part in jnp.split(a, 2, axis=1)]
    return jnp.concatenate([part.mean(2, keepdims=True) for part in jnp.split(jnp.concatenate(rows, 1), 2, axis=2)], 2)


@pytest.mark.parametrize(
    "pool", [halves, windows, parts, lambda a: jax.image.resize(a, (a.shape[0], 2, 2, 6), "linear")]
)
def test_averages_over_positions_do_not_count(pool):
    """The map before them has every place that they mix; the units of the dense layer are four quarters there."""

    def network(params, x):
        with jax.named_scope("conv"):
            a = jax.nn.relu(jnp.einsum("bhwc,ck->bhwk", x, params[0]))
        with jax.named_scope("pool"):
            pooled = pool(a)
        return jnp.tanh(pooled.reshape(len(x), -1)) @ params[1]

    keys = jax.random.split(jax.random.key(0), 3)
    params = [jax.random.normal(keys[0], (3, 6)), jax.random.normal(keys[1], (24, 4))]
    x = jax.random.normal(keys[2], (2, 8, 12, 3))
    model = split(network, params, x)
    assert model.layer == "conv"
    want = jax.nn.relu(jnp.einsum("bhwc,ck->bhwk", x, params[0]))
    np.testing.assert_allclose(model.features(params, x), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.head(params, want), network(params, x), rtol=1e-5, atol=1e-5)


def test_a_layer_after_averages_counts():
    """As in the transitions of a DenseNet."""

    def network(params, x):
        a = jax.nn.relu(jnp.einsum("bhwc,ck->bhwk", x, params[0]))
        with jax.named_scope("last"):
            b = jax.nn.relu(jnp.einsum("bhwc,ck->bhwk", halves(a), params[1]))
        return b.reshape(len(x), -1) @ params[2]

    keys = jax.random.split(jax.random.key(0), 4)
    shapes = [(3, 6), (6, 5), (20, 4)]
    params = [jax.random.normal(key, shape) for key, shape in zip(keys, shapes)]
    model = split(network, params, jax.random.normal(keys[3], (2, 8, 8, 3)))
    assert model.layer == "last"
    assert model.features(params, jax.random.normal(keys[3], (2, 8, 8, 3))).shape == (2, 2, 2, 5)
