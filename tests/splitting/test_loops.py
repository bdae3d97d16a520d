"""Loops over layers: every step can be named and cut, as if the loop were written out."""

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from splitting_models import conv, images, weights

from egcam_jax import from_equinox, from_haiku, from_linen, from_nnx
from egcam_jax.splitting import layers, split

STEPS = 3


def stacked():
    stem, blocks, dense = weights((3, 3, 3, 4), (STEPS, 3, 3, 4, 4), (4, 5))
    return {"stem": stem, "blocks": blocks, "dense": dense}


def block(y, w):
    with jax.named_scope("norm1"):
        n = y / jnp.sqrt((y**2).mean(-1, keepdims=True) + 1e-3)
    return y + jnp.tanh(conv(w, n)), n.mean()


def looped(params, x, reverse=False, body=block):
    with jax.named_scope("stem"):
        y = conv(params["stem"], x)
    with jax.named_scope("layers"):
        y, means = jax.lax.scan(body, y, params["blocks"], reverse=reverse)
    return y.mean((1, 2)) @ params["dense"] + (means * jnp.arange(STEPS)).sum()


def written_out(params, x, reverse=False, changed=None, at=None):
    """The same network, and what goes into each block's convolution; one of these can be set."""
    y, norms, means = conv(params["stem"], x), {}, {}
    for i in reversed(range(STEPS)) if reverse else range(STEPS):
        norms[i] = y / jnp.sqrt((y**2).mean(-1, keepdims=True) + 1e-3) if i != at else changed
        y, means[i] = y + jnp.tanh(conv(params["blocks"][i], norms[i])), norms[i].mean((1, 2, 3))
    return y.mean((1, 2)) @ params["dense"] + sum(means[i] * i for i in range(STEPS))[:, None], norms


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("wrap", [lambda body: body, jax.checkpoint, jax.jit])
def test_each_step_has_its_values_and_the_gradient_by_hand(reverse, wrap):
    params, x = stacked(), images(1)
    network = lambda params, x: looped(params, x, reverse, wrap(block))
    order = reversed(range(STEPS)) if reverse else range(STEPS)
    steps = [f"layers/{i}{part}" for i in order for part in ("/norm1", "")]
    assert list(layers(network, params, x)) == ["stem", *steps, "layers"]
    logits, norms = written_out(params, x, reverse)
    for i in range(STEPS):
        pieces = split(network, params, x, f"layers.{i}.norm1")
        activation, carried = pieces.bypass(params, x)
        np.testing.assert_allclose(activation, norms[i], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(pieces.head(params, activation, carried), logits, rtol=1e-4, atol=1e-5)
        head = lambda a, pieces=pieces, carried=carried: pieces.head(params, a, carried)[:, 2].sum()
        rest = lambda a, i=i: written_out(params, x, reverse, a, i)[0][:, 2].sum()
        gradient, by_hand = jax.grad(head)(activation), jax.grad(rest)(norms[i])
        # What goes around the layer is held constant: the block's skip is, by hand too, since y is made before n.
        np.testing.assert_allclose(gradient, by_hand, rtol=1e-3, atol=1e-5)


def test_the_default_is_the_last_steps_value():
    params, x = stacked(), images()
    network = lambda params, x: looped(params, x, body=lambda y, w: (block(y, w)[0], jnp.zeros(())))
    pieces = split(network, params, x)
    assert pieces.layer == "layers"
    last = split(network, params, x, "layers/2").features(params, x)
    np.testing.assert_array_equal(last, pieces.features(params, x))
    np.testing.assert_allclose((last.mean((1, 2)) @ params["dense"]), network(params, x), rtol=1e-4, atol=1e-5)


def test_a_name_inside_a_loop_means_that_value_alone():
    with pytest.raises(ValueError, match=r"'norm1' is ambiguous: .*'layers/0/norm1' \(8, 8, 4\), 'layers/1/norm1'"):
        split(looped, stacked(), images(), "norm1")
    with pytest.raises(ValueError, match=r"'layers/norm1' is ambiguous: .*'layers/2/norm1'"):
        split(looped, stacked(), images(), "layers/norm1")


def test_a_tag_in_a_loop_is_one_name_for_each_step():
    def tagged(y, w):
        return checkpoint_name(jnp.tanh(conv(w, y)), "act"), jnp.zeros(())

    network = lambda params, x: looped(params, x, body=tagged)
    assert [name for name in layers(network, stacked(), images()) if "act" in name] == [
        f"layers/{i}/act" for i in range(STEPS)
    ]
    with pytest.raises(ValueError, match="'act' is ambiguous"):
        split(network, stacked(), images(), "act")


def test_only_the_step_that_is_cut_is_laid_out():
    params, x = stacked(), images()
    pieces = split(looped, params, x, "layers/1/norm1")
    text = str(jax.make_jaxpr(lambda p, x: pieces.head(p, *pieces.bypass(p, x)))(params, x))
    assert text.count("scan[") == 2
    outside = split(looped, params, x, "stem")
    assert str(jax.make_jaxpr(outside.head)(params, outside.features(params, x))).count("scan[") == 1
    assert str(jax.make_jaxpr(outside.head)(params, outside.features(params, x))).count("conv_general_dilated[") == 1


def test_a_loop_along_the_image_stays_whole():
    def rows(params, x):
        with jax.named_scope("act"):
            y = jax.nn.relu(conv(params["stem"], x))

        def step(state, row):
            with jax.named_scope("cell"):
                state = jnp.tanh(row @ params["w"] + state)
            return state, state

        with jax.named_scope("rows"):
            _, y = jax.lax.scan(step, jnp.zeros((len(x), 8, 4)), jnp.moveaxis(y, 1, 0))
        return y.mean((0, 2)) @ params["dense"]

    params = {**stacked(), "w": jnp.eye(4)}
    assert "act" in layers(rows, params, images())
    assert not any(name.startswith("rows/0") for name in layers(rows, params, images()))
    with pytest.raises(ValueError, match=r"only inside a `scan` .*runs along the image"):
        split(rows, params, images(), "cell")


def test_while_cond_and_very_long_loops_stay_closed_and_say_so():
    def body(w):
        def step(y):
            with jax.named_scope("inner"):
                return jnp.tanh(conv(w, y))

        return step

    def repeated(w, x):
        step = body(w)
        x = jax.lax.while_loop(lambda y: y.sum() > 1e9, lambda y: step(y), x)
        with jax.named_scope("branch"):
            x = jax.lax.cond(x.sum() > 0, step, lambda y: y, x)
        return x.mean((1, 2))

    (w,) = weights((3, 3, 3, 3))
    with pytest.raises(ValueError, match="only inside a `while`"):
        split(lambda w, x: jax.lax.while_loop(lambda y: y.sum() > 1e9, body(w), x).mean((1, 2)), w, images(), "inner")
    with pytest.raises(ValueError, match="only inside a `cond`"):
        split(repeated, w, images(), "branch/inner")
    long = lambda w, x: jax.lax.scan(lambda y, _: (body(w)(y), None), x, None, length=300)[0].mean((1, 2))
    with pytest.raises(ValueError, match="of 300 steps, and a loop of more than 128 stays whole"):
        split(long, w, images(), "inner")


def test_patches_are_not_the_default_where_the_blocks_are_in_a_loop():
    class Block(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            return x + nn.MultiHeadDotProductAttention(2, name="attention")(nn.LayerNorm(name="norm1")(x)), None

    class Vit(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Conv(8, (2, 2), (2, 2), name="patches")(x)
            x = x.reshape(x.shape[0], -1, x.shape[-1])
            loop = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=STEPS)
            x, _ = loop(name="layers")(x, None)
            return nn.Dense(5, name="fc")(x.mean(1))

    params, apply_fn = from_linen(Vit(), Vit().init(jax.random.key(0), images()))
    with pytest.raises(ValueError, match=r"after 'patches', .* works on tokens"):
        split(apply_fn, params, images())
    assert layers(apply_fn, params, images())["layers/2/norm1"] == (16, 8)


class Residual(eqx.Module):
    norm1: eqx.nn.GroupNorm
    conv: eqx.nn.Conv2d

    def __init__(self, key):
        self.norm1, self.conv = eqx.nn.GroupNorm(2, 4), eqx.nn.Conv2d(4, 4, 3, padding=1, key=key)

    def __call__(self, x):
        return x + jax.nn.relu(self.conv(self.norm1(x)))


class Stacked(eqx.Module):
    stem: eqx.nn.Conv2d
    blocks: Residual

    def __call__(self, x):
        arrays, rest = eqx.partition(self.blocks, eqx.is_array)
        step = lambda x, arrays: (eqx.combine(arrays, rest)(x), None)
        return jax.lax.scan(step, self.stem(x), arrays)[0].mean((1, 2))


def equinox_network():
    keys = jax.random.split(jax.random.key(0), STEPS)
    net = Stacked(eqx.nn.Conv2d(3, 4, 3, key=keys[0]), eqx.filter_vmap(Residual)(keys))
    return from_equinox(net)


def nnx_network():
    class Block(nnx.Module):
        def __init__(self, rngs):
            self.norm1, self.dense = nnx.LayerNorm(4, rngs=rngs), nnx.Linear(4, 4, rngs=rngs)

        def __call__(self, x):
            return x + jnp.tanh(self.dense(self.norm1(x)))

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.stem = nnx.Conv(3, 4, (3, 3), rngs=rngs)
            self.blocks = nnx.split_rngs(splits=STEPS)(nnx.vmap(Block))(rngs)

        def __call__(self, x):
            run = nnx.scan(lambda block, x: block(x), in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
            return run(self.blocks, self.stem(x)).mean((1, 2))

    return from_nnx(Net(nnx.Rngs(0)))


def haiku_network():
    def block(x):
        return x + jnp.tanh(hk.Linear(4, name="dense")(hk.LayerNorm(-1, True, True, name="norm1")(x)))

    def net(x):
        return hk.experimental.layer_stack(STEPS, name="blocks")(block)(hk.Conv2D(4, 3, name="stem")(x)).mean((1, 2))

    transformed = hk.without_apply_rng(hk.transform(net))
    return from_haiku(transformed, transformed.init(jax.random.key(0), images()))


@pytest.mark.parametrize(
    ("make", "prefix"), [(equinox_network, "blocks/"), (nnx_network, "blocks/"), (haiku_network, "")]
)
def test_blocks_of_every_framework_are_named_step_by_step(make, prefix):
    params, apply_fn = make()
    x = images()
    known = layers(apply_fn, params, x)
    expected = jax.jit(apply_fn)(params, x)
    for i in range(STEPS):
        name = f"{prefix}{i}/norm1"
        pieces = split(apply_fn, params, x, name)
        activation, carried = pieces.bypass(params, x)
        assert activation.shape[1:] == known[name]
        np.testing.assert_allclose(pieces.head(params, activation, carried), expected, rtol=1e-4, atol=1e-5)
        # Each step is normalised over some axes: no two steps have the same value.
        others = [split(apply_fn, params, x, f"{prefix}{j}/norm1").features(params, x) for j in range(i)]
        assert all(np.abs(activation - other).max() > 1e-3 for other in others)
