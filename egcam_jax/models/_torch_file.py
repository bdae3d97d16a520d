"""Tensors from a ``.pth`` file without PyTorch, and without running anything that the file says.

Such a file is a pickle, and a pickle is a program: ``_pickle`` lets it name the functions that rebuild tensors, the
types of storage, and ``OrderedDict``, all of which are our own here. Tensors are rebuilt after the pickle has been
read, with every offset and stride checked. Both formats are read: the zip archive (PyTorch 1.6 and later), and the
legacy one, in which storages follow the pickle.
"""

import dataclasses
import io
import math
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np

from egcam_jax.models._pickle import Fixed, Function, TorchFileError, ordered_dict, run

Readable: TypeAlias = Any
"""An open file of bytes: a file on disk or a member of a zip archive, which share no registered type."""

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MAX_PICKLE = 64 * 2**20
_MAX_AXES = 8
_MAX_EXTENT = 2**48
_MAX_SHARING = 8


@dataclasses.dataclass(eq=False)
class _StorageType(Fixed):
    dtype: np.dtype


@dataclasses.dataclass(eq=False)
class _Storage(Fixed):
    dtype: np.dtype
    count: int
    values: np.ndarray | None = None


@dataclasses.dataclass(eq=False)
class _Tensor(Fixed):
    storage: Any
    offset: Any
    size: Any
    stride: Any


_REBUILD = Function(lambda storage, offset, size, stride, *_: _Tensor(storage, offset, size, stride))
_FLOATS = {"Double": np.float64, "Float": np.float32, "Half": np.float16, "BFloat16": jnp.bfloat16}
_WHOLE = {"Long": np.int64, "Int": np.int32, "Short": np.int16, "Char": np.int8, "Byte": np.uint8, "Bool": np.bool_}
_ADMITTED: Mapping[tuple[str, str], Fixed] = {
    ("collections", "OrderedDict"): Function(ordered_dict),
    ("torch._utils", "_rebuild_tensor"): _REBUILD,
    ("torch._utils", "_rebuild_tensor_v2"): _REBUILD,
    ("torch._utils", "_rebuild_parameter"): Function(lambda data, *_: data),
    ("torch._utils", "_rebuild_parameter_with_state"): Function(lambda data, *_: data),
    **{("torch", f"{name}Storage"): _StorageType(np.dtype(kind)) for name, kind in (_FLOATS | _WHOLE).items()},
}


def load_torch(path: Path) -> Any:
    """Read what ``torch.save`` wrote: tensors become NumPy arrays, containers stay.

    Args:
        path: A file in the zip or the legacy format.

    Returns:
        The saved object, for weights a dict from names to arrays.

    Raises:
        TorchFileError: The file is damaged or truncated, or holds anything but tensors and plain containers.
        OSError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            return _load_zip(file) if zipped else _load_legacy(file)
    except TorchFileError as error:
        raise TorchFileError(f"{path}: {error}") from error.__cause__
    except RecursionError as error:
        raise TorchFileError(f"{path}: containers in it are nested too deeply") from error


def _load_zip(file: Readable) -> Any:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise TorchFileError(f"damaged zip archive: {error}") from error
    with archive:
        pickles = [name for name in archive.namelist() if name.split("/")[1:] == ["data.pkl"]]
        if len(pickles) != 1:
            raise TorchFileError("a zip archive, but not one that torch.save wrote: it has no single data.pkl")
        if sum(info.file_size for info in archive.infolist()) > file.seek(0, io.SEEK_END):
            raise TorchFileError("its members are compressed or overlap, which torch.save never writes")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            _check_little(_member(archive, f"{root}byteorder", 6) == b"little")
        storages: dict[str, _Storage] = {}
        tree = _unpickle(io.BytesIO(_member(archive, pickles[0], _MAX_PICKLE)), _referring(storages))
        for key, storage in storages.items():
            _fill(storage, _member(archive, f"{root}data/{key}", storage.count * storage.dtype.itemsize))
        return _arrays(tree, storages)


def _load_legacy(file: Readable) -> Any:
    storages: dict[str, _Storage] = {}
    if (_unpickle(file), _unpickle(file)) != (_MAGIC, _PROTOCOL):
        raise TorchFileError("not a file that torch.save wrote")
    system = _unpickle(file)
    _check_little(isinstance(system, dict) and system.get("little_endian") is True)
    tree, keys = _unpickle(file, _referring(storages)), _unpickle(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or set(keys) != set(storages):
        raise TorchFileError("its list of storages does not fit its tensors")
    size = os.fstat(file.fileno()).st_size
    for storage in (storages[key] for key in keys):
        if file.read(8) != struct.pack("<q", storage.count):
            raise TorchFileError("truncated, or a storage has not the length that its tensors say")
        _fill(storage, file.read(min(storage.count * storage.dtype.itemsize, size)))
    return _arrays(tree, storages)


def _unpickle(file: Readable, refer: Callable[[Any], _Storage] | None = None) -> Any:
    """One pickle; ``file`` is left at its end."""
    start = file.tell()
    value, length = run(file.read(_MAX_PICKLE), _ADMITTED, refer or _nothing)
    file.seek(start + length)
    return value


def _nothing(pid: Any) -> _Storage:
    raise TorchFileError("it refers to a storage where none can be")


def _referring(storages: dict[str, _Storage]) -> Callable[[Any], _Storage]:
    """From a reference to its storage, which is noted by its key, and filled when all are known."""

    def refer(pid: Any) -> _Storage:
        match pid:
            case ("storage", _StorageType() as kind, str() as key, _, int() as count, *rest) if 0 <= count < 2**63:
                if any(item is not None for item in rest):
                    raise TorchFileError("it holds views of storages, as PyTorch before 0.4 wrote them")
                return storages.setdefault(key, _Storage(kind.dtype, count))
        raise TorchFileError(f"a storage is described by a {type(pid).__name__}, which is not what torch.save writes")

    return refer


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A stored member of at most ``limit`` bytes; a compressed one could be a bomb, and torch writes none."""
    try:
        info = archive.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
            raise TorchFileError(f"{name} in it is compressed, or longer than the {limit} bytes expected")
        return archive.read(info)
    except (KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise TorchFileError(f"{name} in it is missing or damaged: {str(error)[:80]!r}") from error


def _fill(storage: _Storage, data: bytes) -> None:
    if len(data) != storage.count * storage.dtype.itemsize:
        raise TorchFileError(f"truncated: a storage of {storage.count} {storage.dtype} values has {len(data)} bytes")
    storage.values = np.frombuffer(data, storage.dtype)


def _check_little(little: bool) -> None:
    if not little:
        raise TorchFileError("written on a big-endian machine, which is not supported")


def _arrays(tree: Any, storages: Mapping[str, _Storage]) -> Any:
    """Copy each tensor out of its storage; a small file must not become a large tree."""
    left = _MAX_SHARING * sum(storage.count for storage in storages.values())
    done: dict[int, Any] = {}  # a container that is shared stays shared: written out, it could double at each level

    def build(node: Any) -> Any:
        nonlocal left
        if isinstance(node, _Tensor):
            array = _view(node.storage, node.offset, node.size, node.stride)
            left -= array.size
            if left < 0:
                raise TorchFileError(f"its tensors repeat its storages more than {_MAX_SHARING} times")
            return array.copy()
        if not isinstance(node, dict | list | tuple):
            return node
        if id(node) not in done:
            done[id(node)] = (
                {key: build(value) for key, value in node.items()}
                if isinstance(node, dict)
                else [build(value) for value in node]
            )
        return done[id(node)]

    return build(tree)


def _view(storage: Any, offset: Any, size: Any, stride: Any) -> np.ndarray:
    """A tensor's values; refused where it reaches outside its storage, or repeats it beyond its length."""
    plain = isinstance(storage, _Storage) and isinstance(size, tuple) and isinstance(stride, tuple)
    if not plain or not len(size) == len(stride) <= _MAX_AXES or not all(map(_natural, (offset, *size, *stride))):
        raise TorchFileError("a tensor is described by something else than storage, offset, size and stride")
    last, values = offset + sum((n - 1) * step for n, step in zip(size, stride)), storage.values
    if math.prod(size) > len(values) or (math.prod(size) and last >= len(values)):
        raise TorchFileError(f"a tensor of size {size}, stride {stride} reaches outside its storage")
    try:
        steps = [step * values.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(values[offset:], size, steps, writeable=False)
    except (ValueError, OverflowError) as error:  # an empty tensor with axes too long to multiply
        raise TorchFileError(f"a tensor of size {size}, stride {stride} cannot be") from error


def _natural(n: Any) -> bool:
    return type(n) is int and 0 <= n < _MAX_EXTENT
