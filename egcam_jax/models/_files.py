"""Weight files of any supported format, as a dict from names to NumPy arrays."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from egcam_jax.models._pickle import TorchFileError
from egcam_jax.models._torch_file import load_torch

_FORMATS = (".safetensors", ".npz", ".pth", ".pt", ".th")
_WRAPPERS = ("state_dict", "model", "model_state_dict")
_PARALLEL = "module."


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Read a weight file, without PyTorch and without running code.

    Args:
        path: ``.safetensors``, ``.npz``, ``.pth``, ``.pt`` or ``.th``.

    Returns:
        Tensors by name; floating ones as float32.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Unknown format, damaged file, one that holds other things than tensors, or one that would run code.
    """
    if not path.is_file():
        raise FileNotFoundError(f"weights: there is no file {path}; check the spelling and the current folder")
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(f"weights: {path} came, a {', '.join(_FORMATS)} file wanted")
    try:
        tensors = _unwrap(_read(path))
    except (TorchFileError, ImportError):
        raise
    except Exception as error:  # a damaged file can fail anywhere in three libraries, with no common error
        message = f"{type(error).__name__}: {str(error)[:80]!r}"
        raise ValueError(f"weights: {path} is damaged or not a readable file of its format ({message})") from error
    if not tensors or not all(isinstance(value, np.ndarray) for value in tensors.values()):
        raise ValueError(f"weights: {path} holds no flat dict of tensors; save the model's state_dict() alone")
    return {name: _float32(value) for name, value in tensors.items()}


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _read_safetensors(path)
    if suffix == ".npz":
        return _read_npz(path)
    return load_torch(path)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ImportError(f'{path} needs safetensors: pip install "egcam-jax[data]"') from error
    return load_file(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise ValueError("no archive of arrays, as numpy.savez writes")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: _bfloat16(values) for name, values in archive.items()}


def _bfloat16(values: np.ndarray) -> np.ndarray:
    """NumPy saves bfloat16 as two raw bytes, which no other dtype of weights becomes."""
    return values.view(jnp.bfloat16) if values.dtype == np.dtype("V2") else values


def _unwrap(tree: Any) -> dict[str, Any]:
    """The state dict inside a checkpoint, without the prefix that data-parallel training adds."""
    if not isinstance(tree, Mapping):
        return {}
    inner = next((tree[name] for name in _WRAPPERS if isinstance(tree.get(name), Mapping)), tree)
    if all(str(name).startswith(_PARALLEL) for name in inner):
        return {str(name).removeprefix(_PARALLEL): value for name, value in inner.items()}
    return {str(name): value for name, value in inner.items()}


def _float32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32, copy=False) if jnp.issubdtype(values.dtype, jnp.floating) else values
