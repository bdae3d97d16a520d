"""A network by name, with published, given or random weights."""

import dataclasses
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core.types import Array
from egcam_jax.models import _classes
from egcam_jax.models._fetch import fetch
from egcam_jax.models._files import digest, read_weights
from egcam_jax.models._port import fold_batch_norm as fold
from egcam_jax.models._port import port, sizes
from egcam_jax.models._registry import spec as lookup
from egcam_jax.models._spec import Apply, Model, Preprocess, Sizes, Spec


def load(
    name: str,
    weights: str | os.PathLike[str] | None = None,
    *,
    fold_batch_norm: bool = True,
    class_names: Sequence[str] | str | os.PathLike[str] | None = None,
    preprocess: Preprocess | None = None,
    entry: str | None = None,
) -> Model:
    """Load a network with trained weights.

    The number of classes, the units of the classifier's hidden layers and the number of channels of the first
    convolution are those of the file.

    Args:
        name: One of ``names()``.
        weights: A ``.safetensors`` or ``.npz`` file, or one of PyTorch (``.pth``, ``.pt``, ``.th``, ``.pth.tar``,
            ``.ckpt``, ``.bin``), in torchvision's or timm's naming; by default the published weights, fetched once and
            cached. Wrappings of checkpoints, as in ``{"state_dict": {"model.conv1.weight": ...}}``, are taken off.
        fold_batch_norm: Whether batch norm is folded into the convolutions: the same function to rounding,
            faster.
        class_names: Names of the classes in the order of the logits; or a text file with a name in each line, or a
            table with the columns ``index,name``. By default those of the network's data set, or numbers where the
            weights have another number of classes.
        preprocess: What the weights were trained with; by default what the published ones were.
        entry: Which of several sets of tensors in the file, as in ``"model_ema"``, or what their names begin with.

    Returns:
        The network with its float32 weights, preprocessing, class names and default layer.

    Raises:
        ValueError: Unknown name; a file that is damaged, would run code or does not fit the network exactly; another
            number of class names than of classes; a preprocessing for another number of channels.
        OSError: The file is missing or the published weights could not be fetched; it says what to do.
        ImportError: A library that reads or fetches the file is not installed.

    Warns:
        UserWarning: The file holds an average of the weights too, or its network takes grey pictures, and no argument
            says what to do.
    """
    spec = lookup(name)
    path, origin = fetch(name, spec.source) if weights is None else (Path(weights), str(weights))
    tensors = read_weights(path, entry)
    size = Sizes(len(_classes.class_names(spec.classes)))
    try:
        wanted = _shapes(spec, size, folded=False)
        own = sizes(tensors, wanted, spec) or size
        if own != size:  # only then, since tracing the network again takes a while
            size, wanted = own, _shapes(spec, own, folded=False)
        variables = port(tensors, wanted, spec)
    except ValueError as error:
        raise ValueError(f"weights: {path} does not fit {name}: {error}") from error
    if fold_batch_norm and spec.eps is not None:
        variables = fold(variables, spec.eps)
    params = jax.device_put(variables)  # at once: jnp.asarray would compile a program for each shape
    origin = f"{origin} ({entry})" if entry else origin
    return dataclasses.replace(
        _model(name, spec, size, fold_batch_norm, params, digest(path), origin),
        preprocess=(seen := _preprocess(spec, preprocess, size.channels, path)),
        class_names=_classes.names_for(spec.classes, size.classes, class_names),
        input_shape=_input(seen, size),
    )


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

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import models
        >>> model = models.init("cifar_resnet20", jax.random.key(0), num_classes=5)
        >>> jax.eval_shape(model.apply_fn, model.params, jnp.ones((1, *model.input_shape))).shape
        (1, 5)
    """
    spec = lookup(name)
    classes = len(_classes.class_names(spec.classes)) if num_classes is None else num_classes
    if classes < 1:
        raise ValueError(f"num_classes must be at least 1; got {num_classes}")
    size = Sizes(classes)
    params = jax.jit(_apply(spec, size, folded=True).module.init)(key, jnp.zeros((1, *_input(spec.preprocess, size))))
    seed = jax.random.key_data(key).tolist() if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key.tolist()
    return _model(name, spec, size, True, params, "", f"random, key {seed}")


def shapes(spec: Spec, num_classes: int, *, folded: bool) -> Any:
    """Shapes of a network's variables; nothing is computed or allocated.

    Example:
        >>> from egcam_jax import models
        >>> import jax
        >>> tree = models.shapes(models.spec("resnet50"), 10, folded=True)
        >>> sum(leaf.size for leaf in jax.tree.leaves(tree)) > 23_000_000
        True
    """
    return _shapes(spec, Sizes(num_classes), folded=folded)


def _shapes(spec: Spec, size: Sizes, *, folded: bool) -> Any:
    x = jax.ShapeDtypeStruct((1, *_input(spec.preprocess, size)), jnp.float32)
    return jax.eval_shape(_apply(spec, size, folded=folded).module.init, jax.random.key(0), x)


def _apply(spec: Spec, size: Sizes, *, folded: bool) -> Apply:
    return Apply(spec.module(num_classes=size.classes, folded=folded, hidden=size.hidden), size.channels)


def _model(name: str, spec: Spec, size: Sizes, folded: bool, params: Any, sha256: str, origin: str) -> Model:
    """The model with the published preprocessing and names."""
    names, apply = _classes.names_for(spec.classes, size.classes), _apply(spec, size, folded=folded)
    shape = _input(spec.preprocess, size)
    return Model(name, apply, params, spec.preprocess, names, spec.layer, sha256, origin, shape, spec.fused)


def _input(preprocess: Preprocess, size: Sizes) -> tuple[int, int, int]:
    height, width = np.broadcast_to(preprocess.size, 2).tolist()
    return height, width, size.channels


def _preprocess(spec: Spec, given: Preprocess | None, channels: int, path: Path) -> Preprocess:
    """The preprocessing for a number of channels; that of published weights is for three."""
    preprocess = spec.preprocess if given is None else given
    if given is None and channels == 1:
        mean, std = (round(float(np.mean(values)), 4) for values in (preprocess.mean, preprocess.std))
        warnings.warn(
            f"weights: {path} takes grey pictures; the published mean and std are averaged to {mean} and {std}. "
            "Pass the preprocess= that the weights were trained with.",
            stacklevel=3,
        )
        preprocess = dataclasses.replace(preprocess, mean=(mean,), std=(std,), bgr=False)
    if not len(preprocess.mean) == len(preprocess.std) == channels:
        raise ValueError(
            f"preprocess must have {channels} numbers in mean and in std, as the first convolution in {path} has "
            f"{channels} channels; got {len(preprocess.mean)} and {len(preprocess.std)}. Pass "
            "egcam_jax.models.Preprocess(mean=..., std=...)."
        )
    return preprocess
