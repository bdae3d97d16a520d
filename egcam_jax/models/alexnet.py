"""AlexNet on one device (Krizhevsky, 2014), with torchvision's layer sizes."""

import flax.linen as nn

from egcam_jax._types import Array, Float, Images
from egcam_jax.models._layers import ConvUnit, Values, adaptive_avg_pool, flatten, max_pool
from egcam_jax.models._spec import Spec, Url

_GRID = (6, 6)


class Features(nn.Module):
    """Five convolutions and three poolings; layers are numbered as in torchvision."""

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the convolutions: ``(b, 224, 224, 3)`` to ``(b, 6, 6, 256)``."""
        x = max_pool(ConvUnit(64, 11, stride=4, padding=2, name="0")(x), 3, 2)
        x = max_pool(ConvUnit(192, 5, padding=2, name="3")(x), 3, 2)
        x = ConvUnit(384, 3, padding=1, name="6")(x)
        x = ConvUnit(256, 3, padding=1, name="8")(x)
        return max_pool(ConvUnit(256, 3, padding=1, name="10")(x), 3, 2)


class Classifier(nn.Module):
    """Three fully connected layers."""

    num_classes: int

    @nn.compact
    def __call__(self, x: Float[Array, "b n"]) -> Float[Array, "b classes"]:
        """Logits of flattened features."""
        x = nn.relu(nn.Dense(4096, name="1")(x))
        x = nn.relu(nn.Dense(4096, name="4")(x))
        return nn.Dense(self.num_classes, name="6")(x)


class AlexNet(nn.Module):
    """The network: features, adaptive average pooling to 6×6, classifier."""

    num_classes: int = 1000

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "b classes"]:
        """Logits of ``(b, H, W, 3)`` images."""
        x = Features(name="features")(x)
        return Classifier(self.num_classes, name="classifier")(flatten(adaptive_avg_pool(x, _GRID)))


def rename(name: str) -> str:
    """Our name of a tensor in torchvision's naming: the same."""
    return name


_SOURCE = Url(
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
SPECS = {"alexnet": Spec(AlexNet, rename, "features", _SOURCE, spatial={"classifier/1": _GRID})}
