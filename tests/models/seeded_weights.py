"""Weights that both sides of a comparison can make from names and shapes alone, so that none is stored."""

import zlib
from collections.abc import Mapping

import numpy as np


def seeded_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 tensor in PyTorch's layout that depends on its name and shape only."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) > 1:
        limit = np.float32(np.sqrt(6 / np.prod(shape[1:])))  # uniform, which is quick: variance 2 / fan-in
        return limit * (2 * rng.random(shape, np.float32) - 1)
    if name.endswith(("running_var", "weight")):
        return rng.uniform(0.4, 1.0, shape).astype(np.float32)
    return (0.1 * rng.standard_normal(shape)).astype(np.float32)


def seeded_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """A whole state dict."""
    return {name: seeded_tensor(name, tuple(shape)) for name, shape in shapes.items()}


def seeded_images(count: int, height: int, width: int) -> np.ndarray:
    """Standard normal images, channels last."""
    return np.random.default_rng(height * 1000 + width).standard_normal((count, height, width, 3), np.float32)


def summary(x: np.ndarray) -> np.ndarray:
    """Mean, spread and six values of an activation (b, h, w, K), or of logits (b, classes)."""
    middle = tuple(n // 2 for n in x.shape[1:-1])
    corner = (0, -1)[: x.ndim - 2]
    values = (x[(0, *middle)][:3], x[(-1, *corner)][-3:])
    return np.concatenate([[x.mean(), x.std()], *values]).astype(np.float32)
