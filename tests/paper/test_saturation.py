"""Saturation by hand: a layer that is a tanh, a head that is linear, and every value written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import explain
from egcam_jax.saturation import band, explanations, insert_patches, saturation, scaled

ALPHAS = (0.0, 0.3, 0.7, 1.0)
TRACED = []


def network(params, x):
    """``tanh(4 x M)`` with a filter that is always silent, averaged, through a linear head."""
    TRACED.append(x.shape)
    with jax.named_scope("layer"):
        activation = jnp.tanh(4 * jnp.einsum("bhwc,ck->bhwk", x, params["mix"]))
    return activation.mean((1, 2)) @ params["head"]


def linear(params, x):
    """The same without the tanh: a layer that does not saturate."""
    with jax.named_scope("layer"):
        activation = jnp.einsum("bhwc,ck->bhwk", x, params["mix"]) + 0 * x.sum()
    return jnp.tanh(activation.mean((1, 2))) @ params["head"]


@pytest.fixture(scope="module")
def params():
    rng = np.random.default_rng(3)
    mix = rng.normal(size=(3, 4))
    mix[:, 2] = 0
    return {"mix": jnp.asarray(mix, jnp.float32), "head": jnp.asarray(rng.normal(size=(4, 5)), jnp.float32)}


@pytest.fixture(scope="module")
def x():
    return jnp.asarray(np.random.default_rng(4).normal(size=(3, 4, 4, 3)), jnp.float32)


def by_hand(params, x, alpha, baseline):
    """Similarities, probability and logit of one image at one scaling, in float64."""
    mix, head = (np.asarray(params[name], np.float64) for name in ("mix", "head"))
    layer = lambda image: np.tanh(4 * image @ mix)
    x = np.asarray(x, np.float64)
    whole, part = layer(x), layer(baseline + alpha * (x - baseline))
    cosine = lambda a, b: (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()) if a.any() else 0.0
    filters = [cosine(part[..., k], whole[..., k]) for k in (0, 1, 3)]
    target = (whole.mean((0, 1)) @ head).argmax()
    logits = part.mean((0, 1)) @ head
    softmax = np.exp(logits - logits.max())
    return cosine(part, whole), np.mean(filters), (softmax / softmax.sum())[target], logits[target]


@pytest.mark.parametrize("baseline", [0.0, np.array([0.3, -0.5, 0.1], np.float32).reshape(1, 1, 3)])
def test_every_value_is_that_of_the_definition(params, x, baseline):
    found = saturation(params, network, x, alphas=ALPHAS, baseline=baseline, layer="layer")
    wanted = np.array([[by_hand(params, image, alpha, baseline) for alpha in ALPHAS] for image in x])
    curves = (found.similarity, found.filter_similarity, found.probability, found.logit)
    for i, values in enumerate(curves):
        np.testing.assert_allclose(values, wanted[..., i], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.alphas, ALPHAS, rtol=1e-6)
    np.testing.assert_array_equal(found.target, network(params, x).argmax(1))


def test_the_whole_image_is_like_itself_and_zero_like_nothing(params, x):
    found = saturation(params, network, x, alphas=[0.0, 1.0], layer="layer")
    np.testing.assert_allclose(found.similarity, [[0, 1]] * 3, atol=1e-6)
    np.testing.assert_allclose(found.filter_similarity, [[0, 1]] * 3, atol=1e-6)
    np.testing.assert_allclose(found.probability[:, 0], 0.2, rtol=1e-6)


def test_a_linear_layer_points_the_same_way_at_every_scaling(params, x):
    found = saturation(params, linear, x, alphas=[0.01, 0.5, 1.0], layer="layer")
    np.testing.assert_allclose(found.similarity, 1, rtol=1e-5)
    saturated = saturation(params, network, x, alphas=[0.01, 0.5, 1.0], layer="layer")
    assert (saturated.similarity[:, 0] < 0.97).all()
    assert (np.diff(saturated.similarity, axis=1) > 0).all()


def test_an_image_that_leaves_the_layer_silent_has_no_similarity(params):
    found = saturation(params, network, jnp.zeros((1, 4, 4, 3)), alphas=[0.5, 1.0], baseline=1.0, layer="layer")
    assert np.isnan(found.similarity).all()
    assert np.isnan(found.filter_similarity).all()
    assert np.isfinite(found.probability).all()


def test_chunks_batches_and_company_change_nothing(params, x):
    whole = saturation(params, network, x, alphas=ALPHAS, layer="layer")
    for chunk_size in (1, 2, 5, 64):
        parts = saturation(params, network, x, alphas=ALPHAS, layer="layer", chunk_size=chunk_size)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), parts, whole)
    alone = saturation(params, network, x[1:2], alphas=ALPHAS, layer="layer")
    np.testing.assert_allclose(alone.similarity[0], whole.similarity[1], rtol=1e-5, atol=1e-6)


def test_other_images_of_the_same_shape_are_not_traced_again(params, x):
    saturation(params, network, x, alphas=ALPHAS, layer="layer", chunk_size=7)
    TRACED.clear()
    again = saturation(params, network, 2 * x, alphas=(0.1, 0.2, 0.3, 0.4), baseline=1.0, layer="layer", chunk_size=7)
    assert TRACED == []
    assert again.similarity.shape == (3, 4)


def test_a_class_that_is_given_is_followed(params, x):
    found = saturation(params, network, x, alphas=[1.0], target=[4, 0, 2], layer="layer")
    logits = network(params, x)
    np.testing.assert_array_equal(found.target, [4, 0, 2])
    np.testing.assert_allclose(found.logit[:, 0], logits[jnp.arange(3), jnp.asarray([4, 0, 2])], rtol=1e-4)


def test_there_are_as_many_scalings_as_in_the_paper(params, x):
    found = saturation(params, network, x[:1], layer="layer")
    np.testing.assert_allclose(found.alphas, np.linspace(0, 1, 25), atol=1e-6)


def test_the_band_is_two_standard_deviations_of_what_is_defined():
    mean, spread = band(jnp.asarray([[1.0, 0.0], [3.0, jnp.nan], [5.0, 1.0]]))
    np.testing.assert_allclose(mean, [3, 0.5])
    np.testing.assert_allclose(spread, [4, 2**0.5], rtol=1e-6)


def test_an_image_is_scaled_from_its_baseline(x):
    black = np.array([-2.0, -1.5, -1.0], np.float32)
    found = scaled(x[0], jnp.asarray([0.0, 0.25, 1.0]), black)
    np.testing.assert_allclose(found[0], np.broadcast_to(black, (4, 4, 3)))
    np.testing.assert_allclose(found[1], 0.75 * black + 0.25 * x[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[2], x[0], rtol=1e-6, atol=1e-6)


def test_maps_at_each_scaling_are_those_of_the_scaled_images(params, x):
    key, alphas = jax.random.key(0), (0.4, 1.0)
    options = {"method": "expected_gradcam", "layer": "layer", "num_samples": 4}
    found = explanations(
        params, network, x[:2], x[2:], key, alphas=alphas, target=[1, 3], baseline=0.2, index=[5, 9], **options
    )
    assert found.saliency.shape == (2, 2, 4, 4)
    image = 0.2 + 0.4 * (x[1:2] - 0.2)
    alone = explain(params, network, image, x[2:], key, target=3, index=9, **options)
    np.testing.assert_allclose(found.cam[1, 0], alone.cam[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.target, [[1, 1], [3, 3]])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alphas": 0.5}, "alphas"),
        ({"alphas": [np.nan]}, "alphas"),
        ({"alphas": []}, "alphas"),
        ({"baseline": np.zeros((2, 1))}, "baseline"),
        ({"target": [0, 1]}, "target"),
        ({"target": [[0], [1], [2]]}, "target"),
        ({"layer": "lair"}, "lair"),
        ({"chunk_size": 0}, "chunk_size"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(params, x, change, said, unannotated):
    with pytest.raises((ValueError, TypeError), match=said):
        saturation(params, network, x, **({"layer": "layer"} | change))


def test_one_image_without_a_batch_axis_is_refused(params, x, unannotated):
    with pytest.raises(ValueError, match=r"x\[None\]"):
        saturation(params, network, x[0], layer="layer")
    with pytest.raises(ValueError, match="target"):
        explanations(params, network, x, alphas=[1.0], target=None, method="gradcam", layer="layer")


def test_the_strongest_patches_are_put_into_the_baseline():
    x = jnp.arange(32.0).reshape(4, 4, 2) + 1
    cam = jnp.asarray([[0.0, 3.0], [1.0, 2.0]])
    found = insert_patches(x, cam, count=2, side=2, baseline=-1.0)
    wanted = np.full((4, 4, 2), -1.0)
    wanted[:, 2:] = x[:, 2:]
    np.testing.assert_array_equal(found, wanted)
    wanted[2:, :2] = x[2:, :2]  # the patch that is zero stays out
    np.testing.assert_array_equal(insert_patches(x, cam, count=4, side=2, baseline=-1.0), wanted)
    np.testing.assert_array_equal(insert_patches(x, jnp.zeros((2, 2)), count=1), jnp.zeros_like(x))
    with pytest.raises(ValueError, match="count is 5, but there are 2 by 2 patches"):
        insert_patches(x, cam, count=5, side=2)


def test_patches_are_as_large_whatever_the_map():
    x = jnp.ones((28, 28, 1))
    fine = jnp.zeros((14, 14)).at[4:6, 8:10].set(1.0).at[13, 0].set(1.0)  # a whole patch, and the corner of another
    found = insert_patches(x, fine, count=1)
    assert found.sum() == 16
    assert found[8:12, 16:20].min() == 1
