"""What the families share: convolution with batch norm and activation, and pooling as PyTorch defines it."""

import functools
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from egcam_jax.core.numerics import accumulator
from egcam_jax.core.types import Array, Float

Values: TypeAlias = Float[Array, "_ _ _ _"]
"""Activations of any size: (b, h, w, K), of which a layer may change all but b."""

Activation: TypeAlias = Callable[[Array], Array]
Padding: TypeAlias = int | str


def relu6(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Clip to [0, 6]; the slope is 0 at both ends, as in PyTorch, where ``jax.nn.relu6`` has a half."""
    return jnp.where(x < 6, nn.relu(x), 6)


class ConvUnit(nn.Module):
    """Convolution, its batch norm if it has one, and its activation: one layer, by one name.

    ``y = activation(scale * (conv(x) - mean) / sqrt(var + eps) + bias)``; without batch norm, or where it is
    folded into kernel and bias, ``y = activation(conv(x) + bias)``.

    Attributes:
        features: Channels out.
        kernel: Side of the square kernel, in pixels.
        stride: In pixels.
        padding: Zeros on every side, or "SAME" as in TensorFlow.
        groups: Of channels; as many as channels for a depthwise convolution.
        eps: Added to the variance; None where there is no batch norm, or none any more.
        activation: None for a linear layer.
        gain: Of the random initial kernel: its variance times the number of inputs of one output.
    """

    features: int
    kernel: int
    stride: int = 1
    padding: Padding = 0
    groups: int = 1
    eps: float | None = None
    activation: Activation | None = nn.relu
    gain: float = 2.0

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the layer: ``(b, h, w, K)`` to ``(b, h', w', features)``."""
        y = self._normalise(self._convolve(x))
        return y if self.activation is None else self.activation(y)

    def _convolve(self, x: Array) -> Array:
        shape = (self.kernel, self.kernel, x.shape[-1] // self.groups, self.features)
        kernel = self.param("kernel", nn.initializers.variance_scaling(self.gain, "fan_in", "normal"), shape)
        x, kernel = promote_dtype(x, kernel)
        if self.groups == x.shape[-1] == self.features and self.padding == "SAME":
            return depthwise(x, kernel, self.stride)
        if self.kernel == self.groups == 1 and self.padding in (0, "SAME"):
            return pointwise(x, kernel, self.stride)
        padding = self.padding if isinstance(self.padding, str) else ((self.padding, self.padding),) * 2
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (self.stride, self.stride),
            padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=self.groups,
        )

    def _normalise(self, y: Array) -> Array:
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.eps is None:
            return y + bias
        scale = self.param("scale", nn.initializers.ones, (self.features,))
        mean = self.variable("batch_stats", "mean", jnp.zeros, (self.features,)).value
        var = self.variable("batch_stats", "var", jnp.ones, (self.features,)).value
        return (y - mean) * (scale * jax.lax.rsqrt(var + self.eps)) + bias


class Stage(nn.Module):
    """Blocks in a row, of which only the first has the stride; ``block(stride=, name=)`` makes one."""

    block: Callable[..., nn.Module]
    count: int
    stride: int

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the blocks."""
        for i in range(self.count):
            x = self.block(stride=self.stride if i == 0 else 1, name=str(i))(x)
        return x


class Classifier(nn.Module):
    """Fully connected layers with ReLU between them, by the names that torchvision's have."""

    names: tuple[str, ...]
    units: tuple[int, ...]

    @nn.compact
    def __call__(self, x: Float[Array, "b n"]) -> Float[Array, "b classes"]:
        """Logits of flattened features."""
        for name, units in zip(self.names[:-1], self.units[:-1], strict=True):
            x = nn.relu(nn.Dense(units, name=name)(x))
        return nn.Dense(self.units[-1], name=self.names[-1])(x)


def depthwise(x: Values, kernel: Float[Array, "k k 1 K"], stride: int) -> Values:
    """Filter each channel by itself, with TensorFlow's "SAME" padding, as a sum of shifted products.

    The same sum in the same order as ``lax.conv_general_dilated`` with one channel per group, whose code for
    CPUs takes 10 to 40 times as long, forward as well as backward (JAX 0.10).
    """
    k, size = kernel.shape[0], x.shape[1:3]
    pads = jax.lax.padtype_to_pads(size, (k, k), (stride, stride), "SAME")
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = (-(-n // stride) for n in size)

    def shifted(i: int, j: int) -> Array:
        stop = (x.shape[0], i + (rows - 1) * stride + 1, j + (columns - 1) * stride + 1, x.shape[3])
        return jax.lax.slice(x, (0, i, j, 0), stop, (1, stride, stride, 1))

    dtype = accumulator(x.dtype)
    terms = (shifted(i, j).astype(dtype) * kernel[i, j, 0].astype(dtype) for i in range(k) for j in range(k))
    return reduce(operator.add, terms).astype(x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def pointwise(x: Values, kernel: Float[Array, "1 1 C K"], stride: int) -> Values:
    """Combine the channels of each position that the stride keeps: a 1 x 1 convolution.

    Its derivative is written as a matrix product, which it is: on CPUs that of the convolution takes several times as
    long (JAX 0.10), while the convolution itself is as quick.
    """
    dimensions = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), "VALID", dimension_numbers=dimensions)


@pointwise.defjvp
def _pointwise_jvp(stride: int, primals: tuple[Values, Array], tangents: tuple[Values, Array]) -> tuple[Values, Values]:
    (x, kernel), (dx, dkernel) = primals, tangents
    return pointwise(x, kernel, stride), _product(dx, kernel, stride) + _product(x, dkernel, stride)


def _product(x: Values, kernel: Float[Array, "1 1 C K"], stride: int) -> Values:
    return jax.lax.dot_general(x[:, ::stride, ::stride], kernel[0, 0], (((3,), (0,)), ((), ())))


def max_pool(x: Values, window: int, stride: int, *, padding: int = 0, ceil: bool = False) -> Values:
    """Largest value of each window; ``ceil`` keeps a last window that is only partly inside."""
    extra = [_overhang(n, window, stride, padding) if ceil else 0 for n in x.shape[1:3]]
    pads = [(padding, padding + more) for more in extra]
    return nn.max_pool(x, (window, window), (stride, stride), pads)


def _overhang(n: int, window: int, stride: int, padding: int) -> int:
    """Padding to add at the end for the partial window, which must start inside the input or its padding."""
    count = -(-(n + 2 * padding - window) // stride) + 1
    if (count - 1) * stride >= n + padding:
        count -= 1
    return max((count - 1) * stride + window - n - 2 * padding, 0)


def adaptive_avg_pool(x: Values, size: Sequence[int]) -> Values:
    """Means over ``size`` equal cells, which may overlap by a pixel; nothing to do where the size matches.

    Cell ``i`` of ``m`` over ``n`` pixels is ``[floor(i n / m), ceil((i + 1) n / m))``.
    """
    if tuple(x.shape[1:3]) == tuple(size):
        return x
    return _pool_axis(_pool_axis(x, 1, size[0]), 2, size[1])


def _pool_axis(x: Values, axis: int, m: int) -> Values:
    n = x.shape[axis]
    cells = [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]
    parts = [jax.lax.slice_in_dim(x, start, stop, axis=axis) for start, stop in cells]
    return jnp.concatenate([jnp.mean(part, axis=axis, keepdims=True) for part in parts], axis=axis)


def flatten(x: Values) -> Float[Array, "b n"]:
    """One vector for each image, in the order row, column, channel."""
    return x.reshape(x.shape[0], -1)
