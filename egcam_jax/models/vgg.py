"""VGG-11, -13, -16 and -19 without batch norm (Simonyan and Zisserman, 2015)."""

from functools import partial

import flax.linen as nn

from egcam_jax.core.types import Array, Float, Images
from egcam_jax.models._layers import Classifier, ConvUnit, Values, adaptive_avg_pool, flatten, max_pool
from egcam_jax.models._spec import Hub, Spec

_WIDTHS = (64, 128, 256, 512, 512)
_GRID = (7, 7)


class Features(nn.Module):
    """Five groups of 3×3 convolutions, each with its pooling; layers are numbered as in torchvision."""

    counts: tuple[int, ...]

    @nn.compact
    def __call__(self, x: Values) -> Values:
        """Apply the convolutions: ``(b, H, W, 3)`` to ``(b, H / 32, W / 32, 512)``."""
        number = 0
        for count, width in zip(self.counts, _WIDTHS):
            for _ in range(count):
                x = ConvUnit(width, 3, padding=1, name=str(number))(x)
                number += 2  # the ReLU has a number too
            x = max_pool(x, 2, 2)
            number += 1
        return x


class VGG(nn.Module):
    """The network: features, adaptive average pooling to 7×7, classifier."""

    counts: tuple[int, ...]
    hidden: int | tuple[int, ...] = (4096, 4096)
    num_classes: int = 1000

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "b classes"]:
        """Logits of ``(b, H, W, 3)`` images."""
        x = Features(self.counts, name="features")(x)
        hidden = (self.hidden, self.hidden) if isinstance(self.hidden, int) else self.hidden
        return Classifier(("0", "3", "6"), (*hidden, self.num_classes), name="classifier")(
            flatten(adaptive_avg_pool(x, _GRID))
        )


_TIMM = {"pre_logits.fc1.": "classifier.0.", "pre_logits.fc2.": "classifier.3.", "head.fc.": "classifier.6."}


def rename(name: str) -> str:
    """Our name of a tensor in torchvision's or timm's naming."""
    return next((ours + name.removeprefix(theirs) for theirs, ours in _TIMM.items() if name.startswith(theirs)), name)


_COUNTS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _spec(depth: int) -> Spec:
    source = Hub(f"timm/vgg{depth}.tv_in1k")
    head = ("classifier/0", "classifier/3", "classifier/6")
    return Spec(partial(VGG, _COUNTS[depth]), rename, "features", source, spatial={head[0]: _GRID}, head=head)


SPECS = {f"vgg{depth}": _spec(depth) for depth in _COUNTS}
