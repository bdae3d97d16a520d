"""SqueezeNet 1.0 and 1.1 (Iandola et al., 2016), as torchvision has them and as the authors' Caffe network.

The Caffe network differs by one pixel of padding around the last convolution and in its preprocessing.
"""

import re
from functools import partial

import flax.linen as nn
import jax.numpy as jnp

from egcam_jax.core.types import Array, Float, Images
from egcam_jax.models._layers import ConvUnit, Values, max_pool
from egcam_jax.models._spec import Preprocess, Spec, Unpublished, Url

# Squeezed channels of each fire module by torchvision's number of the layer; None is a pooling.
_V10 = {2: None, 3: 16, 4: 16, 5: 32, 6: None, 7: 32, 8: 48, 9: 48, 10: 64, 11: None, 12: 64}
_V11 = {2: None, 3: 16, 4: 16, 5: None, 6: 32, 7: 32, 8: None, 9: 48, 10: 48, 11: 64, 12: 64}


class Fire(nn.Module):
    """Squeeze by a 1×1 convolution, then expand by 1×1 and 3×3 convolutions, joined, four times each."""

    squeezed: int

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the module: ``(b, h, w, K)`` to ``(b, h, w, 8 * squeezed)``."""
        x = ConvUnit(self.squeezed, 1, name="squeeze")(x)
        small = ConvUnit(4 * self.squeezed, 1, name="expand1x1")(x)
        large = ConvUnit(4 * self.squeezed, 3, padding=1, name="expand3x3")(x)
        return jnp.concatenate([small, large], axis=-1)


class Features(nn.Module):
    """First convolution, fire modules and poolings; layers are numbered as in torchvision."""

    width: int
    kernel: int
    layers: tuple[tuple[int, int | None], ...]

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the layers: ``(b, H, W, 3)`` to ``(b, h, w, 512)``, h and w about a sixteenth."""
        x = ConvUnit(self.width, self.kernel, stride=2, name="0")(x)
        for number, squeezed in self.layers:
            x = max_pool(x, 3, 2, ceil=True) if squeezed is None else Fire(squeezed, name=str(number))(x)
        return x


class Classifier(nn.Module):
    """A 1×1 convolution with ReLU: one map for each class."""

    num_classes: int
    padding: int

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Class maps."""
        return ConvUnit(self.num_classes, 1, padding=self.padding, name="1")(x)


class SqueezeNet(nn.Module):
    """The network: features, class maps, mean."""

    width: int
    kernel: int
    layers: tuple[tuple[int, int | None], ...]
    final_padding: int = 0
    num_classes: int = 1000

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "b classes"]:
        """Logits of ``(b, H, W, 3)`` images."""
        x = Features(self.width, self.kernel, self.layers, name="features")(x)
        x = Classifier(self.num_classes, self.final_padding, name="classifier")(x)
        return jnp.mean(x, axis=(1, 2))


_CAFFE_UNITS = {"conv1x1_1": "squeeze", "conv1x1_2": "expand1x1", "conv3x3_2": "expand3x3"}
_CAFFE_FIRES = dict(zip(range(2, 10), (number for number, squeezed in _V10.items() if squeezed)))


def rename_caffe(name: str) -> str:
    """Our name of a tensor in the naming of the authors' Caffe network."""
    if match := re.fullmatch(r"fire([2-9])\.(conv1x1_1|conv1x1_2|conv3x3_2)\.(\w+)", name):
        return f"features.{_CAFFE_FIRES[int(match[1])]}.{_CAFFE_UNITS[match[2]]}.{match[3]}"
    return re.sub(r"^conv_final\.", "classifier.1.", re.sub(r"^conv1\.", "features.0.", name))


_V10_NETWORK = partial(SqueezeNet, 96, 7, tuple(_V10.items()))
_V11_NETWORK = partial(SqueezeNet, 64, 3, tuple(_V11.items()))
_CAFFE = Preprocess(227, 256, "bicubic", mean=(104.0, 117.0, 123.0), std=(1.0,) * 3, scale=255.0, bgr=True)
_SITE = "https://download.pytorch.org/models/"
_V10_SOURCE = Url(f"{_SITE}squeezenet1_0-b66bff10.pth", "b66bff10")
_V11_SOURCE = Url(
    f"{_SITE}squeezenet1_1-b8a52dc0.pth", "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b"
)

_AUTHORS = Unpublished("a .safetensors file of the authors' network")
_HEAD = ("classifier/1",)

SPECS = {
    "squeezenet1_0": Spec(_V10_NETWORK, str, "features", _V10_SOURCE, head=_HEAD),
    "squeezenet1_1": Spec(_V11_NETWORK, str, "features", _V11_SOURCE, head=_HEAD),
    "squeezenet1_0_caffe": Spec(
        partial(_V10_NETWORK, final_padding=1), rename_caffe, "features", _AUTHORS, preprocess=_CAFFE, head=_HEAD
    ),
}
