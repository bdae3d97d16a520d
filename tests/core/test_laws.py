"""What must hold whatever the network: degenerate cases, completeness, and independence of how it is computed."""

import functools
import itertools

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import explain

PARAMS = networks.parameters()
IMAGES, REFS = jnp.asarray(networks.images(6)), jnp.asarray(networks.images(5, seed=2))
KEY = jax.random.key(3)
SAMPLES = 7  # wherever the number does not matter, so that tests share programs
RUN = functools.partial(explain, PARAMS, networks.SPLIT)


def close(got, want, rtol=1e-5):
    """Leaf by leaf, to float32 rounding of the leaf's own scale, or of 0.1, a small difference of logits."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        scale = float(np.nanmax(np.abs(b), initial=0.1))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


def test_one_sample_at_the_image_without_difference_is_gradcam():
    plain = RUN(IMAGES, method="gradcam")
    one = RUN(
        IMAGES, REFS, KEY, num_samples=1, alpha=1.0, difference="none", noise="none", normalizer="none", path="input"
    )
    close((one.cam, one.saliency, one.weights), (plain.cam, plain.saliency, plain.weights), rtol=2e-6)
    assert np.isnan(one.stderr).all()


@pytest.mark.parametrize("path", ["input", "latent"])
def test_the_gradcam_law_holds_exactly_on_either_path_when_the_reference_is_the_image(path):
    plain = RUN(IMAGES[0], method="gradcam")
    one = RUN(IMAGES[0], IMAGES[:1], KEY, num_samples=3, difference="none", noise="none", normalizer="none", path=path)
    close((one.cam, one.weights), (plain.cam, plain.weights), rtol=2e-6)


@pytest.mark.parametrize(
    ("options", "slope"),
    [
        ({"difference": "tangent", "noise": "none", "sampling": "iid"}, -0.5),
        ({"difference": "tangent", "noise": "uniform", "sampling": "iid"}, -0.5),
        ({"difference": "latent", "path": "latent", "noise": "none", "sampling": "iid"}, -0.5),
        ({"difference": "latent", "path": "latent", "noise": "none", "sampling": "stratified"}, -1.5),
    ],
)
def test_the_completeness_gap_falls_at_the_rate_of_theory(options, slope):
    """Monte Carlo falls as n^-1/2. Stratified positions on a smooth integrand fall as n^-3/2 for one reference.

    A size midway would have no weight in the slope of a line through three.
    """
    sizes = np.array([8, 128])
    refs_one = {"stratified": REFS[:1], "iid": REFS}[options["sampling"]]
    keys = jax.random.split(jax.random.key(11), 128)

    def rms(n):
        run = lambda k: RUN(IMAGES[0], refs_one, k, target=1, num_samples=n, **options).completeness_gap
        return float(np.sqrt(np.mean(np.square(jax.vmap(run)(keys)))))

    gaps = [rms(int(n)) for n in sizes]
    fitted = np.log(gaps[1] / gaps[0]) / np.log(sizes[1] / sizes[0])
    assert abs(fitted - slope) < 0.15, (gaps, fitted)


@pytest.mark.parametrize("noise", ["none", "uniform"])
def test_the_gap_is_rounding_for_a_linear_head_on_the_latent_path(noise):
    options = {"difference": "latent", "path": "latent", "noise": noise}
    got = explain(PARAMS, networks.LINEAR, IMAGES, REFS, KEY, num_samples=4, **options)
    scale = np.abs(got.logits).max()
    assert np.abs(got.completeness_gap).max() < 1e-5 * scale


@pytest.mark.parametrize("negative", [False, True])
def test_the_complete_map_of_a_linear_head_adds_up_to_the_difference_of_scores_to_rounding(negative):
    """With each reference used equally often: then whatever the positions are."""
    got = explain(
        PARAMS, networks.LINEAR, IMAGES, REFS, KEY, method="expected_attribution", num_samples=10, target=1,
        negative=negative,
    )  # fmt: skip
    scores = [networks.linear_head(PARAMS, networks.features(PARAMS, x))[:, 1] for x in (IMAGES, REFS)]
    want = (-1) ** negative * (scores[0] - scores[1].mean())
    np.testing.assert_allclose(got.signed.sum(axis=(1, 2)), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got.score_difference, want, rtol=1e-5, atol=1e-6)
    assert np.abs(got.stderr).max() < 1e-5 * np.abs(got.signed).max()


@pytest.mark.parametrize("options", [{}, {"path": "input"}, {"noise": "uniform", "noise_scale": 0.05}])
def test_the_complete_map_adds_up_to_the_difference_of_scores_within_its_error(options):
    """Over keys: the mean sum of the map less the difference of scores, beside its own standard error."""
    keys = jax.random.split(jax.random.key(8), 64)
    run = lambda key: RUN(IMAGES[0], REFS, key, method="expected_attribution", num_samples=20, target=2, **options)
    got = jax.vmap(run)(keys)
    gap = np.asarray(got.signed.sum(axis=(1, 2)) - got.score_difference)
    assert abs(gap.mean()) < 4 * gap.std(ddof=1) / 8
    assert gap.std(ddof=1) < 0.5 * np.abs(got.score_difference).mean()
    np.testing.assert_allclose(got.completeness_gap, gap, atol=1e-5)
    if "noise" not in options:
        scores = [networks.apply_fn(PARAMS, x)[:, 2] for x in (IMAGES[:1], REFS)]
        np.testing.assert_allclose(got.score_difference, (scores[0] - scores[1].mean())[0], rtol=1e-4)


def test_one_constant_baseline_gives_the_path_integral():
    """Eq. 2 at the layer: within the standard error where positions are drawn, exactly where they are given."""
    options = {"noise": "none", "difference": "latent", "target": 2}
    baseline = jnp.zeros_like(IMAGES[:1])
    fine = RUN(IMAGES, baseline, KEY, num_samples=512, alpha=(np.arange(512) + 0.5) / 512, **options)

    def network(a):
        return networks.head(PARAMS, a[None])[0, 2]

    ends, start = networks.features(PARAMS, IMAGES), networks.features(PARAMS, baseline)[0]
    nodes, weights = np.polynomial.legendre.leggauss(64)

    @jax.jit
    def quadrature(x, end):
        codes = networks.features(PARAMS, x[None] * jnp.asarray((nodes + 1) / 2, jnp.float32)[:, None, None, None])
        field = jnp.tensordot(jnp.asarray(weights / 2, jnp.float32), jax.vmap(jax.grad(network))(codes), 1)
        return ((end - start) * field).mean(axis=(0, 1))

    for x, end, got in zip(IMAGES, ends, fine.weights, strict=True):
        want = quadrature(x, end)
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-4 * np.abs(want).max())

    drawn = RUN(IMAGES, baseline, KEY, num_samples=64, **options)
    signed = lambda e: np.einsum("bk,bijk->bij", e.weights, ends)
    alive = np.asarray(drawn.stderr) > 0
    distance = np.abs(signed(drawn) - signed(fine))[alive] / drawn.stderr[alive]
    assert alive.sum() > 20
    assert np.median(distance) < 1.5
    assert np.mean(distance < 3) > 0.9


@pytest.mark.parametrize(
    ("chunk_size", "path"), [(1, "input"), (3, "latent"), (7, "input"), (20, "latent"), (1000, "input")]
)
def test_results_do_not_depend_on_the_chunk_size(chunk_size, path):
    """Blocks of 1 x 1, 3 x 1, 6 x 1, 6 x 3 and 6 x 7 images and samples, against 6 x 4: both 3 and 4 pad the seven."""
    options = {"num_samples": SAMPLES, "path": path}
    close(RUN(IMAGES, REFS, KEY, chunk_size=chunk_size, **options), RUN(IMAGES, REFS, KEY, **options))


def test_images_with_other_indices_get_other_draws():
    same = np.asarray(RUN(jnp.stack([IMAGES[0]] * len(IMAGES)), REFS, KEY, num_samples=SAMPLES).cam)
    for one, other in itertools.combinations(same, 2):
        assert np.abs(one - other).max() > 1e-3 * np.abs(one).max()


def at(i, explanations):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[i], explanations)


def test_vmap_over_images_classes_and_keys():
    images = jax.vmap(lambda x: RUN(x, REFS, KEY, num_samples=SAMPLES))(IMAGES)
    close(at(4, images), RUN(IMAGES[4], REFS, KEY, num_samples=SAMPLES))
    classes = jax.vmap(lambda c: RUN(IMAGES[0], REFS, KEY, num_samples=SAMPLES, target=c))(jnp.arange(4))
    close(at(3, classes), RUN(IMAGES[0], REFS, KEY, num_samples=SAMPLES, target=3))
    keys = jax.random.split(KEY, 3)
    over = jax.vmap(lambda k: RUN(IMAGES[0], REFS, k, num_samples=SAMPLES))(keys)
    close(at(1, over), RUN(IMAGES[0], REFS, keys[1], num_samples=SAMPLES))


def test_the_four_forms_of_target_agree():
    top = RUN(IMAGES, REFS, KEY, num_samples=SAMPLES)
    given = RUN(IMAGES, REFS, KEY, num_samples=SAMPLES, target=top.target)
    close(given, top)
    one = RUN(IMAGES, REFS, KEY, num_samples=SAMPLES, target=2)
    called = RUN(IMAGES, REFS, KEY, num_samples=SAMPLES, target=lambda logits: logits[2])
    close(called.cam, one.cam)
    assert (one.target == 2).all()
    assert (called.target == -1).all()


def test_a_raw_key_and_a_numpy_image_are_accepted():
    raw = jax.random.key_data(KEY)
    close(
        RUN(np.asarray(IMAGES), np.asarray(REFS), raw, num_samples=SAMPLES), RUN(IMAGES, REFS, KEY, num_samples=SAMPLES)
    )


def test_saliency_spans_zero_to_one_at_the_size_of_the_input():
    got = RUN(IMAGES, REFS, KEY, num_samples=SAMPLES)
    assert got.saliency.shape == IMAGES.shape[:3]
    alive = np.ptp(got.cam, axis=(1, 2)) > 0
    assert alive.sum() >= 4
    np.testing.assert_array_equal(got.saliency.min(axis=(1, 2)), 0)
    np.testing.assert_allclose(got.saliency.max(axis=(1, 2))[alive], 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        ({"noise": "none"}, 1 + 8),
        ({"noise": "none", "path": "latent"}, 1),
        ({"difference": "latent"}, 1 + 16),
        ({"normalizer": "global"}, 1 + 16),
        ({"path": "latent"}, 1 + 8),
        ({}, 1 + 8),
        ({"difference": "encoded", "normalizer": "none"}, 1 + 16),
        ({"difference": "tangent", "noise": "none"}, 1 + 24),
        ({"method": "layercam"}, 1),
        ({"method": "ablationcam"}, 1),
        ({"method": "scorecam"}, 1 + networks.FILTERS),
        ({"method": "smooth_gradcam++"}, 1 + 8),
        ({"method": "integrated_gradcam"}, 1 + 1 + 8),
    ],
)
def test_the_passes_reported_are_the_passes_made(options, passes):
    """Counted by a network that reports each image it encodes; the derivative of a pass goes unseen."""
    seen = []

    def features(params, x):
        jax.debug.callback(lambda x: seen.append(len(x)), x)
        return networks.features(params, x)

    split = networks.Split(features, networks.head)
    got = explain(PARAMS, split, IMAGES[0], REFS, KEY, num_samples=8, **options)
    jax.block_until_ready(got)
    jax.effects_barrier()
    assert got.passes == passes
    reads = options.get("difference", "none") != "none" or options.get("path") == "latent"
    references = len(REFS) if reads else 0
    tangents = 16 if options.get("difference") == "tangent" else 0
    assert sum(seen) == passes - tangents + references
