"""The equations of the paper in plain loops and float64, from explicit draws; slow, and independent of the kernel."""

from typing import NamedTuple

import numpy as np


class Truth(NamedTuple):
    signed: np.ndarray
    weights: np.ndarray
    gap: float
    scale: float


def gradcam(network, x, target):
    """Weights and signed map of Grad-CAM (eqs. 4 and 5)."""
    a = network.encode(x)
    weights = network.gradient(a, target).mean(axis=(0, 1))
    return np.einsum("k,ijk->ij", weights, a), weights


def expected(network, x, refs, target, draws, etas, *, difference, normalizer, path):
    """Equations 15 to 22 for one image.

    ``draws`` are pairs of a reference's index and a position; ``etas`` the noise of each sample.
    """
    total, magnitude, ends, starts = 0.0, 0.0, 0.0, 0.0
    for (r, alpha), eta in zip(draws, etas, strict=True):
        noisy, reference = np.asarray(x, np.float64) + eta, np.asarray(refs[r], np.float64)
        end, start = network.encode(noisy), network.encode(reference)
        gamma = reference + alpha * (noisy - reference)
        point = network.encode(gamma) if path == "input" else start + alpha * (end - start)
        delta = {
            "latent": end - start,
            "encoded": network.encode(noisy - reference),
            "tangent": network.tangent(gamma, noisy - reference) if path == "input" else end - start,
            "none": np.ones_like(end),
        }[difference]
        total = total + delta * network.gradient(point, target)
        magnitude = magnitude + np.abs(end)
        ends += network.score(end, target)
        starts += network.score(start, target)
    n = len(etas)
    mean, magnitude = total / n, magnitude / n
    k = {
        "none": 1.0,
        "global": 1.0 / magnitude.mean(),
        "elementwise": 1.0 / np.maximum(magnitude, 1e-3 * magnitude.mean()),
    }[normalizer]
    weights = (k * mean).mean(axis=(0, 1))
    a = network.encode(x)
    return Truth(np.einsum("k,ijk->ij", weights, a), weights, mean.sum() - (ends - starts) / n, float(np.abs(a).max()))
