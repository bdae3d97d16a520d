"""Whether the images in a file of results are still those of the data: by their content, wherever it lies now."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from egcam_jax import data
from egcam_jax.run import sources
from egcam_jax.run.session import Session
from egcam_jax.run.store.changes import ResultsError


def check(session: Session, store: sqlite3.Connection, path: Path) -> data.Fingerprint:
    """Refuse data whose pictures are others than those that were computed, though they are called the same.

    Files are read again only where a place, a size or a time has changed; pictures are compared only where a file's
    content has. A picture that could not be read before may be another now.

    Raises:
        ResultsError: It names the first picture that has changed.
    """
    rows = store.execute("SELECT provenance FROM sessions ORDER BY session DESC")
    stamps = (json.loads(text).get("fingerprint") for (text,) in rows)
    last = next((data.Fingerprint(*stamp) for stamp in stamps if stamp), None)
    now = data.fingerprint(session.source, session.chosen.tolist(), known=last)
    if last is not None and now.content != last.content:
        _compare(session, dict(store.execute("SELECT image, digest FROM contents ORDER BY image")), path)
    return now


def digest(example: Any) -> str:
    """What tells one picture from another: a digest of what the network sees of it, and of its mask."""
    parts = [np.ascontiguousarray(one).tobytes() for one in (example.crop, example.mask) if one is not None]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def _compare(session: Session, known: dict[int, str], path: Path) -> None:
    for one in sources.stream(session.source, session.model.preprocess, list(known)):
        if one.error or digest(one) != known[one.index]:
            why = one.error or "its content is another"
            raise ResultsError(
                f"{path}: results of other pictures: {one.id} has changed since ({why}). Give another --out, or the "
                "same pictures."
            )
