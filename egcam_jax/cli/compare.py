"""`egcam compare`: several methods on the same pictures, side by side."""

from pathlib import Path
from typing import Annotated

import typer

from egcam_jax.cli import _arguments, _completion, _errors


def compare(
    images: _arguments.Images = None,
    methods: Annotated[
        str,
        typer.Option(
            metavar="all|NAME,NAME",
            help="`egcam methods` lists them; scorecam takes by far the longest.",
            autocompletion=_completion.methods,
        ),
    ] = "gradcam,gradcam++,hirescam,layercam,expected_gradcam,expected_layercam",
    scores: Annotated[
        bool, typer.Option("--scores", help="Each map's insertion and deletion score: some 450 more passes each.")
    ] = False,
    model: _arguments.Model = "efficientnet_lite0",
    weights: _arguments.Weights = None,
    target: _arguments.Target = None,
    negative: _arguments.Negative = False,
    layer: _arguments.Layer = None,
    refs: _arguments.Refs = None,
    samples: _arguments.Samples = None,
    seed: _arguments.Seed = 0,
    dtype: _arguments.Arithmetic = _arguments.Dtype.float32,
    chunk: _arguments.Chunk = None,
    batch: _arguments.Batch = 8,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Output folder. A run replaces an earlier one's files.")
    ] = Path("egcam-out"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")] = False,
    debug: _errors.Debug = False,
) -> None:
    """Compare methods: one figure and one page, methods as columns and pictures as rows.

    Without IMAGE, a demonstration. Files: a figure (.png), a page with a slider (.html), the numbers (.json).
    """
    with _errors.one_line(debug):
        from egcam_jax.cli import _compare, _session

        common = _session.Settings(
            model=model,
            weights=weights,
            layer=layer or [],
            negative=negative,
            target=target,
            refs=refs,
            samples=samples,
            seed=seed,
            dtype=dtype.value,
            chunk=chunk,
            batch=batch,
        )
        settings = _compare.Settings(images or [], methods, scores, common, out, json)
        if _compare.run(settings):
            raise typer.Exit(_errors.FAILED)
