"""ResNet-20, -32, -44 and -56 for CIFAR-10 (He et al., 2016, section 4.2), with shortcuts of option A.

Where a stage begins, the shortcut takes every second pixel and pads the channels with zeros: no parameters.
"""

import re
from functools import partial

import flax.linen as nn
import jax.numpy as jnp

from egcam_jax.core.types import Array, Float, Images
from egcam_jax.models._layers import ConvUnit, Stage, Values
from egcam_jax.models._spec import Preprocess, Spec, Unpublished


class Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut; the output is taken after the last ReLU."""

    width: int
    stride: int
    eps: float | None

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the block."""
        unit = partial(ConvUnit, self.width, 3, padding=1, eps=self.eps)
        y = unit(stride=self.stride, name="conv1")(x)
        y = unit(activation=None, gain=0.1, name="conv2")(y)
        if self.stride > 1:
            x = shortcut(x, self.width, self.stride)
        return nn.relu(x + y)


def shortcut(x: Values, width: int, stride: int) -> Values:
    """Every ``stride``-th pixel, with zeros for new channels, as many before as after the old ones."""
    before = (width - x.shape[-1]) // 2
    after = width - x.shape[-1] - before
    return jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (before, after)))


class CifarResNet(nn.Module):
    """The network: one convolution, three stages of ``count`` blocks, mean, one fully connected layer."""

    count: int
    num_classes: int = 10
    eps: float | None = None

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "b classes"]:
        """Logits of ``(b, H, W, 3)`` images."""
        x = ConvUnit(16, 3, padding=1, eps=self.eps, name="conv1")(x)
        for i, width in enumerate((16, 32, 64)):
            block = partial(Block, width=width, eps=self.eps)
            x = Stage(block, self.count, 1 if i == 0 else 2, name=f"layer{i + 1}")(x)
        return nn.Dense(self.num_classes, name="linear")(jnp.mean(x, axis=(1, 2)))


def rename(name: str) -> str:
    """Our name of a tensor in the naming of PyTorch's CIFAR ResNets."""
    name = re.sub(r"(^|\.)bn(\d)\.", r"\1conv\2.norm.", name)
    return re.sub(r"^fc\.", "linear.", name)


def _spec(depth: int) -> Spec:
    source = Unpublished(f"the .th, .pth or .safetensors file of a CIFAR-10 ResNet-{depth} with shortcuts of option A")
    network, seen = partial(CifarResNet, (depth - 2) // 6), Preprocess(size=32, resize=32)
    return Spec(network, rename, "layer3", source, preprocess=seen, classes="cifar10", head=("linear",), eps=1e-5)


SPECS = {f"cifar_resnet{depth}": _spec(depth) for depth in (20, 32, 44, 56)}
