"""A network by name, with published, given or random weights."""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax._types import Array
from egcam_jax.models._classes import class_names, names_for
from egcam_jax.models._fetch import fetch
from egcam_jax.models._files import digest, read_weights
from egcam_jax.models._port import fold_batch_norm as fold
from egcam_jax.models._port import port
from egcam_jax.models._registry import spec as lookup
from egcam_jax.models._spec import Apply, Model, Spec


def load(name: str, weights: str | os.PathLike[str] | None = None, *, fold_batch_norm: bool = True) -> Model:
    """Load a network with trained weights.

    Args:
        name: One of ``names()``.
        weights: A ``.safetensors``, ``.npz``, ``.pth`` or ``.pt`` file in torchvision's or timm's naming; by
            default the published weights, fetched once and cached.
        fold_batch_norm: Whether batch norm is folded into the convolutions: the same function to rounding,
            faster.

    Returns:
        The network with its float32 weights, preprocessing, class names and default layer.

    Raises:
        ValueError: Unknown name; a file that is damaged, would run code or does not fit the network exactly.
        OSError: The file is missing or the published weights could not be fetched; it says what to do.
        ImportError: A library that reads or fetches the file is not installed.
    """
    spec = lookup(name)
    path, origin = fetch(name, spec.source) if weights is None else (Path(weights), str(weights))
    tensors = read_weights(path)
    try:
        classes = len(class_names(spec.classes))
        variables = port(tensors, shapes(spec, classes, folded=False), spec)
    except ValueError as error:
        raise ValueError(f"weights: {path} does not fit {name}: {error}") from error
    if fold_batch_norm and spec.eps is not None:
        variables = fold(variables, spec.eps)
    params = jax.tree.map(jnp.asarray, variables)
    return _model(name, spec, classes, fold_batch_norm, params, digest(path), origin)


def init(name: str, key: Array, *, num_classes: int | None = None) -> Model:
    """Make a network with random weights, for timing and for tests.

    Kernels are normal with variance 2 / fan-in (He et al., 2015), biases 0; batch norm is the identity, folded.

    Args:
        name: One of ``names()``.
        key: PRNG key.
        num_classes: Number of logits; by default that of the network's data set.

    Returns:
        The network; its ``digest`` is empty.

    Raises:
        ValueError: Unknown name, or ``num_classes`` below 1.
    """
    spec = lookup(name)
    classes = len(class_names(spec.classes)) if num_classes is None else num_classes
    if classes < 1:
        raise ValueError(f"num_classes: {num_classes} came, at least 1 wanted")
    module = spec.module(num_classes=classes, folded=True)
    params = jax.jit(module.init)(key, jnp.zeros(_input(spec)))
    seed = jax.random.key_data(key).tolist() if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key.tolist()
    return _model(name, spec, classes, True, params, "", f"random, key {seed}")


def shapes(spec: Spec, num_classes: int, *, folded: bool) -> Any:
    """Shapes of a network's variables; nothing is computed or allocated."""
    module = spec.module(num_classes=num_classes, folded=folded)
    return jax.eval_shape(module.init, jax.random.key(0), jax.ShapeDtypeStruct(_input(spec), jnp.float32))


def _input(spec: Spec) -> tuple[int, int, int, int]:
    return (1, spec.preprocess.size, spec.preprocess.size, 3)


def _model(name: str, spec: Spec, classes: int, folded: bool, params: Any, sha256: str, origin: str) -> Model:
    return Model(
        name=name,
        apply_fn=Apply(spec.module(num_classes=classes, folded=folded)),
        params=params,
        preprocess=spec.preprocess,
        class_names=names_for(spec.classes, classes),
        layer=spec.layer,
        digest=sha256,
        weights=origin,
        input_shape=_input(spec)[1:],
    )
