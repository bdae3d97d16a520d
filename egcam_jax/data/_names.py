"""From the name of a file, as a table or an annotation writes it, to the one file on disk that it means."""

import difflib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

_MASK = re.compile(r"(.+)[ _.-]masks?", re.IGNORECASE)
_SURE = re.compile(r".+[_.]mask", re.IGNORECASE)
"""What is a mask even where no picture has its name: a photograph may well be called ``party-mask.jpg``."""


def same(name: str) -> str:
    """What is equal for names that differ in upper and lower case, or in how Unicode composes their accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def finder(folder: Path) -> Callable[[str], str]:
    """A function from names to the files in a folder that they mean; each folder is listed once.

    A name that is there as written is that file. Else backslashes are taken for slashes and ``%20`` for a blank, and
    then case and composition of accents do not matter.

    Args:
        folder: Names are relative to it.

    Returns:
        A function from a name to the file's path in the folder. It raises a ``FileNotFoundError`` that offers the
        nearest names where there is no such file, or several.
    """
    listed: dict[str, dict[str, list[str]]] = {}

    def names(place: str) -> dict[str, list[str]]:
        """The names in a folder, by what is the same for all their spellings."""
        if place not in listed:
            listed[place] = defaultdict(list)
            with suppress(OSError):
                for name in sorted(os.listdir(folder / place)):
                    listed[place][same(name)].append(name)
        return listed[place]

    def exact(text: str) -> bool:
        place, _, name = text.rpartition("/")
        return name in names(place).get(same(name), ()) if text == os.path.normpath(text) else (folder / text).is_file()

    def matching(text: str) -> list[str]:
        places = [""]
        for part in text.split("/"):
            places = [os.path.join(place, name) for place in places for name in names(place).get(same(part), ())]
        return [Path(place).as_posix() for place in places if (folder / place).is_file()]

    def find(text: str) -> str:
        spellings = _spellings(text)
        whole = next((spelling for spelling in spellings if exact(spelling)), None)
        if whole is not None:
            return Path(whole).as_posix()
        files = sorted({file for spelling in spellings for file in matching(spelling)})
        if len(files) == 1:
            return files[0]
        raise FileNotFoundError(f"{folder / text}: {_missing(spellings[-1], files, names)}")

    return find


def _spellings(text: str) -> list[str]:
    slashes = text.replace("\\", "/")
    return list(dict.fromkeys([text, slashes, unquote(text), unquote(slashes)]))


def _missing(text: str, files: Sequence[str], names: Callable[[str], Mapping[str, Sequence[str]]]) -> str:
    if files:
        return f"several files have this name but for case or accents ({', '.join(files)}); write it as one of them"
    place, _, name = text.rpartition("/")
    known = names(place)
    close = [known[entry][0] for entry in difflib.get_close_matches(same(name), known, n=3, cutoff=0.6)]
    near = f"near ones: {', '.join(close)}" if close else "check the spelling and the current folder"
    return f"no such file; {near}"


def split_masks(files: Sequence[Path]) -> tuple[list[Path], dict[Path, Path], list[Path]]:
    """Tell the pictures of a folder from their masks, by name.

    ``STEM_mask.*`` and ``STEM.mask.*`` are masks of ``STEM.*``, in any case of letters; so is ``NAME_mask.*`` of a
    picture whose whole name, with its ending, is NAME. Where there is such a picture, so are ``STEM-mask.*``,
    ``STEM mask.*`` and the same with ``masks``.

    Args:
        files: The pictures and masks of one folder.

    Returns:
        Pictures; the mask of each that has one; and masks without a picture.

    Raises:
        ValueError: A mask of several pictures, or several masks of one.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        for name in {same(path.stem), same(path.name)}:
            by_name[name].append(path)
    bases = {path: match[1] for path in files if (match := _MASK.fullmatch(path.stem))}
    owners = {path: [owner for owner in by_name[same(base)] if owner != path] for path, base in bases.items()}
    owned = {owner for several in owners.values() for owner in several}
    masks: dict[Path, Path] = {}
    for path, base in bases.items():
        exact = [owner for owner in owners[path] if base in (owner.stem, owner.name)]
        fitting = exact or owners[path]
        if len(fitting) > 1:
            raise ValueError(
                f"{path}: is the mask of {' and '.join(owner.name for owner in fitting)}. Name the masks by the "
                f"pictures' whole names, as in {fitting[0].name}_mask.png."
            )
        if fitting and fitting[0] in masks:
            raise ValueError(f"{fitting[0]}: has the masks {masks[fitting[0]].name} and {path.name}. Keep one of them.")
        if fitting:
            masks[fitting[0]] = path
    sure = [path for path in bases if _SURE.fullmatch(path.stem)]
    orphans = [path for path in sure if not owners[path] and path not in owned]
    dropped = {*masks.values(), *orphans}
    return [path for path in files if path not in dropped], masks, orphans
