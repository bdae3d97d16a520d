"""What `egcam saturation` computes and writes: curves batch by batch for each network, maps of a few images, files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax import data, render
from egcam_jax import saturation as _core
from egcam_jax.output import files, names, scaled
from egcam_jax.report import tables
from egcam_jax.report.text import printable
from egcam_jax.run import Plan, prepare, provenance, sources
from egcam_jax.run.batch import Batch, cut, gather
from egcam_jax.run.session import Session

NAME = "saturation"
CURVES = ("similarity", "filter_similarity", "probability", "logit")


class Asked(NamedTuple):
    """What is asked for besides a plan: the scalings of curves, where they begin, and what is drawn of maps."""

    steps: int
    space: str
    at: Sequence[float]
    pictures: int
    patches: int


class Found(NamedTuple):
    """What was found for one network.

    Attributes:
        name: Network and layer as they were asked for.
        session: The run.
        ids: Names of the images.
        curves: By name, ``(N, A)``.
        target: ``(N,)``.
        unreadable: Name and reason of each image that could not be read.
        maps: The picture of maps, ``None`` where there is none.
    """

    name: str
    session: Session
    ids: Sequence[str]
    curves: dict[str, np.ndarray]
    target: np.ndarray
    unreadable: Sequence[tuple[str, str]]
    maps: Any

    @property
    def layer(self) -> str:
        """The target layer."""
        return self.session.plan.layers or self.session.model.layer


def alphas(asked: Asked) -> np.ndarray:
    """The scalings of the curves, ``(A,)``."""
    return np.linspace(0, 1, asked.steps, dtype=np.float32)


def saturate(plan: Plan, name: str, asked: Asked, step: Callable[[str], None]) -> Found:
    """One network's curves and maps."""
    session = prepare(plan, whole=True, tell=lambda doing: step(f"{name}: {doing}"))
    black = scaled.black(session.model.preprocess, asked.space)
    step(f"{name}: curves")
    ids: list[str] = []
    images: list[Any] = []
    parts, unreadable = [], []
    stream = sources.stream(session.source, session.model.preprocess, session.chosen.tolist())
    known: dict[str, Any] = {"target": session.target, "classes": session.classes, "masks": False}
    for number, indices in enumerate(cut(session.chosen, session.size)):
        batch = gather(stream, number, len(indices), session.size, **known)
        unreadable += [(name, reason) for _, name, reason in batch.unreadable]
        if batch.images:
            parts.append(_curves(session, batch, alphas(asked), black))
            ids += [one.id for one in batch.images]
            images += batch.images[: max(asked.pictures - len(images), 0)]  # all others are done with
    if not ids:
        return Found(name, session, ids, {}, np.zeros(0, int), unreadable, None)
    curves = {curve: np.concatenate([getattr(part, curve) for part in parts]) for curve in CURVES}
    target = np.concatenate([part.target for part in parts])
    step(f"{name}: maps")
    maps = scaled.grid(session, list(zip(images, target.tolist())), asked.at, black, asked.patches)
    return Found(name, session, ids, curves, target, unreadable, maps)


def write(folder: Path, asked: Asked, networks: Sequence[Found], document: Mapping[str, Any]) -> list[str]:
    """Write the files, and return their names.

    Args:
        folder: Where to.
        asked: The scalings.
        networks: By network.
        document: What was asked for, for the numbers.
    """
    at = alphas(asked)
    panels = {
        "cosine similarity of the layer": {one.name: one.curves["similarity"] for one in networks},
        f"{_rule(networks[0])} score of the top class": {one.name: one.curves["probability"] for one in networks},
    }
    origin = "a black picture" if asked.space == "pixels" else "zero in the network's input"
    device = {"versions": provenance.versions("matplotlib"), "device": provenance.device()}
    numbers = {**device, "asked": document, "alphas": at.tolist(), "models": [_bands(one) for one in networks]}
    with files.staged(folder) as stage:
        render.save_png(stage / f"{NAME}.png", render.bands(panels, at, axis=f"α (from {origin})"))
        (stage / f"{NAME}.csv").write_text(_table(networks, at), encoding="utf-8")
        (stage / f"{NAME}.json").write_text(files.dump(numbers) + "\n", encoding="utf-8")
        for one in networks:
            if one.maps is not None:
                plain = "" if len(networks) == 1 else f"-{names.of_network(one.name)}"
                render.save_png(stage / f"maps{plain}.png", one.maps)
        return sorted(path.name for path in stage.iterdir())


def said(network: Found, at: np.ndarray) -> list[str]:
    """How soon each mean curve comes within a tenth of its end; and what could not be read, or is passed over."""
    left = [f"  unreadable: {name}: {reason}" for name, reason in network.unreadable]
    left += [f"  {text}" for text in [data.told(data.passed_over(network.session.source))] if text]
    if not network.ids:
        return [f"{network.name}, 0 images", *left]
    curves = {"layer": network.curves["similarity"], _rule(network): network.curves["probability"]}
    parts = [f"{name} {_reached(np.nanmean(values, axis=0), at):.2f}" for name, values in curves.items()]
    text = (
        f"{network.name}, {len(network.ids)} images: the mean is within a tenth of its end from α = {', '.join(parts)}"
    )
    return [text, *left]


def _rule(network: Found) -> str:
    """What makes probabilities of logits."""
    return str(getattr(network.session.plan.probability, "__name__", network.session.plan.probability))


def _curves(session: Session, batch: Batch, at: np.ndarray, black: np.ndarray) -> Any:
    """The curves of a batch."""
    curves = _core.saturation(
        session.model.params,
        session.model.apply_fn,
        jnp.asarray(batch.arrays["x"]),
        alphas=at,
        baseline=black,
        layer=session.plan.layers or session.model.layer,
        probability=session.plan.probability,
        chunk_size=session.plan.chunk,
    )
    own = jax.device_get(curves)._replace(alphas=np.zeros(session.size))
    return jax.tree.map(lambda leaf: leaf[: len(batch.images)], own)


def _table(networks: Sequence[Found], at: np.ndarray) -> str:
    value = lambda number: "" if np.isnan(number) else f"{number:.6g}"
    rows = (
        (
            *(one.session.model.name, one.layer, printable(name), int(one.target[i]), value(alpha)),
            *(value(one.curves[curve][i, j]) for curve in CURVES),
        )
        for one in networks
        for i, name in enumerate(one.ids)
        for j, alpha in enumerate(at)
    )
    return tables.separated(("model", "layer", "image", "target", "alpha", *CURVES), rows)


def _bands(network: Found) -> dict[str, Any]:
    bands = {name: _core.band(jnp.asarray(network.curves[name])) for name in CURVES}
    model = network.session.model
    return {
        "model": model.name,
        "digest": model.digest,
        "weights": str(model.weights),
        "layer": network.layer,
        "images": list(network.ids),
        "unreadable": dict(network.unreadable),
        "passed_over": [": ".join(one) for one in data.passed_over(network.session.source)],
        "references": network.session.known,
    } | {
        name: {"mean": np.asarray(mean).tolist(), "two_standard_deviations": np.asarray(spread).tolist()}
        for name, (mean, spread) in bands.items()
    }


def _reached(mean: np.ndarray, at: np.ndarray) -> float:
    """Where a curve stays within a tenth of its last value from."""
    away = np.flatnonzero(np.abs(mean - mean[-1]) > 0.1 * abs(mean[-1]))
    return float(at[min(away[-1] + 1, len(at) - 1)]) if len(away) else float(at[0])
