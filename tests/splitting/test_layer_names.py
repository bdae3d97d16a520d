"""Names: what can be named, how it may be spelled, and what the errors say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name
from splitting_models import case, conv, images, plain, plain_params

from egcam_jax.splitting import layers, split


def message(layer, name="resnet", kind=ValueError):
    apply_fn, params, x = case(name)
    with pytest.raises(kind) as caught:
        split(apply_fn, params, x, layer)
    return str(caught.value)


def test_layers_come_in_order_of_execution_with_their_shapes():
    assert layers(*case("vgg")) == {
        "features/conv0": (8, 8, 4),
        "features/conv1": (4, 4, 6),
        "features": (2, 2, 6),
    }
    parts = ("conv1", "bn1", "conv2", "bn2")
    blocks = [f"layer{i}{part}" for i in (1, 2) for part in (*(f"/{part}" for part in parts), "")]
    assert list(layers(*case("resnet"))) == ["stem", *blocks]
    assert list(layers(*case("resnet_remat"))) == ["stem", *blocks]
    assert list(layers(*case("resnet_jit"))) == ["stem", *blocks]


@pytest.mark.parametrize(
    ("spelling", "layer"),
    [
        ("layer2/conv1", "layer2/conv1"),
        ("layer2.conv1", "layer2/conv1"),
        ("ResNet/layer2/conv1", "layer2/conv1"),
        ("ResNet.layer2.conv1", "layer2/conv1"),
        ("layer2", "layer2"),
        ("stem", "stem"),
    ],
)
def test_spellings(spelling, layer):
    assert split(*case("resnet"), spelling).layer == layer


def test_a_unique_end_of_a_name_is_enough_and_an_ambiguous_one_lists_the_candidates():
    assert split(*case("vgg"), "conv1").layer == "features/conv1"
    said = message("conv1")
    assert "layer='conv1' is ambiguous" in said
    assert "'layer1/conv1' (8, 8, 4), 'layer2/conv1' (8, 8, 4)" in said


def test_a_wrong_name_lists_the_nearest_with_their_shapes():
    said = message("layer2/cnov1")
    assert said.startswith("layer='layer2/cnov1': there is no such layer. The nearest are 'layer2/conv1' (8, 8, 4)")
    assert "lists all 11" in said
    assert "'features/conv1' (4, 4, 6)" in message("conv_1", "vgg")


def test_a_layer_without_a_grid_says_so():
    assert "its value has neither a spatial grid (h, w, K) nor tokens (N, K)" in message("fc")


def test_a_layer_inside_a_loop_is_named_by_its_step():
    assert next(iter(layers(*case("looped")))) == "stem"
    assert "loop/0/conv1' (8, 8, 4)" in message("loop/conv1", "looped")
    assert split(*case("looped"), "loop/1/conv1").layer.endswith("loop/1/conv1")
    assert split(*case("looped"), "loop").layer.endswith("loop")


def two_blocks(params, x):
    for w in params:
        with jax.named_scope("block"):
            with jax.named_scope("Conv_0"):
                x = conv(w, x)
            x = jax.nn.relu(x)
        x = 2 * x
    return x.mean((1, 2))


def test_two_blocks_of_one_name_are_numbered_and_the_bare_name_is_ambiguous():
    params = [plain_params()["inner"], -plain_params()["inner"]]
    x = jnp.ones((2, 8, 8, 4))
    assert list(layers(two_blocks, params, x))[:2] == ["block#1/Conv_0", "block#1"]
    said = r"ambiguous: .*'block#1/Conv_0' \(8, 8, 4\), 'block#2/Conv_0' .*#2 is the second block of a name"
    with pytest.raises(ValueError, match=said):
        split(two_blocks, params, x, "Conv_0")
    np.testing.assert_allclose(split(two_blocks, params, x, "block#1/Conv_0").features(params, x), conv(params[0], x))
    second = conv(params[1], 2 * jax.nn.relu(conv(params[0], x)))
    np.testing.assert_allclose(
        split(two_blocks, params, x, "block#2.Conv_0").features(params, x), second, rtol=1e-5, atol=1e-6
    )


def test_sliced_weights_are_different_blocks_and_cast_weights_one_shared_layer():
    stacked = jnp.stack([plain_params()["inner"], -plain_params()["inner"]])
    x = jnp.ones((2, 8, 8, 4))
    assert len([name for name in layers(two_blocks, stacked, x) if name.endswith("Conv_0")]) == 2
    shared = lambda w, x: two_blocks([w.astype(jnp.float16).astype(jnp.float32) for _ in range(2)], x)
    assert [name for name in layers(shared, stacked[0], x) if name.endswith("Conv_0")] == ["block/Conv_0"]


def test_a_tag_used_twice_is_ambiguous_and_each_has_a_name():
    def network(w, x):
        for i in range(2):
            with jax.named_scope(f"block{i}"):
                x = checkpoint_name(jnp.tanh(conv(w, x)), "act")
        return x.mean((1, 2))

    w = plain_params()["inner"]
    x = jnp.ones((2, 8, 8, 4))
    with pytest.raises(ValueError, match=r"'act' is ambiguous: it could be 'block0/act' .* 'block1/act'"):
        split(network, w, x, "act")
    np.testing.assert_allclose(split(network, w, x, "block0/act").features(w, x), jnp.tanh(conv(w, x)), rtol=1e-5)


def test_a_value_that_reaches_no_logit_says_so():
    def dead(w, x):
        with jax.named_scope("unused"):
            conv(w * 2, x)
        with jax.named_scope("used"):
            y = conv(w, x)
        return y.mean((1, 2))

    w = plain_params()["stem"]
    assert layers(dead, w, images()) == {"used": (8, 8, 4)}
    with pytest.raises(ValueError, match="computed but does not reach the logits"):
        split(dead, w, images(), "unused")


def test_a_shared_layer_is_its_last_use():
    def shared(w, x):
        for _ in range(2):
            with jax.named_scope("conv"):
                x = conv(w, x)
            x = jax.nn.relu(x)
        return x.mean((1, 2))

    w = jnp.ones((1, 1, 3, 3)) * 0.3
    pieces = split(shared, w, images(), "conv")
    first = np.maximum(np.asarray(conv(w, images())), 0)
    np.testing.assert_allclose(pieces.features(w, images()), conv(w, first), rtol=1e-5, atol=1e-6)


def test_a_tag_inside_remat_and_jit_can_be_named():
    @jax.checkpoint
    def body(w, x):
        return checkpoint_name(jax.nn.relu(conv(w, x)), "after relu") * 2

    def network(w, x):
        return jax.jit(body)(w, x).mean((1, 2))

    w = plain_params()["stem"]
    pieces = split(network, w, images(), "after relu")
    np.testing.assert_allclose(pieces.features(w, images()), np.maximum(conv(w, images()), 0), rtol=1e-5, atol=1e-6)


def test_a_function_without_names_says_how_to_name():
    def nameless(w, x):
        return x.reshape(x.shape[0], -1)[:, :5] * w

    with pytest.raises(ValueError, match=r"No activation .* has a name; jax.named_scope or"):
        split(nameless, 1.0, images(), "stem")


@pytest.mark.parametrize(
    ("returned", "kind", "said"),
    [
        (
            lambda y: (y, {"state": y}),
            TypeError,
            r"\[0\] \(1, 4\) and .* have that form. .* lambda params, x: apply_fn\(params, x\)\[0\] or lambda",
        ),
        (lambda y: y[0], ValueError, r"got shape \(4,\)"),
        (lambda y: y.argmax(-1, keepdims=True), TypeError, "got int32. Return the scores"),
        (lambda y: None, TypeError, "got None"),
    ],
)
def test_anything_but_logits_is_refused(returned, kind, said):
    def network(w, x):
        return returned(conv(w, x).mean((1, 2)))

    with pytest.raises(kind, match=said):
        split(network, plain_params()["stem"], images())


def test_x_must_be_a_batch_and_apply_fn_a_function():
    with pytest.raises(ValueError, match=r"x: shape \(8, 8, 3\) is signals .* One image \(H, W, C\) is x\[None\]"):
        split(plain, plain_params(), images()[0])
    with pytest.raises(ValueError, match=r"x: expected images \(b, H, W, C\), .* got shape \(8, 3\)"):
        split(plain, plain_params(), images()[0, 0])
    with pytest.raises(TypeError, match="layer"):
        split(plain, plain_params(), images(), 3)
    with pytest.raises(TypeError, match=r"apply_fn must be a function .* got dict"):
        split(plain_params(), plain, images())


def test_the_halves_refuse_what_they_were_not_made_for():
    params, x = plain_params(), images()
    pieces = split(plain, params, x, "stem")
    activations = pieces.features(params, x)
    with pytest.raises(ValueError, match=r"x: expected shape \(2, 8, 8, 3\), got \(2, 9, 9, 3\).*call split again"):
        pieces.features(params, images(size=9))
    with pytest.raises(TypeError, match="x: expected float32, got bfloat16"):
        pieces.features(params, x.astype(jnp.bfloat16))
    with pytest.raises(ValueError, match=r"params\['dense'\]: expected shape \(4, 5\), got \(4, 6\)"):
        pieces.features({**params, "dense": jnp.ones((4, 6))}, x)
    with pytest.raises(ValueError, match="params: expected the tree"):
        pieces.head({"stem": params["stem"]}, activations)
    with pytest.raises(ValueError, match=r"A: expected shape \(2, 8, 8, 4\), got \(2, 8, 8, 3\)"):
        pieces.head(params, activations[..., :3])
    with pytest.raises(ValueError, match=r"A: expected activations \(b, 8, 8, 4\), got shape \(8, 8, 4\)"):
        pieces.head(params, activations[0])
    with pytest.raises(ValueError, match=r"x: expected a batch \(b, 8, 8, 3\), got shape \(8, 8, 3\)"):
        pieces.features(params, x[0])


def test_a_bypassed_head_without_values_says_how_to_get_them():
    params, x = plain_params(), images()
    shape_only = split(plain, params, jax.ShapeDtypeStruct(x.shape, x.dtype), "inner")
    activations, carried = shape_only.bypass(params, x)
    with pytest.raises(ValueError, match=r"split was given no values of x. Get \(A, carried\) from split.bypass"):
        shape_only.head(params, activations)
    with pytest.raises(ValueError, match="A has 3 images where the x that was given to split has 2"):
        split(plain, params, x, "inner").head(params, jnp.ones((3, 8, 8, 4)))
    np.testing.assert_allclose(shape_only.head(params, activations, carried), plain(params, x), rtol=1e-5, atol=1e-6)
