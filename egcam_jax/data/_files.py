"""From what a user types to files, and from a folder to a reference distribution."""

import glob
import os
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from egcam_jax.data._preprocess import Preprocess, preprocess
from egcam_jax.data._read import SUFFIXES, read


def expand(argument: str | os.PathLike[str]) -> list[Path]:
    """List the files that an argument stands for, sorted.

    A folder stands for the images right in it, known by their suffix, hidden ones left out; a pattern with
    ``*``, ``?`` or ``[...]`` for the files that match, ``**`` for folders at any depth; anything else for itself,
    be it there or not.

    Args:
        argument: A file, a folder or a pattern; ``~`` is the home folder.

    Returns:
        The files, each once.

    Raises:
        FileNotFoundError: The folder holds no image, nothing matches the pattern, or no user has this home folder.
    """
    path = _at_home(argument)
    if os.path.isdir(path):  # unlike Path.is_dir, raises nothing on names that no file can have
        return _images(path)
    if os.path.exists(path) or not glob.has_magic(str(path)):
        return [path]
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if not os.path.isdir(match))
    if not matches:
        raise FileNotFoundError(f"{argument}: no file matches the pattern; check it with `ls`")
    return matches


def references(
    folder: str | os.PathLike[str], settings: Preprocess, *, count: int = 32, seed: int = 0
) -> Float32[np.ndarray, "r h w 3"]:
    """Draw a reference distribution from a folder of photographs, without replacement.

    Args:
        folder: A folder or a pattern, as ``expand`` takes.
        settings: The model's ``preprocess``.
        count: How many at most; a folder with fewer gives all it has.
        seed: Of the draw; the same files and seed give the same references.

    Returns:
        ``(r, size, size, 3)`` preprocessed photographs, in the order of their names.

    Raises:
        ValueError: ``count`` is less than 1.
        OSError: No images, or one of those drawn cannot be read.
    """
    return np.stack([preprocess(read(path), settings) for path in draw(folder, count=count, seed=seed)])


def draw(folder: str | os.PathLike[str], *, count: int = 32, seed: int = 0) -> list[Path]:
    """Draw the files that ``references`` reads.

    Args:
        folder: A folder or a pattern, as ``expand`` takes.
        count: How many at most.
        seed: Of the draw.

    Returns:
        The files, sorted.

    Raises:
        ValueError: ``count`` is less than 1.
        OSError: As ``expand``.
    """
    if count < 1:
        raise ValueError(f"count: {count} came, at least 1 wanted")
    files = expand(folder)
    drawn = np.random.default_rng(seed).permutation(len(files))[:count]
    return [files[i] for i in sorted(drawn)]


def _at_home(argument: str | os.PathLike[str]) -> Path:
    try:
        return Path(argument).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(f"{argument}: no user of this name has a home folder; write ./~ for a file") from error


def _images(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except PermissionError as error:
        raise PermissionError(f"{folder}: no permission to list it; try `chmod +rx`, or a copy") from error
    images = [
        path for path in entries if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if not images:
        raise FileNotFoundError(
            f"{folder}: the folder holds no image ({len(entries)} other entries; folders below it are not "
            "searched); name a folder with JPEG, PNG or WebP files"
        )
    return images
