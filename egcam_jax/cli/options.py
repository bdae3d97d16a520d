"""The flags that commands share, each written once, and the plan that they make."""

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from egcam_jax.cli import completion
from egcam_jax.cli.command import Options, flag

_METHOD, _RUN, _DATA = "Method", "Running", "Data"
_ENTRY = "Which set of weights in the file, such as model_ema. Default: the only one, or the trained one."
_CLASS_NAMES = "Names of the classes: a file with a name in each line, or index,name."
_PREPROCESS = "What the weights were trained with: a network's name, or FIELD=VALUE,... such as scale=255,bgr=true."

Dtype = StrEnum("Dtype", ["float32", "bfloat16"])
Precision = StrEnum("Precision", ["default", "high", "highest"])
Probability = StrEnum("Probability", ["softmax", "sigmoid"])

Images = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IMAGE",
        help="Photographs, folders of them, or patterns such as 'photos/*.jpg'. None: a demonstration.",
        show_default=False,
    ),
]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="folder:DIR, coco:DIR, tfds:NAME:SPLIT, npz:FILE, mosaic:DATA (of any of these), or demo.",
        show_default=False,
    ),
]
Methods = Annotated[
    str,
    flag(
        "NAME:OPTION=VALUE for others than the defaults, or all.",
        *("--methods", "--method"),
        metavar="NAME,...",
        autocompletion=completion.methods,
        panel=_METHOD,
    ),
]
Metrics = Annotated[
    str,
    flag(
        "Score each map; likewise, or a family of metrics.",
        metavar="NAME,...",
        autocompletion=completion.metrics,
        panel=_METHOD,
    ),
]
Classes = Annotated[
    str | None,
    flag('Which classes of the data, such as zebra,"stop sign". Default: all.', metavar="NAME,...", panel=_DATA),
]
Target = Annotated[
    str,
    flag("The class explained: label, top, top:3 (the three top classes), or its index or name.", metavar="CLASS"),
]
Limit = Annotated[
    int | None, flag("How many images, drawn with --seed. Default: all.", min=1, metavar="N", panel=_DATA)
]
Model = Annotated[str, flag("A network; `egcam models` lists them.", metavar="NAME", autocompletion=completion.model)]
Weights = Annotated[Path | None, flag("Its weights: .safetensors, .pth or .npz. Default: published.", metavar="FILE")]
Folder = Annotated[Path, flag("Output folder.", metavar="DIR")]
Json = Annotated[bool, flag("Print one JSON document, and nothing else.", "--json")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing(Options):
    """What all commands share that explain: the references, the samples, and how it runs."""

    refs: Annotated[
        str | None,
        flag(
            "References: a folder, or DATA. Default: images not explained, or everyday photographs.",
            metavar="DATA",
            panel=_METHOD,
        ),
    ] = None
    num_refs: Annotated[int, flag("How many references, at most.", min=1, panel=_METHOD, rare=True)] = 32
    samples: Annotated[
        int | None,
        flag("More: a smaller standard error. Default: the method's.", min=1, metavar="N", panel=_METHOD),
    ] = None
    seed: Annotated[int, flag("Of all that is random.", min=0, max=2**32 - 1, metavar="N")] = 0
    dtype: Annotated[Dtype, flag("Arithmetic of the network.", panel=_RUN, rare=True)] = Dtype.float32
    precision: Annotated[
        Precision | None,
        flag("Of products on a TPU or GPU: highest is float32 throughout. Default: JAX's.", panel=_RUN, rare=True),
    ] = None
    probability: Annotated[
        Probability, flag("Sigmoid where each class is a question of its own.", panel=_RUN, rare=True)
    ] = Probability.softmax
    chunk: Annotated[
        int | None,
        flag("Samples times images in one pass: bounds the memory. Default: 32.", min=1, panel=_RUN, rare=True),
    ] = None
    no_cache: Annotated[
        bool, flag("Keep no compiled programs and no encoded references.", "--no-cache", panel=_RUN, rare=True)
    ] = False
    batch: Annotated[int, flag("Images read and explained together.", min=1, panel=_RUN, rare=True)] = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(Options):
    """What commands share that take one network, and how weights of one's own are read."""

    model: Model = "efficientnet_lite0"
    weights: Weights = None
    entry: Annotated[str | None, flag(_ENTRY, metavar="NAME", rare=True)] = None
    class_names: Annotated[Path | None, flag(_CLASS_NAMES, metavar="FILE", rare=True)] = None
    preprocess: Annotated[str | None, flag(_PREPROCESS, metavar="TEXT", rare=True)] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explaining(Network, Drawing):
    """What `explain`, `compare` and `evaluate` share."""

    layer: Annotated[
        list[str] | None,
        flag("Target layer (`egcam layers`); several: one fused map.", metavar="NAME", panel=_METHOD),
    ] = None
    negative: Annotated[bool, flag("Show what speaks against the class instead.", "--negative")] = False
    rivals: Annotated[
        str | None,
        flag(
            "Hold the class against others: top:3 (the three most likely), or classes.", metavar="CLASS,...", rare=True
        ),
    ] = None
    gamma: Annotated[float | None, flag("How much the rivals count. Default: 0.6.", min=0, rare=True)] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks(Drawing):
    """What commands share that take several networks."""

    model: Annotated[
        list[str] | None,
        flag(
            "A network and its target layer; several times: side by side.",
            metavar="NAME[:LAYER]",
            autocompletion=completion.model,
        ),
    ] = None
    weights: Annotated[
        list[str] | None,
        flag("Weights of a network; with several networks, whose. Default: the published ones.", metavar="[NAME=]FILE"),
    ] = None
    entry: Annotated[list[str] | None, flag(_ENTRY, metavar="[NAME=]NAME", rare=True)] = None
    class_names: Annotated[list[str] | None, flag(_CLASS_NAMES, metavar="[NAME=]FILE", rare=True)] = None
    preprocess: Annotated[list[str] | None, flag(_PREPROCESS, metavar="[NAME=]TEXT", rare=True)] = None
    classes: Classes = None


def plan(asked: Any, **changes: Any) -> Any:
    """The plan of a command: its flags by the plan's names, and whatever else there is to say."""
    from egcam_jax.run import Plan

    names = {field.name for field in dataclasses.fields(Plan)}
    given = {field.name: getattr(asked, field.name) for field in dataclasses.fields(asked) if field.name in names}
    return Plan(**{**given, "layer": given.get("layer") or (), **changes})
