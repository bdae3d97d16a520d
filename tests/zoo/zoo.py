"""Models of the zoos that JAX users run, small and with random weights."""

import functools
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

import egcam_jax

KEY = jax.random.key(0)


class Case(NamedTuple):
    """A model of a zoo.

    Attributes:
        package: what to import.
        make: builds what ``adapt`` takes; called once.
        adapt: the model to ``(params, apply_fn)``.
        size: height and width of the images.
        layer: the layer to explain at: the automatic choice, except for transformers, which need a name.
        shape: its shape, ``(h, w, K)`` or ``(N, K)``.
        meshed: whether the package asks for a mesh, even of one device.
    """

    package: str
    make: Callable[[], Any]
    adapt: Callable[[Any], Any]
    size: int
    layer: str
    shape: tuple[int, ...]
    meshed: bool = False


def keras(name: str, layer: str, shape: tuple[int, ...], size: int = 64, **options: Any) -> Case:
    """A model of ``keras.applications`` that returns logits."""

    def make() -> Any:
        import keras

        keras.utils.set_random_seed(0)  # of other weights every map may be 0, which shows nothing
        build = getattr(keras.applications, name)
        return build(weights=None, input_shape=(size, size, 3), classes=5, classifier_activation=None, **options)

    return Case("keras", make, egcam_jax.from_keras, size, layer, shape)


def image_models(**options: Any) -> Any:
    """A vision transformer of jax-image-models."""
    import jimm
    from flax import nnx
    from jimm.common.sharding import NoSharding

    sizes = {"img_size": 32, "patch_size": 8, "num_layers": 3, "num_heads": 2, "mlp_dim": 32, "hidden_size": 16}
    return jimm.VisionTransformer(num_classes=5, rngs=nnx.Rngs(0), sharding=NoSharding, **sizes, **options)


def equimo_transformer() -> Any:
    """A vision transformer of Equimo, with register tokens."""
    from equimo.vision.models import VisionTransformer

    return VisionTransformer(32, 3, 16, 8, 2, [3], key=KEY, num_classes=5)


def equimo_convnext() -> Any:
    """A ConvNeXt of Equimo."""
    from equimo.vision.models import ConvNeXt

    return ConvNeXt(depths=[1, 1, 2, 1], dims=[8, 16, 24, 32], num_classes=5, key=KEY)


def equimo_mobilenet() -> Any:
    """A MobileNet of Equimo."""
    from equimo.vision.models import mobilenetv3_small

    return mobilenetv3_small(num_classes=5, key=KEY)


def jaxonmodels_resnet() -> Any:
    """A ResNet of jaxonmodels, with its state."""
    import equinox as eqx
    from jaxonmodels.models.resnet import BasicBlock, ResNet

    return eqx.nn.make_with_state(ResNet)(BasicBlock, [1, 1, 1, 1], 5, False, 1, 64, None, key=KEY)


def jaxonmodels_transformer() -> Any:
    """A vision transformer of jaxonmodels, which returns its logits and a state even where it has none."""
    from jaxonmodels.models.vit import VisionTransformer

    return VisionTransformer(32, 8, 16, 3, 2, 5, key=KEY)


def jaxonmodels_efficientnet() -> Any:
    """An EfficientNet of jaxonmodels, with its state; its call asks for a key."""
    from jaxonmodels.models.efficientnet import _efficientnet_b0

    return _efficientnet_b0(KEY, 5)


def inference(model: Any) -> Any:
    """A model of Equimo, whose call asks for a key or for inference mode."""
    return egcam_jax.from_equinox(model, inference=True)


def logits(apply_fn: Any, params: Any, x: Any) -> Any:
    """The first member of what a function returns."""
    return apply_fn(params, x)[0]


def first(model: Any) -> Any:
    """A model that returns more than its logits."""
    params, apply_fn = egcam_jax.from_equinox(model)
    return params, functools.partial(logits, apply_fn)


CASES = {
    "keras MobileNetV2": keras("MobileNetV2", "out_relu", (2, 2, 1280), alpha=0.35),
    "keras MobileNetV3Small": keras("MobileNetV3Small", "activation_17", (2, 2, 576)),
    "keras EfficientNetB0": keras("EfficientNetB0", "top_activation", (2, 2, 1280)),
    "keras ResNet50V2": keras("ResNet50V2", "post_relu", (2, 2, 2048)),
    "jax-image-models ViT": Case("jimm", image_models, egcam_jax.from_nnx, 32, "layers/2/norm1", (17, 16), meshed=True),
    "jax-image-models ViT, remat": Case(
        "jimm",
        lambda: image_models(use_gradient_checkpointing=True),
        egcam_jax.from_nnx,
        32,
        "layers/2/norm1",
        (17, 16),
        meshed=True,
    ),
    "equimo ViT": Case("equimo", equimo_transformer, inference, 32, "blocks/0/blocks/2/prenorm", (21, 16)),
    "equimo ConvNeXt": Case("equimo", equimo_convnext, inference, 64, "blocks", (2, 2, 32)),
    "equimo MobileNetV3": Case("equimo", equimo_mobilenet, inference, 64, "layers", (2, 2, 1280)),
    "jaxonmodels ResNet": Case(
        "jaxonmodels", jaxonmodels_resnet, lambda made: egcam_jax.from_equinox(*made), 64, "layer4", (2, 2, 512)
    ),
    "jaxonmodels EfficientNet": Case(
        "jaxonmodels",
        jaxonmodels_efficientnet,
        lambda made: egcam_jax.from_equinox(*made, key=KEY),
        64,
        "features",
        (2, 2, 1280),
    ),
    "jaxonmodels ViT": Case(
        "jaxonmodels", jaxonmodels_transformer, first, 32, "transformer/resblocks/2/ln_1", (17, 16)
    ),
}
