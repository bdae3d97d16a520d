"""What every command that explains pictures needs once a run: the network, the target, the references."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from egcam_jax import data, models
from egcam_jax.cli import _methods, _networks, _records, _targets
from egcam_jax.models._files import digest

_REFERENCES = 32
_FEW = 16
"""References below which their mean says more of them than of what they are drawn from."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What was asked for, whatever the methods are, on the command line's terms."""

    model: str
    weights: Path | None
    layer: Sequence[str]
    negative: bool
    target: str | None
    refs: str | None
    samples: int | None
    seed: int
    dtype: str
    chunk: int | None
    batch: int


class References(NamedTuple):
    """A reference distribution, where it comes from, and the photographs that it was made from.

    ``digests`` are the SHA-256 of their files; ``left_out`` says which could not be read, and why.
    """

    images: np.ndarray
    source: str
    names: list[str]
    digests: frozenset[str]
    left_out: tuple[str, ...] = ()


class Session(NamedTuple):
    """All that the pictures of a run share; ``size`` is that of every batch, the last one filled up."""

    settings: Settings
    model: Any
    target: int | _targets.Top
    references: References | None
    size: int


def prepare(settings: Settings, model: Any, choices: Sequence[_methods.Choice], size: int) -> Session:
    """Read the target and the references, if any of the methods needs them, for batches of ``size`` pictures."""
    target = _targets.parse(settings.target, model.class_names)
    needed = any(choice.method.needs_refs for choice in choices)
    return Session(settings, model, target, _references(settings, model.preprocess) if needed else None, size)


def load(settings: Settings) -> Any:
    """Load the network with its weights."""
    return models.load(settings.model, weights=settings.weights)


def fetched(settings: Settings) -> Any:
    """The network, where its download draws a bar of its own, which ours would disturb; else ``None``."""
    downloads = settings.weights is None and _networks.shows_its_download(settings.model)
    return load(settings) if downloads else None


def named(settings: Settings) -> list[str | Path]:
    """The files that a run reads besides its pictures, all references that there are to draw from included."""
    weights: list[str | Path] = [] if settings.weights is None else [settings.weights]
    return weights if settings.refs is None else [*weights, *data.expand(settings.refs)]


def provenance(session: Session, *, demonstration: bool) -> dict[str, Any]:
    """What all of a run's explanations share, whatever the method; a ``demonstration`` is of our own picture."""
    settings, model, references = session.settings, session.model, session.references
    borrowed = demonstration or (references is not None and settings.refs is None)
    device = jax.devices()[0]
    return {
        "versions": _records.versions(*(["scikit-image"] if borrowed else [])),
        "device": f"{device.platform} ({device.device_kind})",
        "model": {"name": model.name, "weights": str(model.weights), "digest": model.digest},
        "preprocessing": dataclasses.asdict(model.preprocess),
        "target": settings.target,
        "negative": settings.negative,
        "seed": settings.seed,
        "key": f"fold_in(key({settings.seed}), index)",
        "dtype": settings.dtype,
        "batch": settings.batch,
        "references": references and _described(references),
    }


def is_reference(session: Session, digest: str) -> bool:
    """Whether a picture, known by the SHA-256 of its file, is among the references that it is explained against."""
    return session.references is not None and digest in session.references.digests


def _described(references: References) -> dict[str, Any]:
    """What is known of the references: ``note`` says in words what must be said of them."""
    count = len(references.images)
    few = f"{count} reference{'s' * (count > 1)}; {_FEW} or more make a distribution"
    note = "; ".join([*[few] * (count < _FEW), *(f"left out: {it}" for it in references.left_out)]) or None
    return {"source": references.source, "count": count, "files": references.names, "note": note}


def _references(settings: Settings, preprocess: Any) -> References:
    if settings.refs is None:
        source = "scikit-image's photographs (--refs for your own)"
        folder, names = data.demo_path().parent, list(data.DEMO_REFERENCES)
        return References(data.demo_references(preprocess), source, names, _digests(folder / it for it in names))
    count = max(_REFERENCES, settings.samples or 0)
    try:
        files = data.draw(settings.refs, count=count, seed=settings.seed)
    except OSError as error:
        raise OSError(f"--refs {error}") from error
    images, kept, left_out = [], [], []
    for path in files:
        try:
            images.append(data.preprocess(data.read(path), preprocess))
            kept.append(path)
        except OSError as error:
            left_out.append(str(error))
    if len(files) == len(left_out) == 1:
        raise ValueError(f"--refs {left_out[0]}")
    if not images:
        raise ValueError(f"--refs {settings.refs}: none of {len(files)} files is a picture; the first: {left_out[0]}")
    return References(np.stack(images), settings.refs, [*map(str, kept)], _digests(kept), tuple(left_out))


def _digests(paths: Iterable[Path]) -> frozenset[str]:
    return frozenset(map(digest, paths))
