"""The compiled programs of a run, one for each method and metric, their batches spread over this host's devices."""

import inspect
from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

from egcam_jax.core import answers, compilation, numerics
from egcam_jax.methods import EncodedReferences, encode, explain
from egcam_jax.metrics import in_dtype
from egcam_jax.models import Model
from egcam_jax.run.asking import AskedMethod, AskedMetric
from egcam_jax.run.plan import Plan

_AXIS = "images"
_ROOM = 128
"""Room for segments goes up in such steps, so that batches share a program; empty room costs no pass."""


class Maps(NamedTuple):
    """What is kept of an explanation that is only judged."""

    cam: Any
    saliency: Any


def mesh() -> Mesh:
    """All devices of this process, in a row."""
    return Mesh(np.asarray(jax.local_devices()), (_AXIS,))


def padded(size: int, devices: Mesh) -> int:
    """The number of images in a batch on so many devices: each has as many as the others."""
    return -(-size // devices.size) * devices.size


def share(tree: Any, devices: Mesh) -> Any:
    """Put what all images share on every device."""
    return jax.device_put(tree, NamedSharding(devices, PartitionSpec()))


def spread(tree: Any, devices: Mesh) -> Any:
    """Put a batch on the devices, each with its part."""
    return jax.device_put(tree, NamedSharding(devices, PartitionSpec(_AXIS)))


def over_images(
    function: Callable[[Any, Any], Any], devices: Mesh, name: str, traces: MutableMapping[str, int]
) -> Callable[[Any, Any], Any]:
    """Compile ``(shared, images) -> results``, with each device at work on its own images alone.

    Args:
        function: Of what all images share, and of arrays with images as leading axis, as its results have.
        devices: The mesh.
        name: Under which ``traces`` counts how often the function is traced.
        traces: Counts, which this adds to.
    """

    def counted(shared: Any, images: Any) -> Any:
        traces[name] = traces.get(name, 0) + 1
        return function(shared, images)

    spec = PartitionSpec(_AXIS)
    mapped = jax.shard_map(counted, mesh=devices, in_specs=(PartitionSpec(), spec), out_specs=spec, check_vma=False)
    return jax.jit(mapped, compiler_options=compilation.options(devices.devices.flat[0].platform))


def look(plan: Plan, model: Model, k: int) -> Callable[[Any, Any], Any]:
    """What the network says of images, and which classes are explained: of the allowed ones the ``k`` with most."""

    def function(shared: Any, images: Any) -> dict[str, Any]:
        logits = _network(plan, model, shared)(images["x"], *_context(images).values()).astype(jnp.float32)
        ranked = by_class(logits, plan.probability if callable(plan.probability) else None)
        allowed = jnp.where(images["allowed"], ranked, -jnp.inf)
        target = (jnp.argmax(allowed, axis=1) if k == 1 else jax.lax.top_k(allowed, k)[1]).astype(jnp.int32)
        chosen = jnp.take_along_axis(by_class(logits, plan.probability), target.reshape(len(logits), -1), axis=1)
        return {"target": target, "probability": chosen.reshape(target.shape), "top": jnp.argmax(ranked, axis=1)}

    return function


def by_class(logits: Any, probability: Any) -> Any:
    """The scores of the classes of a batch, ``(b, classes)``: logits, or probabilities."""
    return jax.vmap(lambda one: answers.by_class(one, probability))(logits)


def explained(plan: Plan, model: Model, asked: AskedMethod, whole: bool) -> Callable[[Any, Any], Any]:
    """A method's explanations of images; the maps alone unless they are wanted ``whole``."""

    def function(shared: Any, images: Any) -> Any:
        bound = (shared["params"], shared["references"], shared["key"], images["x"], images["target"])
        made = _explain(plan, model, asked, *bound, index=images["index"], **_context(images))
        return made if whole else Maps(made.cam, made.saliency)

    return function


def encoded(plan: Plan, model: Model, references: np.ndarray) -> EncodedReferences:
    """The references, taken through the network once for all batches."""
    made = {"layer": plan.layers or model.layer, "chunk_size": plan.chunk, "compute_dtype": _dtype(plan)}
    return encode(model.params, model.apply_fn, references, precision=plan.precision, **made)


def explainer(plan: Plan, model: Model, asked: AskedMethod) -> Callable[..., Any]:
    """A method as metrics take it once parameters, references and key are bound: images and classes to maps."""

    def saliency(
        params: Any, references: Any, key: Any, x: Any, target: Any, index: Any = 0, context: Any = None
    ) -> Any:
        given = {} if context is None else {"context": context}
        return _explain(plan, model, asked, params, references, key, x, target, index=index, **given).saliency

    return numerics.at_precision(saliency, plan.precision)


def judged(
    plan: Plan, model: Model, metric: AskedMetric, saliency: Callable[..., Any], room: int | None
) -> Callable[[Any, Any], Any]:
    """A metric's values, curves and numbers of passes for images and their maps.

    Args:
        plan: What the run is asked for.
        model: The network.
        metric: The metric.
        saliency: The ``explainer`` of the method, for metrics that explain again.
        room: For segments, where the metric takes any.
    """
    needs, takes = metric.metric.needs, inspect.signature(metric.metric.function).parameters

    def function(shared: Any, images: Any) -> dict[str, Any]:
        known = {name: images[name] for name in ("x", "saliency", "mask", "target", "index") if name in images}
        known |= {"predict": _network(plan, model, shared), "key": shared["metrics_key"], **_context(images)}
        known["explain"] = jax.tree_util.Partial(saliency, shared["params"], shared["references"], shared["key"])
        if "probability" in takes and takes["probability"].default is not None:  # else it judges logits
            known["probability"] = plan.probability
        known |= {} if plan.chunk is None else {"chunk_size": plan.chunk}
        known |= {} if room is None else {"segments": images["segments"], "num_segments": room}
        given = {name: value for name, value in known.items() if name in takes and name not in metric.options}
        if not needs & {"predict", "explain"}:
            given = {name: value for name, value in given.items() if name in needs}
        score = metric.metric.function(**given, **metric.options)
        passes = jnp.full(score.value.shape, score.evaluations, jnp.int32)
        return {"value": score.value, "passes": passes} | ({} if score.curve is None else {"curve": score.curve})

    return function


def room(segments: Int[np.ndarray, "b H W"]) -> int:
    """How many segments a program must have room for."""
    return -(-(int(segments.max()) + 1) // _ROOM) * _ROOM


def _context(images: Any) -> dict[str, Any]:
    """What the network takes beside the images, where it takes anything."""
    return {"context": images["context"]} if "context" in images else {}


def _network(plan: Plan, model: Model, shared: Any) -> Any:
    """The network as a function of images, in the arithmetic that is asked for."""
    return in_dtype(jax.tree_util.Partial(model.apply_fn, shared["params"]), _dtype(plan))


def _dtype(plan: Plan) -> Any:
    return jnp.bfloat16 if plan.dtype == "bfloat16" else None


def _explain(
    plan: Plan, model: Model, asked: AskedMethod, params: Any, references: Any, key: Any, x: Any, target: Any, **at: Any
) -> Any:
    return explain(
        params,
        model.apply_fn,
        x,
        references[: asked.refs] if asked.reads else None,
        key,
        target=target,
        method=asked.name,
        gradients=asked.gradients,
        layer=plan.layers or model.layer,
        negative=plan.negative,
        rivals=plan.rivals if plan.rivals is None or isinstance(plan.rivals, str) else np.asarray(plan.rivals),
        gamma=plan.gamma,
        num_samples=asked.samples,
        chunk_size=plan.chunk,
        compute_dtype=_dtype(plan),
        **at,
        **asked.arguments,
    )
