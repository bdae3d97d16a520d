"""What `egcam explain` does, in order: check, load, explain batch by batch, write, report."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from egcam_jax import data
from egcam_jax.cli import (
    _batches,
    _inputs,
    _maps,
    _methods,
    _metrics,
    _networks,
    _output,
    _progress,
    _records,
    _report,
    _session,
)

_LOADING, _COMPILING = 1, 4
"""What loading and compiling take, in pictures: a guess that the progress bar starts from."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What was asked for, on the command line's terms."""

    images: Sequence[str]
    choice: _methods.Choice
    metrics: Sequence[_metrics.Asked]
    common: _session.Settings
    out: Path
    json: bool
    format: str


class Job(NamedTuple):
    """What is done to every batch of a run, and where it goes."""

    session: _session.Session
    choice: _methods.Choice
    metrics: Sequence[_metrics.Asked]
    explainer: Any
    destination: _maps.Destination
    provenance: dict[str, Any]


class Outcome(NamedTuple):
    """A batch's records and failures."""

    records: list[dict[str, Any]]
    failures: list[_inputs.Failure]


def run(settings: Settings) -> int:
    """Explain every picture that can be read, and return how many could not be."""
    _methods.check(settings.choice, refs=settings.common.refs, samples=settings.common.samples)
    _networks.check(settings.common.model, settings.common.weights)
    _output.prepare(settings.out)
    inputs, failures = _inputs.find(settings.images or [str(data.demo_path())])
    err = _report.console(stderr=True)
    provenance: dict[str, Any] = {}
    records: list[dict[str, Any]] = []
    if inputs:
        named = [*(it.path for it in inputs), *(it.path for it in failures), *_session.named(settings.common)]
        provenance, (records, others) = _explain(settings, inputs, _output.identities(named))
        failures += others
    _report.failures(err, failures, f"{len(records)} explained")
    if settings.json:
        problems = [failure._asdict() for failure in failures]
        print(_output.dump({**provenance, "images": records, "failures": problems}, ascii=True))
    return len(failures)


def explain_batch(job: Job, inputs: Sequence[_inputs.Input]) -> Outcome:
    """Explain the pictures of a batch that can be read, and write their files."""
    batch, failures = _batches.read(job.session, inputs)
    if batch is None:
        return Outcome([], failures)
    try:
        explained = _batches.explanations(job.session, batch, job.choice)
        scores = [_metrics.score(job.session, batch, maps, job.metrics, job.explainer) for maps in zip(*explained)]
    except (RuntimeError, MemoryError) as error:  # of the device: what it cannot do for these it may for others
        return Outcome([], [*failures, *(_too_much(picture.source, error) for picture in batch.pictures)])
    records = []
    for picture, explanations, scored in zip(batch.pictures, explained, zip(*scores)):
        try:
            records.append(_write(job, picture, explanations, scored))
        except _inputs.TROUBLE as error:
            failures.append(_inputs.failure(picture.source, error))
    return Outcome(records, failures)


def _explain(
    settings: Settings, inputs: Sequence[_inputs.Input], kept: frozenset[tuple[int, int]]
) -> tuple[dict[str, Any], Outcome]:
    """Explain the pictures batch by batch, reporting each, under a progress bar."""
    out = _report.console()
    speak = Console(quiet=True) if settings.json else out
    bar = out if out.is_terminal and not settings.json else _report.console(stderr=True)
    whole = Outcome([], [])
    model = _session.fetched(settings.common)
    with _progress.bar(bar, len(inputs) + 2 * _LOADING + _COMPILING) as step:
        step(f"loading {settings.common.model}", 0)
        model = model or _session.load(settings.common)
        step("reading references", _LOADING)
        job = _prepare(settings, model, min(settings.common.batch, len(inputs)), kept)
        _report.run(speak, job.provenance)
        step("compiling", _LOADING)
        for number, batch in enumerate(_inputs.batches(inputs, job.session.size)):
            outcome = explain_batch(job, batch)
            whole.records.extend(outcome.records)
            whole.failures.extend(outcome.failures)
            for record in outcome.records:
                _report.picture(speak, record)
            step("explaining", len(batch) + (0 if number else _COMPILING))
    return job.provenance, whole


def _prepare(settings: Settings, model: Any, size: int, kept: frozenset[tuple[int, int]]) -> Job:
    common, choice = settings.common, settings.choice
    session = _session.prepare(common, model, [choice], size)
    provenance = _session.provenance(session, demonstration=not settings.images)
    provenance |= _methods.provenance(choice, given=common.samples, chunk=common.chunk, images=size)
    slugs = [f"{'against-' * common.negative}{slug}" for slug in _output.slugs(model.class_names)]
    provenance["metrics"] = {it.metric.name: dict(it.options) for it in settings.metrics}
    destination = _maps.Destination(settings.out, settings.format, slugs, kept)
    return Job(session, choice, settings.metrics, _batches.explainer(session, choice), destination, provenance)


def _write(
    job: Job, picture: _inputs.Picture, explanations: Sequence[Any], scored: Sequence[Mapping[str, _metrics.Scored]]
) -> dict[str, Any]:
    """Write the files of a picture's maps, and return its record."""
    for explanation in explanations:
        _batches.check_finite(explanation)
    names = job.session.model.class_names
    own = _session.is_reference(job.session, picture.digest)
    record = _records.of_picture(picture, explanations[0].logits, names, is_reference=own)
    maps = [
        {**_records.of_map(explanation, names, job.provenance), "scores": _metrics.described(scores)}
        for explanation, scores in zip(explanations, scored)
    ]
    files = _maps.write(job.destination, picture, explanations, maps, {**job.provenance, **record})
    return {**record, "maps": [{**it, "files": paths} for it, paths in zip(maps, files)]}


def _too_much(item: _inputs.Input, error: Exception) -> _inputs.Failure:
    return _inputs.failed(item.path, _batches.reason(error))
