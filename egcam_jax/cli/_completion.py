"""What a shell offers as the values of an option.

The names are written here once more, held to the library's own by a test: to ask it would import JAX, which takes
seconds at each press of a key.
"""

from collections.abc import Iterable

MODELS = (
    *("alexnet", "cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56"),
    *("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet50_v1", "resnet101_v1", "resnet152_v1"),
    *("squeezenet1_0", "squeezenet1_0_caffe", "squeezenet1_1", "vgg11", "vgg13", "vgg16", "vgg19"),
)
METHODS = (
    *("gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "smooth_gradcam++", "integrated_gradcam"),
    *("expected_gradcam", "expected_gradcam++", "expected_xgradcam", "expected_hirescam", "expected_layercam"),
    *("ablationcam", "scorecam"),
)
METRICS = (
    *("completeness_gap", "average_drop", "increase_in_confidence", "faithfulness_estimate", "infidelity"),
    *("pixel_flipping", "road", "insertion_auc", "deletion_auc", "insertion_deletion", "irof"),
    *("local_lipschitz", "max_sensitivity", "avg_sensitivity", "complexity", "sparseness"),
    *("relative_input_stability", "relative_output_stability", "running_time"),
)
GRADIENTS = ("vanilla", "smooth", "integrated", "expected")


def model(incomplete: str) -> list[str]:
    """Complete the name of a network."""
    return _matching(incomplete, MODELS)


def method(incomplete: str) -> list[str]:
    """Complete the name of a method."""
    return _matching(incomplete, METHODS)


def methods(incomplete: str) -> list[str]:
    """Complete the last of several methods that commas separate; those before it are not offered again."""
    return _several(incomplete, METHODS, ("all",))


def metrics(incomplete: str) -> list[str]:
    """Complete the name of the last of several metrics."""
    return _several(incomplete, METRICS)


def gradients(incomplete: str) -> list[str]:
    """Complete the name of an estimator of gradients."""
    return _matching(incomplete, GRADIENTS)


def _several(incomplete: str, names: Iterable[str], alone: Iterable[str] = ()) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    named = before.split(",")
    rest = [name for name in names if name not in named]
    return [f"{before}{comma}{name}" for name in _matching(last, rest if comma else (*alone, *rest))]


def _matching(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
