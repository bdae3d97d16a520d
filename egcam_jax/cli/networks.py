"""What is known of a network before its weights are loaded: the one place that looks into the models' table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from egcam_jax import models
from egcam_jax._checks import nearest
from egcam_jax.models import Apply, names
from egcam_jax.models._classes import class_names
from egcam_jax.models._load import shapes
from egcam_jax.models._registry import spec
from egcam_jax.models._spec import Hub, Spec, Url


def check(name: str, weights: Path | None) -> None:
    """Refuse a network that there is not, or weights, before anything is loaded.

    Raises:
        ValueError: There is no network of that name; it names those that it may be.
        FileNotFoundError: There is no such file of weights.
    """
    if name not in names():
        raise ValueError(f"--model must be a network; got {name!r}. {nearest(name, names())} `egcam models` lists all.")
    if weights is not None and not weights.is_file():
        raise FileNotFoundError(f"--weights {weights}: no such file; check the spelling and the current folder")


def known(name: str) -> Spec:
    """What the table says: default layer, preprocessing, classes, source of the weights.

    Raises:
        ValueError: There is no network of that name.
    """
    return spec(name)


def outline(name: str) -> tuple[Callable[[Any, Any], Any], Any, tuple[int, ...]]:
    """A network as a function and the shapes of its variables: its layers are known without its weights."""
    it = spec(name)
    classes = len(class_names(it.classes))
    size = it.preprocess.size
    return Apply(it.module(num_classes=classes, folded=True)), shapes(it, classes, folded=True), (size, size, 3)


def source(name: str) -> str:
    """Where the weights are published, in a word: the one field of their source."""
    return str(next(iter(vars(spec(name).source).values())))


def downloaded(name: str) -> bool:
    """Whether published weights that have to be downloaded are on this machine already."""
    match spec(name).source:
        case Hub(repository):
            return _on_hub(repository)
        case Url(url):
            return _by_pooch(url)
    return False


def shows_its_download(name: str) -> bool:
    """Whether loading the published weights starts a download that draws a bar of its own on a terminal."""
    return isinstance(spec(name).source, Hub) and not downloaded(name)


def early(name: str, weights: Path | None) -> Any:
    """The network, where its download draws a bar of its own, which ours would disturb; else its name."""
    return models.load(name, weights=weights) if weights is None and shows_its_download(name) else name


def _on_hub(repository: str) -> bool:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    return isinstance(try_to_load_from_cache(repository, "model.safetensors"), str)


def _by_pooch(url: str) -> bool:
    try:
        import pooch
    except ImportError:
        return False
    return Path(pooch.os_cache("egcam_jax"), url.rsplit("/", 1)[1]).is_file()
