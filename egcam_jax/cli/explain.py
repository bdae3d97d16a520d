"""`egcam explain`: pictures in, heat maps out."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from egcam_jax.cli import _arguments, _completion, _errors

_METHOD = "Method"
_FILES = "Files"


class Format(StrEnum):
    """Which files are written beside the JSON."""

    png = "png"
    npz = "npz"
    both = "both"


def explain(
    images: _arguments.Images = None,
    model: _arguments.Model = "efficientnet_lite0",
    weights: _arguments.Weights = None,
    target: _arguments.Target = None,
    negative: _arguments.Negative = False,
    method: Annotated[
        str,
        typer.Option(help="`egcam methods` lists them.", autocompletion=_completion.method, rich_help_panel=_METHOD),
    ] = "expected_gradcam",
    gradients: Annotated[
        str | None,
        typer.Option(
            help="Under gradcam, gradcam++, xgradcam, hirescam or layercam: vanilla, smooth, integrated or expected.",
            autocompletion=_completion.gradients,
            rich_help_panel=_METHOD,
        ),
    ] = None,
    layer: _arguments.Layer = None,
    refs: _arguments.Refs = None,
    samples: _arguments.Samples = None,
    difference: Annotated[
        str | None, typer.Option(help="latent, encoded, tangent or none.", rich_help_panel=_METHOD)
    ] = None,
    normalizer: Annotated[
        str | None, typer.Option(help="global, elementwise or none.", rich_help_panel=_METHOD)
    ] = None,
    noise: Annotated[str | None, typer.Option(help="uniform, gaussian or none.", rich_help_panel=_METHOD)] = None,
    noise_scale: Annotated[
        float | None,
        typer.Option(min=0, help="A fraction of the picture's range of values.", rich_help_panel=_METHOD),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(help="input (images) or latent (activations).", rich_help_panel=_METHOD),
    ] = None,
    sampling: Annotated[str | None, typer.Option(help="stratified or iid.", rich_help_panel=_METHOD)] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Any option of the method; `egcam methods` lists them.",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Score each map: insertion,deletion,... (`egcam metrics` lists them); options as NAME:OPTION=VALUE.",
            autocompletion=_completion.metrics,
            rich_help_panel=_METHOD,
        ),
    ] = None,
    seed: _arguments.Seed = 0,
    dtype: _arguments.Arithmetic = _arguments.Dtype.float32,
    chunk: _arguments.Chunk = None,
    batch: _arguments.Batch = 8,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Output folder. A run replaces an earlier one's files of the same picture and class.",
            rich_help_panel=_FILES,
        ),
    ] = Path("egcam-out"),
    format: Annotated[Format, typer.Option(help="Overlay, raw map, or both.", rich_help_panel=_FILES)] = Format.both,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, and nothing else.", rich_help_panel=_FILES)
    ] = False,
    debug: _errors.Debug = False,
) -> None:
    """Show where a classifier looked: explain photographs with class activation maps.

    Without IMAGE, a demonstration. Files: an overlay (.png), the raw map (.npz), how it came about (.json).
    """
    chosen: dict[str, Any] = {
        "difference": difference,
        "normalizer": normalizer,
        "noise": noise,
        "noise_scale": noise_scale,
        "path": path,
        "sampling": sampling,
    }
    with _errors.one_line(debug):
        from egcam_jax.cli import _methods, _metrics, _run, _session

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
        given = {name: value for name, value in chosen.items() if value is not None}
        settings = _run.Settings(
            images=images or [],
            choice=_methods.choose(method, {**_methods.parse(option or []), **given}, gradients),
            metrics=_metrics.choose(metrics or ""),
            common=common,
            out=out,
            json=json,
            format=format.value,
        )
        _metrics.check_side(settings.metrics, negative=negative, flag="--metrics")
        if _run.run(settings):
            raise typer.Exit(_errors.FAILED)
