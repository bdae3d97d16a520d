"""What `egcam compare` says: what was compared, the mean scores, and where it all is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console

from egcam_jax.cli import _output, _report

_NAME = 24


def say(out: Console, document: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Report a comparison, method by method, then its files."""
    images, methods = document["images"], document["methods"]
    _report.run(out, document)
    out.print()
    pictures = len({it["index"] for it in images})
    _line(out, f"{_count(pictures, 'picture')} by {_count(len(methods), 'method')}")
    for name in methods:
        _line(out, f"  {name:<{_NAME}s}{'; '.join(_words([it['maps'][name] for it in images]))}".rstrip())
    maps = [it for image in images for it in image["maps"].values()]
    for advice in dict.fromkeys(it["advice"] for it in maps if it.get("advice")):
        _line(out, f"  Where maps are empty, {advice}.")
    for remark in _remarks(images):
        _line(out, f"  {remark}.")
    if any(it["scores"] for it in maps):
        _line(out, "  Means over all maps that have scores. Insertion: higher is better. Deletion: lower is better.")
    out.print()
    for path in files.values():
        _line(out, f"  wrote {path}")


def _remarks(images: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must be said of pictures and their classes, whatever the method; each once."""
    own = [_report.among_references(it) for it in images if it["among_references"]]
    sides = [(image, it["negative"]) for image in images for it in image["maps"].values() if "negative" in it]
    rare = [f"{image['image']}: {said}" for image, side in sides if (said := _report.rare(image["target"], side))]
    return list(dict.fromkeys([*own, *rare]))


def _words(maps: Sequence[Mapping[str, Any]]) -> list[str]:
    """A method's mean scores, then how many of its maps need a word, and which."""
    scored = [it["scores"] for it in maps if it["scores"]]
    means = [f"{score} {np.mean([it[score] for it in scored]):.3f}" for score in (scored[0] if scored else {})]
    notes = dict.fromkeys(it["note"] for it in maps if it["note"])
    return [*means, *(f"{sum(it['note'] == note for it in maps)} of {len(maps)} {note}" for note in notes)]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def _line(out: Console, text: str) -> None:
    out.print(_output.printable(text), soft_wrap=True, markup=False)
