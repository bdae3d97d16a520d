"""The arguments that several commands share, each said once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from egcam_jax.cli import _completion

_METHOD = "Method"
_RUN = "Running"


class Dtype(StrEnum):
    """Arithmetic of the network; sums are float32 all the same."""

    float32 = "float32"
    bfloat16 = "bfloat16"


Images = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IMAGE",
        help="Photographs, folders of them, or patterns such as 'photos/*.jpg'. None: a demonstration.",
        show_default=False,
    ),
]
Model = Annotated[str, typer.Option(help="A network; `egcam models` lists them.", autocompletion=_completion.model)]
Weights = Annotated[
    Path | None, typer.Option(help="Its weights: .safetensors, .pth or .npz. Default: the published ones.")
]
Target = Annotated[
    str | None,
    typer.Option(
        help="What is explained: a class by index, name or part of its name, or top:3 for the three top "
        "classes. Default: the top class."
    ),
]
Negative = Annotated[bool, typer.Option("--negative", help="Show what speaks against the class instead.")]
Layer = Annotated[
    list[str] | None,
    typer.Option(
        help="Target layer; `egcam layers` lists them. Several times: one map fused from theirs. Default: the model's "
        "own.",
        rich_help_panel=_METHOD,
    ),
]
Refs = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Folder of reference photographs. Default: a few everyday photographs.",
        rich_help_panel=_METHOD,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        min=1, help="More: a smaller standard error. Default: the method's, mostly 32.", rich_help_panel=_METHOD
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of all that is random.", rich_help_panel=_RUN)]
Arithmetic = Annotated[Dtype, typer.Option(help="Arithmetic of the network.", rich_help_panel=_RUN)]
Chunk = Annotated[
    int | None,
    typer.Option(
        min=1, help="Samples times pictures in one pass: bounds the memory. Default: 32.", rich_help_panel=_RUN
    ),
]
Batch = Annotated[int, typer.Option(min=1, help="Pictures read and explained together.", rich_help_panel=_RUN)]
