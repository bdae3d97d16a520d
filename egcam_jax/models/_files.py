"""Weight files of any supported format, as a dict from names to NumPy arrays; and digests of weights."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core.types import Params
from egcam_jax.models._checkpoint import state_dict
from egcam_jax.models._pickle import TorchFileError
from egcam_jax.models._torch_file import load_torch

_FORMATS = (".safetensors", ".npz", ".pth", ".pt", ".th", ".pth.tar", ".pt.tar", ".ckpt", ".bin")


def read_weights(path: Path, entry: str | None = None) -> dict[str, np.ndarray]:
    """Read a weight file, without PyTorch and without running code.

    Args:
        path: ``.safetensors``, ``.npz``, or a file of PyTorch: ``.pth``, ``.pt``, ``.th``, ``.pth.tar``, ``.ckpt`` or
            ``.bin``.
        entry: Which of several sets of tensors, as in ``"model_ema"``.

    Returns:
        Tensors by name; floating ones as float32.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Unknown format, damaged file, one that holds other things than tensors, or one that would run code.

    Warns:
        UserWarning: The file holds an average of the weights too, and no ``entry`` says which is wanted.
    """
    if not path.is_file():
        raise FileNotFoundError(f"weights: there is no file {path}; check the spelling and the current folder")
    if not path.name.lower().endswith(_FORMATS):
        raise ValueError(f"weights must be a {', '.join(_FORMATS)} file; got {path}. Save it as .safetensors.")
    try:
        tree = _read(path)
    except (TorchFileError, ImportError):
        raise
    except Exception as error:  # a damaged file can fail anywhere in three libraries, with no common error
        message = f"{type(error).__name__}: {str(error)[:80]!r}"
        raise ValueError(f"weights: {path} is damaged or not a readable file of its format ({message})") from error
    tensors = state_dict(tree, entry, path)
    if not tensors or not all(isinstance(value, np.ndarray) for value in tensors.values()):
        raise ValueError(f"weights: {path} holds no flat dict of tensors; save the model's state_dict() alone")
    return {name: _float32(value) for name, value in tensors.items()}


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Example:
        >>> import pathlib, tempfile
        >>> from egcam_jax import models
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "weights.npz")
        ...     size = file.write_bytes(b"abc")
        ...     print(models.digest(file)[:8])
        ba7816bf
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def params_digest(params: Params) -> str:
    """SHA-256 of the values of a model's parameters: equal for equal weights, wherever they come from.

    Args:
        params: Any tree of arrays.

    Returns:
        64 hexadecimal digits, of all leaves with their places in the tree, shapes and dtypes.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax.models import params_digest
        >>> params_digest({"w": jnp.ones(3)}) == params_digest({"w": jnp.ones(3)})
        True
        >>> params_digest({"w": jnp.ones(3)}) == params_digest({"w": jnp.zeros(3)})
        False
    """
    total = hashlib.sha256()
    for place, leaf in jax.tree_util.tree_leaves_with_path(params):
        is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        values = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
        total.update(f"{jax.tree_util.keystr(place)} {values.dtype} {values.shape}\n".encode())
        if values.dtype == object:  # a function, such as an activation in an Equinox module
            total.update(str(getattr(leaf, "__qualname__", type(leaf))).encode())
        elif values.size:
            total.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def _read(path: Path) -> Any:
    match path.suffix.lower():
        case ".safetensors":
            try:
                from safetensors.numpy import load_file
            except ImportError as error:
                raise ImportError(f'{path} needs safetensors: pip install "egcam-jax[data]"') from error
            return load_file(path)
        case ".npz":
            return _read_npz(path)
    return load_torch(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise ValueError("no archive of arrays, as numpy.savez writes")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: _bfloat16(values) for name, values in archive.items()}


def _bfloat16(values: np.ndarray) -> np.ndarray:
    """NumPy saves bfloat16 as two raw bytes, which no other dtype of weights becomes."""
    return values.view(jnp.bfloat16) if values.dtype == np.dtype("V2") else values


def _float32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32, copy=False) if jnp.issubdtype(values.dtype, jnp.floating) else values
