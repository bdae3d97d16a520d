"""MPRT of one small network, written in all frameworks: one value, whatever the tree and the layout of the arrays."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import equinox as eqx
import flax.linen as linen
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import egcam_jax
from egcam_jax import metrics
from egcam_jax.models._layers import ConvUnit, relu6

DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((2, 8, 8, 3), np.float32)
KERNEL, BIAS = 0.4 * DRAW.standard_normal((3, 3, 3, 6), np.float32), DRAW.standard_normal(6, np.float32)
SCALE, OFFSET, MEAN, VAR = (DRAW.uniform(0.3, 1.5, 6).astype(np.float32) for _ in range(4))
DENSE, OUT = DRAW.standard_normal((6, 5), np.float32), DRAW.standard_normal(5, np.float32)
EPSILON = 1e-3


def in_linen():
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.Conv(6, (3, 3), name="conv")(x)
            x = linen.BatchNorm(use_running_average=True, epsilon=EPSILON, name="bn")(x)
            return linen.Dense(5, name="fc")(linen.relu(x).mean((1, 2)))

    params = {"conv": {"kernel": KERNEL, "bias": BIAS}, "bn": {"scale": SCALE, "bias": OFFSET}}
    params["fc"] = {"kernel": DENSE, "bias": OUT}
    return egcam_jax.from_linen(Net(), {"params": params, "batch_stats": {"bn": {"mean": MEAN, "var": VAR}}})


def in_nnx():
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.fc = nnx.Linear(6, 5, rngs=rngs)
            self.conv = nnx.Conv(3, 6, (3, 3), rngs=rngs)
            self.bn = nnx.BatchNorm(6, epsilon=EPSILON, rngs=rngs)

        def __call__(self, x):
            return self.fc(nnx.relu(self.bn(self.conv(x))).mean((1, 2)))

    net = Net(nnx.Rngs(0))
    for variable, value in (
        *((net.conv.kernel, KERNEL), (net.conv.bias, BIAS), (net.fc.kernel, DENSE), (net.fc.bias, OUT)),
        *((net.bn.scale, SCALE), (net.bn.bias, OFFSET), (net.bn.mean, MEAN), (net.bn.var, VAR)),
    ):
        variable[...] = jnp.asarray(value)
    return egcam_jax.from_nnx(net)


def in_equinox():
    class Norm(eqx.Module):
        scale: jax.Array
        offset: jax.Array
        mean: jax.Array
        var: jax.Array

        def __call__(self, x):
            mean, var, scale, offset = (a[:, None, None] for a in (self.mean, self.var, self.scale, self.offset))
            return (x - mean) * scale / jnp.sqrt(var + EPSILON) + offset

    class Net(eqx.Module):
        fc: eqx.nn.Linear
        conv: eqx.nn.Conv2d
        bn: Norm

        def __call__(self, x):
            return self.fc(jax.nn.relu(self.bn(self.conv(x))).mean((1, 2)))

    key = jax.random.key(0)
    norm = Norm(*map(jnp.asarray, (SCALE, OFFSET, MEAN, VAR)))
    net = Net(eqx.nn.Linear(6, 5, key=key), eqx.nn.Conv2d(3, 6, 3, padding=1, key=key), norm)
    where = lambda net: (net.conv.weight, net.conv.bias, net.fc.weight, net.fc.bias)
    turned = (KERNEL.transpose(3, 2, 0, 1), BIAS[:, None, None], DENSE.T, OUT)
    return egcam_jax.from_equinox(eqx.tree_at(where, net, tuple(map(jnp.asarray, turned))))


def in_haiku():
    class Net(hk.Module):
        def __call__(self, x, is_training):
            x = hk.Conv2D(6, 3, name="conv")(x)
            x = hk.BatchNorm(True, True, 0.9, eps=EPSILON, name="bn")(x, is_training)
            return hk.Linear(5, name="fc")(jax.nn.relu(x).mean((1, 2)))

    transformed = hk.transform_with_state(lambda x, is_training: Net(name="net")(x, is_training))
    _, state = jax.eval_shape(lambda x: transformed.init(jax.random.key(0), x, True), X)
    wide = lambda array: array.reshape(1, 1, 1, 6)
    params = {"net/fc": {"w": DENSE, "b": OUT}, "net/conv": {"w": KERNEL, "b": BIAS}}
    params["net/bn"] = {"scale": wide(SCALE), "offset": wide(OFFSET)}
    filled = jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            wide(MEAN if "mean_ema" in str(path) else VAR) if leaf.size == 6 else np.ones((), leaf.dtype)
        ),
        state,
    )
    return egcam_jax.from_haiku(transformed, params, filled, is_training=False)


def in_keras():
    keras = pytest.importorskip("keras")
    conv = keras.layers.Conv2D(6, 3, padding="same", name="conv")
    layers = [conv, keras.layers.BatchNormalization(epsilon=EPSILON, name="bn"), keras.layers.ReLU()]
    end = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5, name="fc")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers, *end])
    model.set_weights([KERNEL, BIAS, SCALE, OFFSET, MEAN, VAR, DENSE, OUT])
    return egcam_jax.from_keras(model)


def plainly(params, x):
    norm = params["bn"]
    with jax.named_scope("conv"):
        dimensions = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, params["conv"]["w"], (1, 1), "SAME", dimension_numbers=dimensions)
        x = x + params["conv"]["b"]
    with jax.named_scope("bn"):
        x = (x - norm["mean"]) * norm["scale"] / jnp.sqrt(norm["var"] + EPSILON) + norm["offset"]
    with jax.named_scope("fc"):
        return jax.nn.relu(x).mean((1, 2)) @ params["fc"]["w"] + params["fc"]["b"]


def plainly_unnamed(params, x):
    norm, dimensions = params["bn"], ("NHWC", "HWIO", "NHWC")
    x = jax.lax.conv_general_dilated(x, params["conv"]["w"], (1, 1), "SAME", dimension_numbers=dimensions)
    x = x + params["conv"]["b"]
    x = (x - norm["mean"]) * norm["scale"] / jnp.sqrt(norm["var"] + EPSILON) + norm["offset"]
    return jax.nn.relu(x).mean((1, 2)) @ params["fc"]["w"] + params["fc"]["b"]


def in_jax(function):
    norm = {"scale": SCALE, "offset": OFFSET, "mean": MEAN, "var": VAR}
    return {"conv": {"w": KERNEL, "b": BIAS}, "bn": norm, "fc": {"w": DENSE, "b": OUT}}, function


def value(params, apply_fn, names=("fc", "bn", "conv")):
    def explain(params, x, target):
        return egcam_jax.explain(params, apply_fn, x, target=target, method="gradcam").saliency

    return metrics.mprt(explain, params, X, jax.random.key(3), layers=names, target=1).curve


@pytest.fixture(scope="module")
def expected():
    curve = value(*in_jax(plainly))
    assert (np.abs(curve) < 0.9).all()  # all layers matter
    return curve


@pytest.mark.parametrize("make", [in_linen, in_nnx, in_equinox, in_haiku, in_keras, lambda: in_jax(plainly_unnamed)])
def test_one_network_has_one_value_in_all_frameworks(make, expected):
    np.testing.assert_allclose(value(*make()), expected, rtol=1e-3, atol=1e-3)


POINT, DEPTH = DRAW.standard_normal((1, 1, 3, 6), np.float32), DRAW.standard_normal((3, 3, 1, 6), np.float32)
NARROW, SHIFT = DRAW.standard_normal((1, 1, 6, 6), np.float32), DRAW.standard_normal(6, np.float32)
NAMES = ("fc", "project", "depthwise", "expand")


def mobile_of_the_library():
    """An inverted residual of the library's own layers: its depthwise and pointwise convolutions are not XLA's."""

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = ConvUnit(6, 1, activation=relu6, name="expand")(x)
            x = ConvUnit(6, 3, groups=6, padding="SAME", activation=relu6, name="depthwise")(x)
            x = ConvUnit(6, 1, activation=None, name="project")(x)
            return linen.Dense(5, name="fc")(x.mean((1, 2)))

    kernels = {"expand": POINT, "depthwise": DEPTH, "project": NARROW}
    params = {name: {"kernel": kernel, "bias": SHIFT} for name, kernel in kernels.items()}
    return egcam_jax.from_linen(Net(), {"params": {**params, "fc": {"kernel": DENSE, "bias": OUT}}})


def mobile_in_equinox():
    class Net(eqx.Module):
        expand: eqx.nn.Conv2d
        depthwise: eqx.nn.Conv2d
        project: eqx.nn.Conv2d
        fc: eqx.nn.Linear

        def __call__(self, x):
            x = jnp.clip(self.expand(x), 0, 6)
            x = jnp.clip(self.depthwise(x), 0, 6)
            return self.fc(self.project(x).mean((1, 2)))

    key, wide = jax.random.key(0), SHIFT[:, None, None]
    made = (eqx.nn.Conv2d(3, 6, 1, key=key), eqx.nn.Conv2d(6, 6, 3, padding=1, groups=6, key=key))
    net = Net(*made, eqx.nn.Conv2d(6, 6, 1, key=key), eqx.nn.Linear(6, 5, key=key))
    turned = [array for kernel in (POINT, DEPTH, NARROW) for array in (kernel.transpose(3, 2, 0, 1), wide)]
    layers = lambda net: (net.expand, net.depthwise, net.project, net.fc)
    where = lambda net: [array for layer in layers(net) for array in (layer.weight, layer.bias)]
    return egcam_jax.from_equinox(eqx.tree_at(where, net, list(map(jnp.asarray, [*turned, DENSE.T, OUT]))))


def mobile_plain(params, x):
    with jax.named_scope("expand"):
        x = jnp.clip(x @ params["expand"]["w"][0][0] + params["expand"]["b"], 0, 6)
    with jax.named_scope("depthwise"):
        dimensions = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(
            x, params["depthwise"]["w"], (1, 1), "SAME", dimension_numbers=dimensions, feature_group_count=6
        )
        x = jnp.clip(x + params["depthwise"]["b"], 0, 6)
    with jax.named_scope("project"):
        x = x @ params["project"]["w"][0, 0] + params["project"]["b"]
    with jax.named_scope("fc"):
        return x.mean((1, 2)) @ params["fc"]["w"] + params["fc"]["b"]


def test_an_inverted_residual_has_one_value_too():
    """The kind of EfficientNet-Lite: kernels whose axes of length 1 a network drops, or a convolution takes."""

    def curve(params, apply_fn):
        explain = lambda params, x, target: jnp.square(
            jax.grad(lambda x: apply_fn(params, x)[jnp.arange(len(x)), target].sum())(x)
        ).sum(axis=-1)
        return metrics.mprt(explain, params, X, jax.random.key(3), layers=NAMES, target=1).curve

    kernels = {"expand": POINT, "depthwise": DEPTH, "project": NARROW}
    params = {name: {"w": kernel, "b": SHIFT} for name, kernel in kernels.items()} | {"fc": {"w": DENSE, "b": OUT}}
    want = curve(params, mobile_plain)
    assert (np.abs(want) < 0.97).all()  # all layers matter
    for other in (mobile_of_the_library(), mobile_in_equinox()):
        np.testing.assert_allclose(curve(*other), want, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("unannotated")
def test_names_are_those_that_are_listed_or_their_ends(expected):
    params, apply_fn = in_haiku()
    assert {"conv", "bn"} <= set(egcam_jax.layers(apply_fn, params, X))
    np.testing.assert_allclose(value(params, apply_fn, ("net/fc", "net.bn", "conv")), expected, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match=r"must be names of layers with parameters; got 'relu'\. Known: conv, bn, fc,"):
        value(params, apply_fn, ("relu",))
