"""`egcam saturation`: how soon layers and outputs stop changing as images are scaled up."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from egcam_jax.cli import _arguments, _completion, _errors, evaluate


class Space(StrEnum):
    """Where images are scaled: towards a black picture, or towards zero in the network's own input."""

    pixels = "pixels"
    input = "input"


def saturation(
    data: evaluate.Data,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:LAYER]",
            help="A network and its target layer; several times: one line each. Default: efficientnet_lite0.",
            autocompletion=_completion.model,
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FILE",
            help="Weights of a network: .safetensors, .pth or .npz; with several networks, whose. Default: the "
            "published ones.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many images, drawn with --seed; the paper has 25.")] = 25,
    classes: evaluate.Classes = None,
    steps: Annotated[int, typer.Option(min=2, help="Scalings α of each image, evenly from 0 to 1.")] = 25,
    space: Annotated[
        Space, typer.Option(help="Scaled towards: a black picture, or zero in the network's own input.")
    ] = Space.pixels,
    methods: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="Of the maps; NAME:OPTION=VALUE for others than the defaults.",
            autocompletion=_completion.method,
        ),
    ] = "gradcam,integrated_gradcam,expected_gradcam",
    at: Annotated[str, typer.Option(metavar="α,...", help="Scalings of the maps.")] = "0.1,0.25,0.5,0.75,1",
    pictures: Annotated[int, typer.Option(min=0, help="How many of the images have maps drawn.")] = 1,
    patches: Annotated[
        int,
        typer.Option(
            min=0,
            max=49,
            help="Below each map, so many of the image's 7 × 7 patches that it finds strongest, and the score of them "
            "alone; 0: none.",
        ),
    ] = 4,
    samples: _arguments.Samples = None,
    refs: evaluate.Refs = None,
    num_refs: evaluate.NumRefs = 32,
    seed: _arguments.Seed = 0,
    chunk: _arguments.Chunk = None,
    batch: _arguments.Batch = 8,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Output folder. A run replaces an earlier one's files.")
    ] = Path("egcam-saturation"),
    debug: _errors.Debug = False,
) -> None:
    """Show saturation: layer and output against the scaling of the image, and what methods make of it.

    The paper's Figures 10 and 11, mean and two standard deviations over images, and its Figures 2, 8 and 14. Files: the
    curves (saturation.png, .csv, .json) and, scaling by scaling, maps by each method (maps.png) with what its
    strongest patches are worth.
    """
    with _errors.one_line(debug):
        from egcam_jax.cli import _evaluate, _saturation

        _saturation.run(
            _saturation.Settings(
                data=data,
                models=model or ["efficientnet_lite0"],
                weights=weights or [],
                limit=limit,
                classes=classes,
                steps=steps,
                space=space.value,
                methods=_evaluate.split(methods),
                at=_saturation.scalings(at),
                pictures=pictures,
                patches=patches,
                samples=samples,
                refs=refs,
                num_refs=num_refs,
                seed=seed,
                chunk=chunk,
                batch=batch,
                out=out,
            )
        )
