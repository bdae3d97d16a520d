"""The estimators' equations in plain loops and float64, from explicit draws; slow, and independent of the kernel."""

from typing import NamedTuple

import numpy as np
from oracle_weights import AGGREGATORS, combine


class Truth(NamedTuple):
    signed: np.ndarray
    cam: np.ndarray
    weights: np.ndarray | None = None
    gap: float | None = None


def weighted(weights, a, gap=None):
    """The map that weights make of the activations, before and after its ReLU (eq. 18)."""
    signed = combine(weights, a)
    return Truth(signed, np.maximum(signed, 0), weights, gap)


def vanilla(network, x, target, *, aggregator="gradcam", **options):
    """The gradient of the score at the image's own activation."""
    a = network.encode(x)
    return weighted(AGGREGATORS[aggregator](network.gradient(a, target), a, **options), a)


def smooth(network, x, target, etas, *, aggregator="gradcam++", **options):
    """Mean gradients, and mean powers of them, over noisy copies; activations of the clean image."""
    gradients = [network.gradient(network.encode(np.asarray(x, np.float64) + eta), target) for eta in etas]
    if aggregator == "gradcam++":
        options |= {"second": np.mean([g**2 for g in gradients], 0), "third": np.mean([g**3 for g in gradients], 0)}
    a = network.encode(x)
    return weighted(AGGREGATORS[aggregator](np.mean(gradients, axis=0), a, **options), a)


def integrated(
    network, x, target, steps, *, aggregator="gradcam", rule="left", baseline=0.0, subtract_baseline=False, **options
):
    """The mean over the path of maps that each have their own ReLU."""
    x = np.asarray(x, np.float64)
    start = np.broadcast_to(np.asarray(baseline, np.float64), x.shape)
    first = network.encode(start)
    signed, cam, total = 0.0, 0.0, 0.0
    for t in range(steps):
        position = {"left": t, "right": t + 1, "midpoint": t + 0.5}[rule] / steps
        a = network.encode(start + position * (x - start))
        g = network.gradient(a, target)
        one = combine(AGGREGATORS[aggregator](g, a, **options), a - first if subtract_baseline else a)
        signed, cam, total = signed + one / steps, cam + np.maximum(one, 0) / steps, total + g / steps
    change = network.score(network.encode(x), target) - network.score(first, target)
    return Truth(signed, cam, gap=(total * (network.encode(x) - first)).sum() - change)


def bilinear(grid, size):
    """Upsample with half-pixel centres: each value from its two neighbours along each axis, the edges repeated."""
    for axis in (0, 1):
        rows = np.moveaxis(grid, axis, 0)
        new = []
        for i in range(size[axis]):
            at = min(max((i + 0.5) * len(rows) / size[axis] - 0.5, 0), len(rows) - 1)
            low = int(at)
            high = min(low + 1, len(rows) - 1)
            new.append(rows[low] * (1 - at + low) + rows[high] * (at - low))
        grid = np.moveaxis(np.stack(new), 0, axis)
    return grid


def scorecam(network, x, target, *, weights="softmax", top_channels=None):
    """The score of the image behind each channel's mask, one channel after the other."""
    x = np.asarray(x, np.float64)
    a = network.encode(x)
    count = a.shape[-1]
    ranges = [np.ptp(a[..., k]) for k in range(count)]
    chosen = sorted((k for k in range(count) if ranges[k] > 0), key=lambda k: -ranges[k])[:top_channels]
    out = np.zeros(count)
    for k in chosen:
        mask = bilinear(a[..., k], x.shape[:2])
        mask = (mask - mask.min()) / (mask.max() - mask.min())
        masked = network.encode(x * mask[..., None])
        if weights == "prob":
            odds = np.exp(network.logits(masked) - network.logits(masked).max())
            out[k] = odds[target] / odds.sum()
        else:
            out[k] = network.score(masked, target)
    if weights == "softmax" and chosen:
        share = np.exp(out[chosen] - out[chosen].max())
        out[chosen] = share / share.sum()
    return weighted(out, a)


def ablationcam(network, x, target, *, denominator="none"):
    """The drop of the score as each channel in turn is set to zero."""
    a = network.encode(x)
    y = network.score(a, target)
    weights = np.zeros(a.shape[-1])
    for k in range(len(weights)):
        without = a.copy()
        without[..., k] = 0
        norm = np.sqrt((a[..., k] ** 2).sum())
        divisor = {"none": 1.0, "score": abs(y), "norm": norm}[denominator]
        weights[k] = (y - network.score(without, target)) / divisor if divisor else 0.0
    return weighted(weights, a)


def contrasted(truth, a, references):
    """The weights of a map times ``A - E[A']`` in place of A."""
    return weighted(truth.weights, a - np.mean(references, axis=0), truth.gap)


def attribution(network, x, refs, target, draws, etas, *, path="latent", difference="tangent"):
    """The contributions of expected gradients at a layer, summed over channels; draws as for ``expected``."""
    contributions, change = 0.0, 0.0
    for (r, alpha), eta in zip(draws, etas, strict=True):
        noisy, reference = np.asarray(x, np.float64) + eta, np.asarray(refs[r], np.float64)
        end, start = network.encode(noisy), network.encode(reference)
        delta, point = end - start, start + alpha * (end - start)
        if path == "input":
            gamma = reference + alpha * (noisy - reference)
            point = network.encode(gamma)
            delta = network.tangent(gamma, noisy - reference) if difference == "tangent" else delta
        contributions = contributions + delta * network.gradient(point, target) / len(etas)
        change += (network.score(end, target) - network.score(start, target)) / len(etas)
    signed = contributions.sum(axis=-1)
    return Truth(signed, np.maximum(signed, 0), contributions, signed.sum() - change)


def expected(network, x, refs, target, draws, etas, *, aggregator="gradcam", difference, normalizer, path, **options):
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
    a = network.encode(x)
    return weighted(AGGREGATORS[aggregator](k * mean, a, **options), a, mean.sum() - (ends - starts) / n)
