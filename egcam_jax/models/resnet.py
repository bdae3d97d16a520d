"""ResNet-18 to -152 (He et al., 2016), as torchvision has them (v1.5) and as first published (v1).

They differ in where a stage with bottlenecks halves the resolution: v1.5 in the 3×3 convolution, v1 in the first
1×1 convolution. The published v1 weights are the original Caffe ones, with Caffe's preprocessing.
"""

import re
from functools import partial

import flax.linen as nn
import jax.numpy as jnp

from egcam_jax._types import Array, Float, Images
from egcam_jax.models._layers import ConvUnit, Values, max_pool
from egcam_jax.models._spec import Hub, Preprocess, Spec, Unpublished

_RESIDUAL_GAIN = 0.1  # of random kernels that end a residual branch, so that deep networks stay in range


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut; the output is taken after the last ReLU."""

    width: int
    stride: int
    stride_first: bool
    eps: float
    folded: bool

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the block."""
        unit = partial(ConvUnit, eps=self.eps, folded=self.folded)
        y = unit(self.width, 3, stride=self.stride, padding=1, name="conv1")(x)
        y = unit(self.width, 3, padding=1, activation=None, gain=_RESIDUAL_GAIN, name="conv2")(y)
        if x.shape != y.shape:
            x = unit(self.width, 1, stride=self.stride, activation=None, gain=1.0, name="downsample")(x)
        return nn.relu(x + y)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions beside a shortcut; the output is taken after the last ReLU."""

    width: int
    stride: int
    stride_first: bool
    eps: float
    folded: bool

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the block."""
        unit = partial(ConvUnit, eps=self.eps, folded=self.folded)
        first, second = (self.stride, 1) if self.stride_first else (1, self.stride)
        wide = 4 * self.width
        y = unit(self.width, 1, stride=first, name="conv1")(x)
        y = unit(self.width, 3, stride=second, padding=1, name="conv2")(y)
        y = unit(wide, 1, activation=None, gain=_RESIDUAL_GAIN, name="conv3")(y)
        if x.shape != y.shape:
            x = unit(wide, 1, stride=self.stride, activation=None, gain=1.0, name="downsample")(x)
        return nn.relu(x + y)


class Stage(nn.Module):
    """Blocks of one width; the first has the stride."""

    block: type[nn.Module]
    count: int
    width: int
    stride: int
    stride_first: bool
    eps: float
    folded: bool

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the stage."""
        for i in range(self.count):
            stride = self.stride if i == 0 else 1
            x = self.block(self.width, stride, self.stride_first, self.eps, self.folded, name=str(i))(x)
        return x


class ResNet(nn.Module):
    """The network: stem, pooling, four stages, mean, one fully connected layer."""

    block: type[nn.Module]
    counts: tuple[int, int, int, int]
    stride_first: bool = False
    eps: float = 1e-5
    num_classes: int = 1000
    folded: bool = True

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "b classes"]:
        """Logits of ``(b, H, W, 3)`` images."""
        x = ConvUnit(64, 7, stride=2, padding=3, eps=self.eps, folded=self.folded, name="conv1")(x)
        x = max_pool(x, 3, 2, padding=1)
        for i, count in enumerate(self.counts):
            width, stride = 64 * 2**i, 1 if i == 0 else 2
            stage = Stage(
                self.block, count, width, stride, self.stride_first, self.eps, self.folded, name=f"layer{i + 1}"
            )
            x = stage(x)
        return nn.Dense(self.num_classes, name="fc")(jnp.mean(x, axis=(1, 2)))


def rename(name: str) -> str:
    """Our name of a tensor in torchvision's naming, which timm shares."""
    name = re.sub(r"(^|\.)bn(\d)\.", r"\1conv\2.norm.", name)
    return name.replace("downsample.0.", "downsample.").replace("downsample.1.", "downsample.norm.")


_COUNTS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
_CAFFE_EPS = 1.001e-5
_CAFFE = Preprocess(mean=(103.939, 116.779, 123.68), std=(1.0,) * 3, scale=255.0, bgr=True)


def _spec(depth: int) -> Spec:
    block = Bottleneck if depth >= 50 else BasicBlock
    source = Hub(f"timm/resnet{depth}.tv_in1k")
    return Spec(partial(ResNet, block, _COUNTS[depth]), rename, "layer4", source)


def _v1_spec(depth: int) -> Spec:
    wanted = f"a .safetensors file of the original ResNet-{depth} in torchvision's naming"
    return Spec(
        partial(ResNet, Bottleneck, _COUNTS[depth], stride_first=True, eps=_CAFFE_EPS),
        rename,
        "layer4",
        Unpublished(wanted),
        preprocess=_CAFFE,
        eps=_CAFFE_EPS,
    )


SPECS = {f"resnet{depth}": _spec(depth) for depth in _COUNTS}
SPECS |= {f"resnet{depth}_v1": _v1_spec(depth) for depth in (50, 101, 152)}
