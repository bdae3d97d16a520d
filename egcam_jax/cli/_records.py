"""From an explanation to plain numbers and words: what is printed, and what goes into the JSON."""

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from egcam_jax.cli._inputs import Picture
from egcam_jax.cli._methods import remedy
from egcam_jax.cli._report import wide

_TOP = 5


def versions(*others: str) -> dict[str, str]:
    """Versions of what the numbers depend on, be it in every run or, as ``others``, in this one."""
    packages = ("egcam-jax", "jax", "jaxlib", "flax", "numpy", "pillow", "matplotlib", *others)
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in packages}


def named(index: int, logits: np.ndarray, class_names: Sequence[str] | None) -> dict[str, Any]:
    """A class with its name, logit and probability."""
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    return {
        "index": index,
        "name": class_names[index] if class_names else None,
        "probability": float(probabilities[index]),
        "logit": float(logits[index]),
    }


def of_picture(
    picture: Picture, logits: np.ndarray, class_names: Sequence[str] | None, *, is_reference: bool
) -> dict[str, Any]:
    """What is known of a picture, whatever is explained about it, and whether it ``is_reference`` to itself."""
    logits = logits.astype(np.float64)
    top = np.argsort(-logits, kind="stable")[:_TOP]
    height, width = picture.shape
    return {
        "image": str(picture.source.path),
        "sha256": picture.digest,
        "width": width,
        "height": height,
        "index": picture.source.place,
        "among_references": is_reference,
        "top_classes": [named(int(i), logits, class_names) for i in top],
    }


def of_map(explanation: Any, class_names: Sequence[str] | None, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of one map.

    Args:
        explanation: Of one image, with NumPy's arrays.
        class_names: By index, or ``None``.
        provenance: What the run's pictures share: what is made with which method and options, and ``negative``.

    Returns:
        ``completeness_gap`` in logits, and relative to the ``score_difference``, between picture and references;
        ``completeness_remedy``, what narrows it where it is wide; ``stderr_relative``, the mean standard error over
        the map's maximum; ``note``, what must be said of the map, if anything, and ``advice``, what to do about it.
    """
    logits = np.asarray(explanation.logits, np.float64)
    target = named(int(explanation.target), logits, class_names)
    peak = float(explanation.cam.max())
    constant = bool(explanation.cam.min() == peak)
    gap = None if explanation.completeness_gap is None else float(explanation.completeness_gap)
    difference = None if explanation.score_difference is None else float(explanation.score_difference)
    relative = gap / abs(difference) if gap is not None and difference else None
    stderr = None if explanation.stderr is None else float(np.mean(explanation.stderr))
    return {
        "target": target,
        "negative": provenance["negative"],
        "method": explanation.method,
        "layer": explanation.layer,
        "map_shape": list(explanation.cam.shape),
        "map_maximum": peak,
        "empty": peak <= 0,
        "constant": constant,
        "note": note(peak <= 0, constant, provenance["negative"]),
        "advice": advice(provenance["negative"]) if peak <= 0 else None,
        "samples": provenance["samples"],
        "draws": provenance["draws"],
        "against": provenance["against"],
        "passes": int(explanation.passes),
        "completeness_gap": gap,
        "completeness_gap_relative": relative,
        "score_difference": difference,
        "completeness_remedy": remedy(provenance["options"]) if wide(relative) else None,
        "stderr_mean": stderr,
        "stderr_relative": stderr / peak if stderr is not None and peak > 0 else None,
    }


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
