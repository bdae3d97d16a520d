"""Coherency, ADCC and the average drop in deletion: by hand, and against NumPy from the definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics
from egcam_jax.metrics import METRICS


def first(x):
    """Logits (the first pixel, 0)."""
    return jnp.stack([x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)


def itself(x, target):
    """The image as its own map."""
    return jnp.abs(x).sum(axis=-1)


def mixed(x):
    weights = jnp.sin(jnp.arange(x[0].size * 3.0)).reshape(-1, 3)
    return jnp.tanh(x.reshape(len(x), -1) @ weights / 4) * 2


def explain(x, target):
    """Input times gradient, with signs."""
    score = lambda x: jnp.take_along_axis(mixed(x), target[:, None], axis=1).sum()
    return (jax.grad(score)(x) * x).sum(axis=-1)


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def defined(x, target):
    """Coherency, complexity and average drop of one image, from the publication's equations, in float64."""
    map_of = lambda image: np.asarray(explain(image[None].astype(np.float32), jnp.array([target]))[0], np.float64)
    probability = lambda image: softmax(np.asarray(mixed(image[None].astype(np.float32)), np.float64)[0])[target]
    whole = map_of(x)
    scaled = (whole - whole.min()) / (whole.max() - whole.min())
    shown = x * scaled[..., None]
    coherency = (np.corrcoef(whole.ravel(), map_of(shown).ravel())[0, 1] + 1) / 2
    complexity = np.abs(scaled).sum() / scaled.size
    drop = max(0.0, probability(x) - probability(shown)) / probability(x)
    return coherency, complexity, drop


def example(count=4):
    x = np.random.default_rng(3).standard_normal((count, 5, 4, 2)).astype(np.float32)
    return x, np.arange(count) % 3


def test_the_three_parts_and_their_harmonic_mean_are_the_definitions():
    x, target = example()
    got = metrics.adcc(explain, x, target=target, predict=mixed)
    parts = np.array([defined(one, which) for one, which in zip(x, target)])
    np.testing.assert_allclose(got.curve, parts, rtol=2e-4, atol=1e-6)
    good = np.stack([parts[:, 0], 1 - parts[:, 1], 1 - parts[:, 2]])
    np.testing.assert_allclose(got.value, 3 / (1 / good).sum(axis=0), rtol=2e-4)
    np.testing.assert_allclose(metrics.coherency(explain, x, target=target).value, parts[:, 0], rtol=2e-4)
    maps = explain(jnp.asarray(x), jnp.asarray(target))
    np.testing.assert_allclose(metrics.average_drop(mixed, x, maps, target).value, parts[:, 2], rtol=1e-3, atol=1e-6)
    assert (parts[:, 2] > 0).any()


def test_by_hand():
    """Of the image (1, 2), its own map, the part (0, 2) is shown: the maps are (1, 2) and (0, 2), correlated by 1."""
    x = np.array([[1.0, 2]], np.float32)[..., None]
    got = metrics.adcc(itself, x, target=0, predict=first)
    before, after = 1 / (1 + np.exp(-1)), 1 / 2
    drop = (before - after) / before
    np.testing.assert_allclose(got.curve, [1, 1 / 2, drop], rtol=1e-6)
    np.testing.assert_allclose(got.value, 3 / (1 + 2 + 1 / (1 - drop)), rtol=1e-6)


def test_a_map_that_turns_round_has_no_coherency_and_so_no_score():
    """The map of the image is (2, 1, 0), that of the part that it shows (0, 1, 2): the correlation is -1."""
    x = np.array([[1.0, 1, 1]], np.float32)[..., None]
    ramp = jnp.arange(3.0)[None, None]
    turning = lambda x, target: jnp.where(x[:, :1, 2:, 0] > 0, ramp[..., ::-1], ramp)
    assert float(metrics.coherency(turning, x, target=0).value) == 0
    got = metrics.adcc(turning, x, target=0, predict=first)
    assert (float(got.value), float(got.curve[0])) == (0, 0)


def test_the_whole_drop_and_the_whole_image_shown_give_nothing():
    """The last pixel alone is hidden, and it is all: the probability goes from a half to 0."""
    x = np.array([[1.0, 1, 1]], np.float32)[..., None]
    all_or_none = lambda x: jnp.stack([jnp.where(x[:, 0, -1, 0] > 0, 0.0, -1e4), jnp.zeros(len(x))], axis=1)
    hiding = lambda x, target: jnp.broadcast_to(jnp.array([[[1.0, 1, 0]]]), x.shape[:3])
    got = metrics.adcc(hiding, x, target=0, predict=all_or_none)
    np.testing.assert_allclose(got.curve, [1, 2 / 3, 1], rtol=1e-6)
    assert float(got.value) == 0


def test_complexity_is_a_mean_and_not_an_entropy():
    half = np.repeat([[1.0, 0]], 8, axis=0).astype(np.float32)
    got = metrics.adcc(lambda x, target: jnp.asarray(half)[None], half[..., None], target=0, predict=first)
    assert float(got.curve[1]) == 0.5
    np.testing.assert_allclose(metrics.complexity(half).value, np.log(8), rtol=1e-6)


@pytest.mark.usefixtures("unannotated")
def test_the_top_class_is_found_and_stays_for_both_maps():
    x, _ = example()
    top = np.asarray(mixed(x)).argmax(axis=1)
    one, other = (metrics.coherency(explain, x, **which).value for which in ({"target": top}, {"predict": mixed}))
    np.testing.assert_allclose(one, other, rtol=1e-6)
    with pytest.raises(ValueError, match="target must be the class of each image where predict is None"):
        metrics.coherency(explain, x)
    with pytest.raises(ValueError, match="predict must be the model, which adcc asks"):
        metrics.adcc(explain, x, target=top)


def test_both_maps_have_the_images_own_draws_and_its_own_context():
    """A map that is drawn stays, since index and key are the same; one that is the context stays with its own row."""
    x, target = example()
    drawn = lambda x, target, index: jax.random.normal(jax.random.fold_in(jax.random.key(0), index[0]), x.shape[:3])
    np.testing.assert_allclose(metrics.coherency(drawn, x, target=target, index=7).value, 1, rtol=1e-6)
    rows = np.random.default_rng(5).standard_normal((4, 5, 4)).astype(np.float32)
    own = lambda x, target, context: context
    reads = lambda x, context: mixed(x * context[..., None])
    got = metrics.adcc(own, x, target=target, predict=reads, context=rows)
    want = metrics.average_drop(reads, x, rows, target, context=rows).value
    np.testing.assert_allclose(got.curve[:, 0], 1, rtol=1e-6)
    np.testing.assert_allclose(got.curve[:, 2], want, rtol=1e-5, atol=1e-6)


def test_maps_that_say_nothing_are_undefined():
    x, _ = example()
    for saliency in (0.0, 0.7, np.nan):
        constant = lambda x, target, saliency=saliency: jnp.full(x.shape[:3], saliency)
        assert np.isnan(metrics.coherency(constant, x, target=0).value).all()
        assert np.isnan(metrics.adcc(constant, x, target=0, predict=mixed).value).all()


@pytest.mark.usefixtures("unannotated")
def test_a_coarse_map_is_refused():
    x, _ = example()
    with pytest.raises(
        ValueError, match=r"explain must return maps of the size of the images, \(5, 4\).* got \(2, 2\)"
    ):
        metrics.coherency(lambda x, target: explain(x, target)[:, :2, :2], x, target=0)


def test_the_drop_in_deletion_is_the_definition():
    """The relative loss without what the map shows, in float64; negative where the class gains."""
    x, target = example(8)
    maps = np.random.default_rng(4).standard_normal((8, 5, 4)).astype(np.float32)
    want = []
    for image, saliency, which in zip(x, maps, target):
        hidden = 1 - (saliency - saliency.min()) / (saliency.max() - saliency.min())
        before, after = (
            softmax(np.asarray(mixed(it[None]), np.float64)[0])[which] for it in (image, image * hidden[..., None])
        )
        want.append((before - after) / before)
    got = metrics.average_drop_deletion(mixed, x, maps, target)
    np.testing.assert_allclose(got.value, want, rtol=1e-3, atol=1e-5)
    assert min(want) < 0 < max(want)
    assert METRICS["average_drop_deletion"].higher_is_better


def test_the_drop_in_deletion_by_hand():
    """Of the logit 1 the map (1, 0) hides all, and (0, 1) nothing."""
    x = np.array([[1.0, 2]], np.float32)[..., None]
    maps = np.array([[[3.0, -1]], [[0.0, 5]]])
    got = metrics.average_drop_deletion(first, np.stack([x, x]), maps, 0)
    before = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(got.value, [(before - 0.5) / before, 0], rtol=1e-6)
