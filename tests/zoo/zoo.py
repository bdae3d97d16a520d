"""Models of the zoos that JAX users run, small and with random weights."""

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
        default: the layer that is chosen automatically.
        layer: the layer to explain at, where it is another one.
    """

    package: str
    make: Callable[[], Any]
    adapt: Callable[[Any], Any]
    size: int
    default: str | None
    layer: str | None = None


def keras(name: str, default: str, size: int = 32, **options: Any) -> Case:
    """A model of ``keras.applications`` that returns logits."""

    def make() -> Any:
        import keras

        build = getattr(keras.applications, name)
        return build(weights=None, input_shape=(size, size, 3), classes=5, classifier_activation=None, **options)

    return Case("keras", make, egcam_jax.from_keras, size, default)


def image_models(**options: Any) -> Any:
    """A vision transformer of jax-image-models."""
    import jimm
    from flax import nnx

    sizes = {"img_size": 32, "patch_size": 8, "num_layers": 3, "num_heads": 2, "mlp_dim": 32, "hidden_size": 16}
    return jimm.VisionTransformer(num_classes=5, rngs=nnx.Rngs(0), **sizes, **options)


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


def jaxonmodels_convnext() -> Any:
    """A ConvNeXt of jaxonmodels, with its state."""
    import equinox as eqx
    from jaxonmodels.models.convnext import CNBlockConfig, ConvNeXt

    blocks = [CNBlockConfig(8, 16, 1), CNBlockConfig(16, 24, 1), CNBlockConfig(24, 32, 2), CNBlockConfig(32, None, 1)]
    return eqx.nn.make_with_state(ConvNeXt)(blocks, 0.1, 1e-6, 5, None, None, True, KEY, None)


def jaxonmodels_alexnet() -> Any:
    """The AlexNet of jaxonmodels."""
    from jaxonmodels.models.alexnet import AlexNet

    return AlexNet(n_classes=5, key=KEY, inference=True)


def drawn(model: Any) -> Any:
    """A model whose call asks for a key even in inference mode."""
    return egcam_jax.from_equinox(*model, key=jax.random.key(1))


CASES = {
    "keras MobileNetV2": keras("MobileNetV2", "out_relu", alpha=0.35),
    "keras MobileNetV3Small": keras("MobileNetV3Small", "?"),
    "keras EfficientNetB0": keras("EfficientNetB0", "top_activation"),
    "keras ResNet50V2": keras("ResNet50V2", "post_relu"),
    "jax-image-models ViT": Case("jimm", image_models, egcam_jax.from_nnx, 32, None),
    "jax-image-models ViT, remat": Case(
        "jimm", lambda: image_models(use_gradient_checkpointing=True), egcam_jax.from_nnx, 32, None
    ),
    "equimo ViT": Case("equimo", equimo_transformer, egcam_jax.from_equinox, 32, None),
    "equimo ConvNeXt": Case("equimo", equimo_convnext, egcam_jax.from_equinox, 32, "?"),
    "equimo MobileNetV3": Case("equimo", equimo_mobilenet, egcam_jax.from_equinox, 32, "?"),
    "jaxonmodels ResNet": Case("jaxonmodels", jaxonmodels_resnet, lambda made: egcam_jax.from_equinox(*made), 32, "?"),
    "jaxonmodels ConvNeXt": Case("jaxonmodels", jaxonmodels_convnext, drawn, 32, "?"),
    "jaxonmodels AlexNet": Case("jaxonmodels", jaxonmodels_alexnet, lambda m: egcam_jax.from_equinox(m, key=KEY), 64, "?"),
}
