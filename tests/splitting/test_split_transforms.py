"""Splitting under the caller's own jit, vmap and grad, with and without what goes around the layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P
from splitting_models import case, conv, images, plain, plain_params

import egcam_jax
from egcam_jax.splitting import layers, split


def composed(params, x, layer="inner"):
    pieces = split(plain, params, x, layer)
    return pieces.head(params, pieces.features(params, x))


@pytest.mark.parametrize("layer", ["inner", "stem", None])
def test_under_jit_and_grad_of_the_caller(layer):
    params, x = plain_params(), images()
    np.testing.assert_allclose(
        jax.jit(composed, static_argnums=2)(params, x, layer), plain(params, x), rtol=1e-5, atol=1e-6
    )
    gradient = jax.jit(jax.grad(lambda x: composed(params, x, layer)[:, 1].sum()))(x)
    expected = jax.grad(lambda x: plain(params, x)[:, 1].sum())(x)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_under_vmap_of_the_caller_over_params_and_over_images():
    params, x = plain_params(), images()
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    expected = jax.vmap(plain, (0, None))(several, x)
    np.testing.assert_allclose(jax.vmap(composed, (0, None))(several, x), expected, rtol=1e-4, atol=1e-5)
    singles = jax.vmap(lambda image: composed(params, image[None])[0])(x)
    np.testing.assert_allclose(singles, plain(params, x), rtol=1e-5, atol=1e-6)


def test_names_do_not_depend_on_the_scopes_of_the_caller():
    params, x = plain_params(), images()
    expected = layers(plain, params, x)
    assert expected == {
        "stem": (8, 8, 4),
        "block/inner": (8, 8, 4),
        "merged": (8, 8, 4),
        "block": (8, 8, 4),
    }
    found = []

    @jax.jit
    def outer(params, x):
        with jax.named_scope("outer"), jax.named_scope("more"):
            found.append(layers(plain, params, x))
            return composed(params, x, "block.inner").sum()

    jax.grad(outer)(params, x)
    assert found == [expected]
    assert list(layers(jax.jit(plain), params, x)) == list(expected)
    assert list(layers(jax.checkpoint(plain), params, x)) == list(expected)


def test_scopes_inside_the_users_own_vmap_and_grad_are_found():
    def mapped(params, x):
        return jax.vmap(lambda image: plain(params, image[None])[0])(x)

    params, x = plain_params(), images()
    assert list(layers(mapped, params, x)) == ["stem", "block/inner", "block", "merged"]
    pieces = split(mapped, params, x, "inner")
    np.testing.assert_allclose(
        pieces.features(params, x), split(plain, params, x, "inner").features(params, x), rtol=1e-5, atol=1e-6
    )


def test_values_that_the_function_closes_over_may_be_traced():
    params, x = plain_params(), images()

    @jax.jit
    def closed(dense):
        def apply_fn(params, x):
            return plain({**params, "dense": dense}, x)

        pieces = split(apply_fn, params, x, "block")
        return pieces.head(params, pieces.features(params, x)).sum()

    gradient = jax.grad(closed)(params["dense"])
    expected = jax.grad(lambda dense: plain({**params, "dense": dense}, x).sum())(params["dense"])
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


def test_params_may_hold_python_numbers_and_keys():
    def noisy(params, x):
        with jax.named_scope("noise"):
            x = x + params["scale"] * jax.random.normal(params["key"], x.shape)
        with jax.named_scope("conv"):
            y = jax.nn.relu(jnp.einsum("bhwc,ck->bhwk", x, params["w"]))
        return y.mean((1, 2))

    params = {"scale": 0.5, "key": jax.random.key(0), "w": jnp.ones((3, 4))}
    pieces = split(noisy, params, images())
    assert pieces.layer == "conv"
    one = images(1)
    np.testing.assert_allclose(pieces.head(params, pieces.features(params, one)), noisy(params, one), rtol=1e-5)


def test_a_sharding_over_explicit_axes_in_the_model_is_named_as_the_reason():
    def sharded(params, x):
        y = conv(params["stem"], x).mean((1, 2))
        return jnp.einsum("bk,kc->bc", y, params["dense"], out_sharding=P("data", None))

    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))
    params = plain_params()
    with jax.set_mesh(mesh):
        x = jax.device_put(images(), P("data"))
        with pytest.raises(ValueError, match=r"must work on a mesh with automatic axes.*Leave out_sharding= and"):
            egcam_jax.explain(params, sharded, x, method="gradcam")


def test_a_split_is_a_static_argument():
    apply_fn, params, x = case("resnet")
    pieces = split(apply_fn, params, x)
    traces = []

    def run(params, x, pieces):
        traces.append(None)
        return pieces.head(params, pieces.features(params, x))

    compiled = jax.jit(run, static_argnums=2)
    np.testing.assert_allclose(compiled(params, x, pieces), apply_fn(params, x), rtol=1e-5, atol=1e-5)
    compiled(params, x + 1, pieces)
    assert len(traces) == 1


def test_bfloat16_networks_are_split_in_bfloat16():
    apply_fn, params, x = case("resnet")
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    pieces = split(apply_fn, half, x.astype(jnp.bfloat16), "layer1")
    activations = pieces.features(half, x.astype(jnp.bfloat16))
    assert activations.dtype == jnp.bfloat16
    assert np.isfinite(np.asarray(pieces.head(half, activations), np.float32)).all()
    with pytest.raises(TypeError, match="expected bfloat16, got float32"):
        pieces.features(params, x.astype(jnp.bfloat16))
