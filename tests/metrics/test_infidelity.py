"""Infidelity: by hand, against plain loops, and where the map is the model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics

WEIGHTS = np.array([[2.0, -1, 0.5, 3], [1, 1, -2, 0], [0, 4, 1, 1], [-1, 2, 2, 0.5]], np.float32)


def linear(x):
    """Logits (weights times the sum over channels, 0)."""
    return jnp.stack([(x.sum(-1) * WEIGHTS).sum((1, 2)), jnp.zeros(len(x))], axis=1)


def mixed(x):
    weights = jnp.sin(jnp.arange(x[0].size * 3.0)).reshape(-1, 3)
    return jnp.tanh(x.reshape(len(x), -1) @ weights) * 3


def image(seed=0, channels=2):
    return np.random.default_rng(seed).standard_normal((4, 4, channels)).astype(np.float32)


@pytest.mark.parametrize("perturbation", ["gaussian", "squares", "blocks"])
def test_the_map_of_a_linear_model_foretells_all(perturbation):
    key = jax.random.key(0)
    options = {"perturbation": perturbation, "num_samples": 20, "patch_size": 2}
    assert float(metrics.infidelity(linear, image(), WEIGHTS, 0, key, **options).value) < 1e-8
    assert float(metrics.infidelity(linear, image(), -WEIGHTS, 0, key, **options).value) > 0.1
    scaled = metrics.infidelity(linear, image(), 7 * WEIGHTS, 0, key, scale="optimal", **options)
    assert float(scaled.value) < 1e-8


def test_given_perturbations_by_hand():
    """One pixel goes from 1 to 0 in each: the map says its value, the score loses its weight."""
    x, saliency = np.ones((4, 4, 1), np.float32), np.full((4, 4), 1.0, np.float32)
    given = np.zeros((2, 4, 4, 1), np.float32)
    given[0, 0, 0], given[1, 2, 1] = 1, 1
    got = metrics.infidelity(linear, x, saliency, 0, perturbations=given)
    as_blocks = metrics.infidelity(linear, x, saliency, 0, perturbations=given, perturbation="blocks", patch_size=2)
    np.testing.assert_array_equal(as_blocks.curve, got.curve)  # what is given is taken
    np.testing.assert_allclose(got.curve, [(1 - 2) ** 2, (1 - 4) ** 2], rtol=1e-5)
    np.testing.assert_allclose(got.value, 5, rtol=1e-5)
    best = (1 * 2 + 1 * 4) / (1 + 1)  # what the map is multiplied with to fit 2 and 4
    fitted = metrics.infidelity(linear, x, saliency, 0, perturbations=given, scale="optimal")
    np.testing.assert_allclose(fitted.value, ((best - 2) ** 2 + (best - 4) ** 2) / 2, rtol=1e-5)
    for factor in (0.5, 2.5, 3.5):
        assert metrics.infidelity(linear, x, factor * saliency, 0, perturbations=given).value > fitted.value


@pytest.mark.parametrize("mode", ["definition", "quantus"])
@pytest.mark.parametrize("baseline", ["black", "mean", 0.2])
def test_blocks_equal_plain_loops(mode, baseline):
    x, saliency = image(1, 3), image(2, 1)[..., 0]
    whole, now, squares = float(mixed(x[None])[0, 1]), x.copy(), []
    value_of = lambda x: {"black": x.min, "mean": x.mean}[baseline]() if isinstance(baseline, str) else baseline
    for row in (0, 2):
        for column in (0, 2):
            now = now if mode == "quantus" else x.copy()  # there the blocks add up
            now[row : row + 2, column : column + 2] = value_of(now)
            change = x - now
            found = whole - float(mixed(now[None])[0, 1])
            squares.append(((saliency[..., None] * change).sum() - found) ** 2)
    options = {"mode": mode} if mode == "quantus" else {"perturbation": "blocks"}
    got = metrics.infidelity(mixed, x, saliency, 1, patch_size=2, baseline=baseline, **options)
    np.testing.assert_allclose(got.curve, squares, rtol=1e-4)


def test_what_is_drawn_has_the_distribution_that_is_said():
    """The expectation for a linear model and a map of zeros: the variance of the score, ``noise_std^2 sum w^2``."""
    x, zeros = image(3, 1), np.zeros((4, 4), np.float32)
    got = metrics.infidelity(linear, x, zeros, 0, jax.random.key(1), num_samples=4000, noise_std=0.5)
    error = float(got.curve.std()) / 4000**0.5
    assert abs(float(got.value) - 0.25 * float((WEIGHTS**2).sum())) < 3 * error


def test_squares_have_every_side_and_place():
    """With an image of ones, a baseline of 0 and a score that is the sum, a square's area is what the score loses."""
    total = lambda x: jnp.stack([x.sum((1, 2, 3)), jnp.zeros(len(x))], axis=1)
    ones, zeros = np.ones((4, 4, 1), np.float32), np.zeros((4, 4), np.float32)
    options = {"perturbation": "squares", "patch_size": 3, "baseline": 0.0, "num_samples": 900}
    got = metrics.infidelity(total, ones, zeros, 0, jax.random.key(2), **options)
    areas, counts = np.unique(np.round(np.sqrt(got.curve)), return_counts=True)
    np.testing.assert_array_equal(areas, [1, 4, 9])
    assert (np.abs(counts - 300) < 3 * np.sqrt(900 * 1 / 3 * 2 / 3)).all()


@pytest.mark.usefixtures("unannotated")
def test_what_a_mode_cannot_do_is_refused():
    x, saliency = np.ones((4, 6, 1), np.float32), np.zeros((4, 6), np.float32)
    with pytest.raises(ValueError, match="patch_size must divide the image's 4 x 6 pixels"):
        metrics.infidelity(mixed, x, saliency, 0, mode="quantus", patch_size=4)
    with pytest.raises(ValueError, match="x must be square in mode"):
        metrics.infidelity(mixed, x, saliency, 0, mode="quantus_0_4_4", patch_size=2)
    with pytest.raises(ValueError, match="makes its own"):
        metrics.infidelity(mixed, x, saliency, 0, mode="quantus", patch_size=2, perturbations=x[None])


def test_a_map_of_zeros_has_no_scale():
    zeros = np.zeros((4, 4), np.float32)
    given = np.ones((2, 4, 4, 2), np.float32)
    assert np.isnan(metrics.infidelity(linear, image(), zeros, 0, perturbations=given, scale="optimal").value)
    assert np.isfinite(metrics.infidelity(linear, image(), zeros, 0, perturbations=given).value)


def test_a_map_of_any_scale_is_fitted():
    draw = np.random.default_rng(3)
    given, saliency = draw.standard_normal((5, 4, 4, 2)).astype(np.float32), draw.standard_normal((4, 4))
    values = [
        metrics.infidelity(mixed, image(), scale * saliency, 0, perturbations=given, scale="optimal").value
        for scale in (1, 1e25, 1e-25)
    ]
    np.testing.assert_allclose(values[1:], values[0], rtol=1e-5)


@pytest.mark.usefixtures("unannotated")
def test_perturbations_are_finite():
    with pytest.raises(ValueError, match="perturbations has 32 entries that are NaN or infinite"):
        metrics.infidelity(linear, image(), np.ones((4, 4)), 0, perturbations=np.full((1, 4, 4, 2), np.nan))
