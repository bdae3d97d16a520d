"""A small evaluation: the tiny classifier, a folder of pictures in two classes, and a plan that is quick."""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image
from tiny_network import tiny_model

from egcam_jax import evaluate

METHODS = ("gradcam", "expected_gradcam:samples=4", "expected_layercam:samples=4:noise=none")
METRICS = ("insertion_auc:step=64", "sparseness", "max_sensitivity:num_samples=3", "sufficiency:threshold=1.0", "irof")


def write_pictures(folder: Path, count: int = 11) -> Path:
    """Pictures of random colours in the folders of two classes."""
    for i in range(count):
        place = folder / ("crane" if i % 2 else "catamaran")
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (5, 6, 3), np.uint8)
        Image.fromarray(pixels.repeat(4, axis=0).repeat(4, axis=1)).save(place / f"{i:02d}.png")
    return folder


def plan(folder: Path, out: Path, **changes) -> evaluate.Plan:
    """Eight of eleven pictures, two of them short of three batches of three, and references from the other three."""
    base = evaluate.Plan(
        data=f"folder:{folder}",
        out=out,
        model=tiny_model(),
        methods=METHODS,
        metrics=METRICS,
        limit=8,
        num_refs=3,
        batch=3,
    )
    return dataclasses.replace(base, **changes)


def tolerance(metric: str) -> float:
    """How far rounding may move a value.

    Pixels that mirror each other around a peak tie, and in which order they go rounding decides: where a step parts a
    pair, one pixel of 256 comes a step sooner or later.
    """
    return 1e-3 if metric.startswith("insertion") else 1e-6


def assert_same(one: evaluate.Run, other: evaluate.Run, *, rtol: float = 1e-5) -> None:
    """The same images with the same values."""
    assert [it.id for it in one.images] == [it.id for it in other.images]
    assert one.values.keys() == other.values.keys()
    for kind, values in one.values.items():
        np.testing.assert_array_equal(one.computed[kind], other.computed[kind], err_msg=str(kind))
        atol = tolerance(kind[1])
        np.testing.assert_allclose(values, other.values[kind], rtol=rtol, atol=atol, err_msg=str(kind))
