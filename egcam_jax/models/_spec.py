"""What the table of networks holds for each name, and what ``load`` returns."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax.core.types import Images, Params


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """How a picture becomes an input: ``(pixels * scale / 255 - mean) / std`` on a centre crop.

    Attributes:
        size: Side of the square that the network takes, in pixels; or height and width of an oblong.
        resize: Length of the shortest side before the crop, in pixels.
        interpolation: "nearest", "bilinear", "bicubic" or "lanczos".
        mean: Subtracted from each channel, in the network's channel order; one number where it takes grey pictures.
        std: Each channel is divided by it, in the network's channel order.
        scale: Value of white before ``mean`` is subtracted: 255 or 1.
        bgr: Whether the network takes blue first.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import data, models
        >>> settings = models.Preprocess(size=2, resize=2, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
        >>> data.normalise(np.full((2, 2, 3), 255, np.uint8), settings)[0, 0].tolist()  # white: (1 - 0.5) / 0.25
        [2.0, 2.0, 2.0]
    """

    size: int | tuple[int, int] = 224
    resize: int = 256
    interpolation: str = "bilinear"
    mean: tuple[float | int, ...] = (0.485, 0.456, 0.406)
    std: tuple[float | int, ...] = (0.229, 0.224, 0.225)
    scale: float = 1.0
    bgr: bool = False


class Sizes(NamedTuple):
    """What may differ in a network that was fitted to other data: logits, units of hidden layers, channels in."""

    classes: int
    hidden: tuple[int, ...] = ()
    channels: int = 3


@dataclasses.dataclass(frozen=True)
class Hub:
    """Published on the Hugging Face hub, as ``model.safetensors`` of a repository.

    Example:
        >>> from egcam_jax import models
        >>> models.spec("resnet50").source == models.Hub("timm/resnet50.tv_in1k")
        True
    """

    repository: str


@dataclasses.dataclass(frozen=True)
class Url:
    """Published as one file; ``sha256`` is its digest, or the first digits where no more are published.

    Example:
        >>> from egcam_jax import models
        >>> models.Url("https://example.org/weights.pth", "0123abcd").sha256
        '0123abcd'
    """

    url: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class Package:
    """Carried by an installed Python package, which is never executed."""

    distribution: str


@dataclasses.dataclass(frozen=True)
class Unpublished:
    """Not published in a form that could be fetched; ``wanted`` says which file to pass instead."""

    wanted: str


Source: TypeAlias = Hub | Url | Package | Unpublished


@dataclasses.dataclass(frozen=True)
class Spec:
    """A row of the table of networks.

    Attributes:
        network: ``network(num_classes=)`` makes it; where there is batch norm, ``eps=`` says how, or that it is folded;
            where the classifier has hidden layers, ``hidden=`` gives their units.
        rename: From a tensor's name in a file to ours, dots for slashes; unknown names pass unchanged.
        layer: The default target layer.
        source: Where ``load`` finds the weights.
        preprocess: What the published weights were trained with.
        spatial: Height and width that are flattened before a fully connected layer, by its path.
        classes: "imagenet" or "cifar10".
        head: The classifier's layers, the last of which has the logits.
        eps: Added to the variance by batch norm; None where there is none.
        fused: The layers whose complete maps together are the best map that is known of the network; see
            ``notebooks/04_defaults.ipynb``. Empty where no fused map was measured.

    Example:
        >>> from egcam_jax import models
        >>> models.spec("resnet50").layer, models.spec("resnet50").classes
        ('layer4', 'imagenet')
    """

    network: Callable[..., nn.Module]
    rename: Callable[[str], str]
    layer: str
    source: Source
    preprocess: Preprocess = Preprocess()
    spatial: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    classes: str = "imagenet"
    head: tuple[str, ...] = ("fc",)
    eps: float | None = None
    fused: tuple[str, ...] = ()

    def module(self, *, num_classes: int, folded: bool, hidden: tuple[int, ...] = ()) -> nn.Module:
        """Make the network, with batch norm or with convolutions that it is folded into."""
        options: dict[str, Any] = {} if self.eps is None else {"eps": None if folded else self.eps}
        return self.network(num_classes=num_classes, **options, **({"hidden": hidden} if hidden else {}))


@dataclasses.dataclass(frozen=True)
class Apply:
    """A network as the pure function ``(params, x) -> logits``; equal networks are equal and hash alike.

    Example:
        >>> from egcam_jax import models
        >>> one, other = (models.Apply(models.spec("resnet50").module(num_classes=5, folded=True)) for _ in range(2))
        >>> one == other, hash(one) == hash(other)
        (True, True)
    """

    module: nn.Module
    channels: int = 3

    def __call__(self, params: Params, x: Images) -> Float[Array, "b classes"]:
        """Apply the network.

        Args:
            params: The model's ``params``.
            x: ``(b, H, W, C)`` preprocessed images.

        Returns:
            ``(b, classes)`` logits.

        Raises:
            ValueError: ``x`` is not a batch of images with the network's channels, last.
        """
        if x.ndim != 4 or x.shape[-1] != self.channels:
            raise ValueError(
                f"x must have shape (b, H, W, {self.channels}); got {tuple(x.shape)}. Add a batch axis with x[None], "
                "or move the channels last with x.transpose(0, 2, 3, 1)."
            )
        return jnp.asarray(self.module.apply(params, x))


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """A network with its weights and what is needed to use them.

    Attributes:
        name: As in ``names()``.
        apply_fn: ``apply_fn(params, x)``: ``(b, H, W, C)`` to ``(b, classes)`` logits; hashable.
        params: Linen variables.
        preprocess: What the weights were trained with.
        class_names: One for each logit.
        layer: The default target layer.
        digest: SHA-256 of the weight file, empty for random weights.
        weights: Where the weights came from.
        input_shape: ``(H, W, C)`` that the weights were trained with.
        fused: As in ``Spec``.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import models
        >>> model = models.init("cifar_resnet20", jax.random.key(0))
        >>> model.input_shape, model.class_names[:2]
        ((32, 32, 3), ('airplane', 'automobile'))
    """

    name: str
    apply_fn: Callable[[Any, Any], Any]
    params: Any
    preprocess: Preprocess
    class_names: tuple[str, ...]
    layer: str
    digest: str
    weights: str
    input_shape: tuple[int, int, int]
    fused: tuple[str, ...] = ()
