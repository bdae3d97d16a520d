"""Keras 3 models on the JAX backend."""

import json
import re
from collections.abc import Hashable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from egcam_jax.adapters._adapted import adapted
from egcam_jax.core import calls
from egcam_jax.core.contents import Same, content
from egcam_jax.core.types import ApplyFn, Params


def from_keras(model: Any, **keywords: Any) -> tuple[Params, ApplyFn]:
    """Turn a Keras 3 model into ``(params, apply_fn)``, by its ``stateless_call`` in inference mode.

    A model whose layers are ``channels_first`` takes channels-last images here like all others: their axes are moved.

    Args:
        model: a functional, sequential or subclassed ``keras.Model`` on the JAX backend, built, from images to
            ``(b, classes)``. Let its last layer return logits: ``classifier_activation=None``.
        **keywords: handed to the model's call; ``training=False`` by default where the call takes it. Arrays among
            them become a part of the params.

    Returns:
        The pair of lists ``(trainable, non-trainable)`` of the values of the model's variables, and a pure function of
        them and ``(b, H, W, C)`` images. Layers have the names that Keras gives them, e.g. ``block1/conv``. A later
        change of the model's variables has no effect: call ``from_keras`` again.

    Raises:
        TypeError: ``model`` is not a Keras model.
        ValueError: Keras runs on another backend, the model has no variables yet, or its layers disagree about the
            channels' axis.

    Example:
        >>> import os
        >>> os.environ["KERAS_BACKEND"] = "jax"
        >>> import keras, numpy as np, egcam_jax
        >>> layers = [keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()]
        >>> params, apply_fn = egcam_jax.from_keras(keras.Sequential([keras.Input((8, 8, 3)), *layers]))
        >>> apply_fn(params, np.ones((1, 8, 8, 3), "float32")).shape
        (1, 4)
    """
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(f"from_keras: model must be a keras.Model; got {type(model).__name__}.")
    if keras.config.backend() != "jax":
        raise ValueError(
            f"from_keras: the backend of Keras must be 'jax'; got {keras.config.backend()!r}. Set the environment "
            f"variable KERAS_BACKEND=jax before the first import of keras, as in os.environ['KERAS_BACKEND'] = 'jax'."
        )
    if not model.built:
        raise ValueError(
            f"from_keras: model must be built; got {model.name!r}, which has no variables yet. Call it once on images, "
            f"model(x)."
        )
    first = _channels_first(model)
    paths = _paths(model)
    mode = {"training": False} if calls.has(model.call, "training") else {}

    def call(params: Params, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if _paths(model) != paths:
            raise ValueError("from_keras: the model's variables are others than before. Call from_keras again.")
        x, *context = inputs
        given = [jnp.moveaxis(x, -1, 1) if first else x, *context]
        # A functional model with several inputs takes them as one list, a call of the user's own one by one.
        together = [given] if context and hasattr(model, "inputs") else given
        return model.stateless_call(*params, *together, **{**mode, **keywords})[0]

    groups = (model.trainable_variables, model.non_trainable_variables)
    params = tuple([variable.value for variable in group] for group in groups)
    known = (first, tuple(tuple(map(_without_counts, group)) for group in paths), _known(model))
    return adapted("from_keras", params, call, known, keywords, model.call)


def _paths(model: Any) -> tuple[list[str], list[str]]:
    """The names of the variables that can be trained and of the others, in the order of their values in the params."""
    return [each.path for each in model.trainable_variables], [each.path for each in model.non_trainable_variables]


def _layers(model: Any) -> Iterator[Any]:
    """All layers below a model, in order, and the model itself at first."""
    yield from model._flatten_layers()


def _channels_first(model: Any) -> bool:
    """Whether the layers take channels first; ``Flatten`` has the choice too, and does not depend on it here."""
    formats = {
        layer.name: layer.data_format
        for layer in _layers(model)
        if isinstance(getattr(layer, "data_format", None), str) and type(layer).__name__ != "Flatten"
    }
    if len(set(formats.values())) > 1:
        shown = ", ".join(f"{name}: {value}" for name, value in list(formats.items())[:6])
        raise ValueError(
            f"from_keras: data_format must be one for all layers of the model; got {shown}. Build all layers with the "
            f"same data_format, or write apply_fn(params, x) with model.stateless_call yourself."
        )
    return "channels_first" in formats.values()


def _known(model: Any) -> Hashable:
    """What determines the model's call: what each of its layers is and holds, but for the values of variables."""
    layers = list(_layers(model))
    places = {id(layer): number for number, layer in enumerate(layers)}
    own = lambda layer: type(layer).__module__.startswith("keras.")
    return tuple(_own(layer) if own(layer) else _custom(layer, places) for layer in layers)


def _own(layer: Any) -> Hashable:
    """One of Keras' layers: its configuration, where that is complete, and arrays that it keeps beside variables."""
    arrays = [(name, value) for name, value in sorted(vars(layer).items()) if isinstance(value, Array | np.ndarray)]
    try:
        text = json.dumps([type(layer).__name__, layer.path, layer.get_config()], sort_keys=True, default=repr)
    except Exception:  # Keras raises what the user's function, which it tries to write, makes it raise.
        return Same(layer)
    # Keras writes a user's function by its name alone, which tells nothing about what it does.
    complete = '"class_name": "function"' not in text and "__lambda__" not in text
    return (_without_counts(text), content(arrays)) if complete else Same(layer)


def _without_counts(text: str) -> str:
    """A text without the numbers that Keras gives to inputs and random streams, which name no layer that is seen."""
    return re.sub(r"\b(input_layer|seed_generator)_\d+", r"\1", text)


def _custom(layer: Any, places: dict[int, int]) -> Hashable:
    """A layer of a user's class: its class, and all attributes that Keras did not give it."""
    import keras

    internal = vars(keras.layers.Layer(name="layer")).keys() | vars(keras.Model(name="model")).keys()

    def plain(value: Any) -> Any:
        if isinstance(value, keras.Layer):
            return ("layer", places.get(id(value), Same(value)))
        if isinstance(value, keras.Variable):
            return ("variable", value.path)
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value

    held = {name: plain(value) for name, value in sorted(vars(layer).items()) if name not in internal}
    return (type(layer), layer.path, layer.dtype_policy.name, content(held))
