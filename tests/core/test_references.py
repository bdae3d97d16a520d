"""References that were encoded before: the maps of those that were not, and every way in which they do not fit."""

import functools

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

import egcam_jax
from egcam_jax import METHODS, encode, explain

PARAMS = networks.parameters()
IMAGES, REFS = jnp.asarray(networks.images(3)), jnp.asarray(networks.images(5, seed=2))
KEY = jax.random.key(3)


def apply_fn(params, x):
    with jax.named_scope("early"):
        a = networks.features(params, x)
    with jax.named_scope("late"):
        a = a * 2
    return networks.head(params, a)


RUN = functools.partial(explain, PARAMS, apply_fn, IMAGES, key=KEY, num_samples=6)
ENCODED = encode(PARAMS, apply_fn, REFS, layer=["early", "late"])


def same(got, want):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * max(np.abs(b).max(), 1))


@pytest.mark.parametrize(
    ("method", "options"),
    [
        *((name, {}) for name in METHODS if METHODS[name].needs_refs),
        ("expected_gradcam", {"difference": "encoded"}),
        ("expected_attribution", {"path": "input"}),
        ("gradcam", {"contrast": "references"}),
        ("scorecam", {"contrast": "references"}),
    ],
)
@pytest.mark.parametrize("layer", ["late", ["late", "early"]], ids=["one", "two"])
def test_encoded_references_make_the_maps_of_the_images(method, options, layer):
    if isinstance(layer, list) and method not in {"expected_gradcam", "expected_attribution", "gradcam"}:
        layer = "early"
    run = functools.partial(RUN, method=method, layer=layer, **options)
    same(run(refs=ENCODED), run(refs=REFS))


def test_they_are_a_pytree_of_arrays_with_the_references_first():
    assert len(ENCODED) == 5
    assert all(len(leaf) == 5 for leaf in jax.tree.leaves(ENCODED))
    same(RUN(refs=ENCODED[:2], layer="late"), RUN(refs=REFS[:2], layer="late"))
    np.testing.assert_allclose(ENCODED.logits, apply_fn(PARAMS, REFS), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ENCODED.codes[1].activation, 2 * networks.features(PARAMS, REFS), rtol=1e-5)
    assert ENCODED.layers == ("early", "late")
    same(encode(PARAMS, apply_fn, REFS, layer=["early", "late"], chunk_size=2), ENCODED)
    jitted = jax.jit(lambda params, refs: encode(params, apply_fn, refs, layer=["early", "late"]))
    same(jitted(PARAMS, REFS), ENCODED)


def test_under_jit_and_by_the_gradient_of_what_encodes():
    run = jax.jit(lambda refs: RUN(refs=refs, layer="late", method="expected_attribution"))
    same(run(ENCODED), RUN(refs=REFS, layer="late", method="expected_attribution"))

    def total(params, refs):
        got = explain(params, apply_fn, IMAGES, refs, KEY, num_samples=6, layer="late", target=1)
        return got.signed.sum()

    through = jax.grad(lambda params: total(params, encode(params, apply_fn, REFS, layer="late")))(PARAMS)
    same(through, jax.grad(lambda params: total(params, REFS))(PARAMS))


def test_the_features_do_not_run_for_references_that_are_encoded():
    seen = []

    def features(params, x):
        jax.debug.callback(lambda x: seen.append(len(x)), x)
        return networks.features(params, x)

    split = networks.Split(features, networks.head)
    refs = encode(PARAMS, split, REFS)
    jax.effects_barrier()
    seen.clear()
    got = explain(PARAMS, split, IMAGES, refs, KEY, method="expected_attribution")
    jax.block_until_ready(got)
    jax.effects_barrier()
    assert sum(seen) == len(IMAGES) * got.passes == len(IMAGES)


def test_no_second_trace_for_other_values():
    calls = []

    def counted(params, x):
        calls.append(1)
        return apply_fn(params, x)

    for scale in (1.0, 0.5):
        params = jax.tree.map(lambda leaf, scale=scale: leaf * scale, PARAMS)
        explain(params, counted, IMAGES, encode(params, counted, REFS * scale, layer="late"), KEY, layer="late")
    assert len(calls) == 2  # one for each of the two programs


def other(**changed):
    return dict(PARAMS) | changed


@pytest.mark.parametrize(
    ("refs", "options", "words"),
    [
        (
            lambda: encode(PARAMS, apply_fn, REFS, layer="early"),
            {},
            ["refs must be encoded at layer 'late'", "'early'"],
        ),
        (lambda: encode(PARAMS, apply_fn, REFS, layer="late", compute_dtype=jnp.bfloat16), {}, ["float32", "bfloat16"]),
        (lambda: ENCODED, {"compute_dtype": jnp.bfloat16}, ["refs must be encoded in bfloat16", "float32"]),
        (lambda: encode(other(out=PARAMS["out"] * 2), apply_fn, REFS, layer="late"), {}, ["refs", "params", "others"]),
        (lambda: encode(PARAMS, lambda p, x: apply_fn(p, x)[:, :2], REFS, layer="late"), {}, ["refs", "[5, 2]"]),
    ],
)
def test_what_does_not_fit_is_refused(refs, options, words):
    with pytest.raises(ValueError, match="refs must be encoded") as caught:
        RUN(refs=refs(), layer="late", **options)
    for word in words:
        assert word in str(caught.value)


def test_references_of_another_size_are_refused():
    wide = lambda params, x: apply_fn(params, x[:, :7, :7])
    refs = encode(PARAMS, wide, jnp.pad(REFS, ((0, 0), (0, 2), (0, 2), (0, 0))), layer="late")
    with pytest.raises(ValueError, match=r"shape \(7, 7, 2\), the size of those in x; got .* \(9, 9, 2\)"):
        RUN(refs=refs, layer="late")


def test_under_jit_references_of_other_parameters_make_no_map():
    """There an error cannot come: the saliency is NaN, not a plausible picture."""
    run = jax.jit(
        lambda params, refs: explain(params, apply_fn, IMAGES, refs, KEY, num_samples=6, layer="late").saliency
    )
    assert np.isfinite(run(PARAMS, ENCODED)).all()
    moved = other(hidden=PARAMS["hidden"].copy())
    moved["hidden"][3, 2] += 1e-3
    assert np.isnan(run(moved, ENCODED)).all()


@pytest.mark.parametrize(
    ("refs", "error", "words"),
    [
        (None, TypeError, ["refs must be", "None"]),
        (REFS[0], ValueError, ["refs", "refs[None]"]),
        (np.zeros((2, 7, 7, 2), np.uint8), TypeError, ["refs must be floating", "uint8"]),
    ],
)
@pytest.mark.usefixtures("unannotated")
def test_encode_refuses_what_explain_refuses(refs, error, words):
    with pytest.raises(error) as caught:
        encode(PARAMS, apply_fn, refs)
    for word in words:
        assert word in str(caught.value)


def test_contrast_without_references_is_refused_by_its_name():
    with pytest.raises(ValueError, match=r"refs must be an array of shape .* since contrast='references' averages"):
        RUN(method="gradcam", contrast="references")
    assert not METHODS["gradcam"].needs_refs
    assert METHODS["gradcam"].reads({"contrast": "references"}) == {"codes"}
    assert egcam_jax.EncodedReferences is type(ENCODED)
