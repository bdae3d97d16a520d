"""AlexNet on one device (Krizhevsky, 2014), with torchvision's layer sizes."""

import flax.linen as nn

from egcam_jax.core.types import Array, Float, Images
from egcam_jax.models._layers import Classifier, ConvUnit, Values, adaptive_avg_pool, flatten, max_pool
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


class AlexNet(nn.Module):
    """The network: features, adaptive average pooling to 6×6, classifier."""

    hidden: tuple[int, ...] = (4096, 4096)
    num_classes: int = 1000

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "b classes"]:
        """Logits of ``(b, H, W, 3)`` images."""
        x = flatten(adaptive_avg_pool(Features(name="features")(x), _GRID))
        return Classifier(("1", "4", "6"), (*self.hidden, self.num_classes), name="classifier")(x)


_SOURCE = Url(
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
_HEAD = ("classifier/1", "classifier/4", "classifier/6")
SPECS = {"alexnet": Spec(AlexNet, str, "features", _SOURCE, spatial={_HEAD[0]: _GRID}, head=_HEAD)}
