"""From a plan to all that its batches share, checked before any work."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from egcam_jax import _checks, data, models, splitting
from egcam_jax.evaluate import _labels
from egcam_jax.evaluate._plan import TARGETS, Plan, asked
from egcam_jax.evaluate._references import draw, mosaics
from egcam_jax.models import Model


class Work(NamedTuple):
    """All that the batches of a run share.

    Attributes:
        plan: What was asked for.
        model: The network.
        source: The data.
        chosen: Indices in the data of the images that are explained, ascending.
        references: ``(R, H, W, C)``; ``None`` where no method needs any.
        methods: What is explained with.
        metrics: What the maps are judged by.
        left_out: Metrics of a group that the data does not allow, and why.
        asked: The document of the run.
    """

    plan: Plan
    model: Model
    source: data.Source
    chosen: np.ndarray
    references: np.ndarray | None
    methods: Sequence[_labels.AskedMethod]
    metrics: Sequence[_labels.AskedMetric]
    left_out: Mapping[str, str]
    asked: Mapping[str, Any]


def prepare(plan: Plan) -> Work:
    """Load what a plan names.

    Raises:
        ValueError: The plan asks for what there is not, or what makes no sense.
        OSError: Files that cannot be read, or none.
    """
    _check(plan)
    if not isinstance(plan.model, str | Model):
        raise TypeError(
            "model must be a network's name or a models.Model, which holds a function, its parameters, preprocessing "
            f"and class names; got {type(plan.model).__name__}"
        )
    methods = _labels.methods(plan.methods, plan.samples)
    _labels.metrics(plan.metrics, masks=True, mosaics=True)  # unknown names, before anything is loaded
    model = models.load(plan.model, weights=plan.weights) if isinstance(plan.model, str) else plan.model
    source = plan.data
    if isinstance(source, str):
        source = data.open_source(source, class_names=model.class_names, classes=plan.classes)
    _check_layers(plan, model)
    metrics, left_out = _labels.metrics(plan.metrics, masks=source.has_masks, mosaics=mosaics(source))
    chosen = choose(len(source), plan.limit, plan.seed)
    ids = [source.ids[i] for i in chosen]
    references, known = None, None
    if any(it.method.needs_refs for it in methods):
        references, known = draw(source, ids, model.preprocess, refs=plan.refs, count=plan.num_refs, seed=plan.seed)
    document = asked(plan, model, ids, [_labels_of(source, i) for i in chosen], known, methods, metrics)
    return Work(plan, model, source, chosen, references, methods, metrics, left_out, document)


def choose(count: int, limit: int | None, seed: int) -> np.ndarray:
    """The indices of the images that are explained: all, or as many as ``limit``, drawn with ``seed``; ascending."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:limit])


def _labels_of(source: data.Source, index: int) -> tuple[int, ...]:
    """The labels of an image, where the source tells them alone; none of a damaged record, which reading it tells."""
    try:
        return tuple(getattr(source, "labels", lambda index: ())(index))
    except OSError:
        return ()


def _check(plan: Plan) -> None:
    for name in ("batch", "num_refs"):
        _checks.count(name, getattr(plan, name))
    for name in ("limit", "samples", "chunk"):
        if getattr(plan, name) is not None:
            _checks.count(name, getattr(plan, name))
    _checks.one_of("target", plan.target, TARGETS)
    _checks.one_of("dtype", plan.dtype, ("float32", "bfloat16"))


def _check_layers(plan: Plan, model: Model) -> None:
    """Refuse a layer that the network does not have, before any method fails at it."""
    size = model.preprocess.size
    image = jax.ShapeDtypeStruct((1, size, size, 3), np.float32)
    for layer in plan.layer:
        splitting.split(model.apply_fn, model.params, image, layer)
