"""One page on which the maps of several methods can be laid over the pictures that they explain."""

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
import markupsafe
import numpy as np
from PIL import Image

from egcam_jax import render

_QUALITY = 90
_LEVELS = np.linspace(0, 1, 256)


class Map(NamedTuple):
    """What one method says of a picture.

    Attributes:
        saliency: ``(H, W)`` in [0, 1].
        scores: Figures to print below it, by name.
        note: What else there is to say, such as that the map is empty, or "".
    """

    saliency: np.ndarray
    scores: Mapping[str, float]
    note: str


class Row(NamedTuple):
    """One picture and its maps, one for each method.

    Attributes:
        name: What the picture is called.
        label: What is explained, such as the class and its probability.
        image: ``(H, W, 3)`` 8-bit, as the network saw it.
        maps: In the order of the methods.
    """

    name: str
    label: str
    image: np.ndarray
    maps: Sequence[Map]


def compare_page(
    methods: Sequence[str], rows: Sequence[Row], *, title: str, provenance: Mapping[str, Any] | None = None
) -> str:
    """Write a page with methods as columns and pictures as rows, a slider for the maps' opacity, and maps on hover.

    Args:
        methods: One name for each column of maps.
        rows: The pictures.
        title: Of the page.
        provenance: What the maps were made with, shown folded at the end.

    Returns:
        HTML with its pictures inside. Names are escaped.

    Raises:
        ValueError: A row has not one map for each method.
    """
    for row in rows:
        if len(row.maps) != len(methods):
            raise ValueError(f"rows: {len(row.maps)} maps of {row.name!r} came, one for each of {len(methods)} wanted")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("egcam_jax", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("compare.html").render(
        title=title,
        breakable=_breakable,
        methods=methods,
        rows=[_drawn(row) for row in rows],
        bar=_pictures(_LEVELS[None]),
        provenance=json.dumps(provenance, indent=2, ensure_ascii=False) if provenance else "",
    )


def _breakable(name: str) -> markupsafe.Markup:
    """A name that may go on in the next line after what joins its words."""
    return markupsafe.Markup("<wbr>").join(re.split(r"(?<=[-_.+])(?=\w)", name))


def _drawn(row: Row) -> dict[str, Any]:
    """A row with its pictures as data URLs."""
    height, width = row.image.shape[:2]
    picture = _url(Image.fromarray(row.image), "jpeg", quality=_QUALITY)
    maps = [{**_pictures(it.saliency), "scores": it.scores, "note": it.note} for it in row.maps]
    return {"name": row.name, "label": row.label, "picture": picture, "maps": maps, "height": height, "width": width}


def _pictures(saliency: np.ndarray) -> dict[str, str]:
    """The map to lay over the picture, clear where it is low and opaque where it is high, and to be seen alone."""
    picture, share = _indexed(saliency), _LEVELS**2 * (3 - 2 * _LEVELS)
    clear = np.rint(255 * share).astype(np.uint8).tobytes()
    return {"over": _url(picture, "png", transparency=clear), "alone": _url(picture, "png")}


def _indexed(saliency: np.ndarray) -> Image.Image:
    """A map as indices into the colour map: a quarter of the bytes, and the colours exact."""
    picture = Image.fromarray(np.rint(255 * saliency).astype(np.uint8)).convert("L")
    picture.putpalette(render.colour_map(_LEVELS[None])[0].tobytes())
    return picture


def _url(picture: Image.Image, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
