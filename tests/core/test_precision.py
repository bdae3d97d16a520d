"""As many samples as a precision asks for: when they stop, and that nothing else moves where they do."""

import functools

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import explain

PARAMS = networks.parameters()
IMAGES, REFS = jnp.asarray(networks.images(3)), jnp.asarray(networks.images(5, seed=2))
KEY = jax.random.key(0)
BLOCK, FEWEST, MOST = 20, 80, 260
RUN = functools.partial(explain, PARAMS, networks.SPLIT, refs=REFS, key=KEY, target=1, num_samples=MOST)
COMPLETE = functools.partial(RUN, method="expected_attribution")


def same(got, want, rtol=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(np.abs(b).max(), 0.1))


def error(explanation):
    """The largest standard error of each map, as a fraction of its largest absolute value."""
    return explanation.stderr.max(axis=(1, 2)) / np.abs(explanation.signed).max(axis=(1, 2))


@pytest.mark.parametrize("method", ["expected_attribution", "expected_gradcam++", "expected_gradcam", "smooth"])
def test_it_stops_at_the_first_block_that_is_precise_enough(method):
    options = {} if method == "expected_attribution" else {"difference": "latent", "normalizer": "global"}
    run = functools.partial(RUN, IMAGES, method=method, **options)
    block = BLOCK
    if method == "smooth":  # which has no references, and so blocks of 16
        run = functools.partial(RUN, IMAGES, method="gradcam", gradients="smooth", noise_scale=0.2, num_samples=256)
        block = 16
    tolerance = {"expected_attribution": 0.04, "expected_gradcam++": 0.008, "expected_gradcam": 0.03, "smooth": 0.05}
    got = run(tolerance=tolerance[method])
    taken = np.asarray(got.num_samples)
    assert (taken % block == 0).all()
    assert len(set(taken)) > 1
    assert 64 <= taken.min() < 256
    done = taken < 256
    assert (error(got)[done] <= tolerance[method]).all()
    for i in np.flatnonzero(done & (taken > 80)):
        before = run(tolerance=0.0, num_samples=int(taken[i]) - block, index=0)
        assert error(before)[i] > tolerance[method]
        same(run(tolerance=0.0, num_samples=int(taken[i])).signed[i], got.signed[i])
        return
    raise AssertionError(f"no image stopped on the way: {taken}")


def test_without_an_end_in_sight_it_takes_all_samples():
    got = COMPLETE(IMAGES, tolerance=0.0)
    np.testing.assert_array_equal(got.num_samples, MOST)
    np.testing.assert_array_equal(COMPLETE(IMAGES).num_samples, MOST)
    assert RUN(IMAGES, method="gradcam").num_samples is None


def test_neither_batch_nor_chunk_nor_vmap_moves_where_an_image_stops():
    want = COMPLETE(IMAGES, tolerance=0.04)
    same(COMPLETE(IMAGES, tolerance=0.04, chunk_size=3), want)
    same(COMPLETE(IMAGES[1], tolerance=0.04, index=1), jax.tree.map(lambda leaf: leaf[1], want))
    same(jax.vmap(lambda x, i: COMPLETE(x, tolerance=0.04, index=i))(IMAGES, jnp.arange(3)), want)
    same(jax.jit(lambda x: COMPLETE(x, tolerance=0.04))(IMAGES), want)


def test_each_target_stops_by_itself():
    got = COMPLETE(IMAGES, tolerance=0.04, target=jnp.array([[1, 3]] * 3))
    assert got.num_samples.shape == (3, 2)
    for t, c in enumerate((1, 3)):
        one = COMPLETE(IMAGES, tolerance=0.04, target=c)
        np.testing.assert_array_equal(got.num_samples[:, t], one.num_samples)
        same(got.signed[:, t], one.signed)


def test_a_linear_head_needs_no_more_than_the_fewest():
    """Each reference counts equally often, and positions say nothing: two of each are the expectation."""
    run = functools.partial(
        explain, PARAMS, networks.LINEAR, IMAGES, REFS, KEY, method="expected_attribution", target=1
    )
    got = run(num_samples=MOST, tolerance=1e-3)
    np.testing.assert_array_equal(got.num_samples, FEWEST)
    same(got.signed, run(num_samples=MOST).signed)


def test_the_derivative_is_that_of_as_many_samples():
    """Of one image that stops early, against blocks that end there."""

    def total(params, **options):
        got = explain(params, networks.SPLIT, IMAGES[0], REFS, KEY, target=1, method="expected_attribution", **options)
        return got.saliency.sum() + got.signed.max()

    taken = int(COMPLETE(IMAGES[0], tolerance=0.02).num_samples)
    assert FEWEST < taken < MOST
    got = jax.grad(lambda params: total(params, num_samples=MOST, tolerance=0.02))(PARAMS)
    same(got, jax.grad(lambda params: total(params, num_samples=taken, tolerance=0.0))(PARAMS), rtol=1e-4)


def test_a_tolerance_is_traced():
    calls = []

    def apply_fn(params, x):
        calls.append(1)
        return networks.apply_fn(params, x)

    run = functools.partial(explain, PARAMS, apply_fn, IMAGES, REFS, KEY, num_samples=64)
    for tolerance in (0.5, 0.1, 1):
        run(tolerance=tolerance)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"tolerance": -0.1}, ValueError, ["tolerance must be finite and at least 0", "-0.1"]),
        ({"tolerance": 0.1, "alpha": 0.5}, ValueError, ["alpha must be None with a tolerance"]),
        ({"tolerance": 0.1, "normalizer": "elementwise"}, ValueError, ["normalizer must be", "'elementwise'"]),
        ({"tolerance": 0.1, "method": "gradcam"}, TypeError, ["has no option 'tolerance'"]),
    ],
)
@pytest.mark.usefixtures("unannotated")
def test_a_tolerance_that_cannot_be_is_refused(options, error, words):
    with pytest.raises(error) as caught:
        RUN(IMAGES, **options)
    for word in words:
        assert word in str(caught.value)


draw = np.random.default_rng(11).standard_normal
ROUGH = dict(PARAMS) | {
    "hidden": (draw((PARAMS["hidden"].shape[0], 64)) * 0.3).astype(np.float32),
    "out": (draw((64, networks.CLASSES)) * 0.3).astype(np.float32),
}


def kinks(params, a):
    """A head of many ReLUs, whose gradient changes in steps along a path, as that of real networks does."""
    return jax.nn.relu(a.reshape(len(a), -1) @ params["hidden"]) @ params["out"]


def calibration(params, split, references, **options):
    """The root mean square of the reported error over that of the true one, over 200 keys; and the mean of n."""
    keys, refs = jax.random.split(jax.random.key(12), 200), jnp.asarray(networks.images(references, seed=2))
    run = lambda key: explain(params, split, IMAGES[0], refs, key, target=1, method="expected_attribution", **options)
    got = jax.vmap(run)(keys)
    true = np.asarray(got.signed).var(axis=0, ddof=1).sum()
    return float(np.sqrt(np.square(got.stderr).mean(axis=0).sum() / true)), float(np.mean(got.num_samples))


@pytest.mark.parametrize(
    ("references", "options"),
    [
        (5, {"num_samples": 32}),
        (5, {"num_samples": 80}),
        (5, {"num_samples": 500, "tolerance": 0.018}),
        (8, {"num_samples": 500, "tolerance": 0.02}),
        (5, {"num_samples": 60, "noise": "uniform"}),
    ],
)
def test_the_reported_error_is_the_true_one(references, options):
    """Within a tenth, where samples stop by themselves too."""
    ratio, taken = calibration(ROUGH, networks.Split(networks.features, kinks), references, **options)
    assert 0.9 < ratio < 1.1, ratio
    if "tolerance" in options:
        assert FEWEST < taken < 400, taken


@pytest.mark.parametrize(
    ("references", "options", "lowest"),
    [(5, {"num_samples": 38}, 0.9), (3, {"num_samples": 500, "tolerance": 0.015}, 0.8)],
)
def test_the_reported_error_of_a_smooth_head_and_few_references(references, options, lowest):
    """Such values hardly differ from one sample to the next: their error is known to a fifth."""
    ratio, _ = calibration(PARAMS, networks.SPLIT, references, **options)
    assert lowest < ratio < 1.12, ratio


def test_many_samples_of_few_references_are_worth_more_than_their_number():
    """Each reference's own positions are stratified: ten times the samples have less than half of a tenth."""
    keys = jax.random.split(jax.random.key(4), 200)

    def variance(num_samples):
        run = lambda key: COMPLETE(IMAGES[0], refs=REFS, key=key, num_samples=num_samples).signed
        return np.asarray(jax.vmap(run)(keys)).var(axis=0, ddof=1).sum()

    assert variance(100) < 0.5 * variance(10) / 10
