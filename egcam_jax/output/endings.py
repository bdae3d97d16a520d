"""What `compare` and `evaluate` say at their end: what there is, what must be said of it, and what comes next."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from egcam_jax.output import words
from egcam_jax.report import counted, timed
from egcam_jax.report.text import printable
from egcam_jax.run import Process, store

_NAME = 24
_SEVERAL = 5
"""Images with labels of which a network for their classes gets at least one right."""
_SHOWN = 5


def comparison(out: Console, document: Mapping[str, Any]) -> None:
    """Report a comparison, method by method, then its files."""
    images, methods = document["images"], document["methods"]
    words.run(out, document)
    out.print()
    pictures = len({image["index"] for image in images})
    _line(out, f"{counted(pictures, 'picture')} by {counted(len(methods), 'method')}")
    for name in methods:
        _line(out, f"  {name:<{_NAME}s}{'; '.join(_words([image['maps'][name] for image in images]))}".rstrip())
    maps = [known for image in images for known in image["maps"].values()]
    for advice in dict.fromkeys(known["advice"] for known in maps if known.get("advice")):
        _line(out, f"  Where maps are empty, {advice}.")
    for remark in _remarks(images):
        _line(out, f"  {remark}.")
    if any(known["scores"] for known in maps):
        _line(out, "  Means over all maps that have scores. Insertion: higher is better. Deletion: lower is better.")
    out.print()
    for path in document["files"].values():
        _line(out, f"  wrote {path}")


def evaluation(out: Console, path: Path, process: Process) -> None:
    """Say what there is in a file of results now."""
    run = store.read(path)
    session = run.sessions[-1] if run.sessions else {}
    methods, metrics = (len({kind[i] for kind in run.values}) for i in (0, 1))
    undefined = sum(int((there & np.isnan(run.values[kind])).sum()) for kind, there in run.computed.items())
    missing = sum(int((~there).sum()) for (_, label), there in run.computed.items() if not timed(run, label))
    counts = [f"{undefined} values undefined", f"{len(run.unreadable)} unreadable"]
    counts = [f"{missing} values missing"] * bool(missing) + [*counts, counted(len(run.failures), "failure")]
    wanted, there = run.asked["data"]["count"], len(run.images)
    images = counted(there, "image") if there + len(run.unreadable) >= wanted else f"{there} of {wanted} images so far"
    _line(out, f"{images}, {counted(methods, 'method')}, {counted(metrics, 'metric')} in {path}")
    _line(out, f"  {', '.join(counts)}")
    for text in _notes(run, session):
        _line(out, f"  {text}")
    _line(out, f"  next: egcam {'merge' if process.of > 1 else 'report'} {path.parent}")


def _notes(run: store.Run, session: Mapping[str, Any]) -> list[str]:
    """What must be said of a run."""
    notes = []
    if known := run.asked.get("references"):
        others = "; --refs DATA takes others" if session.get("default_references") else ""
        notes.append(f"references: {known['count']} images from {known['source']}{others}")
    judged = [image.correct for image in run.images if image.correct is not None]
    if len(judged) >= _SEVERAL and not any(judged) and not session.get("mosaics"):
        notes.append(f"note: the top class is none of the labels for all {len(judged)} images: are these its classes?")
    notes += [f"without {name}: {reason}" for name, reason in session.get("left_out", {}).items()]
    notes += filter(None, [session.get("passed_over")])
    notes += [f"unreadable: {name}: {reason}" for name, reason in run.unreadable[:_SHOWN]]
    if traces := session.get("traces"):
        again = [name for name, times in traces.items() if times > 1]
        notes.append(f"{len(traces)} programs compiled, {f'again: {again}' if again else 'each once'}")
    return notes


def _remarks(images: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must be said of pictures and their classes, whatever the method; each once."""
    own = [words.among_references(image) for image in images if image["among_references"]]
    sides = [(image, known["negative"]) for image in images for known in image["maps"].values() if "negative" in known]
    rare = [f"{image['image']}: {said}" for image, side in sides if (said := words.rare(image["target"], side))]
    return list(dict.fromkeys([*own, *rare]))


def _words(maps: Sequence[Mapping[str, Any]]) -> list[str]:
    """A method's mean scores, then how many of its maps need a word, and which."""
    scored = [known["scores"] for known in maps if known["scores"]]
    means = [f"{score} {np.mean([known[score] for known in scored]):.3f}" for score in (scored[0] if scored else {})]
    notes = dict.fromkeys(known["note"] for known in maps if known["note"])
    return [*means, *(f"{sum(known['note'] == note for known in maps)} of {len(maps)} {note}" for note in notes)]


def _line(out: Console, text: str) -> None:
    out.print(printable(text), soft_wrap=True, markup=False)
