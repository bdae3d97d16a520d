"""`egcam layers`, `models`, `methods`, `metrics` and `doctor`: what there is, and whether it works here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from egcam_jax.cli import _arguments, _errors

_Weights = Annotated[Path | None, typer.Option(help="Its weights. Default: the published ones.")]


def layers(
    model: _arguments.Model = "efficientnet_lite0", weights: _Weights = None, debug: _errors.Debug = False
) -> None:
    """List the layers that can be explained, with their shapes; the default is marked."""
    with _errors.one_line(debug):
        import jax
        import jax.numpy as jnp

        from egcam_jax import models, splitting
        from egcam_jax.cli import _networks, _progress, _report

        _networks.check(model, weights)
        known = _networks.known(model)
        size = known.preprocess.size
        with _progress.bar(_report.console(), 2) as step:
            step(f"reading {model}", 0)
            if weights is None:
                apply_fn, params = _networks.outline(model)
            else:
                loaded = models.load(model, weights=weights)
                apply_fn, params = loaded.apply_fn, loaded.params
            step("listing layers", 1)
            found = splitting.layers(apply_fn, params, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))
        rows = [
            (name, " × ".join(map(str, shape)), "default" if name == known.layer else "")
            for name, shape in found.items()
        ]
        _table(("layer", "height × width × channels", ""), rows)


def models(debug: _errors.Debug = False) -> None:
    """List the networks, with their default layers and where their weights come from."""
    with _errors.one_line(debug):
        from egcam_jax.cli import _networks
        from egcam_jax.models import names

        rows = []
        for name in names():
            it = _networks.known(name)
            rows.append((name, it.classes, str(it.preprocess.size), it.layer, _networks.source(name)))
        _table(("model", "classes", "pixels", "default layer", "weights"), rows)


def methods(debug: _errors.Debug = False) -> None:
    """List the methods and their sources; below each its options, with their defaults and what they accept."""
    with _errors.one_line(debug):
        from egcam_jax.methods import METHODS

        for name, method in METHODS.items():
            typer.echo(f"{name}  ({method.source})")
            _table(("", ""), _options(method))
        typer.echo("\nAn option is given as --option NAME=VALUE, --samples and --refs as they are.")


def metrics(debug: _errors.Debug = False) -> None:
    """List the metrics by what they measure; below each what it takes, and its options with their defaults."""
    with _errors.one_line(debug):
        from egcam_jax.cli import _metrics
        from egcam_jax.metrics import METRICS
        from egcam_jax.metrics._registry import FAMILIES

        family = None
        for it in sorted(METRICS.values(), key=lambda it: FAMILIES.index(it.family)):
            if it.family != family:
                family = it.family
                typer.echo(family)
            typer.echo(f"  {it.name}  ({'higher' if it.higher_is_better else 'lower'} is better; {it.source})")
            typer.echo(f"    takes {_metrics.taken(it)}")
            if options := _metrics.options(it):
                typer.echo(f"    options {options}")
        typer.echo(
            "\nScore a map with `egcam explain --metrics NAME:OPTION=VALUE,...`, a data set with `egcam evaluate`."
        )


def _options(method: Any) -> list[tuple[str, str]]:
    rows = [(f"  {name}={option.default}", option.wanted) for name, option in method.schema.items()]
    if method.num_samples:
        rows.append((f"  --samples {method.num_samples}", "a whole number"))
    if method.needs_refs:
        rows.append(("  --refs", "a folder of photographs; by default a few everyday ones"))
    return rows or [("  no options", "")]


def doctor(debug: _errors.Debug = False) -> None:
    """Check this installation: versions, devices, packages, weights, and that the demonstration would run."""
    with _errors.one_line(debug):
        from egcam_jax.cli import _doctor, _progress, _report

        looks = _doctor.looks()
        checks: list[_doctor.Check] = []
        with _progress.bar(_report.console(), len(looks)) as step:
            for what, look in looks:
                step(f"looking at {what}", 0)
                checks += look()
                step(f"looking at {what}", 1)
        _table(("", "", ""), [("ok" if c.good else "MISSING", c.name, c.text) for c in checks])
        bad = [check for check in checks if not check.good]
        for check in bad:
            typer.echo(f"\n{check.name}: {check.remedy}")
        broken = any(check.needed for check in bad)
        verdict = (
            "Something needed is missing" if broken else "All is well" if not bad else "All that is needed is there"
        )
        typer.echo(f"\n{verdict}: `egcam explain` {'may not' if broken else 'will'} run.")
        if broken:
            raise typer.Exit(_errors.FAILED)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from egcam_jax.cli import _report

    table = Table(*header, box=None, show_header=any(header), padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    _report.console().print(table)
