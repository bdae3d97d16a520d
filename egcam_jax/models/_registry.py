"""The table of networks: each family's rows, put together."""

from collections.abc import Mapping
from types import MappingProxyType

from egcam_jax.core.checks import nearest
from egcam_jax.models import alexnet, cifar_resnet, efficientnet_lite, resnet, squeezenet, vgg
from egcam_jax.models._spec import Spec

SPECS: Mapping[str, Spec] = MappingProxyType(
    alexnet.SPECS | cifar_resnet.SPECS | efficientnet_lite.SPECS | resnet.SPECS | squeezenet.SPECS | vgg.SPECS
)


def names() -> tuple[str, ...]:
    """Name the networks that ``load`` and ``init`` know, sorted.

    Example:
        >>> from egcam_jax import models
        >>> "resnet50" in models.names()
        True
    """
    return tuple(sorted(SPECS))


def spec(name: str) -> Spec:
    """Look a network up.

    Raises:
        ValueError: There is no network of that name.

    Example:
        >>> from egcam_jax import models
        >>> models.spec("resnet50").preprocess.size
        224
    """
    if name not in SPECS:
        raise ValueError(f"name: {name!r} is no network. {nearest(name, names())} egcam_jax.models.names() lists all.")
    return SPECS[name]
