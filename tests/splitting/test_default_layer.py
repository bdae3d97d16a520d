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
    assert "'LayerNorm_1' (16, 8)" in str(caught.value)
    assert split(*case("vit"), "patches").layer == "patches"
