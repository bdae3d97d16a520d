"""What `egcam explain` does, in order: check, load, explain batch by batch, write, report."""

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from egcam_jax import _checks, data, models, render
from egcam_jax.cli import _inputs, _output, _progress, _records, _report, _targets
from egcam_jax.kernel import DEFAULT_CHUNK_SIZE
from egcam_jax.methods import METHODS, _options, explain
from egcam_jax.methods._explain import DEFAULT_NUM_SAMPLES

_REFERENCES = 32


@dataclasses.dataclass(frozen=True)
class Settings:
    """What was asked for, on the command line's terms."""

    images: Sequence[str]
    model: str
    weights: Path | None
    method: str
    layer: str | None
    target: str | None
    refs: str | None
    samples: int | None
    options: Mapping[str, Any]
    seed: int
    dtype: str
    chunk: int | None
    batch: int
    out: Path
    json: bool
    format: str


class Session(NamedTuple):
    """All that the pictures of a run share; ``kept`` are the identities of files that no output may replace."""

    settings: Settings
    model: Any
    target: int | _targets.Top
    refs: Any
    provenance: dict[str, Any]
    kept: frozenset[tuple[int, int]] = frozenset()


class Outcome(NamedTuple):
    """A batch's records and failures."""

    records: list[dict[str, Any]]
    failures: list[_inputs.Failure]


def run(settings: Settings) -> int:
    """Explain every picture that can be read, and return how many could not be."""
    _check_method(settings)
    _output.prepare(settings.out)
    inputs, failures = _inputs.find(settings.images or [str(data.demo_path())])
    out, err = _report.console(), _report.console(stderr=True)
    speak = Console(quiet=True) if settings.json else out
    records: list[dict[str, Any]] = []
    provenance: dict[str, Any] = {}
    if inputs:
        with _progress.bar(out if speak.is_terminal and not speak.quiet else err, len(inputs)) as step:
            step(f"loading {settings.model}", 0)
            session = prepare(settings, [*(it.path for it in inputs), *(it.path for it in failures)])
            provenance = session.provenance
            _report.run(speak, provenance)
            step("compiling", 0)
            for batch in _inputs.batches(inputs, settings.batch):
                outcome = explain_batch(session, batch, min(settings.batch, len(inputs)))
                records += outcome.records
                failures += outcome.failures
                for record in outcome.records:
                    _report.picture(speak, record)
                step("explaining", len(batch))
    _report.failures(err, failures, len(records))
    if settings.json:
        problems = [failure._asdict() for failure in failures]
        print(_output.dump({**provenance, "images": records, "failures": problems}, ascii=True))
    return len(failures)


def prepare(settings: Settings, named: Sequence[str | Path] = ()) -> Session:
    """Load the model, the target and the references; the files ``named`` are not to be replaced."""
    model = models.load(settings.model, weights=settings.weights)
    target = _targets.parse(settings.target, model.class_names)
    refs, origin = None, None
    if METHODS[settings.method].needs_refs:
        refs, origin = _references(settings, model.preprocess)
    kept = _output.identities([*named, *(origin["files"] if origin else ())])
    return Session(settings, model, target, refs, _provenance(settings, model, origin), kept)


def explain_batch(session: Session, batch: Sequence[_inputs.Input], size: int) -> Outcome:
    """Explain the pictures of a batch that can be read; a short batch is filled up to ``size``, so as not to
    compile again.
    """
    pictures, failures = _inputs.load(batch, session.model.preprocess)
    if not pictures:
        return Outcome([], failures)
    filled = [pictures[min(i, len(pictures) - 1)] for i in range(size)]
    x = jnp.asarray(np.stack([picture.x for picture in filled]))
    index = jnp.asarray([picture.source.place for picture in filled])
    explanations = [jax.device_get(e) for e in _explain(session, x, index)]
    records = []
    for i, picture in enumerate(pictures):
        own = [jax.tree.map(lambda leaf: leaf[i], explanation) for explanation in explanations]  # noqa: B023
        try:
            _check_finite(own)
            records.append(_write(session, picture, own))
        except _inputs.TROUBLE as error:
            failures.append(_inputs.failure(picture.source, error))
    return Outcome(records, failures)


_NOT_FINITE = (
    "the network's output is NaN or infinite, so there is nothing to draw; check --weights, or try --dtype float32"
)
_MAP_NOT_FINITE = (
    "the map is NaN or infinite though the network's output is not: gradients overflow; try --dtype float32, or "
    "another --layer"
)


def _check_finite(explanations: Sequence[Any]) -> None:
    for explanation in explanations:
        if not np.isfinite(explanation.logits).all():
            raise FloatingPointError(_NOT_FINITE)
        if not np.isfinite(np.asarray(explanation.saliency, np.float32)).all():
            raise FloatingPointError(_MAP_NOT_FINITE)


def _explain(session: Session, x: Any, index: Any) -> Iterator[Any]:
    """The explanations of a batch, one for each target."""
    settings = session.settings
    with warnings.catch_warnings():
        # Images whose logits are not finite are reported by name, without their number in the batch.
        warnings.filterwarnings("ignore", message="the logits of image", category=RuntimeWarning)
        for target in _batch_targets(session, x):
            yield explain(
                session.model.params,
                session.model.apply_fn,
                x,
                session.refs,
                jax.random.key(settings.seed),
                target=target,
                method=settings.method,
                layer=settings.layer or session.model.layer,
                num_samples=settings.samples,
                chunk_size=settings.chunk,
                index=index,
                compute_dtype=jnp.bfloat16 if settings.dtype == "bfloat16" else None,
                **settings.options,
            )


def _batch_targets(session: Session, x: Any) -> list[Any]:
    """Targets as ``explain`` takes them: a class, each image's top class, or each one's k top classes."""
    if not isinstance(session.target, _targets.Top):
        return [session.target]
    if session.target.k == 1:
        return [None]
    logits = jax.jit(session.model.apply_fn)(session.model.params, x)
    _, order = jax.lax.top_k(logits, session.target.k)
    return list(order.T)


def _write(session: Session, picture: _inputs.Picture, explanations: Sequence[Any]) -> dict[str, Any]:
    """Write the files of a picture's maps, and return its record."""
    names = session.model.class_names
    record = _records.of_picture(picture, explanations[0].logits, names)
    maps = [_records.of_map(explanation, names, session.provenance) for explanation in explanations]
    start = f"{session.settings.out / picture.source.stem}."
    slugs = _output.distinct(
        (_output.slug(it["target"]["index"], it["target"]["name"]) for it in maps),
        lambda slug: _output.clear(start + slug, session.kept),
    )
    for explanation, it, slug in zip(explanations, maps, slugs):
        it["files"] = _write_map(session.settings, picture, explanation, it, start + slug)
        document = {**session.provenance, **record, "map": it}
        Path(it["files"]["json"]).write_text(_output.dump(document) + "\n", encoding="utf-8")
    return {**record, "maps": maps}


def _write_map(
    settings: Settings, picture: _inputs.Picture, explanation: Any, record: Mapping[str, Any], base: str
) -> dict[str, str]:
    files = {}
    if settings.format in ("png", "both"):
        files["png"] = f"{base}.png"
        title = f"{_report.class_text(record['target'])}, {record['method']}"
        pair = [picture.crop, render.overlay(picture.crop, np.asarray(explanation.saliency, np.float32))]
        sheet = render.grid(
            [pair], titles=[_output.printable(picture.source.path.name), title], bar=render.DEFAULT_COLOUR_MAP
        )
        render.save_png(files["png"], sheet)
    if settings.format in ("npz", "both"):
        files["npz"] = f"{base}.npz"
        _output.save_arrays(Path(files["npz"]), _records.arrays(explanation))
    return {**files, "json": f"{base}.json"}


def _check_method(settings: Settings) -> None:
    """Refuse a method or an option before the weights are fetched, in the library's own words."""
    if settings.method not in METHODS:
        nearest = _checks.nearest(settings.method, METHODS)
        raise ValueError(f"--method {settings.method!r} is unknown. {nearest}")
    method = METHODS[settings.method]
    unused = [("--refs", settings.refs, method.needs_refs), ("--samples", settings.samples, method.sampled)]
    for option, value, used in unused:
        if value is not None and not used:
            raise ValueError(f"{option} {value}: the method {method.name!r} does not use it; leave it out")
    _options.resolve(method.name, method.schema, settings.options, settings.samples or 1)


def _references(settings: Settings, preprocess: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """The references, and where they come from."""
    if settings.refs is None:
        refs = data.demo_references(preprocess)
        source, files = "scikit-image's photographs (--refs for your own)", []
    else:
        drawn: dict[str, Any] = {"count": max(_REFERENCES, settings.samples or 0), "seed": settings.seed}
        refs = data.references(settings.refs, preprocess, **drawn)
        source, files = settings.refs, [str(path) for path in data.draw(settings.refs, **drawn)]
    return refs, {"source": source, "count": len(refs), "files": files}


def _provenance(settings: Settings, model: Any, references: dict[str, Any] | None) -> dict[str, Any]:
    device = jax.devices()[0]
    demo = references is not None and settings.refs is None
    return {
        "versions": _records.versions(*(["scikit-image"] if demo else [])),
        "device": f"{device.platform} ({device.device_kind})",
        "model": {"name": model.name, "weights": str(model.weights), "digest": model.digest},
        "preprocessing": dataclasses.asdict(model.preprocess),
        "method": settings.method,
        "options": {**METHODS[settings.method].options, **settings.options},
        "samples": (settings.samples or DEFAULT_NUM_SAMPLES) if METHODS[settings.method].sampled else None,
        "seed": settings.seed,
        "key": f"fold_in(key({settings.seed}), index)",
        "dtype": settings.dtype,
        "chunk": settings.chunk or DEFAULT_CHUNK_SIZE,
        "batch": settings.batch,
        "references": references,
    }
