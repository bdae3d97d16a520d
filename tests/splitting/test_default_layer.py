"""The automatic choice of the layer."""

import functools

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from splitting_models import case, conv, images, plain_params, pool, weights

from egcam_jax.splitting import layers, split

KINDS = ("max", "layer", "mean")


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


def staged(kind, x):
    """Means over quarters of a map of 8 by 8, as frameworks write them."""
    b, _, _, k = x.shape
    if kind == "reshape":
        return x.reshape(b, 2, 4, 2, 4, k).mean((2, 4))
    if kind == "window":
        return nn.avg_pool(x, (4, 4), (4, 4))
    if kind == "same":
        return nn.avg_pool(x, (5, 5), (4, 4), "SAME", count_include_pad=False)
    if kind == "adaptive":
        return jax.vmap(lambda image: eqx.nn.AdaptiveAvgPool2d(3)(image.transpose(2, 0, 1)))(x)
    means = jnp.kron(jnp.eye(2), jnp.ones((1, 4)) / 4)
    return jnp.einsum("ph,bhwk,qw->bpqk", means, x, means)


@pytest.mark.parametrize("kind", ["reshape", "window", "same", "adaptive", "matrix"])
@pytest.mark.parametrize("scoped", [False, True])
def test_means_before_a_dense_head_are_passed_over_for_what_they_are_means_of(kind, scoped):
    def network(params, x):
        with jax.named_scope("features"):
            y = jax.nn.relu(conv(params["stem"], x))
            z = staged(kind, y) if scoped else y
        z = z if scoped else staged(kind, z)
        dense = jnp.arange(z[0].size * 5.0).reshape(-1, 5) % 7
        return jnp.tanh(z.reshape(len(x), -1)) @ dense

    params, x = plain_params(), images()
    pieces = split(network, params, x)
    assert pieces.layer == ("features/relu" if scoped else "features")
    assert layers(network, params, x)[pieces.layer] == (8, 8, 4)
    activations = pieces.features(params, x)
    np.testing.assert_allclose(activations, jax.nn.relu(conv(params["stem"], x)), rtol=1e-6)
    np.testing.assert_allclose(pieces.head(params, activations), network(params, x), rtol=1e-5, atol=1e-6)


def test_means_between_layers_and_the_largest_of_windows_stay_layers():
    def network(params, x, kind):
        y = jax.nn.relu(conv(params["stem"], x))
        with jax.named_scope("pooled"):
            y = pool(y) if kind == "max" else nn.avg_pool(y, (2, 2), (2, 2))
        if kind == "layer":
            with jax.named_scope("inner"):
                y = jax.nn.relu(conv(params["inner"], y))
        return y.mean((1, 2)) @ params["dense"]

    found = {kind: split(functools.partial(network, kind=kind), plain_params(), images()).layer for kind in KINDS}
    assert found == {"max": "pooled", "layer": "inner", "mean": "relu"}
