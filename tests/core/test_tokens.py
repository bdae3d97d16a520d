"""Layers that list tokens: a small vision transformer, against itself with its tokens laid out as a grid."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import Split, explain, layers, tokens

PATCH, WIDTH, CLASSES = 4, 8, 3
KEY = jax.random.key(1)


def parameters(places, first):
    draw = np.random.default_rng(8).standard_normal
    block = lambda: {
        name: (draw(shape) / WIDTH**0.5).astype(np.float32)
        for name, shape in {"qkv": (WIDTH, 3 * WIDTH), "up": (WIDTH, 16), "down": (16, WIDTH)}.items()
    }
    return {
        "embed": draw((PATCH, PATCH, 2, WIDTH)).astype(np.float32) / 6,
        "place": draw((places, WIDTH)).astype(np.float32) / 3,
        "first": draw((first, WIDTH)).astype(np.float32),
        "block0": block(),
        "block1": block(),
        "out": draw((WIDTH, CLASSES)).astype(np.float32),
    }


def embed(params, x):
    dims = ("NHWC", "HWIO", "NHWC")
    grid = jax.lax.conv_general_dilated(x, params["embed"], (PATCH, PATCH), "VALID", dimension_numbers=dims)
    listed = grid.reshape(len(x), -1, WIDTH) + params["place"][None]
    first = jnp.broadcast_to(params["first"], (len(x), *params["first"].shape))
    return jnp.concatenate([first, listed], axis=1)


def block(params, t):
    q, k, v = jnp.split(t @ params["qkv"], 3, axis=-1)
    t = t + jax.nn.softmax(q @ k.swapaxes(1, 2) / WIDTH**0.5, axis=-1) @ v
    return t + jax.nn.gelu(t @ params["up"]) @ params["down"]


def body(params, x):
    """As far as the layer explained."""
    with jax.named_scope("embed"):
        t = embed(params, x)
    with jax.named_scope("block0"):
        return block(params["block0"], t)


def rest(params, t):
    """From the layer on, to the logits of the first token, or of the mean where there is none before the places."""
    with jax.named_scope("block1"):
        t = block(params["block1"], t)
    return (t[:, 0] if len(params["first"]) else t.mean(axis=1)) @ params["out"]


def apply_fn(params, x):
    return rest(params, body(params, x))


def as_grid(rows, columns, first):
    """The same network by hand: the tokens as a grid, those before them around it."""

    def bypass(params, x):
        t = body(params, x)
        return t[:, first:].reshape(len(x), rows, columns, WIDTH), t[:, :first]

    def head(params, grid, before):
        return rest(params, jnp.concatenate([before, grid.reshape(len(grid), -1, WIDTH)], axis=1))

    return Split(lambda params, x: bypass(params, x)[0], head, bypass)


def images(rows, columns, count=2):
    shape = (count, rows * PATCH, columns * PATCH, 2)
    return jnp.asarray(np.random.default_rng(9).standard_normal(shape), jnp.float32)


def close(got, want, rtol=1e-5):
    for name in ("cam", "signed", "saliency", "weights", "logits", "stderr"):
        a, b = getattr(got, name), getattr(want, name)
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(np.abs(b).max(), 0.01))


METHODS = [
    "gradcam",
    "layercam",
    "smooth_gradcam++",
    "expected_hirescam",
    "expected_attribution",
    "scorecam",
    "ablationcam",
]


@pytest.mark.parametrize(
    ("rows", "columns", "first", "grid", "method"),
    [
        *((3, 3, 1, None, method) for method in METHODS),
        (3, 3, 0, None, "gradcam"),
        (3, 3, 1, (3, 3), "gradcam"),
        (3, 3, 3, (3, 3), "gradcam"),
        (2, 3, 1, (2, 3), "expected_gradcam"),
        (2, 3, 0, (2, 3), "integrated_gradcam"),
    ],
)
def test_a_list_of_tokens_is_explained_as_the_grid_that_it_stands_for(rows, columns, first, grid, method):
    """Without a class token, with one, and with registers; squares are found, what is not square is said."""
    params, x = parameters(rows * columns, first), images(rows, columns)
    run = functools.partial(explain, params, x=x, refs=x[::-1], key=KEY, target=1, method=method, num_samples=4)
    got = run(apply_fn, layer="block0", grid=grid)
    close(got, run(as_grid(rows, columns, first)))
    assert got.cam.shape == (2, rows, columns)
    assert got.saliency.shape == x.shape[:3]
    assert (np.ptp(got.cam, axis=(1, 2)) > 0).any()


def test_the_layers_of_a_transformer_are_listed_with_their_tokens():
    found = layers(apply_fn, parameters(9, 1), images(3, 3))
    assert found["block0"] == found["block1"] == (10, WIDTH)


def test_two_layers_of_tokens_are_fused():
    run = functools.partial(explain, parameters(9, 1), apply_fn, images(3, 3), method="gradcam", target=0)
    got = run(layer=["embed", "block0"], grid=(3, 3))
    assert [part.layer for part in got.by_layer] == ["embed", "block0"]
    close(got.by_layer[1], run(layer="block0"))


@pytest.mark.parametrize(
    ("rows", "columns", "grid", "error", "words"),
    [
        (3, 3, (4, 4), ValueError, ["grid is (4, 4), 16 places", "only 10 tokens"]),
        (2, 3, None, ValueError, ["7 tokens", "neither 7 nor 6 is a square", "grid=(rows, columns)"]),
        (3, 3, (9,), ValueError, ["grid", "(9,)"]),
        (3, 3, (0, 9), ValueError, ["grid", "at least 1"]),
        (3, 3, 3, ValueError, ["grid must be (h, w)", "got 3"]),
        (3, 3, (3.0, 3.0), TypeError, ["grid", "3.0"]),
    ],
)
@pytest.mark.usefixtures("unannotated")
def test_a_wrong_grid_is_refused(rows, columns, grid, error, words):
    with pytest.raises(error) as caught:
        explain(
            parameters(rows * columns, 1), apply_fn, images(rows, columns), method="gradcam", layer="block0", grid=grid
        )
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("count", "grid", "spatial_dims", "want"),
    [
        (9, None, 2, (0, (3, 3))),
        (10, None, 2, (1, (3, 3))),
        (197, None, 2, (1, (14, 14))),
        (196, None, 2, (0, (14, 14))),
        (28, None, 3, (1, (3, 3, 3))),
        (12, (2, 4), 2, (4, (2, 4))),
    ],
)
def test_how_a_list_is_read(count, grid, spatial_dims, want):
    assert tokens.read(count, grid, spatial_dims) == want


def test_apart_and_together_are_inverse():
    listed = jnp.arange(14.0).reshape(7, 2)
    grid, first = tokens.apart(listed, tokens.Tokens(1, (2, 3)))
    np.testing.assert_array_equal(grid[1, 0], listed[4])
    np.testing.assert_array_equal(tokens.together(grid, first), listed)
