"""What is known of a network before its weights are loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from egcam_jax import models
from egcam_jax.core.checks import nearest


def check(name: str, weights: Path | None) -> None:
    """Refuse a network that there is not, or weights, before anything is loaded.

    Raises:
        ValueError: There is no network of that name; it names those that it may be.
        FileNotFoundError: There is no such file of weights.
    """
    if name not in models.names():
        raise ValueError(
            f"--model must be a network; got {name!r}. {nearest(name, models.names())} `egcam models` lists all."
        )
    if weights is not None and not weights.is_file():
        raise FileNotFoundError(f"--weights {weights}: no such file; check the spelling and the current folder")


def outline(name: str) -> tuple[Callable[[Any, Any], Any], Any, tuple[int, ...]]:
    """A network as a function, the shapes of its variables and of an image: its layers are known without weights."""
    known = models.spec(name)
    classes = len(models.class_names(known.classes))
    side: Any = known.preprocess.size
    height, width = side if isinstance(side, tuple) else (side, side)
    apply_fn = models.Apply(known.module(num_classes=classes, folded=True))
    return apply_fn, models.shapes(known, classes, folded=True), (height, width, 3)


def source(name: str) -> str:
    """Where the weights are published, in a word: the one field of their source."""
    return str(next(iter(vars(models.spec(name).source).values())))


def downloaded(name: str) -> bool:
    """Whether published weights that have to be downloaded are on this machine already."""
    match models.spec(name).source:
        case models.Hub(repository):
            return _on_hub(repository)
        case models.Url(url):
            return _by_pooch(url)
    return False


def shows_its_download(name: str) -> bool:
    """Whether loading the published weights starts a download that draws a bar of its own on a terminal."""
    return isinstance(models.spec(name).source, models.Hub) and not downloaded(name)


def early(asked: Any) -> Any:
    """The network, where flags say how to load it, or where its download draws a bar of its own; else its name.

    Args:
        asked: Has ``model``, ``weights``, ``entry``, ``class_names`` and ``preprocess``: flags of one network.
    """
    given = _given(asked)
    if given or (asked.weights is None and shows_its_download(asked.model)):
        return models.load(asked.model, weights=asked.weights, **given)
    return asked.model


def load(asked: Any) -> models.Model:
    """The network of such flags."""
    return models.load(asked.model, weights=asked.weights, **_given(asked))


def _given(asked: Any) -> dict[str, Any]:
    """Flags that say how to load a network, where they are given."""
    given = {name: getattr(asked, name) for name in ("entry", "class_names") if getattr(asked, name) is not None}
    if asked.preprocess is not None:
        given["preprocess"] = models.parse_preprocess(asked.preprocess, models.spec(asked.model).preprocess)
    return given


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
