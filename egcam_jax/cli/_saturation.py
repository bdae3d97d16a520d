"""What `egcam saturation` does: curves batch by batch for each network, maps of a few images, files."""

import csv
import dataclasses
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.text import Text

from egcam_jax import data, models, render
from egcam_jax import saturation as _core
from egcam_jax.cli import _output, _progress, _records, _report, _saturation_maps, _several
from egcam_jax.cli._saturation_maps import Subject
from egcam_jax.evaluate._labels import methods as read_methods
from egcam_jax.evaluate._work import choose

NAME = "saturation"
_ASKED = (
    *("data", "limit", "classes", "space", "seed", "methods", "at", "pictures", "patches", "samples", "refs"),
    "num_refs",
)
"""Of what was asked for, what the document says once; the networks follow one by one."""
CURVES = ("similarity", "filter_similarity", "probability", "logit")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What was asked for, on the command line's terms."""

    data: str
    models: Sequence[str]
    weights: Sequence[str]
    limit: int
    classes: str | None
    steps: int
    space: str
    methods: Sequence[str]
    at: Sequence[float]
    pictures: int
    patches: int
    samples: int | None
    refs: str | None
    num_refs: int
    seed: int
    chunk: int | None
    batch: int
    out: Path


class Found(NamedTuple):
    """What was found for one network.

    Attributes:
        name: Network and layer as they were asked for.
        model: The network.
        layer: Its target layer.
        ids: Names of the images.
        curves: By name, ``(N, A)``.
        target: ``(N,)``.
        unreadable: Name and reason of each image that could not be read.
        maps: The picture of maps, ``None`` where there is none.
        references: What is known of the references of those, likewise.
    """

    name: str
    model: models.Model
    layer: str
    ids: Sequence[str]
    curves: dict[str, np.ndarray]
    target: np.ndarray
    unreadable: Sequence[tuple[str, str]]
    maps: Any
    references: dict[str, Any] | None


def scalings(text: str) -> list[float]:
    """Read numbers with commas between them.

    Raises:
        ValueError: One is no number from 0 to 1.
    """
    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = []
    if not found or not all(0 <= it <= 1 for it in found):
        raise ValueError(f"--at {text}: numbers from 0 to 1 with commas between them wanted, such as 0.1,0.5,1")
    return found


def run(settings: Settings) -> None:
    """Compute the curves and the maps of every network, write the files, and say what was found."""
    read_methods(settings.methods, settings.samples)
    asked = _several.networks(settings.models, settings.weights)
    _output.prepare(settings.out)
    alphas = np.linspace(0, 1, settings.steps, dtype=np.float32)
    with _progress.bar(_report.console(stderr=True), len(asked) * (2 + settings.pictures)) as step:
        found = [_network(settings, it, alphas, step) for it in asked]
    files = _write(settings, found, alphas)
    out = _report.console()
    for it in found:
        out.print(Text(_output.printable(_said(it, alphas))), soft_wrap=True)
        for name, reason in it.unreadable:
            out.print(Text(_output.printable(f"  unreadable: {name}: {reason}")), soft_wrap=True)
    for name in files:
        out.print(Text(_output.printable(f"wrote {settings.out / name}")), soft_wrap=True)


def _network(
    settings: Settings, asked: _several.Network, alphas: np.ndarray, step: Callable[[str, float], None]
) -> Found:
    """One network's curves and maps."""
    step(f"{asked.text}: loading", 0)
    model = models.load(asked.name, weights=asked.weights)
    source = data.open_source(settings.data, class_names=model.class_names, classes=settings.classes)
    chosen = choose(len(source), settings.limit, settings.seed).tolist()
    names = [source.ids[i] for i in chosen]
    subject = Subject(model, asked.layer or model.layer, source, _black(model, settings.space), names)
    step(f"{asked.text}: curves", 1)
    loaded = data.stream(source, model.preprocess, chosen)
    ids: list[str] = []
    shown: list[data.Loaded] = []
    parts, unreadable = [], []
    for some, bad in _batches(loaded, settings.batch):
        unreadable += bad
        if some:
            parts.append(_curves(settings, subject, some, alphas))
            ids += [it.id for it in some]
            shown += some[: max(settings.pictures - len(shown), 0)]  # all others are done with
    if not ids:
        raise OSError(f"{settings.data}: none of {len(unreadable)} images could be read; the first: {unreadable[0][1]}")
    curves = {name: np.concatenate([getattr(it, name) for it in parts]) for name in CURVES}
    target = np.concatenate([it.target for it in parts])
    step(f"{asked.text}: maps", 1)
    explained = list(zip(shown, target.tolist()))
    maps, known = _saturation_maps.grid(settings, subject, explained, lambda: step(f"{asked.text}: maps", 1))
    return Found(asked.text, model, subject.layer, ids, curves, target, unreadable, maps, known)


def _curves(settings: Settings, subject: Subject, images: Sequence[data.Loaded], alphas: np.ndarray) -> Any:
    """The curves of a batch, filled up so that all batches share a program."""
    size = min(settings.batch, len(subject.ids))
    filled = [images[min(i, len(images) - 1)] for i in range(size)]
    found = _core.saturation(
        subject.model.params,
        subject.model.apply_fn,
        jnp.asarray(np.stack([np.asarray(it.x) for it in filled])),
        alphas=alphas,
        baseline=subject.black,
        layer=subject.layer,
        chunk_size=settings.chunk,
    )
    own = jax.device_get(found)._replace(alphas=np.zeros(size))
    return jax.tree.map(lambda leaf: leaf[: len(images)], own)


def _black(model: models.Model, space: str) -> Any:
    """What images are scaled from, ``(1, 1, 3)``."""
    if space == "input":
        return np.zeros((1, 1, 3), np.float32)
    return data.normalise(np.zeros((1, 1, 3), np.uint8), model.preprocess)


def _batches(loaded: Iterator[data.Loaded], size: int) -> Iterator[tuple[list[data.Loaded], list[tuple[str, str]]]]:
    """Images that can be read, some at a time, and what cannot be read among them."""
    images: list[data.Loaded] = []
    bad: list[tuple[str, str]] = []
    for it in loaded:
        if it.error is None:
            images.append(it)
        else:
            bad.append((it.id, it.error))
        if len(images) == size:
            yield images, bad
            images, bad = [], []
    if images or bad:
        yield images, bad


def _write(settings: Settings, found: Sequence[Found], alphas: np.ndarray) -> list[str]:
    """Write the files, and return their names."""
    panels = {
        "cosine similarity of the layer": {it.name: it.curves["similarity"] for it in found},
        "softmax score of the top class": {it.name: it.curves["probability"] for it in found},
    }
    with _output.staged(settings.out) as stage:
        render.save_png(stage / f"{NAME}.png", render.bands(panels, alphas, axis=f"α ({_scaling(settings.space)})"))
        (stage / f"{NAME}.csv").write_text(_table(found, alphas), encoding="utf-8")
        document = _output.dump(_document(settings, found, alphas))
        (stage / f"{NAME}.json").write_text(document + "\n", encoding="utf-8")
        for it, name in zip(found, _names(found)):
            if it.maps is not None:
                render.save_png(stage / name, it.maps)
        return sorted(path.name for path in stage.iterdir())


def _names(found: Sequence[Found]) -> list[str]:
    """The files of maps: one network's has the plain name."""
    if len(found) == 1:
        return ["maps.png"]
    return [f"maps-{''.join(c if c.isalnum() or c in '+_.' else '-' for c in it.name)}.png" for it in found]


def _scaling(space: str) -> str:
    return "from a black picture" if space == "pixels" else "from zero in the network's input"


def _table(found: Sequence[Found], alphas: np.ndarray) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("model", "layer", "image", "target", "alpha", *CURVES))
    for it in found:
        for i, (name, target) in enumerate(zip(it.ids, it.target)):
            for j, alpha in enumerate(alphas):
                values = (
                    "" if np.isnan(it.curves[curve][i, j]) else f"{it.curves[curve][i, j]:.6g}" for curve in CURVES
                )
                writer.writerow((it.model.name, it.layer, _output.printable(name), target, f"{alpha:.6g}", *values))
    return file.getvalue()


def _document(settings: Settings, found: Sequence[Found], alphas: np.ndarray) -> dict[str, Any]:
    """What was asked for, and the bands."""
    device = jax.devices()[0]
    asked = {name: getattr(settings, name) for name in _ASKED}
    return {
        "versions": _records.versions(),
        "device": f"{device.platform} ({device.device_kind})",
        "asked": asked,
        "alphas": alphas.tolist(),
        "models": [_bands(it) for it in found],
    }


def _bands(found: Found) -> dict[str, Any]:
    bands = {name: _core.band(jnp.asarray(found.curves[name])) for name in CURVES}
    return {
        "model": found.model.name,
        "digest": found.model.digest,
        "weights": str(found.model.weights),
        "layer": found.layer,
        "images": list(found.ids),
        "unreadable": dict(found.unreadable),
        "references": found.references,
    } | {
        name: {"mean": np.asarray(mean).tolist(), "two_standard_deviations": np.asarray(spread).tolist()}
        for name, (mean, spread) in bands.items()
    }


def _said(found: Found, alphas: np.ndarray) -> str:
    """How soon each mean curve comes within a tenth of its end."""
    curves = {"layer": found.curves["similarity"], "softmax": found.curves["probability"]}
    parts = [f"{name} {_reached(np.nanmean(values, axis=0), alphas):.2f}" for name, values in curves.items()]
    return f"{found.name}, {len(found.ids)} images: the mean is within a tenth of its end from α = {', '.join(parts)}"


def _reached(mean: np.ndarray, alphas: np.ndarray) -> float:
    """Where a curve stays within a tenth of its last value from."""
    away = np.flatnonzero(np.abs(mean - mean[-1]) > 0.1 * abs(mean[-1]))
    return float(alphas[min(away[-1] + 1, len(alphas) - 1)]) if len(away) else float(alphas[0])
