"""Derivatives, dtypes, traces and devices."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import explain

PARAMS = networks.parameters()
IMAGES, REFS = jnp.asarray(networks.images(3)), jnp.asarray(networks.images(5, seed=2))
KEY = jax.random.key(3)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "gradcam"},
        {"method": "scorecam"},
        {"method": "ablationcam"},
        {"chunk_size": 4},
        {"difference": "tangent", "noise": "gaussian"},
        {"difference": "encoded", "normalizer": "elementwise"},
        {"path": "latent", "noise": "none"},
    ],
)
def test_the_derivative_of_a_saliency_matches_finite_differences(options):
    """In the head's smooth parameters, in float64, along a random direction."""
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), PARAMS)
        x, refs = jnp.asarray(IMAGES, jnp.float64), jnp.asarray(REFS, jnp.float64)
        ramp = jnp.arange(networks.SIZE**2, dtype=jnp.float64).reshape(networks.SIZE, networks.SIZE)
        direction = jax.tree.map(lambda leaf: jnp.zeros_like(leaf), params)
        draw = np.random.default_rng(0).standard_normal
        direction |= {
            "hidden": jnp.asarray(draw(params["hidden"].shape)),
            "out": jnp.asarray(draw(params["out"].shape)),
        }

        def prior(params):
            got = explain(params, networks.SPLIT, x, refs, KEY, target=1, num_samples=6, **options)
            return jnp.sum(got.saliency * ramp)

        run = jax.jit(jax.value_and_grad(prior))
        _, gradient = run(params)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
        analytic = sum(
            jnp.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
        )
        step = 1e-6
        moved = [run(jax.tree.map(lambda p, d: p + s * step * d, params, direction))[0] for s in (1, -1)]  # noqa: B023
        numeric = (moved[0] - moved[1]) / (2 * step)
        assert abs(numeric) > 1e-3
        np.testing.assert_allclose(analytic, numeric, rtol=1e-5)


def test_another_trace_for_another_form_of_target_or_size_and_none_for_a_number():
    """That values are never traced again is held for every method in test_contract."""
    calls = []

    def apply_fn(params, x):
        calls.append(x.shape)
        return networks.apply_fn(params, x)

    def run(count=3, **options):
        return explain(PARAMS, apply_fn, IMAGES[:count], REFS, KEY, num_samples=4, **options)

    run()
    run(noise_scale=0.3)
    run(noise_scale=0.4)
    assert len(calls) == 1
    run(target=2)
    run(target=jnp.array([0, 1, 2]))
    assert len(calls) == 2
    run(count=2)
    assert len(calls) == 3


SCRIPT = """
import json, sys
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
sys.path.insert(0, sys.argv[1])
import networks
from egcam_jax import explain

params, refs = networks.parameters(), networks.images(5, seed=2)
x, key = networks.images(8), jax.random.key(3)
found = {}
auto, explicit = AxisType.Auto, AxisType.Explicit
for count, kind, chunk in ((1, auto, 64), (2, auto, 8), (2, explicit, 16), (4, auto, 64), (4, explicit, 8)):
    mesh = jax.make_mesh((count,), ("images",), axis_types=(kind,), devices=jax.devices()[:count])
    spread = jax.device_put(x, NamedSharding(mesh, PartitionSpec("images")))
    assert len(spread.sharding.device_set) == count
    got = explain(params, networks.SPLIT, spread, refs, key, num_samples=6, chunk_size=chunk, difference="latent")
    arrays = [got.cam, got.saliency, got.stderr, got.completeness_gap]
    precise = {"method": "expected_attribution", "num_samples": 200, "tolerance": 0.03, "chunk_size": chunk}
    got = explain(params, networks.SPLIT, spread, refs, key, target=1, **precise)
    assert len(set(np.asarray(got.num_samples).tolist())) > 1
    values = [np.asarray(v).tolist() for v in (*arrays, got.signed, got.stderr, got.num_samples)]
    found[f"{count} {kind.name} {chunk}"] = values
print(json.dumps(found))
"""


def on_devices(count, script):
    """What a script prints in a process of its own that sees so many devices."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={count}"
    done = subprocess.run(
        [sys.executable, "-c", script, os.path.dirname(__file__)],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_on_one_two_and_four_devices():
    one, *others = json.loads(on_devices(4, SCRIPT)).values()
    assert len(others) == 4
    for result in others:
        for a, b in zip(result, one, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def in_bfloat16(params, x):
    """A network that computes in bfloat16 whatever it is given, and returns float32 logits."""
    low = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), params)
    with jax.named_scope("layer"):
        a = networks.features(low, x.astype(jnp.bfloat16))
    return networks.head(low, a).astype(jnp.float32)


def named(params, x):
    with jax.named_scope("layer"):
        a = networks.features(params, x)
    return networks.head(params, a)


LOW = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), PARAMS)


@pytest.mark.parametrize(
    ("method", "options"), [("gradcam", {}), ("expected_gradcam", {"difference": "tangent"})], ids=["plain", "tangent"]
)
@pytest.mark.parametrize(
    ("params", "apply_fn", "dtype", "compute_dtype"),
    [
        (LOW, named, "bfloat16", None),
        (PARAMS, in_bfloat16, "float32", None),
        (PARAMS, in_bfloat16, "float32", "bfloat16"),
        (PARAMS, named, "float32", "bfloat16"),
        (LOW, networks.SPLIT, "bfloat16", None),
    ],
)
def test_a_layer_of_any_dtype_can_be_explained(method, options, params, apply_fn, dtype, compute_dtype):
    """Close to the same network in float32, through the cut jaxpr and through a split by hand.

    Dtypes meet where points are encoded, decoded and differentiated; the other methods add no such place.
    """
    layer = None if apply_fn is networks.SPLIT else "layer"
    x, refs = IMAGES.astype(dtype), REFS.astype(dtype)
    got = explain(
        params,
        apply_fn,
        x,
        refs,
        KEY,
        method=method,
        num_samples=16,
        layer=layer,
        compute_dtype=compute_dtype,
        **options,
    )
    want = explain(PARAMS, networks.SPLIT, IMAGES, REFS, KEY, method=method, num_samples=16, **options)
    assert got.cam.dtype == got.saliency.dtype == jnp.float32
    np.testing.assert_allclose(got.cam, want.cam, atol=0.08 * np.abs(want.cam).max())


def test_float32_images_and_a_float64_option_under_x64():
    with jax.enable_x64(True):
        got = explain(PARAMS, networks.SPLIT, IMAGES, REFS, KEY, num_samples=4, noise_scale=jnp.float64(0.1))
    want = explain(PARAMS, networks.SPLIT, IMAGES, REFS, KEY, num_samples=4)
    assert got.cam.dtype == jnp.float32
    np.testing.assert_allclose(got.cam, want.cam, rtol=1e-4, atol=1e-5)


SHARD_MAP = """
import sys
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
sys.path.insert(0, sys.argv[1])
import networks
from egcam_jax import explain

params, refs = networks.parameters(), networks.images(5, seed=2)
x, key = networks.images(8), jax.random.key(3)
run = lambda x, index: explain(params, networks.SPLIT, x, refs, key, num_samples=6, chunk_size=4, index=index).cam
want = np.asarray(run(x, np.arange(8)))
mesh = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Auto,))
mapped = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=(P("d"), P("d")), out_specs=P("d")))
np.testing.assert_allclose(np.asarray(mapped(x, np.arange(8))), want, rtol=1e-5, atol=1e-6)
for options in ({"method": "expected_gradcam++", "num_samples": 12},
                {"method": "expected_attribution", "num_samples": 200, "tolerance": 0.03}):
    def errors(x, index):
        got = explain(params, networks.SPLIT, x, refs, key, target=1, index=index, **options)
        return got.signed, got.stderr, got.num_samples
    mapped = jax.jit(jax.shard_map(errors, mesh=mesh, in_specs=(P("d"), P("d")), out_specs=P("d")))
    for a, b in zip(mapped(x, np.arange(8)), errors(x, np.arange(8))):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-6)
explicit = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Explicit,))
spread = jax.device_put(networks.images(4, seed=2), NamedSharding(explicit, P("d")))
one = explain(params, networks.SPLIT, x, spread, key, num_samples=6).cam
two = explain(params, networks.SPLIT, x, networks.images(4, seed=2), key, num_samples=6).cam
np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=1e-5, atol=1e-6)

rows = np.linspace(-0.7, 1, 8, dtype=np.float32)[:, None]
around = lambda params, x, rows: (networks.features(params, x * rows[:, None, None]), rows)
pieces = networks.Split(around, lambda params, a, rows: networks.head(params, a) * (1 + rows), around)
run = lambda x, index, rows: explain(
    params, pieces, x, refs, key, num_samples=6, chunk_size=4, index=index, context=rows
).cam
want = np.asarray(run(x, np.arange(8), rows))
mapped = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=(P("d"), P("d"), P("d")), out_specs=P("d")))
np.testing.assert_allclose(np.asarray(mapped(x, np.arange(8), rows)), want, rtol=1e-5, atol=1e-6)
plain = lambda params, x: networks.head(params, networks.features(params, x))
cams = lambda params, x: explain(params, plain, x, target=1, method="layercam").cam
mapped = jax.jit(jax.shard_map(cams, mesh=mesh, in_specs=(P(), P("d")), out_specs=P("d"), check_vma=True))
np.testing.assert_allclose(np.asarray(mapped(params, x)), np.asarray(cams(params, x)), rtol=1e-5, atol=1e-6)
spread = [jax.device_put(leaf, NamedSharding(explicit, P("d"))) for leaf in (x, rows)]
np.testing.assert_allclose(np.asarray(run(spread[0], np.arange(8), spread[1])), want, rtol=1e-5, atol=1e-6)
"""


def test_under_shard_map_and_with_references_spread_over_an_explicit_mesh():
    on_devices(4, SHARD_MAP)
