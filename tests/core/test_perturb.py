"""The recorder: what the network is shown is what the definition asks for, and how well it is spread."""

import collections

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import Split, explain
from egcam_jax.core import perturb

KEY = jax.random.key(5)


def record(refs, *, num_samples, **options):
    """The images that go into the network, in no order; a two-pixel image makes positions legible."""
    seen = []

    def features(params, x):
        jax.debug.callback(lambda x: seen.append(np.asarray(x)), x)
        return x

    split = Split(features, lambda params, a: a.sum(axis=(1, 2)) * jnp.ones((1, 2)))
    x = jnp.array([1.0, 3.0]).reshape(2, 1, 1)
    explain({}, split, x, refs, KEY, num_samples=num_samples, target=0, **options)
    jax.effects_barrier()
    return x, np.concatenate(seen)[:, :, 0, 0]


def test_without_noise_the_network_sees_the_image_and_one_point_in_each_cell_of_the_path():
    _, seen = record(jnp.zeros((1, 2, 1, 1)), num_samples=8, noise="none", difference="none")
    np.testing.assert_allclose(seen[:, 1], 3 * seen[:, 0], rtol=1e-6)
    alpha = np.sort(seen[:, 0])
    assert alpha[-1] == 1.0
    np.testing.assert_array_equal(np.floor(alpha[:-1] * 8), np.arange(8))


def test_it_sees_each_reference_as_often_as_the_definition_asks():
    """References 10, 20, ... leave their mark in the second pixel, which alpha = 0 leaves alone."""
    refs = jnp.stack([jnp.array([0.0, 10.0 * (r + 1)]).reshape(2, 1, 1) for r in range(5)])
    for n, times in ((3, {0, 1}), (5, {1}), (12, {2, 3})):
        _, seen = record(refs, num_samples=n, noise="none", difference="none", normalizer="none", alpha=0.0)
        counts = collections.Counter(seen[:, 1].tolist())
        assert counts.pop(3.0) == 1  # the clean image
        assert sum(counts.values()) == n
        assert {counts[10.0 * (r + 1)] for r in range(5)} == times


@pytest.mark.parametrize(("noise", "low", "high"), [("uniform", 0.0, 1.0), ("gaussian", -6.0, 6.0)])
def test_it_sees_the_noise_asked_for_at_the_scale_of_the_image(noise, low, high):
    x, seen = record(
        jnp.zeros((1, 2, 1, 1)), num_samples=512, noise=noise, noise_scale=0.25, alpha=1.0, difference="none",
        normalizer="none",
    )  # fmt: skip
    eta = (seen - x[:, 0, 0])[np.abs(seen - x[:, 0, 0]).max(axis=1) > 0] / (0.25 * 2.0)
    assert eta.shape == (512, 2)
    assert low <= eta.min() < eta.max() <= high
    mean, std = {"uniform": (0.5, 12**-0.5), "gaussian": (0.0, 1.0)}[noise]
    assert abs(eta.mean() - mean) < 4 * std / 1024**0.5
    assert abs(eta.std() - std) < 0.08 * std
    assert abs(np.corrcoef(eta.T)[0, 1]) < 4 / 512**0.5


@pytest.mark.parametrize(("num_samples", "references"), [(32, 4), (72, 5), (17, 1), (50, 3), (9, 4), (3, 8)])
def test_each_stretch_of_the_path_uses_each_reference_equally_often(num_samples, references):
    """Those with all references at least twice; the rest of n over R is on the last stretch."""
    draws = perturb.draw(KEY, num_samples, references)
    stretches = perturb.stretches(num_samples, references)
    np.testing.assert_array_equal(np.floor(np.asarray(draws.alpha) * num_samples), np.arange(num_samples))
    sizes = np.bincount(stretches)
    assert (np.diff(stretches) >= 0).all()
    assert (sizes[:-1] % references == 0).all()
    assert (len(sizes) > 1) == (num_samples >= 2 * max(2 * references, 8))
    for part, size in enumerate(sizes):
        counts = np.bincount(np.asarray(draws.reference)[stretches == part], minlength=references)
        assert np.ptp(counts) <= (part == len(sizes) - 1 and size % references > 0)
        assert len(sizes) == 1 or counts.min() >= 2


def test_draws_are_a_function_of_the_key_alone():
    one, two = (perturb.draw(KEY, 9, 4) for _ in range(2))
    np.testing.assert_array_equal(one.alpha, two.alpha)
    other = perturb.draw(jax.random.key(6), 9, 4)
    assert (one.alpha != other.alpha).all()


def test_references_and_positions_are_paired_at_random():
    """Averaged over keys, a reference's mean position is the middle of the path."""
    keys = jax.random.split(KEY, 400)
    draws = jax.vmap(lambda k: perturb.draw(k, 8, 4))(keys)
    for r in range(4):
        mine = np.asarray(draws.alpha)[np.asarray(draws.reference) == r]
        assert mine.size == 800
        assert abs(mine.mean() - 0.5) < 4 * 12**-0.5 / 800**0.5


def test_iid_draws_are_uniform_and_with_replacement():
    draws = perturb.draw(KEY, 4000, 4, sampling="iid")
    counts = np.bincount(draws.reference, minlength=4)
    assert np.abs(counts - 1000).max() < 4 * (4000 * 0.25 * 0.75) ** 0.5
    assert len(set(counts)) > 1
    hist, _ = np.histogram(draws.alpha, bins=4, range=(0, 1))
    assert np.abs(hist - 1000).max() < 4 * (4000 * 0.25 * 0.75) ** 0.5


def test_stratified_agrees_with_iid_in_the_mean_and_has_the_smaller_variance():
    """Over pinned keys: the means within their standard errors, the spread smaller, and the reported error right."""
    params, refs = networks.parameters(), jnp.asarray(networks.images(3, seed=2))
    x = jnp.asarray(networks.images(1))[0]
    keys = jax.random.split(jax.random.key(0), 300)

    def signed(sampling):
        def run(key):
            got = explain(
                params, networks.SPLIT, x, refs, key, target=1, num_samples=12, sampling=sampling,
                noise="none", normalizer="none",
            )  # fmt: skip
            a = networks.features(params, x[None])[0]
            return (got.weights * a).sum(-1), got.stderr

        return jax.tree.map(np.asarray, jax.vmap(run)(keys))

    (iid, iid_error), (stratified, stratified_error) = signed("iid"), signed("stratified")
    error = np.sqrt((iid.var(axis=0) + stratified.var(axis=0)) / len(keys))
    assert (np.abs(iid.mean(axis=0) - stratified.mean(axis=0)) <= 4 * error).all()
    assert stratified.var(axis=0).sum() < 0.5 * iid.var(axis=0).sum()
    assert np.mean(stratified_error**2) < np.mean(iid_error**2)
    np.testing.assert_allclose(np.mean(iid_error**2), iid.var(axis=0, ddof=1).mean(), rtol=0.1)
    np.testing.assert_allclose(np.mean(stratified_error**2), stratified.var(axis=0, ddof=1).mean(), rtol=0.2)
