"""ResNet-18 to -152 (He et al., 2016), as torchvision has them (v1.5) and as first published (v1).

They differ in where a stage with bottlenecks halves the resolution: v1.5 in the 3×3 convolution, v1 in the first
1×1 convolution. The published v1 weights are the original Caffe ones, with Caffe's preprocessing.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import flax.linen as nn
import jax.numpy as jnp

from egcam_jax.core.types import Array, Float, Images
from egcam_jax.models._layers import ConvUnit, Stage, Values, max_pool
from egcam_jax.models._spec import Hub, Preprocess, Spec, Unpublished

Plan: TypeAlias = tuple[tuple[int, int, int], ...]
"""Kernel, channels and stride of each convolution of a block."""

# A small gain of the random kernels that end a residual branch keeps the values of deep networks in range.
_BRANCH_END: Mapping[str, Any] = MappingProxyType({"activation": None, "gain": 0.1})


def basic(width: int, stride: int) -> Plan:
    """Two 3×3 convolutions."""
    return (3, width, stride), (3, width, 1)


def bottleneck(width: int, stride: int) -> Plan:
    """1×1, 3×3 and 1×1 convolutions, as in v1.5."""
    return (1, width, 1), (3, width, stride), (1, 4 * width, 1)


def bottleneck_v1(width: int, stride: int) -> Plan:
    """1×1, 3×3 and 1×1 convolutions, as first published."""
    return (1, width, stride), (3, width, 1), (1, 4 * width, 1)


class Block(nn.Module):
    """A row of convolutions beside a shortcut; the output is taken after the last ReLU."""

    plan: Callable[[int, int], Plan]
    width: int
    stride: int
    eps: float | None

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the block."""
        unit = partial(ConvUnit, eps=self.eps)
        plan, y = self.plan(self.width, self.stride), x
        for i, (kernel, features, stride) in enumerate(plan, 1):
            end = _BRANCH_END if i == len(plan) else {}
            y = unit(features, kernel, stride, kernel // 2, name=f"conv{i}", **end)(y)
        if x.shape != y.shape:
            x = unit(y.shape[-1], 1, self.stride, activation=None, gain=1.0, name="downsample")(x)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """The network: stem, pooling, four stages, mean, one fully connected layer."""

    plan: Callable[[int, int], Plan]
    counts: tuple[int, int, int, int]
    num_classes: int = 1000
    eps: float | None = None

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "b classes"]:
        """Logits of ``(b, H, W, 3)`` images."""
        x = ConvUnit(64, 7, stride=2, padding=3, eps=self.eps, name="conv1")(x)
        x = max_pool(x, 3, 2, padding=1)
        for i, count in enumerate(self.counts):
            block = partial(Block, self.plan, 64 * 2**i, eps=self.eps)
            x = Stage(block, count, 1 if i == 0 else 2, name=f"layer{i + 1}")(x)
        return nn.Dense(self.num_classes, name="fc")(jnp.mean(x, axis=(1, 2)))


def rename(name: str) -> str:
    """Our name of a tensor in torchvision's naming, which timm shares."""
    name = re.sub(r"(^|\.)bn(\d)\.", r"\1conv\2.norm.", name)
    return name.replace("downsample.0.", "downsample.").replace("downsample.1.", "downsample.norm.")


_SMALL, _MIDDLE = (2, 2, 2, 2), (3, 4, 6, 3)
_COUNTS = {18: _SMALL, 34: _MIDDLE, 50: _MIDDLE, 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_CAFFE = Preprocess(mean=(103.939, 116.779, 123.68), std=(1.0,) * 3, scale=255.0, bgr=True)


def _spec(depth: int) -> Spec:
    plan = bottleneck if depth >= 50 else basic
    source = Hub(f"timm/resnet{depth}.tv_in1k")
    return Spec(partial(ResNet, plan, _COUNTS[depth]), rename, "layer4", source, eps=1e-5)


def _v1_spec(depth: int) -> Spec:
    source = Unpublished(f"a .safetensors file of the original ResNet-{depth} in torchvision's naming")
    network = partial(ResNet, bottleneck_v1, _COUNTS[depth])
    return Spec(network, rename, "layer4", source, preprocess=_CAFFE, eps=1.001e-5)


SPECS = {f"resnet{depth}": _spec(depth) for depth in _COUNTS}
SPECS |= {f"resnet{depth}_v1": _v1_spec(depth) for depth in (50, 101, 152)}
