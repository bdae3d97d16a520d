"""A second input for each image: whatever goes through the network beside an image, goes under that image's own row."""

import functools

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import METHODS, Split, explain, layers, saturation, split
from egcam_jax.splitting import split as cut

X, REFS = jnp.asarray(networks.images(3)), jnp.asarray(networks.images(5, seed=2))
KEY = jax.random.key(3)
CONTEXT = {"word": np.array([2, 0, 1]), "age": jnp.asarray([[0.5], [-1.0], [2.0]])}
_draw = np.random.default_rng(7).standard_normal
PARAMS = networks.parameters() | {
    "gain": (0.4 * _draw((3, networks.CHANNELS))).astype(np.float32),
    "age": (0.5 * _draw((1, networks.CLASSES))).astype(np.float32),
}
SOME = ("gradcam", "expected_gradcam", "scorecam")
VARIANTS = [
    *((name, {}) for name in METHODS),
    ("expected_gradcam", {"path": "latent"}),
    ("expected_gradcam", {"difference": "encoded", "normalizer": "elementwise"}),
    ("expected_gradcam", {"difference": "tangent"}),
]


def features(params, x, context):
    """What the word makes of the colours, convolved."""
    return networks.features(params, x * (1 + params["gain"][context["word"]][:, None, None, :]))


def network(params, x, context):
    """The age joins after the layer, and scales what comes of it."""
    a = features(params, x, context)
    return networks.head(params, a) * (1 + jnp.tanh(context["age"])) + context["age"] @ params["age"]


def alone(bound, x):
    """The network of one image whose row is among the parameters: without a context."""
    params, row = bound
    return network(params, x, jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(x), *leaf.shape)), row))


def bound(i):
    return PARAMS, jax.tree.map(lambda leaf: jnp.asarray(leaf)[i], CONTEXT)


def run(method="gradcam", x=X, context=CONTEXT, apply_fn=network, **options):
    return explain(PARAMS, apply_fn, x, REFS, KEY, method=method, context=context, num_samples=6, **options)


def close(got, want, rtol=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * float(np.nanmax(np.abs(b), initial=0.1)))


@pytest.mark.parametrize(("method", "options"), VARIANTS)
def test_a_batch_is_its_images_one_by_one_each_under_its_own_row(method, options):
    """Two at a time: the third image, and its row, are padded."""
    got = run(method, chunk_size=2, **options)
    close(got.logits, network(PARAMS, X, CONTEXT))
    for i in (0, 2):
        want = explain(bound(i), alone, X[i], REFS, KEY, method=method, num_samples=6, index=i, **options)
        parts = lambda it: (it.cam, it.saliency, it.signed, it.stderr, it.completeness_gap, it.target)
        close(parts(jax.tree.map(lambda leaf, i=i: leaf[i], got)), parts(want), 1e-4)


@pytest.mark.parametrize("method", SOME)
def test_a_single_image_jit_vmap_and_several_targets_give_the_same(method):
    want = run(method)
    row = jax.tree.map(lambda leaf: leaf[1], CONTEXT)
    close(run(method, X[1], row, index=1), jax.tree.map(lambda leaf: leaf[1], want), 1e-4)
    jitted = jax.jit(lambda x, context: run(method, x, context).signed)
    close(jitted(X, CONTEXT), want.signed)
    one = lambda x, context, index: run(method, x, context, index=index).signed
    close(jax.vmap(one)(X, CONTEXT, jnp.arange(3)), want.signed, 1e-4)
    several = run(method, target=jnp.stack([want.target, (want.target + 1) % 4], axis=1))
    close(several.signed[:, 0], want.signed, 1e-4)


def test_the_derivative_by_the_context_is_that_of_the_rows():
    """Of images one by one: no image's map depends on another's row."""
    score = lambda age: run(context={**CONTEXT, "age": age}, target=1).signed[1].sum()
    gradient = jax.grad(score)(CONTEXT["age"])
    np.testing.assert_array_equal(gradient[np.array([0, 2])], 0)
    step = jnp.zeros((3, 1)).at[1].set(1e-2)
    slope = (score(CONTEXT["age"] + step) - score(CONTEXT["age"] - step)) / 2e-2
    np.testing.assert_allclose(gradient[1, 0], slope, rtol=1e-2)


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({"method": "gradcam"}, 1),
        ({"method": "integrated_gradcam"}, 1 + 1 + 8),
        ({"difference": "latent"}, 1 + 24),
        ({"noise": "none", "path": "latent"}, 1 + 8),
        ({}, 1 + 8),
    ],
)
def test_references_under_a_context_are_among_the_passes_reported(options, passes):
    """A reference that is needed is encoded once for each sample, and by nobody else."""
    seen = []

    def counted(params, x, context):
        jax.debug.callback(lambda x: seen.append(len(x)), x)
        return features(params, x, context)

    pieces = Split(counted, networks.head)
    row = jax.tree.map(lambda leaf: leaf[0], CONTEXT)
    got = explain(PARAMS, pieces, X[0], REFS, KEY, context=row, **{"num_samples": 8, **options})
    jax.block_until_ready(got)
    jax.effects_barrier()
    assert got.passes == sum(seen) == passes


def test_the_halves_of_a_split_are_the_network_again():
    """At the layer that the word reaches, with the age going around it; also by shapes alone."""
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.asarray(leaf).dtype), (X, CONTEXT))
    want = network(PARAMS, X, CONTEXT)
    for x, context in ((X, CONTEXT), shapes):
        pieces = split(network, PARAMS, x, context=context)
        np.testing.assert_allclose(pieces.features(PARAMS, X, CONTEXT), features(PARAMS, X, CONTEXT), rtol=1e-5)
        activation, carried = pieces.bypass(PARAMS, X[:2], jax.tree.map(lambda leaf: leaf[:2], CONTEXT))
        np.testing.assert_allclose(pieces.head(PARAMS, activation, carried), want[:2], rtol=1e-5)
    pieces = cut(network, PARAMS, X, context=CONTEXT)
    np.testing.assert_allclose(pieces.head(PARAMS, pieces.features(PARAMS, X, CONTEXT)), want, rtol=1e-5)
    assert list(layers(network, PARAMS, X, context=CONTEXT).values()) == [(networks.GRID, networks.GRID, 3)]
    with pytest.raises(ValueError, match="context: expected the tree that the network was split with"):
        pieces.features(PARAMS, X)
    with pytest.raises(ValueError, match=r"context\['age'\]: expected shape \(3, 1\), got \(2, 1\)"):
        pieces.features(PARAMS, X, {**CONTEXT, "age": CONTEXT["age"][:2]})


def test_a_split_by_hand_that_hands_the_context_to_its_head():
    def around(params, x, context):
        return features(params, x, context), context["age"]

    def head(params, a, age):
        return networks.head(params, a) * (1 + jnp.tanh(age)) + age @ params["age"]

    pieces = Split(lambda *arguments: around(*arguments)[0], head, around)
    for method in ("gradcam", "expected_gradcam"):
        got, want = run(method, apply_fn=pieces), run(method)
        close((got.cam, got.logits), (want.cam, want.logits), 1e-4)


def test_a_context_in_low_precision_is_computed_in_it():
    full, low = run(), run(compute_dtype=jnp.bfloat16, target=run().target)
    assert low.logits.dtype == jnp.float32
    np.testing.assert_allclose(low.signed, full.signed, atol=0.08 * np.abs(full.signed).max())
    exact = {**CONTEXT, "age": CONTEXT["age"].astype(jnp.bfloat16).astype(jnp.float32)}
    np.testing.assert_array_equal(run(compute_dtype=jnp.bfloat16, context=exact).logits, low.logits)


def test_scaled_images_keep_their_rows():
    curves = saturation.saturation(PARAMS, network, X, context=CONTEXT, alphas=[0.5, 1.0])
    scaled = lambda alpha: network(PARAMS, alpha * X, CONTEXT)[jnp.arange(3), curves.target]
    np.testing.assert_allclose(curves.logit, jnp.stack([scaled(0.5), scaled(1.0)], axis=1), rtol=1e-4)
    options = {"target": curves.target, "method": "gradcam", "context": CONTEXT}
    maps = saturation.explanations(PARAMS, network, X, alphas=[0.5, 1.0], **options)
    np.testing.assert_allclose(maps.signed[:, 1], run(target=curves.target).signed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("context", "error", "words"),
    [
        ({"word": CONTEXT["word"], "age": np.ones((2, 1), "f4")}, ValueError, ["context['age']", "(3, ...)", "(2, 1)"]),
        ({"word": 1, "age": CONTEXT["age"]}, ValueError, ["context['word']", "(3, ...)", "()"]),
        ({"word": ["a", "b", "c"], "age": CONTEXT["age"]}, TypeError, ["context['word'][0]", "array of numbers"]),
        ({**CONTEXT, "age": CONTEXT["age"] * np.nan}, ValueError, ["context['age']", "3 entries that are NaN"]),
        ((), ValueError, ["context must have at least one array", "Leave it out"]),
        (None, TypeError, ["context must be given", "(params, x, context)", "Pass context=..."]),
    ],
)
def test_a_context_that_does_not_fit_is_refused(context, error, words):
    with pytest.raises(error) as caught:
        run(context=context)
    for word in words:
        assert word in str(caught.value)


def test_a_context_for_a_function_that_takes_none_is_refused():
    for apply_fn in (networks.apply_fn, networks.SPLIT):
        with pytest.raises(TypeError, match=r"must take context as its last argument.*function of \(params, x\)"):
            run(apply_fn=apply_fn)
    with pytest.raises(TypeError, match="context must be given, since features takes one"):
        run(apply_fn=Split(features, networks.head), context=None)


def numpy_scalars(options):
    kinds = {bool: np.bool_, int: np.int64, float: np.float32}
    return {name: kinds[type(value)](value) if type(value) in kinds else value for name, value in options.items()}


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(
    "method", ["gradcam++", "smooth_gradcam++", "integrated_gradcam", "scorecam", "expected_gradcam"]
)
def test_numpy_scalars_are_options_as_pythons_are(method):
    filled = {"alpha": 0.25, "sigma": 0.5, "top_channels": 2}
    own = {name: filled.get(name, value) for name, value in METHODS[method].options.items()}
    options = {**own, "num_samples": 4, "chunk_size": 3, "negative": False, "spatial_dims": 2, "target": 1, "index": 2}
    call = functools.partial(explain, PARAMS, networks.apply_fn, X, REFS, KEY, method=method)
    close(call(**numpy_scalars(options)).signed, call(**options).signed)


def test_a_context_may_join_as_it_is_after_the_layer():
    """As the vectors of texts do that an image is compared with: nothing computes with them before."""
    vectors = jax.random.normal(jax.random.key(5), (3, 4, 6))

    def similarity(params, x, vectors):
        a = jax.nn.relu(jnp.einsum("bhwc,ck->bhwk", x, params))
        return jnp.einsum("bk,btk->bt", jnp.tanh(a.mean((1, 2))), vectors)

    params = jax.random.normal(jax.random.key(6), (X.shape[-1], 6))
    got = explain(params, similarity, X, method="hirescam", target=2, context=vectors)
    a = jax.nn.relu(jnp.einsum("bhwc,ck->bhwk", X, params))
    gradient = jax.grad(lambda a: jnp.einsum("bk,bk->b", jnp.tanh(a.mean((1, 2))), vectors[:, 2]).sum())(a)
    np.testing.assert_allclose(got.signed, (gradient * a).sum(-1), rtol=1e-4, atol=1e-6)
