"""No method does more arithmetic than its definition: the operations that the compiler counts in its program."""

import jax
import jax.numpy as jnp
import pytest

from egcam_jax import METHODS, Split, explain

SAMPLES, REFS, CHANNELS, MASKS = 8, 4, 128, 8
KEYS = jax.random.split(jax.random.key(0), 6)
PARAMS = {
    "first": jax.random.normal(KEYS[0], (3, 3, 3, CHANNELS)),
    "second": jax.random.normal(KEYS[1], (3, 3, CHANNELS, CHANNELS)),
    "third": jax.random.normal(KEYS[2], (3, 3, CHANNELS, CHANNELS)),
    "out": jax.random.normal(KEYS[3], (CHANNELS, 5)),
}
X, IMAGES = jax.random.normal(KEYS[4], (1, 32, 32, 3)), jax.random.normal(KEYS[5], (REFS, 32, 32, 3))


def convolved(x, kernel, stride=1):
    dimensions = ("NHWC", "HWIO", "NHWC")
    return jax.nn.relu(jax.lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=dimensions))


def features(params, x):
    return convolved(convolved(x, params["first"]), params["second"], 2)


def head(params, activations):
    return jnp.tanh(convolved(activations, params["third"]).mean(axis=(1, 2))) @ params["out"]


def operations(function, *arguments):
    return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]


ACTIVATIONS = jax.eval_shape(features, PARAMS, X)
FEATURES = operations(features, PARAMS, X)
HEAD = operations(head, PARAMS, ACTIVATIONS)
GRADIENT = operations(lambda params, a: jax.value_and_grad(lambda a: head(params, a)[0, 1])(a), PARAMS, ACTIVATIONS)


def defined(method, passes, options):
    """Operations that the definition needs, given its passes through the features."""
    reference = REFS * (FEATURES + HEAD)
    match method.gradients:
        case "vanilla":
            rest = GRADIENT
        case "smooth":
            rest = HEAD + SAMPLES * GRADIENT
        case "integrated":
            rest = 2 * HEAD + SAMPLES * GRADIENT
        case "expected":  # the scores at the paths' ends need the head once a sample where there is noise
            scored = options["difference"] != "none"
            noisy = options["noise"] != "none"
            rest = HEAD + SAMPLES * GRADIENT + scored * (reference + noisy * SAMPLES * HEAD)
        case None:
            rest = HEAD * (1 + {"scorecam": MASKS, "ablationcam": CHANNELS}[method.name])
    return passes * FEATURES + rest


@pytest.mark.parametrize("name", METHODS)
def test_a_program_does_what_its_definition_needs(name):
    method, options = METHODS[name], {"top_channels": MASKS} if name == "scorecam" else {}
    run = lambda params, x, refs: explain(
        params,
        Split(features, head),
        x,
        refs,
        KEYS[0],
        target=1,
        method=name,
        num_samples=SAMPLES,
        chunk_size=128,
        **options,
    )
    passes = jax.eval_shape(run, PARAMS, X, IMAGES).passes
    wanted = defined(method, passes, method.options)
    assert 0.9 * wanted < operations(run, PARAMS, X, IMAGES) <= 1.05 * wanted


@pytest.mark.parametrize("noise", ["none", "uniform"])
def test_the_latent_path_costs_passes_of_the_head(noise):
    method = METHODS["expected_gradcam"]
    options = {"path": "latent", "noise": noise, "difference": "latent"}
    run = lambda params, x, refs: explain(
        params, Split(features, head), x, refs, KEYS[0], target=1, num_samples=SAMPLES, chunk_size=128, **options
    )
    passes = jax.eval_shape(run, PARAMS, X, IMAGES).passes
    assert passes == (1 if noise == "none" else 1 + SAMPLES)
    wanted = defined(method, passes, method.options | options)
    assert 0.9 * wanted < operations(run, PARAMS, X, IMAGES) <= 1.05 * wanted
