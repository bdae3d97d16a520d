"""`egcam explain`: pictures in, heat maps out."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from egcam_jax.cli import _errors

_METHOD = "Method"
_RUN = "Running"
_FILES = "Files"


class Dtype(StrEnum):
    """Arithmetic of the network; sums are float32 all the same."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class Format(StrEnum):
    """Which files are written beside the JSON."""

    png = "png"
    npz = "npz"
    both = "both"


def explain(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE",
            help="Photographs, folders of them, or patterns such as 'photos/*.jpg'. None: a demonstration.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="A network; `egcam models` lists them.")] = "efficientnet_lite0",
    weights: Annotated[
        Path | None, typer.Option(help="Its weights: .safetensors, .pth or .npz. Default: the published ones.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="What is explained: a class by index, name or part of its name, or top:3 for the three top "
            "classes. Default: the top class."
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(help="`egcam methods` lists them.", rich_help_panel=_METHOD)
    ] = "expected_gradcam",
    layer: Annotated[
        str | None,
        typer.Option(
            help="Target layer; `egcam layers` lists them. Default: the model's own.", rich_help_panel=_METHOD
        ),
    ] = None,
    refs: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder of reference photographs. Default: a few everyday photographs.",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(min=1, help="More: a smaller standard error. Default: 32.", rich_help_panel=_METHOD),
    ] = None,
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
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of all that is random.", rich_help_panel=_RUN)] = 0,
    dtype: Annotated[Dtype, typer.Option(help="Arithmetic of the network.", rich_help_panel=_RUN)] = Dtype.float32,
    chunk: Annotated[
        int | None,
        typer.Option(
            min=1, help="Samples times pictures in one pass: bounds the memory. Default: 32.", rich_help_panel=_RUN
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures read and explained together.", rich_help_panel=_RUN)] = 8,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.", rich_help_panel=_FILES)] = Path(
        "egcam-out"
    ),
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
        from egcam_jax.cli import _methods, _run, _session

        common = _session.Settings(
            model=model,
            weights=weights,
            layer=layer,
            target=target,
            refs=refs,
            samples=samples,
            seed=seed,
            dtype=dtype.value,
            chunk=chunk,
            batch=batch,
        )
        options = {name: value for name, value in chosen.items() if value is not None}
        settings = _run.Settings(
            images=images or [],
            choice=_methods.Choice(method, options),
            common=common,
            out=out,
            json=json,
            format=format.value,
        )
        if _run.run(settings):
            raise typer.Exit(_errors.FAILED)
