"""Names of the classes, in the order of the logits."""

from functools import cache
from importlib import resources

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@cache
def class_names(dataset: str) -> tuple[str, ...]:
    """Names of the classes of "imagenet" (ILSVRC 2012) or "cifar10".

    The ImageNet file has one line for each class, in the order of the sorted WordNet identifiers: the first
    lemma of its synset in WordNet 3.0, made distinct where two synsets share it.
    """
    if dataset == "cifar10":
        return CIFAR10
    text = resources.files("egcam_jax.models").joinpath("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def names_for(dataset: str, num_classes: int) -> tuple[str, ...]:
    """The dataset's names, or plain numbers where the network has another number of classes."""
    names = class_names(dataset)
    return names if len(names) == num_classes else tuple(f"class {i}" for i in range(num_classes))
