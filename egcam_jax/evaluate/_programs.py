"""The compiled programs of a run, one for each method and metric, their batches spread over this host's devices."""

import functools
from collections.abc import Callable, MutableMapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from egcam_jax import compilation
from egcam_jax.evaluate._labels import AskedMethod, AskedMetric
from egcam_jax.evaluate._work import Work
from egcam_jax.methods import explain

_AXIS = "images"
_ROOM = 128
"""Room for segments goes up in such steps, so that batches share a program; empty room costs no pass."""


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
    return compilation.jit(mapped, static_argnames=())


def look(work: Work) -> Callable[[Any, Any], Any]:
    """What the network says of images, and which class of each is explained: the allowed one with the largest logit."""

    def function(shared: Any, images: Any) -> dict[str, Any]:
        logits = work.model.apply_fn(shared["params"], images["x"]).astype(jnp.float32)
        target = jnp.argmax(jnp.where(images["allowed"], logits, -jnp.inf), axis=1)
        probability = jnp.take_along_axis(jax.nn.softmax(logits), target[:, None], axis=1)[:, 0]
        return {"target": target, "probability": probability, "top": jnp.argmax(logits, axis=1)}

    return function


def explained(work: Work, asked: AskedMethod) -> Callable[[Any, Any], Any]:
    """A method's maps of images."""

    def function(shared: Any, images: Any) -> dict[str, Any]:
        call = functools.partial(_explain, work, asked, index=images["index"])
        found = call(shared["params"], shared["references"], shared["key"], images["x"], images["target"])
        return {"cam": found.cam, "saliency": found.saliency}

    return function


def explainer(work: Work, asked: AskedMethod) -> Callable[..., Any]:
    """A method as metrics take it once parameters, references and key are bound: images and classes to maps."""

    def saliency(params: Any, references: Any, key: Any, x: Any, target: Any) -> Any:
        return _explain(work, asked, params, references, key, x, target, index=0).saliency

    return saliency


def judged(
    work: Work, metric: AskedMetric, saliency: Callable[..., Any], room: int | None
) -> Callable[[Any, Any], Any]:
    """A metric's values and curves for images and their maps.

    Args:
        work: The run.
        metric: What is asked.
        saliency: The ``explainer`` of the method, for metrics that explain again.
        room: For segments, where the metric takes any.
    """
    needs = metric.metric.needs

    def function(shared: Any, images: Any) -> dict[str, Any]:
        params, index = shared["params"], images["index"]
        predict = jax.tree_util.Partial(work.model.apply_fn, params)
        given: dict[str, Any] = {}
        if needs & {"explain", "predict"}:
            given |= {"predict": predict, "x": images["x"], "target": images["target"]}
        if "explain" in needs:
            given["explain"] = jax.tree_util.Partial(saliency, params, shared["references"], shared["key"])
        if "key" in needs:
            given |= {"key": shared["metrics_key"], "index": index}
        if "saliency" in needs:
            given["saliency"] = images["saliency"]
        if "mask" in needs:
            given["mask"] = images["mask"]
        if room is not None:
            given |= {"segments": images["segments"], "num_segments": room}
        if work.plan.chunk is not None and needs & {"predict", "explain"}:
            given["chunk_size"] = work.plan.chunk
        score = metric.metric.function(**given, **metric.options)
        return {"value": score.value} | ({} if score.curve is None else {"curve": score.curve})

    return function


def room(segments: np.ndarray) -> int:
    """How many segments a program must have room for."""
    return -(-(int(segments.max()) + 1) // _ROOM) * _ROOM


def _explain(
    work: Work, asked: AskedMethod, params: Any, references: Any, key: Any, x: Any, target: Any, *, index: Any
) -> Any:
    plan = work.plan
    layer = list(plan.layer) if len(plan.layer) > 1 else (plan.layer[0] if plan.layer else work.model.layer)
    return explain(
        params,
        work.model.apply_fn,
        x,
        references[: asked.refs] if asked.method.needs_refs else None,
        key,
        target=target,
        method=asked.name,
        gradients=asked.gradients,
        layer=layer,
        num_samples=asked.samples,
        chunk_size=plan.chunk,
        index=index,
        compute_dtype=jnp.bfloat16 if plan.dtype == "bfloat16" else None,
        **asked.options,
    )
