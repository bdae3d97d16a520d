"""From what a user types to files."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from egcam_jax.data._example import Example, PassedOver, Records, told
from egcam_jax.data._folder import sort
from egcam_jax.data._masks import read_mask
from egcam_jax.data._names import finder
from egcam_jax.data._read import read_picture


class Files(NamedTuple):
    """What an argument stands for.

    Attributes:
        files: Pictures, sorted.
        masks: The mask of each that has one.
        passed: What a folder holds beside them, and cannot be used.

    Example:
        >>> from pathlib import Path
        >>> from egcam_jax import data
        >>> listed = data.Files([Path("cat.png")], {Path("cat.png"): Path("cat_mask.png")}, ())
        >>> listed.masks[listed.files[0]].name
        'cat_mask.png'
    """

    files: list[Path]
    masks: dict[Path, Path]
    passed: tuple[PassedOver, ...]


def expand(argument: str | os.PathLike[str]) -> list[Path]:
    """List the files that an argument stands for, sorted.

    A folder stands for the images right in it, known by their suffix, hidden ones and masks left out; a pattern with
    ``*``, ``?`` or ``[...]`` for the files that match, ``**`` for folders at any depth; anything else for itself,
    be it there or not.

    Args:
        argument: A file, a folder or a pattern; ``~`` is the home folder.

    Returns:
        The files, each once.

    Raises:
        FileNotFoundError: The folder holds no image, nothing matches the pattern, or no user has this home folder.
        ValueError: A mask of several pictures, or several masks of one.

    Example:
        >>> import pathlib, tempfile
        >>> from egcam_jax import data
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.jpg", "notes.txt"):
        ...         pathlib.Path(folder, name).touch()
        ...     print([file.name for file in data.expand(folder)])
        ['a.jpg', 'b.png']
    """
    return files(argument).files


def files(argument: str | os.PathLike[str]) -> Files:
    """List the files that an argument stands for, as ``expand`` does, with their masks and what is passed over.

    Args:
        argument: A file, a folder or a pattern; ``~`` is the home folder.

    Returns:
        Pictures, masks, and the rest of a folder with reasons.

    Raises:
        FileNotFoundError, ValueError: As ``expand``.

    Example:
        >>> import pathlib, tempfile
        >>> from egcam_jax import data
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("a.jpg", "notes.txt"):
        ...         pathlib.Path(folder, name).touch()
        ...     print([file.name for file in data.files(folder).files])
        ['a.jpg']
    """
    path = _at_home(argument)
    if os.path.isdir(path):  # unlike Path.is_dir, raises nothing on names that no file can have
        return _images(path)
    if os.path.exists(path) or not glob.has_magic(str(path)):
        return Files([_as_on_disk(path)], {}, ())
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if not os.path.isdir(match))
    if not matches:
        raise FileNotFoundError(f"{argument}: no file matches the pattern; check it with `ls`")
    return Files(matches, {}, ())


def open_files(arguments: Sequence[str | os.PathLike[str]]) -> Records:
    """Open files, folders and patterns as one source; no picture is read yet.

    Args:
        arguments: Each as ``expand`` takes it.

    Returns:
        The source, without labels; ids are the paths. Its ``passed`` has what the folders hold beside pictures.

    Raises:
        FileNotFoundError, ValueError: As ``expand``.

    Example:
        >>> from egcam_jax import data
        >>> data.open_files([data.demo_path()])[0].image.shape
        (300, 451, 3)
    """
    listed = [files(argument) for argument in arguments]
    paths = list(dict.fromkeys(path for one in listed for path in one.files))
    masks = {path: mask for one in listed for path, mask in one.masks.items()}

    def read(i: int) -> Example:
        picture, mask = read_picture(paths[i]), masks.get(paths[i])
        return Example(str(paths[i]), picture.pixels, (), read_mask(mask, picture) if mask else None)

    return Records(
        name=" ".join(map(str, arguments)),
        ids=tuple(map(str, paths)),
        has_masks=bool(masks),
        read=read,
        labels=lambda i: (),
        pictures=tuple(os.path.realpath(path) for path in paths),
        place=os.pathsep.join(sorted({os.path.realpath(path.parent) for path in paths})),
        content=lambda i: (paths[i], masks.get(paths[i], b"")),
        passed=tuple(gone for one in listed for gone in one.passed),
    )


def _at_home(argument: str | os.PathLike[str]) -> Path:
    try:
        return Path(argument).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(f"{argument}: no user of this name has a home folder; write ./~ for a file") from error


def _as_on_disk(path: Path) -> Path:
    """The file of this name, be it with other accents or case; the path itself where there is none, or several."""
    if os.path.exists(path):
        return path
    try:
        return path.parent / finder(path.parent)(path.name)
    except (OSError, ValueError):
        return path


def _images(folder: Path) -> Files:
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except PermissionError as error:
        raise PermissionError(f"{folder}: no permission to list it; try `chmod +rx`, or a copy") from error
    pictures, masks, other = sort(entries)
    passed = tuple(PassedOver(str(path), reason) for path, reason in other.items())
    if not pictures:
        raise FileNotFoundError(
            f"{folder}: the folder holds no image ({told(passed) or 'no file at all'}; folders below it are not "
            "searched); name a folder with JPEG, PNG or WebP files"
        )
    return Files(pictures, masks, passed)
