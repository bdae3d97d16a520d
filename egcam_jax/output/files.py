"""Files that are written whole or not at all, and go on after a kill."""

import contextlib
import errno
import json
import math
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from egcam_jax.report.text import encodable

_STAGE = f".egcam-{socket.gethostname()}-"
"""What a folder is called in which files wait until all are there, before the number of its process."""


def prepare(folder: Path) -> Path:
    """Make the output folder, check that it can be written to, and clear away what a killed process left half done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(
            f"out must be a folder that can be written to; got {folder} ({error.strerror}). Name another folder."
        ) from error
    for stage in folder.glob(f"{_STAGE}*"):
        if not _runs(stage.name.removeprefix(_STAGE).partition("-")[0]):
            shutil.rmtree(stage, ignore_errors=True)
    return folder


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give a folder to write files to, which move into ``folder`` at the end: all, or, where one fails, none.

    Nothing half written is ever under a file's own name, and a name that is a link or a pipe is replaced, not
    written through. Documents (``.json``) move last: where one is there, so is all that it describes.

    Raises:
        OSError: A file cannot be written, or a folder has its name.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=f"{_STAGE}{os.getpid()}-") as stage:
            yield Path(stage)
            names = sorted(
                (path.name for path in Path(stage).iterdir()), key=lambda name: (name.endswith(".json"), name)
            )
            for name in names:
                if (folder / name).is_dir():
                    raise IsADirectoryError(errno.EISDIR, f"{folder / name} is a folder")
            for name in names:
                os.replace(Path(stage, name), folder / name)
    except OSError as error:
        raise type(error)(
            f"{folder}: its files cannot be written there ({error.strerror or error}); make room, or name another "
            "folder with --out"
        ) from error


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write the raw map and what goes with it; what the method does not have is left out."""
    import numpy as np

    np.savez_compressed(path, **{name: value for name, value in arrays.items() if value is not None})


def dump(document: Any, *, ascii: bool = False) -> str:
    """JSON that every reader accepts: NaN and infinity, which JSON lacks, become null.

    With ``ascii``, other letters are escaped, so that any terminal or pipe can carry it.
    """
    return json.dumps(_finite(document), indent=2, ensure_ascii=ascii, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, str):
        return encodable(value)  # JSON has escapes of its own for what commands a terminal
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _runs(process: str) -> bool:
    """Whether a process of this machine is still there."""
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
