"""Which images to show for a metric: each method's best, median and worst, with their maps."""

import functools
import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from egcam_jax.core import maps
from egcam_jax.metrics import FAMILIES
from egcam_jax.report import _numbers, _pictures
from egcam_jax.report._summary import arrow, known, values
from egcam_jax.run import store as _store
from egcam_jax.run.store import ImageRow, Run

_METRICS = 6
"""How many metrics one can choose between: each adds its pictures to the page."""
_PHOTOGRAPH, _OUTLINE = "p", "o"


class Shown(NamedTuple):
    """One image of a method.

    Attributes:
        which: "best", "median" or "worst".
        name: Of the image.
        label: The class that is explained, with its probability.
        score: Of the metric.
        picture: Where among the pictures it is.
        over: Where among the maps its map is; ``None`` where there is none that can be drawn.
        outline: Where the line round the object is; ``None`` where there is no mask.
        note: Why not, or "".
    """

    which: str
    name: str
    label: str
    score: str
    picture: str
    over: str | None
    outline: str | None
    note: str


class Wall(NamedTuple):
    """The images of one metric, by method."""

    label: str
    arrow: str
    methods: Mapping[int, Sequence[Shown]]


class Gallery(NamedTuple):
    """All that can be chosen.

    Attributes:
        walls: One for each metric.
        sources: The pictures, maps and outlines, each once, by name, as data URLs.
        size: ``(width, height)`` of each picture.
        images: Among how many images the best and worst are: those whose pictures were kept.
    """

    walls: Sequence[Wall]
    sources: Mapping[str, str]
    size: tuple[int, int]
    images: int

    @property
    def masks(self) -> bool:
        """Whether objects are outlined."""
        return any(name.startswith(_OUTLINE) for name in self.sources)


def gallery(store: sqlite3.Connection, run: Run) -> Gallery:
    """Choose images and draw their maps.

    Args:
        store: The run's file.
        run: What was read from it.

    Returns:
        The gallery; without walls where no pictures were kept.
    """
    kept = {image for (image,) in store.execute("SELECT image FROM images WHERE picture IS NOT NULL")}
    rows = [i for i, row in enumerate(run.images) if row.image in kept]
    chosen = {label: _chosen(run, label, rows) for label in (_labels(run) if rows else [])}
    needed = sorted({(i, place) for methods in chosen.values() for i, some in methods.items() for _, place in some})
    pictures, size = _photographs(store, run, sorted({place for _, place in needed}))
    drawn = {_map(*key): _over(store, run, *key, size) for key in needed}
    sources = pictures | {name: url for name, url in drawn.items() if url}
    return Gallery([_wall(run, sources, *wall) for wall in chosen.items()], sources, size, len(rows))


def picks(scores: Float[np.ndarray, " N"], *, higher_is_better: bool) -> list[tuple[str, int]]:
    """The places of the best, the median and the worst of the finite scores; fewer where there are fewer."""
    finite = np.flatnonzero(np.isfinite(scores))
    order = finite[np.argsort(scores[finite] * (-1 if higher_is_better else 1), kind="stable")]
    if not len(order):
        return []
    places = {"best": 0, "median": (len(order) - 1) // 2, "worst": len(order) - 1}
    first = {place: which for which, place in reversed(places.items())}
    return [(first[place], int(order[place])) for place in sorted(first)]


def _labels(run: Run) -> list[str]:
    """The metrics to choose between: one that says most, then one of each family, then others."""
    labels = [label for label in run.asked["metrics"] if np.isfinite(values(run, label)[0]).any()]
    metric = {label: known(run, label) for label in labels}
    first = sorted(labels, key=lambda label: (not metric[label].difference, not metric[label].higher_is_better))[:1]
    families = [
        next((label for label in labels if metric[label].family == family), "")
        for family in FAMILIES
        if family != "cost"
    ]
    others = [label for label in labels if metric[label].family != "cost"]
    return list(dict.fromkeys(filter(None, [*first, *families, *others])))[:_METRICS]


def _chosen(run: Run, label: str, rows: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
    """The places in the run of each method's images."""
    scores, better = values(run, label)[0][:, rows], known(run, label).higher_is_better
    picked = {i: [(which, rows[j]) for which, j in picks(row, higher_is_better=better)] for i, row in enumerate(scores)}
    return {i: some for i, some in picked.items() if some}


def _photographs(store: sqlite3.Connection, run: Run, places: Sequence[int]) -> tuple[dict[str, str], tuple[int, int]]:
    """The pictures and the outlines of their objects, by name; and the pictures' size, which is the same for all."""
    files = {place: _store.picture(store, run.images[place].image) for place in places}
    images = {place: image for place, (image, _) in files.items() if image is not None}
    drawn = {_PHOTOGRAPH + str(place): _pictures.embedded(image, "jpeg") for place, image in images.items()}
    drawn |= {_OUTLINE + str(place): _pictures.outline(mask) for place, (_, mask) in files.items() if mask}
    return drawn, next(map(_pictures.size, images.values()), (1, 1))


def _wall(run: Run, sources: Mapping[str, str], label: str, methods: Mapping[int, Sequence[tuple[str, int]]]) -> Wall:
    shown = {i: [_shown(run, sources, label, i, *pick) for pick in some] for i, some in methods.items()}
    return Wall(label, arrow(known(run, label)), shown)


def _shown(run: Run, sources: Mapping[str, str], label: str, method: int, which: str, place: int) -> Shown:
    row, score = run.images[place], run.values[list(run.asked["methods"])[method], label][place]
    over, outline = _map(method, place), _OUTLINE + str(place)
    there = over in sources
    return Shown(
        which=which,
        name=row.id,
        label=_class(row),
        score=_numbers.spelt(_numbers.number(score, _numbers.decimals([score]))),
        picture=_PHOTOGRAPH + str(place),
        over=over if there else None,
        outline=outline if outline in sources else None,
        note="" if there else "no map that can be drawn",
    )


def _map(method: int, place: int) -> str:
    return f"m{method}-{place}"


def _over(store: sqlite3.Connection, run: Run, method: int, place: int, size: tuple[int, int]) -> str | None:
    """A coarse map as it lies over the picture, as ``Explanation.saliency`` has it; none where it is not finite."""
    cam = _store.cam(store, run.images[place].image, list(run.asked["methods"])[method])
    if cam is None or not np.isfinite(cam).all():
        return None
    return _pictures.over(np.asarray(_upsampled(cam, size=size[::-1])))


@functools.partial(jax.jit, static_argnames=("size",))
def _upsampled(cam: jax.Array, *, size: tuple[int, int]) -> jax.Array:
    return maps.saliency(cam, size)


def _class(row: ImageRow) -> str:
    """The class that is explained, and how sure the network is of it, where it is anything."""
    wrong = ", misclassified" if row.correct is False else ""
    if row.probability is None:  # NaN, as it comes from the file
        return f"{row.label}{wrong}"
    share = 100 * row.probability
    return f"{row.label} {'below 1' if share < 0.95 else f'{share:.0f}'}\u00a0%{wrong}"
