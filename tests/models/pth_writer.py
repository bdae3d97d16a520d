"""Writes what ``torch.save`` writes, opcode by opcode, and what it never would; without PyTorch."""

import io
import pickle
import struct
import zipfile
from typing import Any

import numpy as np

STORAGES = {
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
}


def plain(value: Any) -> bytes:
    """Opcodes that push a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def tuple_of(*parts: bytes) -> bytes:
    """Opcodes that push a tuple of what the parts push."""
    return b"(" + b"".join(parts) + b"t"


def name(module: str, attribute: str) -> bytes:
    """Opcodes that push a global."""
    return b"c" + f"{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    """Opcodes that push what a call returns."""
    return function + tuple_of(*arguments) + b"R"


def storage(key: str, dtype: str, count: Any, *, kind: bytes | None = None, legacy: bool = False) -> bytes:
    """Opcodes that push a reference to a storage."""
    kind = kind or name("torch", STORAGES[dtype])
    rest = [plain(None)] if legacy else []
    return tuple_of(plain("storage"), kind, plain(key), plain("cpu"), plain(count), *rest) + b"Q"


def tensor(where: bytes, offset: Any, size: Any, stride: Any) -> bytes:
    """Opcodes that push a tensor."""
    hooks = call(name("collections", "OrderedDict"))
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    return call(rebuild, where, plain(offset), plain(size), plain(stride), plain(False), hooks)


def mapping(**items: bytes) -> bytes:
    """Opcodes that push a dict."""
    return b"}(" + b"".join(plain(key) + value for key, value in items.items()) + b"u"


def program(body: bytes) -> bytes:
    """A whole pickle."""
    return b"\x80\x02" + body + b"."


def zipped(body: bytes, storages: dict[str, np.ndarray], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A file of the zip format."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("net/data.pkl", program(body))
        archive.writestr("net/byteorder", "little", zipfile.ZIP_STORED)
        for key, values in storages.items():
            archive.writestr(f"net/data/{key}", values.tobytes())
        archive.writestr("net/version", "3\n")
    return buffer.getvalue()


def legacy(body: bytes, storages: dict[str, np.ndarray]) -> bytes:
    """A file of the format before PyTorch 1.6."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
    parts = [pickle.dumps(value, 2) for value in head] + [program(body), pickle.dumps(list(storages), 2)]
    parts += [struct.pack("<q", values.size) + values.tobytes() for values in storages.values()]
    return b"".join(parts)
