"""All that the batches of a run share: what was asked for, loaded and checked before any work."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from egcam_jax import models, splitting
from egcam_jax.core import answers, contexts, numerics
from egcam_jax.models import Model
from egcam_jax.run import asking, identity, kept, plan, programs, references, sources, targets
from egcam_jax.run.plan import Plan


class Session(NamedTuple):
    """A run while it goes.

    Attributes:
        plan: What was asked for.
        model: The network.
        source: The data.
        chosen: Indices in the data of the images that are explained, ascending.
        methods: The methods.
        metrics: The metrics that judge their maps.
        left_out: Metrics of a group that the data does not allow, and why.
        target: Which class of each image is explained.
        classes: How many classes the network tells apart.
        references: ``(R, H, W, C)``; ``None`` where no method needs any.
        known: What is known of them.
        whole: Whether explanations are kept as they are; else their maps alone.
        devices: The devices of this process.
        size: Of a batch, filled up so that each device has as many images.
        shared: What programs take besides images: parameters, references and keys.
        programs: Compiled, by label.
        traces: How often each was traced.
    """

    plan: Plan
    model: Model
    source: Any
    chosen: Int[np.ndarray, " N"]
    methods: Sequence[asking.AskedMethod]
    metrics: Sequence[asking.AskedMetric]
    left_out: Mapping[str, str]
    target: targets.Target
    classes: int
    references: Float[np.ndarray, "R H W C"] | None
    known: Mapping[str, Any] | None
    whole: bool
    devices: Any
    size: int
    shared: dict[str, Any]
    programs: dict[Any, Any]
    traces: dict[str, int]

    @property
    def asked(self) -> dict[str, Any]:
        """The document of the run: what its numbers depend on, and nothing else."""
        return identity.document(self)


def read(asked: Plan, *, has: Sequence[str] = ("mask", "mosaic", "batch")) -> list[asking.AskedMethod]:
    """Refuse what makes no sense before anything is loaded, and return the methods.

    Args:
        asked: The plan.
        has: What the data may give to metrics.

    Raises:
        ValueError, TypeError: It names the argument.
    """
    plan.check(asked)
    wanted, _ = asking.metrics(asked.metrics, has=has)
    judge_one_side = [one.metric.name for one in wanted if one.metric.family == "faithfulness"]
    if asked.negative and judge_one_side:
        raise ValueError(
            f"negative must be left out with {judge_one_side[0]}, which judges a map of what speaks for the class; got "
            "both. Leave one out."
        )
    methods = asking.methods(asked.methods, samples=asked.samples, refs=asked.refs)
    if more := [one for one in methods if (one.refs or 0) > asked.num_refs]:
        raise ValueError(
            f"num_refs must be at least {more[0].refs}, which {more[0].label!r} takes; got {asked.num_refs}. Raise it."
        )
    return methods


def prepare(
    asked: Plan,
    *,
    has: Sequence[str] = ("batch",),
    whole: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    keep: kept.Place | None = None,
) -> Session:
    """Load what a plan names.

    Args:
        asked: The plan.
        has: What the data gives to metrics besides its masks.
        whole: Whether explanations are kept as they are.
        tell: Told what is under way.
        keep: Where encoded references stay for later runs; by default nowhere.

    Raises:
        ValueError, TypeError: The plan asks for what there is not, or what makes no sense.
        OSError: Files that cannot be read, or none.
    """
    methods = read(asked, has=("mask", "mosaic", *has))
    tell(f"loading {getattr(asked.model, 'name', asked.model)}")
    model = models.load(asked.model, weights=asked.weights) if isinstance(asked.model, str) else asked.model
    named_layer = bool(asked.layer)
    if asked.fused and not asked.layer:
        asked = dataclasses.replace(asked, layer=model.fused)
    source: Any = asked.data
    named = isinstance(source, str)  # such data has no context
    inputs = _inputs(model, None if named else sources.context(source, range(len(source))))
    classes = number_of_classes(model, inputs)
    if named:
        source = sources.open_source(source, class_names=model.class_names, classes=asked.classes)
    chosen = choose(len(source), asked.limit, asked.seed)
    target = targets.parse(asked.target, model.class_names, classes)
    asked = dataclasses.replace(asked, rivals=targets.rivals(asked.rivals, model.class_names, classes))
    if asked.rivals == (target.index,):
        raise ValueError(f"rivals must hold another class than the one explained; got {target.index} as both.")
    if named_layer:  # the model's own are there
        _check_layers(asked, model, inputs)
    given = [*["mask"] * source.has_masks, *["mosaic"] * references.mosaics(source), *has]
    metrics, left_out = asking.metrics(asked.metrics, has=given)
    drawn, known = None, None
    if any(one.reads for one in methods):
        tell("reading references")
        ids = [source.ids[i] for i in chosen]
        options: dict[str, Any] = {"refs": asked.refs, "count": asked.num_refs, "seed": asked.seed}
        drawn, known = references.draw(source, ids, model.preprocess, **options)
    devices = programs.mesh()
    size = programs.padded(min(asked.batch, max(len(chosen), 1)) if whole else asked.batch, devices)
    encoded: Any = drawn
    if drawn is not None and len(inputs) == 1:
        encoded = kept.references(keep, asked, model, drawn, lambda: programs.encoded(asked, model, drawn))
    shared = programs.share({"params": model.params, "references": encoded, **_keys(asked.seed, whole)}, devices)
    return Session(
        *(asked, model, source, chosen, methods, metrics, left_out, target, classes, drawn, known, whole, devices),
        *(size, shared, {}, {}),
    )


def choose(count: int, limit: int | None, seed: int) -> np.ndarray:
    """The indices of the images that are explained: all, or as many as ``limit``, drawn with ``seed``; ascending."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:limit])


def _inputs(model: Model, context: Any) -> tuple[Any, ...]:
    """What the network takes after its parameters, as shapes of a batch of one: images, and the context if any."""
    image = jax.ShapeDtypeStruct((1, *model.input_shape), np.float32)
    rows = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *np.shape(leaf)), np.asarray(leaf).dtype), context)
    return image, *contexts.arguments(rows)


def number_of_classes(model: Model, inputs: Sequence[Any]) -> int:
    """How many classes a network tells apart, known without running it.

    Args:
        model: The network.
        inputs: What it takes after its parameters, as shapes.

    Raises:
        ValueError: Its names are fewer or more.
    """
    classes = answers.count(jax.eval_shape(model.apply_fn, model.params, *inputs).shape[1])
    if model.class_names and len(model.class_names) != classes:
        raise ValueError(
            f"class_names must hold one name for each of the model's {classes} classes; got {len(model.class_names)}."
        )
    return classes


def program(session: Session, label: Any, make: Callable[[], Any]) -> Any:
    """The compiled program of a label, made when it is first asked for."""
    if label not in session.programs:
        made = numerics.at_precision(make(), session.plan.precision)
        session.programs[label] = programs.over_images(made, session.devices, label, session.traces)
    return session.programs[label]


def _keys(seed: int, whole: bool) -> dict[str, Any]:
    """The keys of methods and of metrics: with explanations that are kept whole, the seed's own."""
    key = jax.random.key(seed)
    return {"key": key if whole else jax.random.fold_in(key, 0)} | {
        "metrics_key": key if whole else jax.random.fold_in(key, 1)
    }


def _check_layers(asked: Plan, model: Model, inputs: Sequence[Any]) -> None:
    """Refuse a layer that the network does not have, before any method fails at it."""
    image, *context = inputs
    splitting.splits(model.apply_fn, model.params, image, asked.layer, context=context[0] if context else None)
