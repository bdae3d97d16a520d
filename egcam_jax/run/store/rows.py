"""What a file of results holds, as it is written and read."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class ImageRow(NamedTuple):
    """What is known of one image.

    Attributes:
        image: Its index in the data.
        id: Its name there.
        target: The class that is explained.
        label: That class in words.
        probability: Of that class.
        correct: Whether the network's top class is one of the image's labels; ``None`` where it has none.
        picture: A JPEG file of it as the network saw it; ``None`` where none is kept.
        mask: A PNG file of the object, 0 and 255; ``None`` where there is none.
    """

    image: int
    id: str
    target: int
    label: str
    probability: float
    correct: bool | None
    picture: bytes | None
    mask: bytes | None


class Outcome(NamedTuple):
    """What one method gave for a batch: a map of each image and, by metric, a value and maybe a curve for each.

    ``cams`` is ``None`` where the maps are there already, or the method failed.
    """

    method: str
    images: Sequence[int]
    cams: Float[np.ndarray, "b h w"] | None
    values: Mapping[str, Float[np.ndarray, " b"]]
    curves: Mapping[str, Float[np.ndarray, "b T"]]


class Failure(NamedTuple):
    """What could not be done: for a batch, by a method, and by a metric where it is not the method's own."""

    session: int
    batch: int
    method: str
    metric: str | None
    reason: str


class Run(NamedTuple):
    """All that a file of results holds but its maps, curves and pictures, which are read one by one.

    Attributes:
        asked: What was asked for.
        sessions: Versions, device and time of each start.
        images: In the order of the data.
        unreadable: The names of images that could not be read, and why.
        failures: What went wrong, oldest first.
        values: By method and metric, a value for each of ``images``: NaN where it is undefined.
        computed: By method and metric, whether there is a value, undefined or not, for each of ``images``.

    Example:
        >>> from egcam_jax import evaluate
        >>> run = evaluate.Run({"seed": 0}, [], [], [], [], {}, {})
        >>> run.asked["seed"], len(run.images)
        (0, 0)
    """

    asked: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]]
    images: Sequence[ImageRow]
    unreadable: Sequence[tuple[str, str]]
    failures: Sequence[Failure]
    values: Mapping[tuple[str, str], Float[np.ndarray, " N"]]
    computed: Mapping[tuple[str, str], Bool[np.ndarray, " N"]]
