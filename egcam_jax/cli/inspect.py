"""`egcam layers`, `models`, `methods`, `metrics` and `doctor`: what there is, and whether it works here."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import typer

from egcam_jax.cli import errors, options
from egcam_jax.cli.command import Options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layers(options.Network):
    """The flags of `layers`."""


def layers(asked: Layers) -> None:
    """List the layers that can be explained, with their shapes; the default is marked."""
    import jax
    import jax.numpy as jnp

    from egcam_jax import models, splitting
    from egcam_jax.cli import networks
    from egcam_jax.output import console

    networks.check(asked.model, asked.weights)
    default = models.spec(asked.model).layer
    with console.bar(console.console()) as step:
        step(f"reading {asked.model}")
        if asked.weights is None and asked.preprocess is None:
            apply_fn, params, shape = networks.outline(asked.model)
        else:
            loaded = networks.load(asked)
            apply_fn, params, shape = loaded.apply_fn, loaded.params, loaded.input_shape
        step("listing layers", 0.5)
        shapes = splitting.layers(apply_fn, params, jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    rows = [(name, " × ".join(map(str, shape)), "default" * (name == default)) for name, shape in shapes.items()]
    _table(("layer", "height × width × channels", ""), rows)


def models(asked: Options) -> None:
    """List the networks, with their default layers and where their weights come from."""
    from egcam_jax.cli import networks
    from egcam_jax.models import names, spec

    rows = []
    for name in names():
        known = spec(name)
        rows.append((name, known.classes, str(known.preprocess.size), known.layer, networks.source(name)))
    _table(("model", "classes", "pixels", "default layer", "weights"), rows)


def methods(asked: Options) -> None:
    """List the methods and their sources; below each its options, with their defaults and what they accept."""
    from egcam_jax.methods import METHODS

    for name, method in METHODS.items():
        typer.echo(f"{name}  ({method.source})")
        _table(("", ""), _options(method))
    typer.echo("\nAn option is given as --methods NAME:OPTION=VALUE; --samples and --refs are flags too.")


def metrics(asked: Options) -> None:
    """List the metrics by what they measure; below each what it takes, and its options with their defaults."""
    from egcam_jax.metrics import FAMILIES, METRICS
    from egcam_jax.run import asking

    family = None
    for metric in sorted(METRICS.values(), key=lambda metric: FAMILIES.index(metric.family)):
        if metric.family != family:
            family = metric.family
            typer.echo(family)
        better = "higher" if metric.higher_is_better else "lower"
        typer.echo(f"  {metric.name}  ({better} is better; {metric.source})")
        typer.echo(f"    takes {asking.taken(metric)}")
        sizes = {name: f"{size(224, 224)} at 224 × 224" for name, size in metric.scaled.items()}
        if given := {name: sizes.get(name) or _written(value) for name, value in asking.options(metric).items()}:
            typer.echo(f"    options {', '.join(f'{name}={value}' for name, value in given.items())}")
    typer.echo("\nScore a map with `egcam explain --metrics NAME:OPTION=VALUE,...`, a data set with `egcam evaluate`.")


def doctor(asked: Options) -> None:
    """Check this installation: versions, devices, packages, weights, and that the demonstration would run."""
    from egcam_jax.cli import doctor as looking
    from egcam_jax.output import console

    looks = looking.looks()
    checks: list[looking.Check] = []
    with console.bar(console.console()) as step:
        for i, (what, look) in enumerate(looks):
            step(f"looking at {what}", i / len(looks))
            checks += look()
    _table(("", "", ""), [("ok" if check.good else "MISSING", check.name, check.text) for check in checks])
    bad = [check for check in checks if not check.good]
    for check in bad:
        typer.echo(f"\n{check.name}: {check.remedy}")
    broken = any(check.needed for check in bad)
    verdict = "Something needed is missing" if broken else "All that is needed is there" if bad else "All is well"
    typer.echo(f"\n{verdict}: `egcam explain` {'may not' if broken else 'will'} run.")
    if broken:
        raise typer.Exit(errors.FAILED)


def _options(method: Any) -> list[tuple[str, str]]:
    rows = [(f"  {name}={option.default}", option.wanted) for name, option in method.schema.items()]
    if method.num_samples:
        rows.append((f"  samples={method.num_samples}", "a whole number; also --samples"))
    if method.needs_refs:
        rows.append(("  refs", "how many of the references of --refs; all by default"))
    return rows or [("  no options", "")]


def _written(default: Any) -> str:
    if isinstance(default, tuple):
        return f"{default[0]},...,{default[-1]}"
    return str(default).lower() if default is None or isinstance(default, bool) else str(default)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from egcam_jax.output import console
    from egcam_jax.report import tables

    table = tables.terminal(head, rows)
    table.show_header = any(head)
    console.console().print(table)
