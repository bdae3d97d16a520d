"""The page of an evaluation: tables that sort, ranks, curves and a gallery, in one file that needs no network."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from egcam_jax.report import _cells, _curves, _gallery, _numbers, _page, _pictures, _ranks
from egcam_jax.report._summary import Column, Summary, summary
from egcam_jax.run import store as _store

_COLOURS = 10


def evaluation_page(path: str | Path, *, title: str | None = None, found: Summary | None = None) -> str:
    """Write the page of a run.

    Args:
        path: The run's folder, or its file of results.
        title: Of the page; by default the network and the data.
        found: The run's ``summary``, where it is there already.

    Returns:
        HTML with its pictures and drawings inside. Names are escaped.

    Raises:
        ResultsError: There are no results there, or not of this version.

    Example:
        >>> import contextlib, pathlib, tempfile
        >>> import numpy as np
        >>> from egcam_jax import evaluate, report
        >>> from egcam_jax.run import store
        >>> asked = {"model": {"name": "net", "layer": ["features"]}, "methods": {"gradcam": {}}, "batch": 3, "seed": 0}
        >>> asked |= {"data": {"source": "pictures", "count": 3}, "metrics": {"sparseness": {"metric": "sparseness"}}}
        >>> rows = [store.ImageRow(i, f"{i}.png", 0, "cat", 0.9, True, None, None) for i in range(3)]
        >>> scores = store.Outcome("gradcam", range(3), None, {"sparseness": np.array([0.25, 0.5, 0.75])}, {})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with contextlib.closing(store.create(pathlib.Path(folder, evaluate.RESULTS), asked)) as file:
        ...         store.put_images(file, rows, [])
        ...         store.put(file, scores)
        ...     page = report.evaluation_page(folder)
        >>> "<title>net on pictures</title>" in page, "0.500" in page
        (True, True)
    """
    run = _store.read(Path(path))
    found = found or summary(run)
    with _store.opened(Path(path)) as store:
        charts, gallery = _curves.charts(store, run), _gallery.gallery(store, run)
    return _page.fill(
        "evaluation.html",
        title=title or f"{run.asked['model']['name']} on {run.asked['data']['source']}",
        summary=found,
        methods=[_method(i, name, charts) for i, name in enumerate(found.methods)],
        tables=[{"family": table.family, "columns": list(map(_column, table.columns))} for table in found.tables],
        legend=(_cells.LEGEND, _cells.TESTED),
        rankings=_ranks.rankings(found),
        charts=charts,
        plot=(_curves.WIDTH, _curves.HEIGHT),
        gallery=gallery,
        bar=_pictures.bar(),
        provenance=json.dumps(found.provenance, indent=2, ensure_ascii=False),
    )


def _method(index: int, name: str, charts: Sequence[_curves.Chart]) -> dict[str, Any]:
    """A method with its colour and how its line is broken, and whether it has a curve."""
    drawn = any(line.method == index for chart in charts for line in chart.lines)
    return {"index": index, "name": name, "colour": index % _COLOURS, "dash": index // _COLOURS % 3, "drawn": drawn}


def _column(column: Column) -> dict[str, Any]:
    """A metric with its cells in words, and where each interval lies between the lowest and the highest of all."""
    ends = [end for cell in column.cells for end in cell.interval[:3] if np.isfinite(end)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    cells = [
        {
            "words": words,
            "mean": _numbers.spelt(words.text),
            "bounds": f"{_numbers.spelt(words.low)} – {_numbers.spelt(words.high)}" if words.low else "",
            "value": repr(cell.interval.mean) if cell.interval.images else "",
            "places": [_percent(end, low, high) for end in cell.interval[:3]] if words.low else [],
            "title": _title(cell.interval.images, cell.p),
        }
        for words, cell in zip(_cells.cells(column), column.cells)
    ]
    metric = column.metric
    known = {"label": column.label, "arrow": column.arrow, "higher": metric.higher_is_better}
    return known | {"undefined": metric.undefined, "cells": cells}


def _percent(value: float, low: float, high: float) -> float:
    return round(100 * (value - low) / (high - low), 1) if high > low else 50.0


def _title(count: int, p: float) -> str:
    """What pointing at a cell says."""
    images = f"{count:,} image{'s' * (count != 1)}"
    return f"{images}; p = {p:.2g} against the method that leads" if np.isfinite(p) else images
