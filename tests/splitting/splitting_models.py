"""Small classifiers, one for each thing that can be inside a function that is split."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name


class Case(NamedTuple):
    """A classifier with its params and images."""

    apply_fn: Callable[..., Any]
    params: Any
    x: jax.Array


def images(count: int = 2, size: int = 8) -> jax.Array:
    return jax.random.normal(jax.random.key(3), (count, size, size, 3))


def conv(weights: jax.Array, x: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(x, weights, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pool(x: jax.Array) -> jax.Array:
    return nn.max_pool(x, (2, 2), (2, 2))


def weights(*shapes: tuple[int, ...]) -> list[jax.Array]:
    keys = jax.random.split(jax.random.key(0), len(shapes))
    return [jax.random.normal(key, shape) * 0.4 for key, shape in zip(keys, shapes)]


def plain_params() -> dict[str, jax.Array]:
    names = ("stem", "inner", "dense")
    return dict(zip(names, weights((3, 3, 3, 4), (3, 3, 4, 4), (4, 5))))


def plain(params: Any, x: jax.Array) -> jax.Array:
    """stem, then tanh(inner(stem) + stem), mean, dense: ``inner`` is bypassed."""
    with jax.named_scope("stem"):
        y = jax.nn.relu(conv(params["stem"], x))
    with jax.named_scope("block"):
        with jax.named_scope("inner"):
            z = conv(params["inner"], y)
        z = checkpoint_name(jnp.tanh(z + y), "merged")
    return z.mean((1, 2)) @ params["dense"]


class Block(nn.Module):
    """A residual block with batch norm."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        y = nn.Conv(self.width, (3, 3), use_bias=False, name="conv1")(x)
        y = nn.relu(nn.BatchNorm(use_running_average=not train, name="bn1")(y))
        y = nn.Conv(self.width, (3, 3), use_bias=False, name="conv2")(y)
        y = nn.BatchNorm(use_running_average=not train, name="bn2")(y)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """Two blocks, the mean over space, a dense layer; ``wrap`` is what is done to the block's class."""

    wrap: Callable[..., Any] = lambda block: block
    train: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(4, (3, 3), name="stem")(x)
        for i in (1, 2):
            x = self.wrap(Block)(4, name=f"layer{i}")(x, self.train)
        return nn.Dense(5, name="fc")(x.mean((1, 2)))


class Vgg(nn.Module):
    """Convolutions and pools in a submodule, then flatten and two dense layers."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Features(name="features")(x)
        x = nn.relu(nn.Dense(6, name="fc1")(jnp.transpose(x, (0, 3, 1, 2)).reshape(x.shape[0], -1)))
        return nn.Dense(5, name="fc2")(x)


class Features(nn.Module):
    """conv, relu, pool, twice."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, width in enumerate((4, 6)):
            x = pool(nn.relu(nn.Conv(width, (3, 3), name=f"conv{i}")(x)))
        return x


class Looped(nn.Module):
    """A stem and a scan over blocks."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(4, (3, 3), name="stem")(x)
        loop = nn.scan(
            lambda block, x, _: (block(x), None),
            variable_axes={"params": 0, "batch_stats": 0},
            split_rngs={"params": True},
            length=2,
        )
        x, _ = loop(Block(4, name="loop"), x, None)
        return nn.Dense(5, name="fc")(x.mean((1, 2)))


class Mlp(nn.Module):
    """No grid at all."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(7)(((x - 0.5) / 0.2).reshape(x.shape[0], -1)))
        return nn.Dense(5)(x)


class Vit(nn.Module):
    """Patches, class token, one self-attention block; ``grid`` puts the tokens back on their grid at the end."""

    grid: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(8, (2, 2), (2, 2), name="patches")(x)
        b, h, w, width = x.shape
        x = x.reshape(b, h * w, width)
        x = x + nn.MultiHeadDotProductAttention(2, name="attention")(nn.LayerNorm()(x))
        x = x + nn.Dense(8, name="mlp")(nn.LayerNorm()(x))
        if self.grid:
            with jax.named_scope("grid"):
                x = (2 * x).reshape(b, h, w, width)
            return nn.Dense(5, name="fc")(x.mean((1, 2)))
        return nn.Dense(5, name="fc")(x[:, 0])


def channels_first(params: Any, x: jax.Array) -> jax.Array:
    """The images are moved to NCHW first and everything stays there; 3 rows, 5 columns, 4 channels in the end."""
    x = jnp.transpose(x, (0, 3, 1, 2))
    with jax.named_scope("conv"):
        x = jax.lax.conv_general_dilated(x, params["conv"], (1, 1), "VALID", dimension_numbers=("NCHW", "OIHW", "NCHW"))
    with jax.named_scope("act"):
        x = jax.nn.relu(x * 2 + 1)
    return x.mean((2, 3)) @ params["dense"]


@functools.cache
def case(name: str) -> Case:
    """Return a classifier by name."""
    if name == "plain":
        return Case(plain, plain_params(), images())
    if name == "plain_jit":
        return Case(jax.jit(plain), plain_params(), images())
    if name == "plain_remat":
        return Case(jax.checkpoint(plain), plain_params(), images())
    if name == "channels_first":
        params = dict(zip(("conv", "dense"), weights((4, 3, 3, 3), (4, 5))))
        return Case(channels_first, params, jax.random.normal(jax.random.key(5), (2, 5, 7, 3)))
    module = MODULES[name]
    variables = jax.jit(module.init)(jax.random.key(1), images())
    if name == "resnet_train":
        return Case(lambda v, x: module.apply(v, x, mutable=["batch_stats"])[0], variables, images())
    return Case(lambda v, x: module.apply(v, x), _statistics(variables), images())


MODULES = {
    "resnet": ResNet(),
    "resnet_train": ResNet(train=True),
    "resnet_remat": ResNet(wrap=lambda block: nn.remat(block, static_argnums=(2,))),
    "resnet_jit": ResNet(wrap=lambda block: nn.jit(block, static_argnums=(2,))),
    "vgg": Vgg(),
    "looped": Looped(),
    "mlp": Mlp(),
    "vit": Vit(),
    "vit_grid": Vit(grid=True),
}


def _statistics(variables: Any) -> Any:
    """Batch statistics that are not 0 and 1, so that forgetting them would show."""
    stats = jax.tree.map(lambda s: s + 0.3, variables.get("batch_stats", {}))
    return {**variables, "batch_stats": stats} if stats else variables
