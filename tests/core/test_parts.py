"""The small parts, by values worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax.core import kernel, maps, numerics, uncertainty


def test_division_by_zero_has_a_value_and_a_derivative():
    quotient = lambda a, b: numerics.divide(a, b)
    assert quotient(jnp.array(3.0), jnp.array(2.0)) == 1.5
    assert quotient(jnp.array(3.0), jnp.array(0.0)) == 0.0
    for argument in (0, 1):
        assert jax.grad(quotient, argument)(jnp.array(3.0), jnp.array(0.0)) == 0.0
    assert jnp.isnan(quotient(jnp.array(jnp.nan), jnp.array(2.0)))
    assert jnp.isnan(quotient(jnp.array(1.0), jnp.array(jnp.nan)))


def test_square_root_at_zero_below_it_and_of_nan():
    np.testing.assert_array_equal(numerics.sqrt(jnp.array([4.0, 0.0, -1e-9])), [2.0, 0.0, 0.0])
    assert jax.grad(numerics.sqrt)(jnp.array(0.0)) == 0.0
    assert jnp.isnan(numerics.sqrt(jnp.array(jnp.nan)))


def test_sums_are_kept_in_float32_or_better():
    assert numerics.accumulator(jnp.bfloat16) == jnp.float32
    assert numerics.accumulator(jnp.float32) == jnp.float32
    assert numerics.accumulator(np.float64) == np.float64


def test_casting_leaves_integers_and_keys_alone():
    tree = {"w": jnp.ones(2), "count": jnp.arange(2), "key": jax.random.key(0)}
    cast = numerics.cast_floating(tree, jnp.bfloat16)
    assert cast["w"].dtype == jnp.bfloat16
    assert cast["count"].dtype == tree["count"].dtype
    assert cast["key"].dtype == tree["key"].dtype


def test_upsampling_is_bilinear_with_half_pixel_centres():
    """Two cells to four: the centres lie at 1/4 and 3/4, so the middle two values are mixed one to three."""
    fine = maps.upsample(jnp.array([[0.0, 4.0]]), (1, 4))
    np.testing.assert_allclose(fine, [[0.0, 1.0, 3.0, 4.0]], atol=1e-6)


@pytest.mark.parametrize(("shape", "size"), [((2, 3), (4, 3)), ((3, 3), (7, 5)), ((5,), (13,)), ((2, 2, 3), (3, 4, 5))])
def test_contributions_that_are_spread_keep_their_sum(shape, size):
    contributions = jax.random.normal(jax.random.key(0), shape)
    got = maps.spread(contributions, size)
    assert got.shape == size
    np.testing.assert_allclose(got.sum(), contributions.sum(), rtol=1e-5)
    one = maps.spread(jnp.zeros(shape).at[(0,) * len(shape)].set(1.0), size)
    assert (one >= 0).all()
    np.testing.assert_allclose(one.sum(), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(maps.spread(contributions, shape), contributions)


def test_saliency_is_scaled_once_after_upsampling():
    got = maps.saliency(jnp.array([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]), (4, 4))
    assert got.max() == 1.0
    assert got.min() == 0.0
    np.testing.assert_allclose(got, got.T, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 7e5])
def test_a_constant_map_is_all_zeros(value):
    np.testing.assert_array_equal(maps.saliency(jnp.full((7, 7), value), (224, 224)), 0.0)


def test_nan_stays_nan():
    assert jnp.isnan(maps.saliency(jnp.full((2, 2), jnp.nan), (4, 4))).all()


def test_weights_of_channels_and_of_positions():
    a = jnp.arange(8.0).reshape(2, 2, 2)
    np.testing.assert_array_equal(maps.weighted_sum(jnp.array([1.0, -1.0]), a), -jnp.ones((2, 2)))
    np.testing.assert_array_equal(maps.weighted_sum(a, a), (a**2).sum(-1))


@pytest.mark.parametrize(
    ("images", "samples", "chunk", "blocks"),
    [
        (1, 32, 32, (1, 32)),
        (1, 33, 32, (1, 17)),
        (8, 32, 32, (8, 4)),
        (8, 32, 8, (8, 1)),
        (9, 32, 8, (5, 1)),
        (3, 5, 1, (1, 1)),
        (4, 8, 1000, (4, 8)),
        (64, 32, None, (32, 1)),
    ],
)
def test_blocks_are_even_and_within_the_chunk(images, samples, chunk, blocks):
    got = kernel.plan(images, samples, chunk)
    assert got == blocks
    assert got.images * got.samples <= (chunk or kernel.DEFAULT_CHUNK_SIZE)


@pytest.mark.parametrize("block", [1, 2, 3, 5, 7, 9])
def test_mapping_in_blocks_keeps_the_order(block):
    x = jnp.arange(7.0)
    got = kernel.map_images(lambda v: {"double": 2 * v, "square": v**2}, x, block)
    np.testing.assert_array_equal(got["double"], 2 * x)
    np.testing.assert_array_equal(got["square"], x**2)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 9])
def test_the_mean_over_samples_leaves_padding_out(block):
    """A padded sample that is infinite must not spread."""
    mean, kept = kernel.mean_over_samples(lambda s: (1.0 / (s + 1.0), s), 7, block)
    np.testing.assert_allclose(mean, np.mean(1 / np.arange(1.0, 8.0)), rtol=1e-6)
    np.testing.assert_array_equal(kept, np.arange(7))


def test_interpolation_moves_floats_only():
    start, end = {"a": jnp.zeros(2), "n": jnp.array(1)}, {"a": jnp.full(2, 4.0), "n": jnp.array(2)}
    got = kernel.interpolate(start, end, jnp.array(0.25))
    np.testing.assert_array_equal(got["a"], 1.0)
    assert got["n"] == 2


def test_the_standard_error_of_independent_draws():
    values = jnp.array([[1.0, 5.0], [3.0, 5.0], [5.0, 5.0]])
    np.testing.assert_allclose(
        uncertainty.standard_error(uncertainty.independent(values)), [2 / 3**0.5, 0.0], rtol=1e-6
    )
    assert jnp.isnan(uncertainty.standard_error(uncertainty.independent(values[:1]))).all()


@pytest.mark.parametrize(("count", "groups", "parts"), [(48, 3, 4), (50, 4, 3), (32, 5, 1), (26, 4, 1)])
def test_the_stratified_error_sees_the_levels_of_groups_drawn_once_more(count, groups, parts):
    """Over many draws of trend + a level of the group on each stretch + unit noise: the variance of the mean."""
    rng = np.random.default_rng(0)
    rounds = count // groups
    stretch = np.minimum(np.arange(count) // groups, rounds - 1) * parts // rounds
    trend, levels = 10.0 * np.arange(count) / count, 5.0 * rng.standard_normal((parts, groups))

    def one(seed):
        draw = np.random.default_rng(seed)
        rest = draw.permutation(groups)[: count % groups]
        group = np.concatenate([np.tile(np.arange(groups), rounds), rest])
        group = group[np.lexsort((draw.random(count), stretch))]
        return trend + levels[stretch, group] + draw.standard_normal(count), group

    values, group = map(np.stack, zip(*(one(seed) for seed in range(400)), strict=True))
    error = lambda v, g: uncertainty.standard_error(uncertainty.stratified(g, groups, stretch)(v))
    got = jax.vmap(error)(jnp.asarray(values, jnp.float32), jnp.asarray(group))
    np.testing.assert_allclose(np.mean(np.square(got)), values.mean(axis=1).var(ddof=1), rtol=0.2)


@pytest.mark.parametrize(("count", "groups"), [(12, 3), (40, 4), (30, 1), (8, 16)])
def test_the_stratified_error_sees_neither_trend_nor_balanced_levels(count, groups):
    """Over many draws of trend + level of the group + unit noise: the variance of the mean is that of the noise."""
    rng = np.random.default_rng(0)
    trend = 10.0 * np.arange(count) / count
    levels = 5.0 * rng.standard_normal(groups) if count >= 2 * groups else np.zeros(groups)

    def one(seed):
        draw = np.random.default_rng(seed)
        group = draw.permutation(np.arange(count) % groups)
        return trend + levels[group] + draw.standard_normal(count), group

    values, group = map(np.stack, zip(*(one(seed) for seed in range(400)), strict=True))
    error = jax.vmap(lambda v, g: uncertainty.standard_error(uncertainty.stratified(g, groups)(v)))
    got = error(jnp.asarray(values, jnp.float32), jnp.asarray(group))
    np.testing.assert_allclose(np.mean(np.square(got)), 1 / count, rtol=0.2)
