"""What `egcam compare` does, in order: check, load, explain and score batch by batch, write, report."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from egcam_jax import data
from egcam_jax.cli import (
    _batches,
    _compare_files,
    _compare_maps,
    _compare_report,
    _inputs,
    _methods,
    _metrics,
    _networks,
    _output,
    _progress,
    _report,
    _session,
    _targets,
)
from egcam_jax.methods import METHODS

_LOADING, _COMPILING = 2.0, 4.0
"""What loading, and compiling each method, take of the progress bar: a guess, in seconds of two CPU cores."""
_PASS = 0.03
"""What a forward pass takes of it, likewise."""
_SCORED = 450
"""Passes that the scores of one map take."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What was asked for, on the command line's terms."""

    images: Sequence[str]
    methods: str
    scores: bool
    common: _session.Settings
    out: Path
    json: bool


class Outcome(NamedTuple):
    """What is known of the run, its rows and its failures."""

    document: dict[str, Any]
    rows: list[_compare_maps.Row]
    failures: list[_inputs.Failure]


def run(settings: Settings) -> int:
    """Compare the methods on every picture that can be read; return how many pictures and maps could not be had."""
    choices = choose(settings)
    _networks.check(settings.common.model, settings.common.weights)
    _output.prepare(settings.out)
    inputs, failures = _inputs.find(settings.images or [str(data.demo_path())])
    outcome = _compared(settings, choices, inputs) if inputs else Outcome({}, [], [])
    document = outcome.document | {"files": {}, "images": [row.record for row in outcome.rows]}
    failures += outcome.failures
    if outcome.rows:
        paths = [*(it.path for it in inputs), *(it.path for it in failures), *_session.named(settings.common)]
        document["files"] = _compare_files.write(settings.out, outcome.rows, document, _output.identities(paths))
        if not settings.json:
            _compare_report.say(_report.console(), document, document["files"])
    _report.failures(_report.console(stderr=True), failures, f"{len(outcome.rows)} compared")
    if settings.json:
        print(_output.dump({**document, "failures": [it._asdict() for it in failures]}, ascii=True))
    return len(failures)


def choose(settings: Settings) -> list[_methods.Choice]:
    """The methods named, or all; each is checked before anything is loaded.

    Raises:
        ValueError: One is unknown, none uses the references or the samples that were given, or the maps that are asked
            for have no such scores.
    """
    if settings.scores:
        _metrics.check_side(_compare_maps.SCORES, negative=settings.common.negative, flag="--scores")
    names = list(METHODS) if settings.methods == "all" else [it.strip() for it in settings.methods.split(",")]
    choices = [_methods.Choice(name, {}) for name in dict.fromkeys(names)]
    for choice in choices:
        _methods.check(choice, refs=None, samples=None, flag="--methods")
    _methods.check_used(choices, refs=settings.common.refs, samples=settings.common.samples)
    return choices


def cost(choice: _methods.Choice, common: _session.Settings, *, images: int, scored: bool) -> float:
    """What one batch takes of the progress bar: in seconds of two CPU cores and a small network, as a guess."""
    target = _targets.parse(common.target, None) if (common.target or "").lower().startswith("top:") else None
    maps = target.k if isinstance(target, _targets.Top) else 1
    return maps * images * _PASS * (_methods.passes(choice, common.samples) + _SCORED * scored)


def _compared(settings: Settings, choices: Sequence[_methods.Choice], inputs: Sequence[_inputs.Input]) -> Outcome:
    """Explain and score batch by batch, under a progress bar whose steps are weighed by what they cost."""
    common = settings.common
    size = min(common.batch, len(inputs))
    batches = list(_inputs.batches(inputs, size))
    costs = {choice.name: cost(choice, common, images=size, scored=settings.scores) for choice in choices}
    total = _LOADING + _COMPILING * len(costs) + len(batches) * sum(costs.values())
    rows: list[_compare_maps.Row] = []
    failures: list[_inputs.Failure] = []
    model = _session.fetched(common)
    with _progress.bar(_report.console(stderr=True), total) as step:
        step(f"loading {common.model}", 0)
        session = _session.prepare(common, model or _session.load(common), choices, size)
        job = _compare_maps.prepare(session, choices, settings.scores)
        step("reading pictures", _LOADING)
        for number, names in enumerate(batches):
            weights = {name: it + _COMPILING * (not number) for name, it in costs.items()}
            found, others = _batch(job, names, weights, step)
            rows += found
            failures += others
    document = _session.provenance(session, demonstration=not settings.images)
    return Outcome({**document, "scored": settings.scores, "methods": dict(job.methods)}, rows, failures)


def _batch(
    job: _compare_maps.Job,
    inputs: Sequence[_inputs.Input],
    weights: dict[str, float],
    step: Callable[[str, float], None],
) -> tuple[list[_compare_maps.Row], list[_inputs.Failure]]:
    """All methods on the pictures of a batch that can be read."""
    batch, failures = _batches.read(job.session, inputs)
    if batch is None:
        step("reading pictures", sum(weights.values()))
        return [], failures
    columns = {}
    for name, weight in weights.items():
        step(name, 0)
        columns[name] = _compare_maps.column(job, batch, name)
        step(name, weight)
    _compare_maps.check_asked(columns)
    return _compare_maps.rows(job, batch, columns), [*failures, *_compare_maps.failures(batch, columns)]
