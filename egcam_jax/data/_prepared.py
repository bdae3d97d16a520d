"""What TensorFlow Datasets has prepared on this machine: looked up, and read by index, without TensorFlow."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from egcam_jax.data._extras import need
from egcam_jax.data._tfrecord import read_record

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_SHARD = re.compile(r".*?-(?P<split>[^-]+)\.[a-z_]+-(?P<number>\d+)-of-\d+")
_DEFAULT_SPLITS = ("validation", "test")
"""Validation first: the test splits of ImageNet and COCO have no labels."""


class Prepared(NamedTuple):
    """A split of a prepared data set.

    Attributes:
        features: Their description, which takes records apart.
        ids: The records' names: split, number of the file, number in it.
        record: The bytes of an index; raises an ``OSError`` where they cannot be read.
    """

    features: Any
    ids: tuple[str, ...]
    record: Callable[[int], bytes]


def open_prepared(text: str, tfds: Any) -> Prepared:
    """Find a data set that is prepared, and open a split of it.

    It is looked for in ``TFDS_DATA_DIR``, by default ``~/tensorflow_datasets``.

    Args:
        text: ``NAME[/CONFIG][:VERSION][:SPLIT]``; by default the newest version and the split ``validation``, else
            ``test``, else the first; TFDS' slices, as in ``train[:10%]``, will do.
        tfds: ``tensorflow_datasets``.

    Returns:
        The split.

    Raises:
        FileNotFoundError: It is not prepared; the message has the command that does it.
        OSError: Its description is damaged.
        ValueError: Several configurations and none named, no such split, or a format with no way to a single record.
    """
    name, _, rest = text.partition(":")
    version = _VERSION.match(rest)
    split = rest.removeprefix(version[0]).removeprefix(":") if version else rest
    info = tfds.builder_from_directory(_folder(name, version[0] if version else None)).info
    files = _files(text, info, split)
    places = [(file.filename, file.skip + i) for file in files for i in range(file.take)]
    return Prepared(info.features, tuple(map(_id, places)), _reader(text, info, files, places))


def _folder(name: str, version: str | None) -> Path:
    """The folder of a version of a data set."""
    root = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    versions = _versions(root / name, version)
    inner = {path.name: _versions(path, version) for path in sorted((root / name).glob("*")) if path.is_dir()}
    configs = {config: versions for config, versions in inner.items() if versions}
    if not versions and len(configs) > 1:
        raise ValueError(
            f"tfds:{name}: it is prepared as {', '.join(configs)}; name one, as in tfds:{name}/{next(iter(configs))}"
        )
    if not versions and not configs:
        raise FileNotFoundError(_missing(name, version, root))
    return (versions or next(iter(configs.values())))[-1]


def _versions(folder: Path, version: str | None) -> list[Path]:
    """The folders of the versions, or of that version, oldest first."""
    versions = [
        path for path in folder.glob("*") if _VERSION.fullmatch(path.name) and (path / "features.json").is_file()
    ]
    kept = [path for path in versions if version in (None, path.name)]
    return sorted(kept, key=lambda path: tuple(map(int, path.name.split("."))))


def _missing(name: str, version: str | None, root: Path) -> str:
    there = sorted({path.relative_to(root).parts[0] for path in root.glob("*/**/features.json")})
    wanted = f"{name}:{version}" if version else name
    command = f"tfds.builder('{wanted}', data_dir='{root}', file_format='array_record').download_and_prepare()"
    return (
        f"tfds:{wanted}: not prepared in {root} (TFDS_DATA_DIR); prepared there: {', '.join(there) or 'nothing'}. "
        "Nothing is downloaded unasked. Prepare it once, with TensorFlow, which reading does not need: "
        "pip install tensorflow tensorflow-datasets importlib_resources && "
        f'python -c "import tensorflow_datasets as tfds; {command}"'
    )


def _files(text: str, info: Any, split: str) -> Sequence[Any]:
    chosen = split or next(one for one in (*_DEFAULT_SPLITS, *info.splits) if one in info.splits)
    try:
        return info.splits[chosen].file_instructions
    except (KeyError, ValueError) as error:
        raise ValueError(f"tfds:{text}: no split {chosen!r} ({error}); it has {', '.join(info.splits)}") from error


def _id(place: tuple[str, int]) -> str:
    file = os.path.basename(place[0])
    shard = _SHARD.fullmatch(file)
    return f"{shard['split']}/{shard['number']}/{place[1]:05d}" if shard else f"{file}/{place[1]:05d}"


def _reader(text: str, info: Any, files: Sequence[Any], places: Sequence[tuple[str, int]]) -> Callable[[int], bytes]:
    form = info.file_format.value
    if form == "array_record":
        module = need("array_record.python.array_record_data_source", f"tfds:{text}: its format", "tfds")
        return _guarded(module.ArrayRecordDataSource(files).__getitem__)
    if form == "tfrecord":
        return lambda i: read_record(*places[i])
    raise ValueError(
        f"tfds:{text}: it is prepared in the format {form}, which has no way to a single record without TensorFlow; "
        "prepare it again with --file_format=array_record"
    )


def _guarded(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    def record(index: int) -> bytes:
        try:
            return read(index)
        except (RuntimeError, ValueError, IndexError) as error:  # what array_record raises on damage
            raise OSError(f"the record cannot be read ({error}); prepare the data set again") from error

    return record
