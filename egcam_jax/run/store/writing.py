"""What goes into a file of results: a transaction for a batch's maps and for each metric."""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from egcam_jax.run.store.file import writing
from egcam_jax.run.store.rows import Failure, ImageRow, Outcome


def begin(store: sqlite3.Connection, provenance: Mapping[str, Any]) -> int:
    """Note that a session starts, and return its number."""
    row = uuid.uuid4().hex, json.dumps(provenance)
    with writing(store):
        return int(store.execute("INSERT INTO sessions (id, provenance) VALUES (?, ?)", row).lastrowid or 0)


def end(store: sqlite3.Connection, session: int, provenance: Mapping[str, Any]) -> None:
    """Note what a session has been."""
    with writing(store):
        store.execute("UPDATE sessions SET provenance = ? WHERE session = ?", (json.dumps(provenance), session))


def put_images(
    store: sqlite3.Connection,
    images: Iterable[ImageRow],
    unreadable: Iterable[tuple[int, str, str]],
    contents: Iterable[tuple[int, str]] = (),
) -> None:
    """Write what is known of a batch's images, in one transaction; what is there already stays."""
    with writing(store):
        store.executemany("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?)", images)
        store.executemany("INSERT OR REPLACE INTO unreadable VALUES (?, ?, ?)", unreadable)
        store.executemany("INSERT OR IGNORE INTO contents VALUES (?, ?)", contents)


def readable(store: sqlite3.Connection, images: Iterable[int]) -> None:
    """Note that images which could not be read now can."""
    with writing(store):
        store.executemany("DELETE FROM unreadable WHERE image = ?", [(image,) for image in images])


def settle(store: sqlite3.Connection) -> None:
    """Move what is written into the file itself, out of the log beside it, so that a copy of the file has it."""
    store.execute("PRAGMA wal_checkpoint(PASSIVE)")


def put(store: sqlite3.Connection, outcome: Outcome, failures: Iterable[Failure] = ()) -> None:
    """Write what a method gave for a batch, and what went wrong, in one transaction."""
    with writing(store):
        store.executemany("INSERT OR REPLACE INTO maps VALUES (?, ?, ?, ?, ?)", _map_rows(outcome))
        store.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?)", _score_rows(outcome))
        store.executemany("INSERT INTO failures VALUES (?, ?, ?, ?, ?)", failures)


def done(store: sqlite3.Connection) -> dict[tuple[str, str], frozenset[int]]:
    """The images that are scored, by method and metric."""
    kinds = store.execute("SELECT DISTINCT method, metric FROM scores").fetchall()
    query = "SELECT image FROM scores WHERE method = ? AND metric = ?"
    return {kind: frozenset(image for (image,) in store.execute(query, kind)) for kind in kinds}


def unreadable(store: sqlite3.Connection) -> frozenset[int]:
    """The images that could not be read."""
    return frozenset(image for (image,) in store.execute("SELECT image FROM unreadable"))


def _map_rows(outcome: Outcome) -> Iterator[tuple[int, str, int, int, bytes]]:
    for image, cam in zip(outcome.images, () if outcome.cams is None else outcome.cams):
        yield image, outcome.method, *cam.shape, cam.astype("<f4").tobytes()


def _score_rows(outcome: Outcome) -> Iterator[tuple[int, str, str, float | None, bytes | None]]:
    for metric, values in outcome.values.items():
        curve = outcome.curves.get(metric)
        for i, (image, value) in enumerate(zip(outcome.images, np.asarray(values, np.float64).tolist())):
            blob = None if curve is None else curve[i].astype("<f4").tobytes()
            yield image, outcome.method, metric, None if np.isnan(value) else value, blob
