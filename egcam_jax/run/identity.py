"""The document that says which run this is: what its numbers depend on, by content and not by name."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from egcam_jax.models import params_digest
from egcam_jax.run.asking import AskedMethod


def document(session: Any) -> dict[str, Any]:
    """What a run computes: a document that JSON can hold.

    Args:
        session: A ``Session``.
    """
    plan, model, known = session.plan, session.model, session.known
    return {
        "data": data(session),
        "model": {
            "name": model.name,
            "digest": model.digest,
            "parameters": params_digest(model.params)[:16],
            "layer": list(plan.layer) or [model.layer],
            "dtype": plan.dtype,
            "preprocessing": dataclasses.asdict(model.preprocess),
        },
        "references": known and {**known, "content": array(session.references)},
        "methods": {one.label: method(one, known["count"] if known else 0) for one in session.methods},
        "metrics": {one.label: {"metric": one.metric.name, "options": dict(one.options)} for one in session.metrics},
        "seed": plan.seed,
        "batch": plan.batch,
    } | others(plan, session.classes)


def others(plan: Any, classes: int) -> dict[str, Any]:
    """What few runs ask for: maps of the other side, another rule for probabilities, another precision."""
    rule = plan.probability if isinstance(plan.probability, str) else _rule(plan.probability, classes)
    more: dict[str, Any] = {"negative": True} if plan.negative else {}
    more |= {"probability": rule} if rule != "softmax" else {}
    more |= {"rivals": plan.rivals, "gamma": plan.gamma} if plan.rivals is not None else {}
    return more | ({"precision": plan.precision} if plan.precision else {})


def _rule(probability: Any, classes: int) -> dict[str, Any]:
    """A function from logits to probabilities: its name, and the first of what it makes of some logits."""
    values = np.asarray(probability(jnp.linspace(-1, 2, classes)[None]))[0, :4]
    name = getattr(probability, "__qualname__", type(probability).__name__)
    return {"name": name, "values": [float(f"{value:.3g}") for value in values]}


def of_map(session: Any) -> str:
    """A digest of all that the map of a picture depends on, besides the picture and its place."""
    whole = document(session)
    wanted = {name: whole[name] for name in ("model", "references", "metrics", "seed")}
    wanted |= {"methods": list(whole["methods"].values()), "target": session.plan.target}
    wanted |= others(session.plan, session.classes)
    known = json.dumps(wanted, sort_keys=True, default=str)
    return hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def data(session: Any) -> dict[str, Any]:
    """What is explained: the data's name, and a digest of its images' names and labels."""
    source, chosen = session.source, session.chosen
    ids = [source.ids[i] for i in chosen]
    return {
        "source": session.plan.data if isinstance(session.plan.data, str) else source.name,
        "digest": digest(ids, [_labels(source, i) for i in chosen]),
        "count": len(ids),
        "target": session.plan.target,
    }


def digest(ids: Sequence[str], labels: Sequence[Sequence[int]]) -> str:
    """A digest of images' names and labels."""
    lines = [f"{id} {list(map(int, some))}" for id, some in zip(ids, labels, strict=True)]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def array(values: Any) -> str:
    """A digest of an array's values."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def method(asked: AskedMethod, references: int) -> dict[str, Any]:
    """A method with all its options, and how many samples and references it has in fact."""
    record = asked.method
    return {
        "method": record.name,
        "options": {**record.options, **asked.options},
        "samples": asked.samples or record.num_samples,
        "references": min(asked.refs or references, references) if asked.reads else None,
    }


def _labels(source: Any, index: int) -> tuple[int, ...]:
    """The labels of an image, where the source tells them alone; none of a damaged record, which reading it tells."""
    try:
        return tuple(getattr(source, "labels", lambda index: ())(index))
    except OSError:
        return ()
