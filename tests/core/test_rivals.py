"""One class against others: the score is the class's less a share of the rivals' mean."""

import functools

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import METHODS, Split, explain

PARAMS = networks.parameters()
IMAGES, REFS = jnp.asarray(networks.images(3)), jnp.asarray(networks.images(5, seed=2))
KEY = jax.random.key(3)
RUN = functools.partial(explain, PARAMS, networks.SPLIT, IMAGES, REFS, KEY, num_samples=4)


def same(got, want, fields=("cam", "signed", "saliency", "stderr", "weights", "completeness_gap", "score_difference")):
    for name in fields:
        a, b = getattr(got, name), getattr(want, name)
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * max(np.nanmax(np.abs(b)), 0.01))


@pytest.mark.parametrize("method", [name for name in METHODS if name != "scorecam"])
def test_the_score_is_the_targets_less_a_share_of_the_rivals_mean(method):
    got = RUN(method=method, target=3, rivals=[0, 2], gamma=0.5)
    same(got, RUN(method=method, target=lambda y: y[3] - 0.25 * (y[0] + y[2])))
    np.testing.assert_array_equal(got.rivals, [[0, 2]] * 3)
    assert (got.target == 3).all()
    assert RUN(method=method, target=3).rivals is None


def test_probabilities_are_held_against_each_other_too():
    got = RUN(method="scorecam", weights="prob", target=1, rivals=2, gamma=1)
    alone = [RUN(method="scorecam", weights="prob", target=c).weights for c in (1, 2)]
    np.testing.assert_allclose(got.weights, alone[0] - alone[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["gradcam", "scorecam"])
def test_the_target_itself_is_left_out_of_the_rivals(method):
    """One list of rivals then serves images of all their classes; under ``jit``, where no error can say more, too."""
    targets = jnp.array([0, 2, 3])
    got = RUN(method=method, target=targets, rivals=[0, 2])
    traced = jax.jit(lambda rivals: RUN(method=method, target=targets, rivals=rivals))(jnp.array([0, 2]))
    for i, (target, others) in enumerate([(0, [2]), (2, [0]), (3, [0, 2])]):
        alone = RUN(method=method, target=target, rivals=others)
        for many in (got, traced):
            np.testing.assert_allclose(many.cam[i], alone.cam[i], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(many.signed[i], alone.signed[i], rtol=1e-5, atol=1e-6)


def test_each_image_has_rivals_of_its_own():
    rivals = np.array([[1, 2], [0, 3], [2, 1]])
    got = RUN(target=jnp.array([0, 1, 3]), rivals=rivals)
    for i, target in enumerate((0, 1, 3)):
        one = explain(
            PARAMS, networks.SPLIT, IMAGES[i], REFS, KEY, num_samples=4, index=i, target=target, rivals=rivals[i]
        )
        same(jax.tree.map(lambda leaf, i=i: leaf[i], got), one)
        np.testing.assert_array_equal(one.rivals, rivals[i])


def test_the_next_most_likely_are_the_largest_logits_beside_the_target():
    """Of each target its own: the top class is a rival of any other."""
    got = RUN(method="gradcam", target=jnp.array([[0, 1], [2, 3], [1, 0]]), rivals="top:2")
    for i, row in enumerate(np.asarray(got.target)):
        for t, c in enumerate(row):
            order = [k for k in np.argsort(-np.asarray(got.logits[i])) if k != c][:2]
            np.testing.assert_array_equal(got.rivals[i, t], order)
    one = RUN(method="gradcam", target=got.target[:, 1], rivals=got.rivals[:, 1], gamma=0.6)
    np.testing.assert_allclose(got.signed[:, 1], one.signed, rtol=1e-5, atol=1e-6)
    top = RUN(method="gradcam", rivals="top:1")
    np.testing.assert_array_equal(top.target, np.argmax(top.logits, axis=1))


def test_the_complete_map_says_by_how_many_logits():
    got = RUN(method="expected_attribution", target=3, rivals=[1], gamma=1, num_samples=512)
    logits, base = networks.apply_fn(PARAMS, IMAGES), networks.apply_fn(PARAMS, REFS).mean(axis=0)
    lead = (logits[:, 3] - logits[:, 1]) - (base[3] - base[1])
    np.testing.assert_allclose(got.signed.sum(axis=(1, 2)), lead, atol=0.02 * np.abs(lead).max())


def test_sweeping_gamma_and_the_classes_compiles_nothing():
    calls = []

    def apply_fn(params, x):
        calls.append(1)
        return networks.apply_fn(params, x)

    run = functools.partial(explain, PARAMS, apply_fn, IMAGES, method="gradcam", target=3)
    for gamma in (0.1, 1, np.float32(0.5), jnp.asarray(2.0)):
        run(rivals=[0, 1], gamma=gamma)
    run(rivals=[1, 2])
    run(rivals=np.array([[1, 2], [0, 1], [2, 0]]))
    assert len(calls) == 1
    want = run(rivals=[0, 1], gamma=0.4).signed
    got = jax.vmap(lambda gamma: run(rivals=[0, 1], gamma=gamma).signed)(jnp.array([0.4, 0.8]))
    np.testing.assert_allclose(got[0], want, rtol=1e-5, atol=1e-6)


def test_negative_turns_the_whole_score_over():
    got, turned = (RUN(method="hirescam", target=3, rivals=[0], negative=negative).signed for negative in (False, True))
    np.testing.assert_allclose(turned, -got, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"rivals": [3, 3], "target": 3}, ValueError, ["must hold another class", "[3, 3] for image 0", "is 3"]),
        ({"rivals": 3, "target": [[0, 3]] * 3}, ValueError, ["must hold another class", "[3] for image 0"]),
        ({"rivals": 4, "target": 3}, ValueError, ["rivals 4 is out of range", "4 classes"]),
        ({"rivals": -1, "target": 3}, ValueError, ["rivals -1 is out of range"]),
        ({"rivals": "top:4"}, ValueError, ["at most 'top:3'", "4 classes", "'top:4'"]),
        ({"rivals": "top"}, ValueError, ["rivals must be classes", "'top'"]),
        ({"rivals": "top:0"}, ValueError, ["'top:0'"]),
        ({"rivals": 1.5}, TypeError, ["rivals must be whole numbers", "1.5"]),
        ({"rivals": True}, TypeError, ["rivals must be whole numbers", "True"]),
        ({"rivals": np.zeros((2, 1), int)}, ValueError, ["(3, R)", "(2, 1)"]),
        ({"rivals": []}, (TypeError, ValueError), ["rivals must be"]),
        ({"gamma": 0.5}, ValueError, ["gamma must be None without rivals"]),
        ({"rivals": 1, "gamma": -1.0}, ValueError, ["gamma must be finite and at least 0", "-1.0"]),
        ({"rivals": 1, "target": lambda y: y[0]}, ValueError, ["rivals must be None where target is a function"]),
    ],
)
@pytest.mark.usefixtures("unannotated")
def test_a_wrong_rival_is_refused(options, error, words):
    with pytest.raises(error) as caught:
        RUN(method="gradcam", **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("rivals", ["top:1", 0])
def test_a_network_of_one_logit_has_no_rivals(rivals):
    split = Split(networks.features, lambda params, a: networks.head(params, a)[:, :1])
    with pytest.raises(ValueError, match=r"rivals must be None for a network of one logit; got some\. Its two classes"):
        explain(PARAMS, split, IMAGES, method="gradcam", rivals=rivals)


def test_under_jit_a_class_that_is_its_own_rival_makes_no_map():
    run = jax.jit(lambda target, rivals: RUN(method="gradcam", target=target, rivals=rivals).saliency)
    assert np.isfinite(run(jnp.array([0, 1, 2]), jnp.array([[1], [2], [3]]))).all()
    got = run(jnp.array([0, 1, 2]), jnp.array([[0], [9], [-1]]))
    assert np.isnan(got).all()
    assert np.isnan(run(jnp.array([-1, 4, -2]), jnp.array([[0], [1], [2]]))).all()
