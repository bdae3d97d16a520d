"""`egcam evaluate`, and `egcam merge`: data in, a file of results out."""

from pathlib import Path
from typing import Annotated

import typer

from egcam_jax.cli import _arguments, _completion, _errors

_DATA = "Data"
_HOSTS = "Several hosts"

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="folder:DIR, coco:DIR, tfds:NAME:SPLIT, npz:FILE, mosaic:DATA (of any of these), or demo.",
        show_default=False,
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help='Which classes of the data, such as zebra,"stop sign". Default: all.',
        rich_help_panel=_DATA,
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="How many images, drawn with --seed. Default: all.", rich_help_panel=_DATA)
]
Refs = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help="Where references are drawn from. Default: images of DATA that are not explained.",
        rich_help_panel=_DATA,
    ),
]
NumRefs = Annotated[int, typer.Option(min=1, help="How many references.", rich_help_panel=_DATA)]


def evaluate(
    data: Data,
    model: _arguments.Model = "efficientnet_lite0",
    weights: _arguments.Weights = None,
    layer: _arguments.Layer = None,
    methods: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="NAME:OPTION=VALUE for others than the defaults; all.",
            autocompletion=_completion.method,
        ),
    ] = "all",
    metrics: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="NAME:OPTION=VALUE likewise; all, or a family such as faithfulness.",
            autocompletion=_completion.metrics,
        ),
    ] = "all",
    samples: _arguments.Samples = None,
    classes: Classes = None,
    target: Annotated[
        str,
        typer.Option(
            help="What is explained: label, the image's label with the largest logit, or top, the top class.",
            rich_help_panel=_DATA,
        ),
    ] = "label",
    limit: Limit = None,
    refs: Refs = None,
    num_refs: NumRefs = 32,
    seed: _arguments.Seed = 0,
    dtype: _arguments.Arithmetic = _arguments.Dtype.float32,
    chunk: _arguments.Chunk = None,
    batch: _arguments.Batch = 16,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the run; the same command goes on there.")] = Path(
        "egcam-run"
    ),
    pictures: Annotated[int, typer.Option(min=0, help="Pictures kept for the report's gallery.")] = 256,
    coordinator: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Of the first process, which gathers the others.", rich_help_panel=_HOSTS
        ),
    ] = None,
    num_processes: Annotated[
        int | None, typer.Option(min=1, help="How many. Default: as the cluster says.", rich_help_panel=_HOSTS)
    ] = None,
    process_id: Annotated[
        int | None,
        typer.Option(min=0, help="Of this one, from 0. Default: as the cluster says.", rich_help_panel=_HOSTS),
    ] = None,
    debug: _errors.Debug = False,
) -> None:
    """Judge methods by metrics on a data set, on all devices; stop it when you like, and the same command goes on.

    Results go into one file, batch by batch; `egcam report` makes tables and a page of them.
    """
    with _errors.one_line(debug):
        from egcam_jax.cli import _evaluate
        from egcam_jax.evaluate import Plan, join

        process = join(coordinator, num_processes, process_id)
        plan = Plan(
            data=data,
            out=out,
            model=model,
            weights=weights,
            layer=layer or [],
            methods=_evaluate.split(methods),
            metrics=_evaluate.split(metrics),
            classes=classes,
            target=target,
            limit=limit,
            refs=refs,
            num_refs=num_refs,
            samples=samples,
            seed=seed,
            batch=batch,
            dtype=dtype.value,
            chunk=chunk,
            pictures=pictures,
        )
        if _evaluate.run(plan, process):
            raise typer.Exit(_errors.FAILED)


def merge(
    out: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.", show_default=False)],
    parts: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", help="Parts that lie elsewhere. Default: those in the folder.", show_default=False
        ),
    ] = None,
    debug: _errors.Debug = False,
) -> None:
    """Gather what several hosts have computed in one file."""
    with _errors.one_line(debug):
        from egcam_jax.cli import _evaluate

        _evaluate.merge(out, parts or [])
