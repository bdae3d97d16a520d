"""What an evaluation is asked for, and the document by which one run is told from another."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from egcam_jax.data import Source
from egcam_jax.evaluate._labels import AskedMethod, AskedMetric
from egcam_jax.models import Model

TARGETS = ("label", "top")


@dataclasses.dataclass(frozen=True)
class Plan:
    """An evaluation.

    Attributes:
        data: A source of data as ``data.open_source`` names it, or one of your own.
        out: The folder of the run.
        model: A network's name, or one of your own.
        weights: A file of weights for a network that is given by name; its published ones by default.
        layer: The target layer, several to fuse; the model's own by default.
        methods: ``NAME[:OPTION=VALUE...]`` each, or ``all``.
        metrics: Likewise, or ``all``, or a family of metrics.
        classes: Which of the data's classes, for sources that can tell; all by default.
        target: What is explained: ``"label"``, the image's label with the largest logit, or its top class where it has
            none; or ``"top"``, the top class.
        limit: How many images, drawn with ``seed``; all by default.
        refs: Where the references are drawn from, as ``data``; by default images of ``data`` that are not explained,
            or, where all of them are, photographs that come with an installed package.
        num_refs: How many at most.
        samples: Samples or steps of each method that has any; each method's own by default.
        seed: Of all that is drawn.
        batch: Images in a batch; ``sufficiency`` compares the images of a batch.
        dtype: ``"float32"`` or ``"bfloat16"``: the network's arithmetic.
        chunk: Images times samples in one pass of a device; changes the memory and not the results.
        pictures: How many pictures are kept with the results, for the gallery.
    """

    data: str | Source
    out: str | os.PathLike[str]
    model: str | Model = "efficientnet_lite0"
    weights: Path | None = None
    layer: Sequence[str] = ()
    methods: Sequence[str] = ("all",)
    metrics: Sequence[str] = ("all",)
    classes: str | None = None
    target: str = "label"
    limit: int | None = None
    refs: str | Source | None = None
    num_refs: int = 32
    samples: int | None = None
    seed: int = 0
    batch: int = 16
    dtype: str = "float32"
    chunk: int | None = None
    pictures: int = 256


def digest(ids: Sequence[str], labels: Sequence[Sequence[int]]) -> str:
    """What tells one set of images from another: a digest of their names and their labels."""
    lines = [f"{id} {list(map(int, some))}" for id, some in zip(ids, labels, strict=True)]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def asked(
    plan: Plan,
    model: Model,
    ids: Sequence[str],
    labels: Sequence[Sequence[int]],
    references: Mapping[str, Any] | None,
    methods: Sequence[AskedMethod],
    metrics: Sequence[AskedMetric],
) -> dict[str, Any]:
    """The document of a run: what its numbers depend on, and nothing else."""
    layer = list(plan.layer) or [model.layer]
    return {
        "data": {"source": name_of(plan.data), "digest": digest(ids, labels), "count": len(ids), "target": plan.target},
        "model": {
            "name": model.name,
            "digest": model.digest,
            "layer": layer,
            "dtype": plan.dtype,
            "preprocessing": dataclasses.asdict(model.preprocess),
        },
        "references": references,
        "methods": {it.label: _method(it, plan.num_refs) for it in methods},
        "metrics": {it.label: {"metric": it.metric.name, "options": dict(it.options)} for it in metrics},
        "seed": plan.seed,
        "batch": plan.batch,
    }


def name_of(source: str | Source) -> str:
    """What a source is called."""
    return source if isinstance(source, str) else source.name


def _method(it: AskedMethod, num_refs: int) -> dict[str, Any]:
    method = it.method
    return {
        "method": method.name,
        "options": {**method.options, **it.options},
        "samples": it.samples or method.num_samples,
        "references": (it.refs or num_refs) if method.needs_refs else None,
    }
