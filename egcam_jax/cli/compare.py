"""`egcam compare`: several methods on the same pictures, side by side."""

import dataclasses
from pathlib import Path
from typing import Any

from egcam_jax.cli import options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(options.Explaining):
    """The flags of `compare`."""

    images: options.Images = None
    methods: options.Methods = "gradcam,gradcam++,hirescam,layercam,expected_gradcam,expected_layercam"
    metrics: options.Metrics = ""
    target: options.Target = "top"
    out: options.Folder = Path("egcam-out")
    json: options.Json = False


def compare(asked: Compare) -> int:
    """Compare methods: one figure and one page, methods as columns and pictures as rows.

    Without IMAGE, a demonstration. Files: a figure (.png), a page with a slider (.html), the numbers (.json). A run
    replaces an earlier one's files.
    """
    from egcam_jax.cli import pictures
    from egcam_jax.output import compared, console, endings, files, words

    err = console.console(stderr=True)
    run = pictures.begin(asked, metrics=asked.metrics)
    document: dict[str, Any] = {"files": {}, "images": []}
    count = 0
    if run.places:
        with console.bar(err) as step:
            session = pictures.session(run, step)
            shared = compared.document(session, demonstration=not asked.images)
            rows, failures = compared.compare(session, run.places, shared, pictures.clock(session, run.places, step))
        run.failures.extend(failures)
        document, count = {**shared, **document}, len(rows)
        if rows:
            document = compared.write(asked.out, rows, shared, run.kept)
            if not asked.json:
                endings.comparison(console.console(), document)
    words.failures(err, run.failures, f"{count} compared")
    if asked.json:
        print(files.dump({**document, "failures": pictures.problems(run)}, ascii=True))
    return len(run.failures)
