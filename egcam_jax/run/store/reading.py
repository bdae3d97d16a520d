"""What a file of results holds, to report it."""

import json
import os
import sqlite3
from pathlib import Path

import numpy as np
from jaxtyping import Float

from egcam_jax.run.store.file import asked_of, opened
from egcam_jax.run.store.rows import Failure, ImageRow, Run


def read(path: str | os.PathLike[str]) -> Run:
    """Read a file of results.

    Args:
        path: The file, or its folder.

    Returns:
        What the file holds.

    Raises:
        ResultsError: There is none, it is no such file, or the run's parts have not been merged.

    Example:
        >>> import contextlib, pathlib, tempfile
        >>> import numpy as np
        >>> from egcam_jax import evaluate
        >>> from egcam_jax.run import store
        >>> row = store.ImageRow(7, "cat.png", 281, "tabby", 0.9, True, None, None)
        >>> scores = store.Outcome("gradcam", [7], None, {"sparseness": np.array([0.5])}, {})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with contextlib.closing(store.create(pathlib.Path(folder, evaluate.RESULTS), {"seed": 3})) as file:
        ...         store.put_images(file, [row], [])
        ...         store.put(file, scores)
        ...     run = evaluate.read(folder)
        >>> run.images[0].id, run.values["gradcam", "sparseness"].tolist()
        ('cat.png', [0.5])
    """
    path = Path(path)
    with opened(path) as store:
        fetch = lambda query: store.execute(query).fetchall()
        images = [ImageRow(*row)._replace(correct=None if row[5] is None else bool(row[5])) for row in fetch(_IMAGES)]
        place = {row.image: i for i, row in enumerate(images)}
        values, computed = {}, {}
        for method, metric in fetch("SELECT DISTINCT method, metric FROM scores"):
            value, there = np.full(len(images), np.nan), np.zeros(len(images), bool)
            query = "SELECT image, value FROM scores WHERE method = ? AND metric = ?"
            for image, number in store.execute(query, (method, metric)):
                value[place[image]], there[place[image]] = np.nan if number is None else number, True
            values[method, metric], computed[method, metric] = value, there
        return Run(
            asked=asked_of(path, store),
            sessions=[json.loads(text) for (text,) in fetch("SELECT provenance FROM sessions ORDER BY session")],
            images=images,
            unreadable=fetch("SELECT id, reason FROM unreadable ORDER BY image"),
            failures=[Failure(*row) for row in fetch("SELECT * FROM failures ORDER BY rowid")],
            values=values,
            computed=computed,
        )


_IMAGES = "SELECT image, id, target, label, probability, correct, NULL, NULL FROM images ORDER BY image"


def picture(store: sqlite3.Connection, image: int) -> tuple[bytes | None, bytes | None]:
    """The JPEG file of an image as the network saw it, and the PNG file of its mask."""
    row = store.execute("SELECT picture, mask FROM images WHERE image = ?", (image,)).fetchone()
    return row if row else (None, None)


def cam(store: sqlite3.Connection, image: int, method: str) -> Float[np.ndarray, "h w"] | None:
    """A method's coarse map of an image, ``(h, w)``."""
    query = "SELECT height, width, cam FROM maps WHERE image = ? AND method = ?"
    row = store.execute(query, (image, method)).fetchone()
    return np.frombuffer(row[2], "<f4").reshape(row[:2]) if row else None


def curves(store: sqlite3.Connection, method: str, metric: str) -> Float[np.ndarray, "N T"]:
    """All curves that a metric gave for a method, ``(N, T)``; ``(0, 0)`` where it has none."""
    query = "SELECT curve FROM scores WHERE method = ? AND metric = ? AND curve IS NOT NULL ORDER BY image"
    rows = [np.frombuffer(blob, "<f4") for (blob,) in store.execute(query, (method, metric))]
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)
