"""Models of every framework that take a second input: each image's own row reaches the call."""

import equinox as eqx
import flax.linen as linen
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import egcam_jax
from egcam_jax.adapters import from_equinox, from_haiku, from_linen, from_nnx

KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(3), (2, 8, 8, 3))
ROWS = jnp.asarray([[0.5, -1.0], [2.0, 0.3]])


class Linen(linen.Module):
    @linen.compact
    def __call__(self, x, rows):
        x = linen.relu(linen.Conv(4, (3, 3))(x))
        return linen.Dense(3)(x.mean((1, 2)) * linen.Dense(4)(rows))


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.join, self.out = nnx.Linear(2, 4, rngs=rngs), nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x, rows):
        return self.out(nnx.relu(self.conv(x)).mean((1, 2)) * self.join(rows))


class Equinox(eqx.Module):
    conv: eqx.nn.Conv2d
    join: eqx.nn.Linear
    out: eqx.nn.Linear

    def __call__(self, x, row):
        return self.out(jax.nn.relu(self.conv(x)).mean((1, 2)) * self.join(row))


def haiku_network(x, rows):
    x = jax.nn.relu(hk.Conv2D(4, 3)(x))
    return hk.Linear(3)(x.mean((1, 2)) * hk.Linear(4)(rows))


def equinox():
    net = Equinox(eqx.nn.Conv2d(3, 4, 3, key=KEY), eqx.nn.Linear(2, 4, key=KEY), eqx.nn.Linear(4, 3, key=KEY))
    return from_equinox(net), jax.vmap(net)(jnp.moveaxis(X, -1, 1), ROWS)


def flax_linen():
    module = Linen()
    variables = module.init(KEY, X, ROWS)
    return from_linen(module, variables), module.apply(variables, X, ROWS)


def flax_nnx():
    model = Nnx(nnx.Rngs(0))
    return from_nnx(model), model(X, ROWS)


def haiku():
    transformed = hk.transform(haiku_network)
    params = transformed.init(KEY, X, ROWS)
    return from_haiku(transformed, params), transformed.apply(params, None, X, ROWS)


@pytest.mark.parametrize("make", [flax_linen, flax_nnx, equinox, haiku])
def test_each_image_is_explained_under_its_own_row(make):
    (params, apply_fn), want = make()
    got = egcam_jax.explain(params, apply_fn, X, method="gradcam", target=1, context=ROWS)
    np.testing.assert_allclose(got.logits, want, rtol=1e-5, atol=1e-6)
    second = egcam_jax.explain(params, apply_fn, X[1], method="gradcam", target=1, context=ROWS[1])
    np.testing.assert_allclose(second.signed, got.signed[1], rtol=1e-5, atol=1e-6)
    swapped = egcam_jax.explain(params, apply_fn, X, method="gradcam", target=1, context=ROWS[::-1])
    assert np.abs(swapped.signed - got.signed).max() > 1e-3
