"""Empty maps: a layer that the score does not depend on warns, and one where all speaks against the target does not."""

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
import test_tokens as transformer

from egcam_jax import Split, explain

PARAMS, IMAGES = networks.parameters(), jnp.asarray(networks.images(3))
SILENT = r"^no gradient of the score reaches any position of layer '{}' for image\(s\) {}: "


@pytest.mark.parametrize("method", ["gradcam", "layercam", "ablationcam", "expected_gradcam"])
def test_after_the_last_attention_only_the_class_token_counts(method):
    """The warning names the block before, from whose positions the same score has a gradient."""
    params, x = transformer.parameters(9, 1), transformer.images(3, 3)
    run = lambda layer: explain(
        params, transformer.apply_fn, x, x[::-1], jax.random.key(0), target=1, method=method, layer=layer, num_samples=2
    )
    with pytest.warns(RuntimeWarning, match=SILENT.format("block1", r"\[0, 1\]") + ".*Pass layer='block0'"):
        got = run("block1")
    assert not got.reached.any()
    assert got.empty.all()
    before = run("block0")
    assert before.reached.all()
    assert not before.empty.all()


def test_of_several_layers_the_silent_one_is_named():
    params, x = transformer.parameters(9, 1), transformer.images(3, 3)
    with pytest.warns(RuntimeWarning, match=SILENT.format("block1", r"\[0, 1\]")) as said:
        got = explain(params, transformer.apply_fn, x, target=1, method="gradcam", layer=["block0", "block1"])
    assert len(said) == 1
    assert [bool(part.reached.any()) for part in got.by_layer] == [True, False]
    assert got.reached.all()


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam", "ablationcam"])
def test_a_class_that_all_speaks_against_is_reached(method):
    """The map is empty all the same, and no warning comes: the suite makes errors of them."""
    against = {**PARAMS, "hidden": np.abs(PARAMS["hidden"]), "out": -np.abs(PARAMS["out"])}
    got = explain(against, networks.SPLIT, IMAGES, target=1, method=method)
    assert got.empty.all()
    assert got.reached.all()


def test_where_the_score_is_flat_an_earlier_layer_is_advised_and_none_is_named():
    """Some images saturate the head: they are named, and the others have maps."""
    cut = lambda params, a: networks.head(params, jnp.where(a.max() > 1, jax.lax.stop_gradient(a), a))
    head = lambda params, a: jax.vmap(lambda one: cut(params, one[None])[0])(a)
    x = jnp.stack([IMAGES[0] * 0.1, IMAGES[1] * 50])
    with pytest.warns(RuntimeWarning, match=SILENT.format("split by hand", r"\[1\]") + ".*Pass an earlier layer"):
        got = explain(PARAMS, Split(networks.features, head), x, target=1, method="gradcam")
    assert got.reached.tolist() == [True, False]


def test_under_jit_the_field_says_so():
    both = jnp.array([[0, 1]] * 2)
    run = jax.jit(lambda p, x: explain(p, transformer.apply_fn, x, target=both, method="gradcam", layer="block1"))
    got = run(transformer.parameters(9, 1), transformer.images(3, 3))
    np.testing.assert_array_equal(got.reached, np.zeros((2, 2), bool))


@pytest.mark.parametrize("under_jit", [False, True])
def test_logarithms_of_probabilities_are_no_logits(under_jit):
    apply_fn = lambda params, x: jax.nn.log_softmax(networks.head(params, networks.features(params, x)))
    run = lambda params, x: explain(params, apply_fn, x, target=1, method="gradcam").cam
    with pytest.warns(RuntimeWarning, match="apply_fn must return logits; got logarithms of probabilities"):
        (jax.jit(run) if under_jit else run)(PARAMS, IMAGES)
