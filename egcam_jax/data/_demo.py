"""A photograph and a reference distribution that need no download: scikit-image's own, from its wheel."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from egcam_jax.data._classes import find
from egcam_jax.data._example import Example, Records
from egcam_jax.data._preprocess import Preprocess, preprocess
from egcam_jax.data._read import read

DEMO = "chelsea.png"
"""A tabby cat, 451 by 300."""

DEMO_REFERENCES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "motorcycle_left.png",
    "rocket.jpg",
)
"""``skimage.data``'s other photographs of everyday things, not microscopy, the sky, drawings or test patterns."""

VIEWS = 4
"""Of each photograph, one after another, in the reference distribution."""

_LABELS = {
    "chelsea.png": ("Egyptian cat", "tabby", "tiger cat", "cat"),
    "camera.png": ("tripod",),
    "coffee.png": ("espresso", "cup"),
}
"""Names of the classes, in ImageNet and CIFAR-10, that name what these show; the others show none of theirs."""


def open_demo(name: str, class_names: Sequence[str] | None) -> Records:
    """Open the demonstration photograph and those of the reference distribution as a source.

    Args:
        name: What the user called the source.
        class_names: The model's, by index.

    Returns:
        The source; ids are the names of the files.

    Raises:
        OSError, ModuleNotFoundError: As ``demo_path``.
    """
    paths = [_locate(file) for file in (DEMO, *DEMO_REFERENCES)]
    ids = tuple(path.name for path in paths)
    known = [[find(text, class_names) for text in _LABELS.get(id, ())] for id in ids]
    labels = [tuple(label for label in some if label is not None) for some in known]
    return Records(
        name=name,
        ids=ids,
        has_masks=False,
        read=lambda i: Example(ids[i], read(paths[i]), labels[i], None),
        labels=lambda i: labels[i],
        content=lambda i: (paths[i],),
    )


def demo_path() -> Path:
    """Find the demonstration photograph: a cat's face.

    Returns:
        The file in the installed scikit-image.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
        FileNotFoundError: The installed scikit-image does not carry the photograph.

    Example:
        >>> from egcam_jax import data
        >>> data.demo_path().name
        'chelsea.png'
    """
    return _locate(DEMO)


def demo_references(settings: Preprocess) -> Float32[np.ndarray, "32 h w C"]:
    """Make a reference distribution of 32 from eight photographs: each whole and in part, and mirrored.

    It is small, and the same at every call. Photographs of one's own subject are better: ``references``.

    Args:
        settings: The model's ``preprocess``.

    Returns:
        ``(32, size, size, 3)`` preprocessed pictures.

    Raises:
        OSError, ModuleNotFoundError: As ``demo_path``.

    Example:
        >>> from egcam_jax import data, models
        >>> data.demo_references(models.Preprocess(size=8, resize=8)).shape
        (32, 8, 8, 3)
    """
    pictures = (read(_locate(name)) for name in DEMO_REFERENCES)
    return np.stack([preprocess(view, settings) for picture in pictures for view in _views(picture)])


def _views(picture: UInt8[np.ndarray, "H W 3"]) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The whole, its mirror image, the upper left part, and the lower right part mirrored."""
    height, width, _ = picture.shape
    yield picture
    yield picture[:, ::-1]
    yield picture[: 2 * height // 3, : 2 * width // 3]
    yield picture[height // 3 :, width // 3 :][:, ::-1]


def _locate(name: str) -> Path:
    # Found without importing scikit-image, whose own loader would reach for the network.
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            "the demonstration needs scikit-image for its photographs; run `pip install 'egcam-jax[cli]'`"
        )
    path = Path(spec.submodule_search_locations[0]) / "data" / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: this photograph is missing from the installed scikit-image; run "
            "`pip install --force-reinstall scikit-image`, or name a photograph of your own"
        )
    return path
