"""From an explanation to plain numbers and words: what is printed, and what goes into the JSON."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core import answers, kernel
from egcam_jax.methods import GAMMA
from egcam_jax.metrics import METRICS, Score
from egcam_jax.output.words import wide
from egcam_jax.run import identity, provenance, references
from egcam_jax.run.asking import AskedMethod
from egcam_jax.run.session import Session

_TOP = 5
_FEW = 16
"""References below which their mean says more of them than of what they are drawn from."""


def of_run(session: Session, *, demonstration: bool) -> dict[str, Any]:
    """What all explanations of a run share, whatever the method; a ``demonstration`` is of our own picture."""
    plan, model = session.plan, session.model
    borrowed = demonstration or (session.known is not None and plan.refs is None)
    return {
        "versions": provenance.versions("matplotlib", *(["scikit-image"] if borrowed else [])),
        "device": provenance.device(),
        "model": {"name": model.name, "weights": str(model.weights), "digest": model.digest},
        "preprocessing": dataclasses.asdict(model.preprocess),
        "target": None if plan.target == "top" else plan.target,
        "negative": plan.negative,
        "seed": plan.seed,
        "key": f"fold_in(key({plan.seed}), index)",
        "dtype": plan.dtype,
        "batch": plan.batch,
        "references": session.known and _references(session),
    } | identity.others(plan, session.classes)


def of_method(session: Session, asked: AskedMethod) -> dict[str, Any]:
    """What a method does to a batch.

    The method, all its options, the samples or steps, whether it ``draws`` them, what its path begins at, and what one
    pass holds.
    """
    method, known = asked.method, identity.method(asked, len(session.references) if session.known else 0)  # type: ignore[arg-type]
    blocks = kernel.plan(session.size, known["samples"] or 1, session.plan.chunk)
    return {
        "method": method.name,
        "options": known["options"],
        "samples": known["samples"],
        "draws": method.needs_key,
        "against": "references" if method.needs_refs else "baseline",
        "chunk": session.plan.chunk or kernel.DEFAULT_CHUNK_SIZE,
        "pass": {"images": blocks.images, "samples": blocks.samples},
    }


def of_picture(session: Session, example: Any, logits: np.ndarray) -> dict[str, Any]:
    """What is known of a picture, whatever is explained about it, and whether it is among its own references."""
    height, width = example.shape
    others = () if session.references is None else session.references
    order = np.argsort(-np.asarray(answers.by_class(jnp.asarray(logits))), kind="stable")[:_TOP]
    return {
        "image": example.id,
        "sha256": example.digest,
        "width": width,
        "height": height,
        "index": example.index,
        "among_references": any(np.array_equal(example.x, one) for one in others),
        "top_classes": [of_class(session, int(i), logits) for i in order],
    }


def of_class(session: Session, index: int, logits: np.ndarray) -> dict[str, Any]:
    """A class with its name, logit and probability."""
    names, given = session.model.class_names, jnp.asarray(logits, jnp.float32)
    return {
        "index": index,
        "name": names[index] if names else None,
        "probability": float(answers.by_class(given, session.plan.probability)[index]),
        "logit": float(answers.by_class(given)[index]),
    }


def of_map(session: Session, explanation: Any, shared: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of one map.

    Args:
        session: The run.
        explanation: Of one image, with NumPy's arrays.
        shared: What the run's pictures share: ``of_method`` of the method, and ``negative``.

    Returns:
        ``completeness_gap`` in logits, and relative to the ``score_difference``, between picture and references;
        ``completeness_remedy``, what narrows it where it is wide; ``stderr_relative``, the mean standard error over
        the map's maximum; ``note``, what must be said of the map, if anything, and ``advice``, what to do about it.
    """
    target = of_class(session, int(explanation.target), explanation.logits)
    peak = float(explanation.cam.max())
    constant, empty = bool(explanation.cam.min() == peak), peak <= 0
    gap, difference = (_number(value) for value in (explanation.completeness_gap, explanation.score_difference))
    relative = gap / abs(difference) if gap is not None and difference else None
    stderr = None if explanation.stderr is None else float(np.mean(explanation.stderr))
    return {
        "target": target,
        "negative": shared["negative"],
        **rivals(session, explanation),
        "method": explanation.method,
        "layer": explanation.layer,
        "map_shape": list(explanation.cam.shape),
        "map_maximum": peak,
        "empty": empty,
        "constant": constant,
        "note": note(empty, constant, shared["negative"]),
        "advice": advice(shared["negative"]) if empty else None,
        "samples": shared["samples"],
        "draws": shared["draws"],
        "against": shared["against"],
        "passes": int(explanation.passes),
        "completeness_gap": gap,
        "completeness_gap_relative": relative,
        "score_difference": difference,
        "completeness_remedy": remedy(shared["options"]) if wide(relative) else None,
        "stderr_mean": stderr,
        "stderr_relative": stderr / peak if stderr is not None and peak > 0 else None,
    }


def rivals(session: Session, explanation: Any) -> dict[str, Any]:
    """The classes that the target was held against, and how much they count; nothing where there are none."""
    if explanation.rivals is None:
        return {}
    others = [int(index) for index in explanation.rivals if index != explanation.target]
    gamma = GAMMA if session.plan.gamma is None else session.plan.gamma
    return {"rivals": [of_class(session, index, explanation.logits) for index in others], "gamma": gamma}


def of_scores(scores: Mapping[str, Score]) -> dict[str, Any]:
    """Scores of one map with what they mean: which way is better, what they cost, and why one is not defined."""
    return {name: _score(METRICS[name], score) for name, score in scores.items()}


def _score(metric: Any, score: Score) -> dict[str, Any]:
    value = float(score.value)
    return {
        "value": value,
        "unit": metric.unit or None,
        "higher_is_better": metric.higher_is_better,
        "evaluations": score.evaluations or None,
        "of": "explanation" if "explain" in metric.needs else "model run",
        "note": f"undefined: {metric.undefined}" if np.isnan(value) else None,
    }


def remedy(options: Mapping[str, Any]) -> dict[str, str] | None:
    """Which options narrow the completeness gap, which tends to 0 (eq. 14) not for every reading of the paper.

    Returns:
        Options with the values that are wanted; none of them where more samples are enough; ``None`` where the method
        has no such options.
    """
    path, difference = options.get("path"), options.get("difference")
    if path is None or difference is None:
        return None
    if difference == "tangent" or path == difference == "latent":
        return {}
    return {name: "latent" for name in ("path", "difference") if options[name] != "latent"}


def note(empty: bool, constant: bool, negative: bool) -> str | None:
    """Say in words why a map shows nothing."""
    if empty:
        return f"empty: to this method nothing at this layer speaks {'against' if negative else 'for'} this class"
    return "the same everywhere: nothing stands out" if constant else None


def advice(negative: bool) -> str:
    """Say what would show more where a map is empty."""
    other = "without --negative, what speaks for it" if negative else "with --negative, what speaks against it"
    return f"to see more: {other}; or another --layer"


def arrays(explanation: Any) -> Mapping[str, Any]:
    """What the ``.npz`` holds, under the names of ``Explanation``'s fields."""
    names = ("cam", "saliency", "signed", "stderr", "weights", "logits", "target", "completeness_gap")
    return {name: getattr(explanation, name) for name in names}


def single(explanation: Any, image: int) -> list[Any]:
    """The explanations of one image of a batch, one for each of its targets."""
    one = jax.tree.map(lambda leaf: leaf[image], dataclasses.replace(explanation, by_layer=()))
    if one.target.ndim == 0:
        return [one]
    logits = np.broadcast_to(one.logits, (len(one.target), *one.logits.shape))
    several = dataclasses.replace(one, logits=logits)
    return [jax.tree.map(lambda leaf: leaf[t], several) for t in range(len(one.target))]  # noqa: B023


def check_finite(explanation: Any) -> None:
    """Refuse what cannot be drawn.

    Raises:
        FloatingPointError: The logits or the map of one picture are NaN or infinite.
    """
    if not np.isfinite(explanation.logits).all():
        raise FloatingPointError(
            "the network's output is NaN or infinite, so there is nothing to draw; check --weights, or try "
            "--dtype float32"
        )
    if not np.isfinite(np.asarray(explanation.saliency, np.float32)).all():
        raise FloatingPointError(
            "the map is NaN or infinite though the network's output is not: gradients overflow; try --dtype float32, "
            "or another --layer"
        )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _references(session: Session) -> dict[str, Any]:
    """What is known of the references: ``note`` says in words what must be said of them."""
    known: Mapping[str, Any] = session.known or {}
    count, own = known["count"], known["source"] == references.DEMO
    few = f"{count} reference{'s' * (count > 1)}; {_FEW} or more make a distribution"
    left_out = [f"left out: {said}" for said in known.get("passed_over", ())]
    return {
        "source": "scikit-image's photographs (--refs for your own)" if own else known["source"],
        "count": count,
        "files": references.files(session.plan.refs, known["ids"]),
        "note": "; ".join([*[few] * (count < _FEW), *left_out]) or None,
    }
