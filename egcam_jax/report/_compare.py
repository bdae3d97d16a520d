"""One page on which the maps of several methods can be laid over the pictures that they explain."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from egcam_jax.report import _page, _pictures


class Map(NamedTuple):
    """What one method says of a picture.

    Attributes:
        saliency: ``(H, W)`` in [0, 1].
        scores: Figures to print below it, by name.
        note: What else there is to say, such as that the map is empty, or "".

    Example:
        >>> import numpy as np
        >>> from egcam_jax import report
        >>> report.Map(np.zeros((2, 2)), {"insertion_auc": 0.5}, "").scores
        {'insertion_auc': 0.5}
    """

    saliency: Float[np.ndarray, "H W"]
    scores: Mapping[str, float]
    note: str


class Row(NamedTuple):
    """One picture and its maps, one for each method.

    Attributes:
        name: What the picture is called.
        label: What is explained, such as the class and its probability.
        image: ``(H, W, 3)`` 8-bit, as the network saw it.
        maps: In the order of the methods.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import report
        >>> report.Row("cat.png", "tabby 90 %", np.zeros((2, 2, 3), np.uint8), []).label
        'tabby 90 %'
    """

    name: str
    label: str
    image: UInt8[np.ndarray, "H W 3"]
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

    Example:
        >>> import numpy as np
        >>> from egcam_jax import report
        >>> shown = report.Map(np.array([[0.0, 1], [0, 0]]), {}, "")
        >>> row = report.Row("cat.png", "tabby", np.zeros((2, 2, 3), np.uint8), [shown])
        >>> page = report.compare_page(["gradcam"], [row], title="A < B")
        >>> "<title>A &lt; B</title>" in page, page.count("cat.png") > 0
        (True, True)
    """
    for row in rows:
        if len(row.maps) != len(methods):
            raise ValueError(f"rows must have {len(methods)} maps each; got {len(row.maps)} maps of {row.name!r}")
    return _page.fill(
        "compare.html",
        title=title,
        methods=methods,
        rows=[_drawn(row) for row in rows],
        bar=_pictures.bar(),
        provenance=json.dumps(provenance, indent=2, ensure_ascii=False) if provenance else "",
    )


def _drawn(row: Row) -> dict[str, Any]:
    """A row with its pictures as data URLs."""
    height, width = row.image.shape[:2]
    maps = [
        {
            "over": _pictures.over(one.saliency),
            "alone": _pictures.alone(one.saliency),
            "scores": one.scores,
            "note": one.note,
        }
        for one in row.maps
    ]
    picture = _pictures.photograph(row.image)
    return {"name": row.name, "label": row.label, "picture": picture, "maps": maps, "height": height, "width": width}
