"""Small networks written twice: in JAX for the library, and in NumPy loops and float64 for the oracle."""

from typing import NamedTuple

import jax
import numpy as np

from egcam_jax import Split

SIZE, CHANNELS, FILTERS, HIDDEN, CLASSES = 7, 2, 3, 6, 4
GRID = (SIZE - 3) // 2 + 1


def parameters(seed=1):
    """Weights of a convolution with stride 2 and ReLU, and of a head with a softplus between two matrices."""
    draw = np.random.default_rng(seed).standard_normal
    return {
        "kernel": draw((3, 3, CHANNELS, FILTERS)).astype(np.float32) * 0.4,
        "bias": draw(FILTERS).astype(np.float32) * 0.1 + 0.2,
        "hidden": draw((GRID * GRID * FILTERS, HIDDEN)).astype(np.float32) * 0.3,
        "out": draw((HIDDEN, CLASSES)).astype(np.float32),
    }


def images(count, seed=10):
    return np.random.default_rng(seed).standard_normal((count, SIZE, SIZE, CHANNELS)).astype(np.float32)


def signed_features(params, x):
    dims = ("NHWC", "HWIO", "NHWC")
    out = jax.lax.conv_general_dilated(x, params["kernel"], (2, 2), "VALID", dimension_numbers=dims)
    return out + params["bias"].reshape(1, 1, 1, -1)


def features(params, x):
    return jax.nn.relu(signed_features(params, x))


def head(params, a):
    return jax.nn.softplus(a.reshape(a.shape[0], -1) @ params["hidden"]) @ params["out"]


def linear_head(params, a):
    return a.mean(axis=(1, 2)) @ params["out"][:FILTERS]


def apply_fn(params, x):
    return head(params, features(params, x))


SPLIT = Split(features, head)
LINEAR = Split(features, linear_head)
SIGNED = Split(signed_features, head)


class Numpy(NamedTuple):
    """The same networks in float64: every value by loops or by a formula worked out by hand.

    A target is a class, or the coefficients of a linear combination of the logits.
    """

    params: dict
    rectified: bool = True
    linear: bool = False

    def pre(self, x, *, bias=True):
        """Convolution by four loops; without the bias it is its own directional derivative."""
        kernel = self.params["kernel"].astype(np.float64)
        out = np.zeros((GRID, GRID, FILTERS))
        for i in range(GRID):
            for j in range(GRID):
                patch = np.asarray(x, np.float64)[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                for k in range(FILTERS):
                    out[i, j, k] = (patch * kernel[..., k]).sum()
        return out + self.params["bias"].astype(np.float64) if bias else out

    def encode(self, x):
        return np.maximum(self.pre(x), 0.0) if self.rectified else self.pre(x)

    def tangent(self, x, direction):
        moved = self.pre(direction, bias=False)
        return np.where(self.pre(x) > 0, moved, 0.0) if self.rectified else moved

    def hidden(self, a):
        return a.reshape(-1) @ self.params["hidden"].astype(np.float64)

    def logits(self, a):
        out = self.params["out"].astype(np.float64)
        if self.linear:
            return a.mean(axis=(0, 1)) @ out[:FILTERS]
        z = self.hidden(a)
        return (np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0)) @ out

    def score(self, a, target):
        return float(self.logits(a) @ self.combination(target))

    def gradient(self, a, target):
        column = self.params["out"].astype(np.float64) @ self.combination(target)
        if self.linear:
            return np.broadcast_to(column[:FILTERS] / GRID**2, a.shape)
        slope = 1 / (1 + np.exp(-self.hidden(a))) * column
        return (self.params["hidden"].astype(np.float64) @ slope).reshape(a.shape)

    @staticmethod
    def combination(target):
        return np.eye(CLASSES)[target] if isinstance(target, int | np.integer) else np.asarray(target, np.float64)
