"""Keras on JAX: the model's own logits, its layers' names, Grad-CAM by hand, and equal models known again."""

import os
import subprocess
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import egcam_jax
from egcam_jax import metrics
from egcam_jax.adapters import from_keras

keras = pytest.importorskip("keras")
L = keras.layers
X = jax.random.normal(jax.random.key(3), (2, 8, 8, 3))


def block(name, data_format="channels_last"):
    axis = 1 if data_format == "channels_first" else -1
    conv = L.Conv2D(4, 3, padding="same", name="conv", data_format=data_format)
    return keras.Sequential([conv, L.BatchNormalization(axis=axis, name="bn"), L.ReLU(name="relu")], name=name)


def functional(data_format="channels_last"):
    inputs = keras.Input((3, 8, 8) if data_format == "channels_first" else (8, 8, 3))
    hidden = block("second", data_format)(block("first", data_format)(inputs))
    hidden = L.Dropout(0.5, name="drop")(L.GlobalAveragePooling2D(data_format=data_format, name="pool")(hidden))
    return keras.Model(inputs, L.Dense(5, name="fc")(hidden), name="net")


class Subclassed(keras.Model):
    """A model that writes its own call."""

    def __init__(self, scale):
        super().__init__(name="net")
        self.scale, self.blocks = scale, [block("first"), block("second")]
        self.pool, self.fc = L.GlobalAveragePooling2D(name="pool"), L.Dense(5, name="fc")

    def call(self, x):
        for each in self.blocks:
            x = each(x)
        return self.scale * self.fc(self.pool(x))


def sequential():
    return keras.Sequential([keras.Input((8, 8, 3)), block("first"), block("second"), L.Flatten(), L.Dense(5)])


def shifted(model):
    """Weights and batch statistics that are not those of a new model."""
    draw = np.random.default_rng(0)
    low = lambda weight: -0.5 if len(weight.shape) > 1 else 0.1
    model.set_weights([draw.uniform(low(weight), 1, weight.shape).astype(np.float32) for weight in model.weights])
    return model


def subclassed(scale=2.0):
    model = Subclassed(scale)
    model(np.zeros((1, 8, 8, 3), np.float32))
    return model


@pytest.mark.parametrize("make", [functional, sequential, subclassed])
def test_logits_layers_and_gradcam_are_those_of_keras(make):
    model = shifted(make())
    params, apply_fn = from_keras(model)
    np.testing.assert_allclose(apply_fn(params, X), model(X, training=False), rtol=1e-5, atol=1e-6)
    names = ["conv", "bn", "relu"]
    inner = [f"{outer}/{name}" for outer in ("first", "second") for name in names]
    assert [name for name in egcam_jax.layers(apply_fn, params, X) if "/" in name] == inner
    explanation = egcam_jax.explain(params, apply_fn, X, method="gradcam", target=1)
    assert explanation.layer == "second"
    blocks = [model.get_layer("first"), model.get_layer("second")] if make is not subclassed else model.blocks
    activation = blocks[1](blocks[0](X, training=False), training=False)
    if make is sequential:
        head = lambda a: model.layers[-1](a.reshape(len(a), -1))[:, 1].sum()
    else:
        fc = model.get_layer("fc") if make is functional else model.fc
        head = lambda a: (2.0 if make is subclassed else 1.0) * fc(a.mean((1, 2)))[:, 1].sum()
    weights = jax.grad(head)(jnp.asarray(activation)).mean((1, 2))
    by_hand = jax.nn.relu(jnp.einsum("bhwk,bk->bhw", activation, weights))
    np.testing.assert_allclose(explanation.cam, by_hand, rtol=1e-4, atol=1e-5)


def test_channels_first_is_the_same_network():
    last, first = shifted(functional()), shifted(functional("channels_first"))
    one, two = from_keras(last), from_keras(first)
    np.testing.assert_allclose(two[1](two[0], X), one[1](one[0], X), rtol=1e-5, atol=1e-6)
    for layer in ("first/conv", "second"):
        same, other = (egcam_jax.split(f, p, X, layer).features(p, X) for p, f in (one, two))
        np.testing.assert_allclose(other, same, rtol=1e-5, atol=1e-6)
    mixed = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(4, 3), L.GlobalAveragePooling2D(data_format="channels_first"), L.Dense(5)]
    )
    with pytest.raises(ValueError, match="data_format must be one for all layers"):
        from_keras(mixed)


def test_equal_models_are_one_function_and_others_are_not():
    one = from_keras(functional())[1]
    assert from_keras(functional())[1] == one
    assert hash(from_keras(functional())[1]) == hash(one)
    changed = functional()
    changed.get_layer("fc").activation = keras.activations.tanh
    assert from_keras(changed)[1] != one
    assert from_keras(subclassed())[1] == from_keras(subclassed())[1]
    assert from_keras(subclassed())[1] != from_keras(subclassed(3.0))[1]
    custom = lambda function: keras.Sequential([keras.Input((8, 8, 3)), L.Lambda(function, name="f")], name="net")
    assert from_keras(custom(lambda x: x.mean((1, 2))))[1] != from_keras(custom(lambda x: x.sum((1, 2))))[1]
    adapted = [L.Normalization(mean=mean, variance=1.0, name="norm") for mean in (0.0, 1.0)]
    norms = [from_keras(keras.Sequential([keras.Input((8, 8, 3)), norm], name="net"))[1] for norm in adapted]
    assert norms[0] != norms[1]


def test_training_mode_and_a_metric():
    model = shifted(functional())
    params, apply_fn = from_keras(model, training=True)
    assert np.abs(apply_fn(params, X) - model(X, training=False)).max() > 1e-3
    params, apply_fn = from_keras(model)
    explanation = egcam_jax.explain(params, apply_fn, X, method="gradcam", target=1)
    ask = lambda predict: metrics.deletion_auc(predict, X, explanation.saliency, 1, step=16).value
    by_hand = ask(lambda x: model.stateless_call(*params, x, training=False)[0])
    np.testing.assert_allclose(ask(jax.tree_util.Partial(apply_fn, params)), by_hand, rtol=1e-5)


def test_a_context_is_a_second_input():
    image, row = keras.Input((8, 8, 3)), keras.Input((2,))
    pooled = L.GlobalAveragePooling2D()(image)
    model = keras.Model([image, row], L.Dense(5, name="fc")(L.Concatenate()([pooled, row])))
    params, apply_fn = from_keras(model)
    rows = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    by_hand = model.get_layer("fc")(jnp.concatenate([X.mean((1, 2)), rows], axis=1))
    np.testing.assert_allclose(apply_fn(params, X, rows), by_hand, rtol=1e-5, atol=1e-6)


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(TypeError, match=r"got the model Functional itself\. .*from_keras\(model\)"):
        egcam_jax.explain({}, functional(), X, method="gradcam")
    with pytest.raises(TypeError, match=r"must be a keras\.Model; got Dense"):
        from_keras(L.Dense(3))
    with pytest.raises(ValueError, match="model must be built"):
        from_keras(Subclassed(1.0))
    params, apply_fn = from_keras(model := functional())
    model.get_layer("fc").trainable = False
    with pytest.raises(ValueError, match="Call from_keras again"):
        apply_fn(params, X)


def test_another_backend_is_refused_with_what_to_set():
    code = (
        "import keras, egcam_jax; model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]);"
        "egcam_jax.from_keras(model)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "KERAS_BACKEND": "numpy"}, capture_output=True, text=True
    )
    assert (
        "the backend of Keras must be 'jax'; got 'numpy'. Set the environment variable KERAS_BACKEND=jax" in done.stderr
    )
