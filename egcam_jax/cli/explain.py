"""`egcam explain`: pictures in, heat maps out."""

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from egcam_jax.cli import options
from egcam_jax.cli.command import flag

Format = StrEnum("Format", ["png", "npz", "both"])

BEST = "expected_attribution"
"""The method of the best map that is known, taken where none is named: see ``notebooks/04_defaults.ipynb``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explain(options.Explaining):
    """The flags of `explain`."""

    images: options.Images = None
    methods: options.Methods = ""
    metrics: options.Metrics = ""
    target: options.Target = "top"
    out: options.Folder = Path("egcam-out")
    format: Annotated[Format, flag("Overlay, raw map, or both.", "--format")] = Format.both
    resume: Annotated[bool, flag("Pass over pictures whose files of this run are there.", "--resume")] = False
    json: options.Json = False


def explain(asked: Explain) -> int:
    """Show where a classifier looked: explain photographs with class activation maps.

    Without IMAGE, a demonstration; without --methods, the best map known of the network.
    Files: an overlay (.png), the raw map (.npz), how it came about (.json).
    """
    from rich.console import Console

    from egcam_jax.cli import pictures
    from egcam_jax.output import console, explained, files, words

    out, err = console.console(), console.console(stderr=True)
    speak = Console(quiet=True) if asked.json else out
    best = not asked.methods
    asked = dataclasses.replace(asked, methods=asked.methods or BEST)
    run = pictures.begin(asked, metrics=asked.metrics, one_method=True, fused=best)
    records: list[dict[str, Any]] = []
    count, shared = 0, {}
    if run.places:
        kinds = {"both": ["png", "npz"]}.get(asked.format, [asked.format])
        wanted = explained.Files(asked.out, kinds, run.kept, asked.resume)
        with console.bar(out if out.is_terminal and not asked.json else err) as step:
            session = pictures.session(run, step)
            places, mark = explained.pending(session, run.places, wanted)
            shared = explained.document(session, demonstration=not asked.images) | mark
            if len(places) < len(run.places):
                kept = len(run.places) - len(places)
                console.line(err, f"going on in {asked.out}: {kept} pictures are there already and are kept")
            words.run(speak, shared)
            clock = pictures.clock(session, places, step)
            for one in explained.explain(session, places, wanted, shared, clock):
                if one.record is None:
                    run.failures.append((one.path, one.failure))
                    continue
                count += 1
                words.picture(speak, one.record)
                if asked.json:
                    records.append(one.record)
    words.failures(err, run.failures, f"{count} explained")
    if asked.json:
        print(files.dump({**shared, "images": records, "failures": pictures.problems(run)}, ascii=True))
    return len(run.failures)
