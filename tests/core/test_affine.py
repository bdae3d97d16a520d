"""Which functions are taken for affine: those whose differences are their gradient's products."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import Split, explain
from egcam_jax.methods import _affine

A = jnp.asarray(np.random.default_rng(0).uniform(size=(1, 3, 3, 2)), jnp.float32)
MATRIX = jnp.asarray(np.random.default_rng(1).standard_normal((2, 4)), jnp.float32)


def linear(a):
    return (a.mean(axis=(1, 2)) @ MATRIX)[0, 1]


AFFINE = {
    "linear": linear,
    "offset": lambda a: 3.0 - 2 * linear(a),
    "in a call": jax.jit(linear),
    "recomputed": jax.checkpoint(linear),
    "in bfloat16": lambda a: linear(a.astype(jnp.bfloat16)).astype(jnp.float32),
    "flattened": lambda a: (a.reshape(1, -1) @ jnp.ones((18, 2)))[0, 0],
    "picked": lambda a: a[0, 1, 1, jnp.array([0, 1])].sum(),
}
NOT = {
    "relu": lambda a: linear(jax.nn.relu(a)),
    "softplus": lambda a: jax.nn.softplus(linear(a)),
    "maximum": lambda a: a.max(),
    "product": lambda a: linear(a) * a[0, 0, 0, 0],
    "with a step": lambda a: linear(a) + (a > 0.5).sum() * 1.0,
    "with signs": lambda a: linear(a) + jnp.sign(a).sum(),
    "rounded straight through": lambda a: linear(a + jax.lax.stop_gradient(jnp.round(4 * a) / 4 - a)),
    "part of it stopped": lambda a: linear(a) + jax.lax.stop_gradient(linear(a)),
    "counted": lambda a: linear(a) + a.astype(int).sum() * 1.0,
    "a step within a call": lambda a: linear(a) + jax.jit(lambda a: jnp.floor(2 * a).sum())(a),
}


@pytest.mark.parametrize("name", AFFINE)
def test_affine(name):
    assert _affine.is_affine(AFFINE[name], A)


@pytest.mark.parametrize("name", NOT)
def test_not_affine(name):
    assert not _affine.is_affine(NOT[name], A)


def test_ablation_behind_rounding_is_by_passes():
    """The straight-through gradient of a quantised head is that of another, affine one; the drops are its own."""

    def head(params, a):
        return (a + jax.lax.stop_gradient(jnp.round(4 * a) / 4 - a)).mean(axis=(1, 2)) @ MATRIX

    got = explain({}, Split(lambda params, x: x, head), A, method="ablationcam", target=1)
    want = np.round(4 * np.asarray(A)).sum(axis=(1, 2)) / 4 / 9 * MATRIX[:, 1]
    np.testing.assert_allclose(got.weights, want, rtol=1e-5, atol=1e-6)
