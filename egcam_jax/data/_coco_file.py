"""COCO's annotations as they are on disk: every entry has all it needs, and every id is one entry's."""

import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from egcam_jax.data._classes import plain

_ENTRIES: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "images": {"id": (int, str), "file_name": (str,), "height": (int,), "width": (int,)},
    "categories": {"id": (int, str), "name": (str,)},
    "annotations": {"image_id": (int, str), "category_id": (int, str)},
}
_WORDS = {int: "a whole number", str: "text"}


def parsed(path: Path) -> Mapping[str, Any]:
    """Read and check a file of annotations.

    Args:
        path: The file.

    Returns:
        Its content, of which ``images``, ``annotations`` and ``categories`` fit each other.

    Raises:
        OSError: Not such a file; an entry that lacks something, names what is not there, or has another's id.
    """
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise OSError(f"{path}: not JSON ({error}); unpack it again") from error
    kinds = [kind for kind in _ENTRIES if isinstance(content, dict) and isinstance(content.get(kind), list)]
    if missing := sorted(set(_ENTRIES) - set(kinds)):
        raise OSError(f"{path}: not annotations in COCO's format, as it has no {', '.join(missing)}")
    if wrong := next(_wrong(content), None):
        raise OSError(f"{path}: {wrong}")
    return content


def _wrong(content: Mapping[str, list[Any]]) -> Iterator[str]:
    for kind, fields in _ENTRIES.items():
        for number, entry in enumerate(content[kind]):
            yield from _wrong_entry(f"{kind}[{number}]", entry, fields)
    yield from _twice(content)
    for name, kind in (("image_id", "images"), ("category_id", "categories")):
        known = {entry["id"] for entry in content[kind]}
        for number, entry in enumerate(content["annotations"]):
            if entry[name] not in known:
                other = next((id for id in known if str(id) == str(entry[name])), None)
                written = "" if other is None else f" but for {other!r}, which is {_WORDS[type(other)]}"
                yield (
                    f"annotations[{number}] has {name} {entry[name]!r}, which is not among its {kind}{written}; "
                    "repair the entry, or take it out"
                )


def _wrong_entry(where: str, entry: Any, fields: Mapping[str, tuple[type, ...]]) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"{where} must be an object with {', '.join(fields)}; got {entry!r:.60}; repair the entry, or take it out"
        return
    for name, types in fields.items():
        if name not in entry:
            yield f"{where} has no {name!r}; repair the entry, or take it out"
        elif type(entry[name]) not in types:
            wanted = " or ".join(_WORDS[kind] for kind in types)
            yield f"{where} has the {name} {entry[name]!r:.60}, {wanted} wanted; repair the entry, or take it out"


def _twice(content: Mapping[str, list[Any]]) -> Iterator[str]:
    """Entries of one kind with the same id, as text or as a number; photographs and classes with the same name."""
    for kind, field in (
        ("images", "id"),
        ("categories", "id"),
        ("annotations", "id"),
        ("images", "file_name"),
        ("categories", "name"),
    ):
        first: dict[str, int] = {}
        for number, entry in enumerate(content[kind]):
            if field not in entry:
                continue
            text = plain(entry[field]) if kind == "categories" and field == "name" else str(entry[field])
            text = posixpath.normpath(text.replace("\\", "/")) if field == "file_name" else text
            other = first.setdefault(text, number)
            if other != number:
                values = f"{content[kind][other][field]!r} and {entry[field]!r}"
                yield (
                    f"{kind}[{other}] and {kind}[{number}] have the same {field}, {values}, as merged exports do; give "
                    "each its own, in the annotations too, or take one out"
                )
