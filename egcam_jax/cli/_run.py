"""What `egcam explain` does, in order: check, load, explain batch by batch, write, report."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from egcam_jax import data
from egcam_jax.cli import (
    _batches,
    _errors,
    _inputs,
    _maps,
    _methods,
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
    common: _session.Settings
    out: Path
    json: bool
    format: str


class Outcome(NamedTuple):
    """A batch's records and failures."""

    records: list[dict[str, Any]]
    failures: list[_inputs.Failure]


def run(settings: Settings) -> int:
    """Explain every picture that can be read, and return how many could not be."""
    _methods.check(settings.choice, refs=settings.common.refs, samples=settings.common.samples)
    _output.prepare(settings.out)
    inputs, failures = _inputs.find(settings.images or [str(data.demo_path())])
    out, err = _report.console(), _report.console(stderr=True)
    speak = Console(quiet=True) if settings.json else out
    records: list[dict[str, Any]] = []
    provenance: dict[str, Any] = {}
    if inputs:
        named = [*(it.path for it in inputs), *(it.path for it in failures), *_session.named(settings.common)]
        model = _fetched(settings.common)
        total = len(inputs) + 2 * _LOADING + _COMPILING
        with _progress.bar(out if speak.is_terminal and not speak.quiet else err, total) as step:
            step(f"loading {settings.common.model}", 0)
            model = model or _session.load(settings.common)
            step("reading references", _LOADING)
            size = min(settings.common.batch, len(inputs))
            session = _session.prepare(settings.common, model, [settings.choice], size)
            provenance = _provenance(settings, session)
            slugs = _output.slugs(model.class_names)
            destination = _maps.Destination(settings.out, settings.format, slugs, _output.identities(named))
            _report.run(speak, provenance)
            step("compiling", _LOADING)
            for number, batch in enumerate(_inputs.batches(inputs, size)):
                outcome = explain_batch(session, settings.choice, destination, provenance, batch)
                records += outcome.records
                failures += outcome.failures
                for record in outcome.records:
                    _report.picture(speak, record)
                step("explaining", len(batch) + (0 if number else _COMPILING))
    _report.failures(err, failures, len(records))
    if settings.json:
        problems = [failure._asdict() for failure in failures]
        print(_output.dump({**provenance, "images": records, "failures": problems}, ascii=True))
    return len(failures)


def explain_batch(
    session: _session.Session,
    choice: _methods.Choice,
    destination: _maps.Destination,
    provenance: dict[str, Any],
    inputs: Sequence[_inputs.Input],
) -> Outcome:
    """Explain the pictures of a batch that can be read, and write their files."""
    batch, failures = _batches.read(session, inputs)
    if batch is None:
        return Outcome([], failures)
    try:
        explained = _batches.explanations(session, batch, choice)
    except (RuntimeError, MemoryError) as error:  # of the device: what it cannot do for these it may for others
        return Outcome([], [*failures, *(_too_much(picture.source, error) for picture in batch.pictures)])
    records = []
    for picture, explanations in zip(batch.pictures, explained):
        try:
            for explanation in explanations:
                _batches.check_finite(explanation)
            record = _records.of_picture(picture, explanations[0].logits, session.model.class_names)
            maps = [_records.of_map(it, session.model.class_names, provenance) for it in explanations]
            files = _maps.write(destination, picture, explanations, maps, {**provenance, **record})
            records.append({**record, "maps": [{**it, "files": paths} for it, paths in zip(maps, files)]})
        except _inputs.TROUBLE as error:
            failures.append(_inputs.failure(picture.source, error))
    return Outcome(records, failures)


def _too_much(item: _inputs.Input, error: Exception) -> _inputs.Failure:
    return _inputs.Failure(
        str(item.path), f"{_errors.text(error)[:300]} (if memory ran out: a smaller --chunk or --batch)"
    )


def _fetched(common: _session.Settings) -> Any:
    """The network, where its download draws a bar of its own, which ours would disturb."""
    downloads = common.weights is None and _networks.shows_its_download(common.model)
    return _session.load(common) if downloads else None


def _provenance(settings: Settings, session: _session.Session) -> dict[str, Any]:
    common = settings.common
    return _session.provenance(session, demonstration=not settings.images) | _methods.provenance(
        settings.choice, given=common.samples, chunk=common.chunk, images=session.size
    )
