"""Records of a TFRECORD file by index, without TensorFlow: each is a length, a checksum, bytes and a checksum."""

import os
import struct
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

_HEADER = struct.Struct("<QI")
_FOOTER = 4


def read_record(path: str | os.PathLike[str], index: int) -> bytes:
    """Read one record. Checksums are not looked at; where a record starts is found once for each file and remembered.

    Args:
        path: The file.
        index: Of the record in the file.

    Returns:
        Its bytes.

    Raises:
        OSError: The file is missing or cut short, or has fewer records.
    """
    starts = _starts(os.fspath(path))
    if index >= len(starts) - 1:
        raise OSError(f"{path}: it ends before record {index}: damaged or cut short; prepare it again")
    start, end = int(starts[index]) + _HEADER.size, int(starts[index + 1]) - _FOOTER
    with Path(path).open("rb") as file:
        file.seek(start)
        return file.read(end - start)


@lru_cache(maxsize=256)
def _starts(path: str) -> Sequence[int]:
    """Where each whole record starts, and where the last one ends."""
    starts, size = [0], os.path.getsize(path)
    with Path(path).open("rb") as file:
        while starts[-1] + _HEADER.size + _FOOTER <= size:
            file.seek(starts[-1])
            length, _ = _HEADER.unpack(file.read(_HEADER.size))
            end = starts[-1] + _HEADER.size + length + _FOOTER
            if end > size:
                break
            starts.append(end)
    return np.asarray(starts, np.int64)  # type: ignore[return-value]  # an array is indexed as a sequence is
