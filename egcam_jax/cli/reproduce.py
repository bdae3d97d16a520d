"""`egcam reproduce`: a table of the paper, with our figures beside its."""

from pathlib import Path
from typing import Annotated

import typer

from egcam_jax.cli import _arguments, _completion, _errors, evaluate

_TABLES = ("table1", "table3", "table4", "table5", "table6", "table7", "table8")


def _complete(incomplete: str) -> list[str]:
    return [name for name in _TABLES if name.startswith(incomplete)]


def reproduce(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="table1 (faithfulness, robustness, complexity), table3 (insertion, deletion), table4 and table5 "
            "(localisation; DATA with masks), table6 (stability), table7 (infidelity, small pictures), table8 (time).",
            autocompletion=_complete,
            show_default=False,
        ),
    ],
    data: evaluate.Data,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:LAYER]",
            help="A network and its target layer; several times: side by side. Default: the table's own networks.",
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
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="NAME:OPTION=VALUE for others than the defaults. Default: the paper's ten.",
            autocompletion=_completion.method,
        ),
    ] = None,
    samples: _arguments.Samples = None,
    draws: Annotated[
        int | None,
        typer.Option(min=1, help="Perturbed copies of each image in metrics of robustness. Default: the paper's 200."),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Pixels at a time in insertion, deletion and pixel flipping; the more, the faster and the coarser. "
            "Default: 224, a row.",
        ),
    ] = None,
    classes: evaluate.Classes = None,
    target: Annotated[
        str,
        typer.Option(help="What is explained: label, the image's own label, or top, the network's top class."),
    ] = "label",
    limit: Annotated[
        int | None, typer.Option(min=1, help="How many images, drawn with --seed. Default: as many as the paper.")
    ] = None,
    refs: evaluate.Refs = None,
    num_refs: evaluate.NumRefs = 32,
    seed: _arguments.Seed = 0,
    dtype: _arguments.Arithmetic = _arguments.Dtype.float32,
    chunk: _arguments.Chunk = None,
    batch: _arguments.Batch = 16,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the runs; the same command goes on there.")
    ] = Path("egcam-paper"),
    debug: _errors.Debug = False,
) -> None:
    """Compute a table of the Expected Grad-CAM paper with its settings, and print ours beside its figures.

    A run folder for each network, which `egcam report` reads too; the table as Markdown, with what is not as in the
    paper: other images, other weights, fewer samples.
    """
    with _errors.one_line(debug):
        from egcam_jax.cli import _evaluate, _reproduce

        asked = _reproduce.Settings(
            table=table,
            data=data,
            models=model or [],
            weights=weights or [],
            methods=None if methods is None else _evaluate.split(methods),
            samples=samples,
            draws=draws,
            step=step,
            classes=classes,
            target=target,
            limit=limit,
            refs=refs,
            num_refs=num_refs,
            seed=seed,
            dtype=dtype.value,
            chunk=chunk,
            batch=batch,
            out=out,
        )
        if _reproduce.run(asked):
            raise typer.Exit(_errors.FAILED)
