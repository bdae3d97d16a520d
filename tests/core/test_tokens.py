"""Layers that list tokens: a small vision transformer, against itself with its tokens laid out as a grid."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import Split, explain, layers, split
from egcam_jax.core import tokens

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
        (2, 3, 1, None, "gradcam"),
        (4, 2, 5, None, "gradcam"),
        (4, 4, 9, None, "gradcam"),
        (5, 5, 0, None, "gradcam"),
    ],
)
def test_a_list_of_tokens_is_explained_as_the_grid_that_it_stands_for(rows, columns, first, grid, method):
    """Without a class token, with one, and with registers: all are found where no grid is given."""
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
        (2, 3, (3, 2), ValueError, ["grid must have the aspect of the image, 8 x 12 pixels", "(3, 2)", "grid=(2, 3)"]),
        (2, 5, (3, 3), ValueError, ["grid must have the aspect of the image, 8 x 20 pixels", "(3, 3)", "Split"]),
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
    ("count", "size", "merged", "want"),
    [
        (9, (12, 12), [], (0, (3, 3))),
        (197, (224, 224), [], (1, (14, 14))),
        (198, (224, 224), [], (2, (14, 14))),
        (201, (224, 224), [], (5, (14, 14))),
        (257, (224, 224), [], (1, (16, 16))),
        (36, (64, 128), [], (4, (4, 8))),
        (33, (128, 64), [], (1, (8, 4))),
        (25, (64, 64), [], (9, (4, 4))),
        (25, (80, 80), [(4, 4)], (9, (4, 4))),
        (25, (80, 80), [(5, 5)], (0, (5, 5))),
        (49, (30, 30), [(7, 7)], (0, (7, 7))),  # patches of 4 pixels, what is left over dropped
        (211, (256, 128), [(21, 10)], (1, (21, 10))),  # patches of 16 pixels, 12 apart
        (1214, (128, 1024), [(12, 101)], (2, (12, 101))),
        (785, (224, 224), [(28, 28), (12, 64)], (1, (28, 28))),  # heads of 64 channels are merged too
        (197, (100, 200), [(14, 14)], (1, (14, 14))),  # a model that resizes its images to squares
        (28, (12, 12, 12), [], (1, (3, 3, 3))),
        (1568, (16, 224, 224), [(8, 14, 14)], (0, (8, 14, 14))),
        (50, (100,), [], (0, (50,))),
        (98, (100,), [(1,)], (0, (98,))),
    ],
)
def test_how_a_list_is_read(count, size, merged, want):
    assert tokens.read(count, None, size, merged) == want


@pytest.mark.parametrize(
    ("count", "size", "merged", "words"),
    [
        (25, (80, 80), [], ["lists 25 tokens", "(4, 4) after 9", "(5, 5) after 0", "grid=(rows, columns)"]),
        (17, (48, 64), [(4, 4)], ["(4, 4) after 1", "(3, 4) after 5"]),
        (32, (64, 128), [(8, 4)], ["(8, 4) after 0", "(4, 8) after 0"]),  # listed column by column
        (8, (12, 12), [], ["no grid of square patches of 12 x 12 pixels", "8 tokens"]),
        (247, (224, 224), [], ["up to 17 fewer"]),
    ],
)
def test_a_list_that_can_be_read_in_several_ways_is_refused(count, size, merged, words):
    with pytest.raises(ValueError, match=r"^grid must be given") as caught:
        tokens.read(count, None, size, merged)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("count", "grid", "size", "want"),
    [
        (12, (2, 4), (32, 64), (4, (2, 4))),
        (17, (4, 4), (48, 64), (1, (4, 4))),  # patches that are no squares, and divide the image
        (211, (21, 10), (256, 128), (1, (21, 10))),
        (7, (5,), (20,), (2, (5,))),
    ],
)
def test_a_grid_that_fits_is_taken(count, grid, size, want):
    assert tokens.read(count, grid, size) == want


def test_the_tokens_of_a_signal_before_its_positions_are_no_places():
    """Four patches of three samples, of a signal, after two tokens of the network's own."""
    draw = np.random.default_rng(2).standard_normal
    shapes = {"embed": (6, WIDTH), "first": (2, WIDTH), "mix": (6, 6), "out": (WIDTH, CLASSES)}
    params = {name: draw(shape).astype(np.float32) for name, shape in shapes.items()}
    x = jnp.asarray(draw((2, 12, 2)), jnp.float32)

    def listed(params, x):
        with jax.named_scope("listed"):
            t = jax.nn.relu(x.reshape(len(x), 4, 6) @ params["embed"])
            return jnp.concatenate([jnp.broadcast_to(params["first"], (len(x), 2, WIDTH)), t], axis=1)

    def rest(params, t):
        return jnp.tanh(params["mix"] @ t)[:, 0] @ params["out"]

    def bypass(params, x):
        t = listed(params, x)
        return t[:, 2:], t[:, :2]

    split = Split(
        lambda params, x: bypass(params, x)[0],
        lambda params, a, first: rest(params, jnp.concatenate([first, a], axis=1)),
        bypass,
    )
    run = functools.partial(explain, params, x=x, target=1, method="gradcam", spatial_dims=1)
    got = run(lambda params, x: rest(params, listed(params, x)), layer="listed")
    close(got, run(split))
    assert got.cam.shape == (2, 4)
    np.testing.assert_array_equal(run(lambda p, x: rest(p, listed(p, x)), layer="listed", grid=(4,)).cam, got.cam)


@pytest.mark.parametrize("patches", ["convolution", "reshape"])
@pytest.mark.parametrize(
    ("places", "string"),
    [
        (slice(0, 7), lambda t, r: t),
        (slice(3, 10), lambda t, r: jnp.concatenate([r, t], axis=1)),
        (slice(0, 7), lambda t, r: jnp.concatenate([t, r], axis=1)),
        (slice(1, 8), lambda t, r: jnp.concatenate([r[:, :1], t, r[:, 1:]], axis=1)),
        (slice(0, 7), lambda t, r: jnp.pad(t, ((0, 0), (0, 3), (0, 0))) + jnp.pad(r, ((0, 0), (7, 0), (0, 0)))),
        (slice(3, 10), lambda t, r: jnp.zeros((len(t), 10, WIDTH)).at[:, :3].set(r).at[:, 3:].set(t)),
        (slice(2, 9), lambda t, r: jnp.concatenate([r, t], axis=1)[:, 1:]),
        (slice(3, 10), lambda t, r: jnp.concatenate([r, mixed(t)], axis=1)),
    ],
    ids=["none", "first", "last", "both", "room", "written", "dropped", "convolved"],
)
def test_others_beside_the_positions_of_a_signal_are_no_places(patches, places, string):
    """Seven patches of a signal and three tokens beside them, against the gradient by hand."""
    draw = np.random.default_rng(4).standard_normal
    shapes = {"embed": (4, 2, WIDTH), "beside": (3, WIDTH), "mix": (WIDTH, WIDTH), "out": (WIDTH, CLASSES)}
    params = {name: 0.5 * draw(shape).astype(np.float32) for name, shape in shapes.items()}
    x = jnp.asarray(draw((2, 28, 2)), jnp.float32)

    def network(params, x, moved=0.0):
        if patches == "reshape":
            t = x.reshape(len(x), 7, 8) @ params["embed"].reshape(8, WIDTH)
        else:
            t = jax.lax.conv_general_dilated(x, params["embed"], (4,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))
        t = string(t, jnp.broadcast_to(params["beside"], (len(x), 3, WIDTH)))
        with jax.named_scope("attended"):
            t = t + jax.nn.softmax(t @ t.swapaxes(1, 2)) @ t @ params["mix"] + moved
        return jnp.tanh(t.mean(1) + t[:, -1]) @ params["out"], t

    logits = lambda params, x: network(params, x)[0]
    activation = network(params, x)[1]
    gradient = jax.grad(lambda moved: network(params, x, moved)[0][:, 1].sum())(jnp.zeros_like(activation))
    got = explain(params, logits, x, target=1, method="hirescam", spatial_dims=1, layer="attended")
    np.testing.assert_allclose(got.signed, (gradient * activation).sum(-1)[:, places], rtol=1e-4, atol=1e-6)


def mixed(t):
    """Each position with the two before it: padding in front of a convolution is no token."""
    padded = jnp.pad(t, ((0, 0), (2, 0), (0, 0)))
    kernel = jnp.ones((3, WIDTH, WIDTH)) / WIDTH
    return jax.lax.conv_general_dilated(padded, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))


def test_apart_and_together_are_inverse():
    listed = jnp.arange(14.0).reshape(7, 2)
    readings = [(tokens.Tokens(1, (2, 3)), 4), (tokens.Tokens(0, (2, 2)), 2), (tokens.Tokens(2, (2, 2)), 4)]
    for reading, place in readings:
        grid, rest = tokens.apart(listed, reading)
        np.testing.assert_array_equal(grid[1, 0], listed[place])
        np.testing.assert_array_equal(tokens.together(grid, rest, reading), listed)


@pytest.mark.parametrize(("before", "after"), [(0, 4), (1, 4), (0, 1), (1, 1), (5, 3)])
@pytest.mark.parametrize("grid", [None, (2, 4)])
def test_registers_may_come_last(before, after, grid):
    """Where they stand is read off the network: the map is that of the places, and moves by no token."""
    rows, columns = 2, 4
    params, x = parameters(rows * columns, before), images(rows, columns)
    params["last"] = jax.random.normal(KEY, (after, WIDTH))

    def network(params, x):
        tail = jnp.broadcast_to(params["last"], (len(x), after, WIDTH))
        with jax.named_scope("last"):
            t = block(params["block0"], jnp.concatenate([embed(params, x), tail], axis=1))
        return jnp.tanh(t.mean(1) + t[:, -1]) @ params["out"]

    model = split(network, params, x, "last")
    assert model.trailing == after
    a = model.features(params, x)
    got = explain(params, network, x, method="hirescam", layer="last", target=1, grid=grid)
    gradient = jax.grad(lambda a: model.head(params, a)[:, 1].sum())(a)
    want = (gradient * a).sum(-1)[:, before : before + rows * columns].reshape(2, rows, columns)
    np.testing.assert_allclose(got.signed, want, rtol=1e-4, atol=1e-6)
    by_hand = explain(params, Split(model.features, model.head), x, method="hirescam", target=1, grid=grid)
    np.testing.assert_allclose(by_hand.signed, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("before", "after"), [(0, 4), (1, 3), (4, 0)])
def test_tokens_without_a_place_stand_where_the_network_puts_them(before, after):
    """The map is that of the grid cut out by hand, wherever class and register tokens are."""
    params, x = parameters(32, 4), images(4, 8)

    def listed(params, x):
        t = embed(params, x)
        with jax.named_scope("listed"):
            return jnp.tanh(jnp.concatenate([t[:, :before], t[:, 4:], t[:, before:4]], axis=1))

    def bypass(params, x):
        t = listed(params, x)
        return t[:, before : before + 32].reshape(len(x), 4, 8, WIDTH), (t[:, :before], t[:, before + 32 :])

    def head(params, grid, others):
        return rest(params, jnp.concatenate([others[0], grid.reshape(len(grid), 32, WIDTH), others[1]], axis=1))

    run = functools.partial(explain, params, x=x, target=1, method="gradcam")
    got = run(lambda params, x: rest(params, listed(params, x)), layer="listed")
    close(got, run(Split(lambda params, x: bypass(params, x)[0], head, bypass)))


def room(registers, t, width):
    """Room for the places and three registers more."""
    return jnp.broadcast_to(registers.mean(0), (len(t), t.shape[1] + 3, width))


WRITTEN = {
    "set, first": (3, lambda last, t: jnp.zeros((len(t), t.shape[1] + 3, WIDTH)).at[:, :3].set(last).at[:, 3:].set(t)),
    "set, last": (0, lambda last, t: jnp.zeros((len(t), t.shape[1] + 3, WIDTH)).at[:, -3:].set(last).at[:, :-3].set(t)),
    "set, between": (1, lambda last, t: room(last, t, WIDTH).at[:, 1:-2].set(t)),
    "set by a list": (2, lambda last, t: room(last, t, WIDTH).at[:, jnp.arange(t.shape[1]) + 2].set(t)),
    "slice": (1, lambda last, t: jax.lax.dynamic_update_slice(room(last, t, WIDTH), t, (0, 1, 0))),
    "slice in one axis": (0, lambda last, t: jax.lax.dynamic_update_slice_in_dim(room(last, t, WIDTH), t, 0, axis=1)),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_tokens_may_be_written_into_room(form):
    """The map is that of the places, wherever in the list they are written to."""
    before, assemble = WRITTEN[form]
    params, x = parameters(8, 0), images(2, 4)
    params["last"] = jax.random.normal(KEY, (3, WIDTH))

    def network(params, x):
        t = assemble(params["last"], embed(params, x))
        with jax.named_scope("listed"):
            t = block(params["block0"], t)
        return jnp.tanh(t.mean(1) + t[:, -1]) @ params["out"]

    model = split(network, params, x, "listed")
    assert model.trailing == 3 - before
    a = model.features(params, x)
    gradient = jax.grad(lambda a: model.head(params, a)[:, 1].sum())(a)
    got = explain(params, network, x, method="hirescam", layer="listed", target=1)
    want = (gradient * a).sum(-1)[:, before : before + 8].reshape(2, 2, 4)
    np.testing.assert_allclose(got.signed, want, rtol=1e-4, atol=1e-6)


def test_registers_may_be_added_into_room_that_is_made_for_them():
    params, x = parameters(8, 0), images(2, 4)
    params["last"] = jax.random.normal(KEY, (3, WIDTH))

    def network(params, x):
        t = jnp.pad(embed(params, x), ((0, 0), (0, 3), (0, 0))) + jnp.pad(params["last"], ((8, 0), (0, 0)))
        with jax.named_scope("last"):
            t = block(params["block0"], t)
        return jnp.tanh(t.mean(1) + t[:, -1]) @ params["out"]

    model = split(network, params, x, "last")
    assert model.trailing == 3
    a = model.features(params, x)
    gradient = jax.grad(lambda a: model.head(params, a)[:, 1].sum())(a)
    got = explain(params, network, x, method="hirescam", layer="last", target=1)
    want = (gradient * a).sum(-1)[:, :8].reshape(2, 2, 4)
    np.testing.assert_allclose(got.signed, want, rtol=1e-4, atol=1e-6)


def test_tokens_that_are_listed_column_by_column_are_refused():
    """Read row by row, the map would be of other places."""
    params, x = parameters(8, 0), images(2, 4)

    def network(params, x):
        dims = ("NHWC", "HWIO", "NHWC")
        grid = jax.lax.conv_general_dilated(x, params["embed"], (PATCH, PATCH), "VALID", dimension_numbers=dims)
        with jax.named_scope("turned"):
            t = jnp.tanh(grid.swapaxes(1, 2).reshape(len(x), -1, WIDTH))
        return block(params["block0"], t).mean(1) @ params["out"]

    with pytest.raises(ValueError, match="'turned': its tokens must be listed row by row; got them column by column"):
        explain(params, network, x, method="gradcam", layer="turned", target=1)


ORDER = np.random.default_rng(1).permutation(16)
PICKED = {
    "pruned": lambda t: jnp.take_along_axis(t, jnp.argsort(jnp.abs(t).sum(-1))[:, :4, None], axis=1),
    "reordered": lambda t: t[:, ORDER],
    "others between": lambda t: jnp.concatenate([t[:, :8], t.mean(1, keepdims=True), t[:, 8:]], axis=1),
    "every fourth": lambda t: t[:, ::4],
    "one half, traced": lambda t: jax.lax.dynamic_slice_in_dim(t, jnp.argmax(t[0, :, 0]), 4, axis=1),
    "backwards": lambda t: t[:, ::-1],
    "windows": lambda t: t.reshape(-1, 2, 2, 2, 2, WIDTH).swapaxes(2, 3).reshape(t.shape),
    "latent queries": lambda t: jax.nn.softmax(jnp.ones((4, WIDTH)) @ t.swapaxes(1, 2)) @ t,
    "channels first": lambda t: t[:, ORDER].swapaxes(1, 2),
}


@pytest.mark.parametrize("form", PICKED)
def test_tokens_that_the_network_picked_or_reordered_are_refused(form):
    """Their number may fit a grid of square patches all the same: four of sixteen tokens look like two by two."""
    params, x = parameters(16, 0), images(4, 4)

    def network(params, x):
        with jax.named_scope("listed"):
            t = jnp.tanh(PICKED[form](embed(params, x)))
        return t.sum((1, 2), keepdims=True)[..., 0] @ jnp.ones((1, CLASSES))

    with pytest.raises(ValueError, match="its tokens must be the image's places, row by row"):
        explain(params, network, x, method="gradcam", layer="listed", target=0)


def test_picks_that_leave_the_places_as_they_are_pass():
    """The class token is dropped by a list of indices; a branch of reordered tokens is added to the places."""
    params, x = parameters(8, 1), images(2, 4)

    def network(params, x, pick):
        t = pick(embed(params, x))
        with jax.named_scope("listed"):
            t = jnp.tanh(t + 0.1 * t[:, ORDER[ORDER < 8]])
        return t.mean(1) @ params["out"]

    run = lambda pick: explain(
        params, lambda params, x: network(params, x, pick), x, method="gradcam", layer="listed", target=0
    )
    got, want = run(lambda t: jnp.take(t, jnp.arange(1, 9), axis=1)), run(lambda t: t[:, 1:])
    assert got.cam.shape == (2, 2, 4)
    close(got, want)
