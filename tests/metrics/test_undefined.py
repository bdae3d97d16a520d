"""What has no meaning gets no score, least of all the best: models that say nothing, classes that are not there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics

X = np.random.default_rng(0).standard_normal((3, 4, 4, 2)).astype(np.float32)
MAPS = np.random.default_rng(1).random((3, 4, 4)).astype(np.float32)
JUDGES = ("insertion_auc", "deletion_auc", "pixel_flipping", "average_drop", "increase_in_confidence", "road")


def classify(x):
    """Three classes, in whatever dtype the images come."""
    kernel = jnp.ones((2, 2, 2, 3), x.dtype) * jnp.arange(1, 4, dtype=x.dtype)
    out = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jnp.square(out).mean((1, 2))


def judge(name, predict, x, target):
    key = {"key": jax.random.key(0), "percentages": (25, 75)} if name == "road" else {}
    return getattr(metrics, name)(predict, x, MAPS, target, **key).value


@pytest.mark.parametrize("name", JUDGES)
def test_a_class_that_the_model_does_not_have_is_refused_and_under_jit_undefined(name):
    assert np.isfinite(judge(name, classify, X, 2)).all()
    with pytest.raises(ValueError, match=r"^target 3 is out of range: the model has 3 classes, 0 to 2\.$"):
        judge(name, classify, X, 3)
    assert np.isnan(jax.jit(lambda target: judge(name, classify, X, target))(3)).all()


@pytest.mark.parametrize("name", JUDGES)
def test_a_model_that_says_nothing_is_undefined(name):
    assert np.isnan(judge(name, lambda x: jnp.log(-1 - classify(x)), X, 0)).all()


def test_images_without_an_answer_and_maps_of_nothing_have_no_like_ones():
    maps = np.concatenate([MAPS, 0 * MAPS[:1]])
    x = np.concatenate([X, X[:1]])
    answers = np.zeros(4, int)
    got = metrics.sufficiency(None, x, maps, answers, threshold=1.0).value
    np.testing.assert_array_equal(np.isnan(got), [False, False, False, True])
    silent = lambda x: classify(x) * jnp.where(x[:, :1, 0, 0] == X[1, 0, 0, 0], jnp.nan, 1)
    got = metrics.sufficiency(silent, x, maps, threshold=1.0).value
    np.testing.assert_array_equal(np.isnan(got), [False, True, False, True])


def test_a_copy_without_an_answer_is_undefined():
    silent = lambda x: classify(x) * jnp.where(x[:, :1, 0, 0] > 50, jnp.nan, 1)
    explain = lambda x, target: jnp.square(x).sum(axis=-1)
    noise = np.stack([np.full(X.shape[1:], level, np.float32) for level in (0.0, 100.0)])
    options = {"target": 0, "perturbations": noise, "predict": silent, "nan_on_change": True}
    curve = metrics.local_lipschitz(explain, X, **options).curve
    np.testing.assert_array_equal(np.isnan(curve), [[False, True]] * 3)


@pytest.mark.usefixtures("unannotated")
def test_a_model_that_is_missing_is_said_so():
    with pytest.raises(ValueError, match="predict must be a function from images to logits; got None"):
        metrics.insertion_auc(None, X, MAPS, 0)
