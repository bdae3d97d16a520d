"""ROAD: its imputation against a solver, and its curve by hand and by loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics
from egcam_jax.metrics.road import impute


def solved(x, gone):
    """The system of equations, written out and solved at once."""
    height, width = gone.shape
    matrix, right = np.eye(height * width), x.reshape(height * width, -1).astype(np.float64).copy()
    for row, column in np.argwhere(gone):
        here, total = row * width + column, 0.0
        matrix[here] = 0
        right[here] = 0
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                r, c = row + down, column + across
                if (down or across) and 0 <= r < height and 0 <= c < width:
                    weight = 1 / 12 if down and across else 1 / 6
                    matrix[here, r * width + c] -= weight
                    total += weight
        matrix[here, here] = total
    return np.linalg.solve(matrix, right).reshape(x.shape)


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_imputation_solves_its_equations(share):
    draw = np.random.default_rng(0)
    x, gone = draw.standard_normal((9, 7, 3)).astype(np.float32), draw.random((9, 7)) < share
    np.testing.assert_allclose(impute(jnp.asarray(x), jnp.asarray(gone), 80), solved(x, gone), atol=2e-5)


def test_a_hole_in_a_plane_is_filled_with_the_plane():
    rows, columns = np.mgrid[:12, :12]
    plane = (2.0 * rows - columns)[..., None].astype(np.float32)
    gone = (abs(rows - 6) < 4) & (abs(columns - 5) < 4)
    np.testing.assert_allclose(impute(jnp.asarray(plane), jnp.asarray(gone), 100), plane, atol=1e-4)


def left_half(x):
    """Class 0 where the left half is brighter."""
    half = x.shape[2] // 2
    return jnp.stack([x[:, :, :half].mean((1, 2, 3)), x[:, :, half:].mean((1, 2, 3))], axis=1) * 20


def example():
    x = np.zeros((6, 6, 1), np.float32)
    x[1:5, 1] = 1.0  # what makes the left half brighter
    return x, np.where(x[..., 0] > 0, 1, 0) + np.linspace(0, 0.1, 36).reshape(6, 6)


def test_the_curve_equals_plain_loops():
    draw = np.random.default_rng(1)
    x, saliency = draw.standard_normal((6, 6, 2)).astype(np.float32), draw.standard_normal((6, 6)).astype(np.float32)
    noise = 0.1 * draw.standard_normal((1, 6, 6, 2)).astype(np.float32)
    for first in (True, False):
        order = np.argsort(-saliency.ravel() if first else saliency.ravel(), kind="stable")
        want = []
        for percentage in (10, 35, 80):
            gone = np.zeros(36, bool)
            gone[order[: int(36 * percentage / 100)]] = True
            gone = gone.reshape(6, 6)
            filled = np.where(gone[..., None], solved(x, gone) + noise[0], x).astype(np.float32)
            want.append(np.asarray(jax.nn.softmax(left_half(filled[None])))[0, 1])
        options = {
            "percentages": (10, 35, 80),
            "most_relevant_first": first,
            "probability": "softmax",
            "iterations": 80,
        }
        got = metrics.road(left_half, x, saliency, 1, perturbations=noise, **options)
        np.testing.assert_allclose(got.curve, want, rtol=2e-4)
        hits = metrics.road(left_half, x, saliency, 1, perturbations=noise, **{**options, "probability": None})
        np.testing.assert_array_equal(hits.curve, np.array(want) > 0.5)
        np.testing.assert_allclose(hits.value, np.mean(np.array(want) > 0.5), rtol=1e-6)


def test_the_best_map_loses_the_class_first_and_the_worst_last():
    x, saliency = example()
    options = {"key": jax.random.key(0), "percentages": (5, 10, 15, 20), "noise_std": 1e-4, "probability": "softmax"}
    best, worst = (metrics.road(left_half, x, it, 0, **options).value for it in (saliency, -saliency))
    assert best < worst
    turned = metrics.road(left_half, x, -saliency, 0, most_relevant_first=False, **options).value
    np.testing.assert_allclose(turned, best, atol=0.02)  # other ties


def test_noise_is_drawn_once_for_an_image():
    x, saliency = example()
    options = {"percentages": (50,), "probability": "softmax", "noise_std": 0.5}
    one, same = (metrics.road(left_half, x, saliency, 0, jax.random.key(1), **options).value for _ in range(2))
    other = metrics.road(left_half, x, saliency, 0, jax.random.key(2), **options).value
    assert one == same != other


@pytest.mark.usefixtures("unannotated")
def test_percentages_out_of_range_are_refused():
    x, saliency = example()
    with pytest.raises(ValueError, match="percentages must be a tuple of numbers between 0 and 100"):
        metrics.road(left_half, x, saliency, 0, jax.random.key(0), percentages=(10, 100))


def test_a_hole_as_large_as_the_image_is_filled_by_default():
    """What is left after the removal is a corner: the solver goes on until the equations hold there too."""
    size = 32
    x = np.random.default_rng(3).standard_normal((size, size, 1)).astype(np.float32)
    saliency = np.add.outer(np.arange(size), np.arange(size)).astype(np.float32)
    options = {
        "percentages": (95,),
        "perturbations": np.zeros((1, size, size, 1), np.float32),
        "probability": "softmax",
    }
    order = np.argsort(-saliency.ravel(), kind="stable")[: int(size * size * 0.95)]
    gone = np.zeros(size * size, bool)
    gone[order] = True
    filled = solved(x, gone.reshape(size, size))
    far = lambda images: jnp.stack([images[:, -1, -1, 0], images[:, size // 2, size // 2, 0]], axis=1)
    got = metrics.road(far, x, saliency, 0, **options).value
    wanted = jax.nn.softmax(far(filled[None])[0])[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-3)
    short = metrics.road(far, x, saliency, 0, iterations=8, **options).value
    assert abs(short - wanted) > 10 * abs(got - wanted)
