"""The adapters: the network's own logits, its module names, inference mode, and functions that jit knows again."""

import functools
import subprocess
import sys

import equinox as eqx
import flax.linen as linen
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import egcam_jax
from egcam_jax.adapters import from_equinox, from_haiku, from_linen, from_nnx
from egcam_jax.splitting import layers, split

KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(3), (2, 8, 8, 3))


class LinenNet(linen.Module):
    """Convolution, batch norm, dropout, mean, dense."""

    width: int = 4

    @linen.compact
    def __call__(self, x, train=True):
        x = linen.Conv(self.width, (3, 3), name="conv")(x)
        x = linen.relu(linen.BatchNorm(use_running_average=not train, name="bn")(x))
        x = linen.Dropout(0.5, deterministic=not train)(x)
        return linen.Dense(5)(x.mean((1, 2)))


class NnxBlock(nnx.Module):
    """A residual block with batch norm and dropout."""

    def __init__(self, width, rngs):
        self.conv = nnx.Conv(width, width, (3, 3), rngs=rngs)
        self.bn = nnx.BatchNorm(width, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return nnx.relu(self.drop(self.bn(self.conv(x))) + x)


class NnxNet(nnx.Module):
    """A stem, a list of blocks, a Sequential."""

    def __init__(self, rngs):
        self.stem = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.layers = nnx.List([NnxBlock(4, rngs), NnxBlock(4, rngs)])
        self.last = nnx.Sequential(nnx.Conv(4, 6, (3, 3), rngs=rngs), nnx.relu)
        self.fc = nnx.Linear(6, 5, rngs=rngs)

    def __call__(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return self.fc(self.last(x).mean((1, 2)))


class EquinoxBlock(eqx.Module):
    """A residual block with batch norm."""

    conv: eqx.nn.Conv2d
    bn: eqx.nn.BatchNorm

    def __init__(self, width, key):
        self.conv = eqx.nn.Conv2d(width, width, 3, padding=1, key=key)
        self.bn = eqx.nn.BatchNorm(width, "batch", mode="batch")

    def __call__(self, x, state):
        y, state = self.bn(self.conv(x), state)
        return jax.nn.relu(x + y), state


class EquinoxNet(eqx.Module):
    """A stem, a list of blocks, dropout."""

    stem: eqx.nn.Conv2d
    blocks: list
    drop: eqx.nn.Dropout
    fc: eqx.nn.Linear

    def __init__(self, key):
        self.stem = eqx.nn.Conv2d(3, 4, (3, 5), key=key)
        self.blocks = [EquinoxBlock(4, key), EquinoxBlock(4, key)]
        self.drop = eqx.nn.Dropout(0.5)
        self.fc = eqx.nn.Linear(4, 5, key=key)

    def __call__(self, x, state):
        x = self.stem(x)
        for block in self.blocks:
            x, state = block(x, state)
        return self.fc(self.drop(x).mean((1, 2))), state


def linen_case():
    module = LinenNet()
    variables = shifted(module.init({"params": KEY}, X, train=False))
    return module, variables


def nnx_case():
    model = NnxNet(nnx.Rngs(0))
    for block in model.layers:
        block.bn.mean[...] = block.bn.mean[...] + 0.3
    return model


@functools.cache
def equinox_case():
    model, state = eqx.nn.make_with_state(EquinoxNet)(KEY)
    axis = {"axis_name": "batch", "in_axes": (0, None), "out_axes": (0, None)}
    inference = eqx.nn.inference_mode(model, False)
    drop = eqx.nn.inference_mode(model.drop)
    inference = eqx.tree_at(lambda m: m.drop, inference, drop)
    _, state = jax.vmap(inference, **axis)(jnp.moveaxis(X, -1, 1), state)
    return model, state


def haiku_case(training=False):
    def network(x):
        y = hk.Conv2D(4, 3, name="conv")(x)
        y = jax.nn.relu(hk.BatchNorm(True, True, 0.9, name="bn")(y, is_training=training))
        return hk.Linear(5)(y.mean((1, 2)))

    return hk.transform_with_state(network)


def shifted(variables):
    """Batch statistics that are not 0 and 1, so that forgetting them would show."""
    return {**variables, "batch_stats": jax.tree.map(lambda s: s + 0.3, variables["batch_stats"])}


def test_a_model_in_place_of_its_function_is_refused_with_what_to_pass():
    module, variables = linen_case()
    with pytest.raises(TypeError, match=r"LinenNet itself\. .*from_linen\(module, variables\) .* model\.apply"):
        egcam_jax.explain(variables, module, X, method="gradcam")


def test_linen():
    module, variables = linen_case()
    params, apply_fn = from_linen(module, variables, train=False)
    np.testing.assert_allclose(apply_fn(params, X), module.apply(variables, X, train=False), rtol=1e-6)
    assert layers(apply_fn, params, X) == {"conv": (8, 8, 4), "bn": (8, 8, 4), "relu": (8, 8, 4)}
    composed(params, apply_fn)
    assert from_linen(LinenNet(), variables, train=False)[1] == apply_fn
    assert hash(from_linen(LinenNet(), variables, train=False)[1]) == hash(apply_fn)
    assert from_linen(LinenNet(3), variables, train=False)[1] != apply_fn


def test_nnx():
    model = nnx_case()
    params, apply_fn = from_nnx(model)
    assert not model.layers[0].drop.deterministic
    assert not model.layers[0].bn.use_running_average
    assert type(model.layers[0]) is NnxBlock
    copy = nnx.merge(*nnx.split(model))
    copy.eval()
    np.testing.assert_allclose(apply_fn(params, X), copy(X), rtol=1e-5, atol=1e-6)
    assert layers(apply_fn, params, X) == {
        "stem": (8, 8, 4),
        "layers/0/conv": (8, 8, 4),
        "layers/0/bn": (8, 8, 4),
        "layers/0": (8, 8, 4),
        "layers/1/conv": (8, 8, 4),
        "layers/1/bn": (8, 8, 4),
        "layers/1": (8, 8, 4),
        "layers": (8, 8, 4),
        "last/layers/0": (8, 8, 6),
        "last/layers": (8, 8, 6),
        "last": (8, 8, 6),
    }
    assert split(apply_fn, params, X).layer == "last"
    assert split(apply_fn, params, X, "layers.1.bn").layer == "layers/1/bn"
    composed(params, apply_fn)
    assert_known_again(lambda: from_nnx(nnx_case()), apply_fn)


def test_equinox():
    model, state = equinox_case()
    params, apply_fn = from_equinox(model, state)
    inference = eqx.nn.inference_mode(model)
    expected = jnp.stack([inference(jnp.moveaxis(image, -1, 0), state)[0] for image in X])
    np.testing.assert_allclose(apply_fn(params, X), expected, rtol=1e-5, atol=1e-6)
    known = layers(apply_fn, params, X)
    assert known["stem"] == (6, 4, 4)
    assert {"blocks/0/conv", "blocks/0/bn", "blocks/0", "blocks/1/conv", "blocks/1/bn", "blocks/1"} <= known.keys()
    pieces = split(apply_fn, params, X, "stem")
    stem = jnp.stack([jnp.moveaxis(model.stem(jnp.moveaxis(image, -1, 0)), 0, -1) for image in X])
    np.testing.assert_allclose(pieces.features(params, X), stem, rtol=1e-5, atol=1e-6)
    assert split(apply_fn, params, X).features(params, X).shape == (2, 6, 4, 4)
    composed(params, apply_fn)
    assert_known_again(lambda: from_equinox(*equinox_case()), apply_fn)
    other = eqx.tree_at(lambda m: m.fc.bias, model, jnp.ones(5))
    assert from_equinox(other, state)[1] == apply_fn


def test_equinox_without_a_state():
    parts = [eqx.nn.Conv2d(3, 4, 3, key=KEY), eqx.nn.Lambda(jax.nn.relu), eqx.nn.MaxPool2d(2, 2)]
    model = eqx.nn.Sequential([*parts, eqx.nn.Lambda(jnp.ravel), eqx.nn.Linear(36, 5, key=KEY)])
    params, apply_fn = from_equinox(model)
    np.testing.assert_allclose(apply_fn(params, X), jax.vmap(model)(jnp.moveaxis(X, -1, 1)), rtol=1e-5, atol=1e-6)
    pieces = split(apply_fn, params, X)
    assert pieces.layer == "layers/2"
    assert pieces.features(params, X).shape == (2, 3, 3, 4)
    composed(params, apply_fn)


def test_haiku_with_a_state():
    params, state = haiku_case(training=True).init(KEY, X)
    transformed = haiku_case()
    state = jax.tree.map(lambda s: s + 1 if s.dtype == jnp.float32 else s, state)
    trees, apply_fn = from_haiku(transformed, params, state)
    expected, _ = transformed.apply(params, state, None, X)
    np.testing.assert_allclose(apply_fn(trees, X), expected, rtol=1e-6)
    assert {"conv", "bn"} <= layers(apply_fn, trees, X).keys()
    composed(trees, apply_fn)
    assert hash(from_haiku(transformed, params, state)[1]) == hash(apply_fn)
    with pytest.raises(ValueError, match="state: this function needs the state that init returned"):
        from_haiku(transformed, params)


@pytest.mark.parametrize("wrap", [lambda transformed: transformed, hk.without_apply_rng])
def test_haiku_with_and_without_an_rng(wrap):
    transformed = hk.transform(lambda x: hk.Linear(5)(jax.nn.relu(hk.Conv2D(4, 3, name="conv")(x)).mean((1, 2))))
    params = transformed.init(KEY, X)
    trees, apply_fn = from_haiku(wrap(transformed), params)
    np.testing.assert_allclose(apply_fn(trees, X), transformed.apply(params, None, X), rtol=1e-6)
    composed(trees, apply_fn)
    with pytest.raises(ValueError, match=r"state: this function has no state \(hk.transform\)"):
        from_haiku(transformed, params, {})


def composed(params, apply_fn):
    """The halves give the network's logits at every layer."""
    expected = jax.jit(apply_fn)(params, X)
    known = [layer for layer in layers(apply_fn, params, X) if "eqx.nn" not in layer]

    @jax.jit
    def every(params):
        pieces = {layer: split(apply_fn, params, X, layer) for layer in known}
        return {layer: each.head(params, each.features(params, X)) for layer, each in pieces.items()}

    for layer, logits in every(params).items():
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5, err_msg=layer)


def assert_known_again(make, apply_fn):
    """A second conversion gives an equal function: what jit compiled for the first serves the second."""
    params, again = make()
    assert again == apply_fn
    assert hash(again) == hash(apply_fn)
    traces = []

    def run(apply_fn, params):
        traces.append(None)
        return apply_fn(params, X)

    compiled = jax.jit(run, static_argnums=0)
    compiled(apply_fn, params)
    compiled(again, params)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("adapter", "wanted"),
    [
        (lambda: from_linen(nnx_case(), {}), "flax.linen.Module; got NnxNet"),
        (lambda: from_nnx(LinenNet()), "flax.nnx.Module; got LinenNet"),
        (lambda: from_equinox(LinenNet()), "callable equinox.Module; got LinenNet"),
        (lambda: from_haiku(LinenNet(), {}), "got LinenNet"),
    ],
)
def test_another_frameworks_model_is_refused(adapter, wanted):
    with pytest.raises(TypeError, match=wanted):
        adapter()


def test_no_framework_is_imported_before_its_adapter_is_called():
    code = (
        "import sys, egcam_jax.adapters, egcam_jax.splitting;"
        "print(sorted({'equinox', 'haiku', 'flax.nnx', 'flax.linen', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
