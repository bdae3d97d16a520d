"""Results in one SQLite file: a transaction for a batch's maps and for each metric: killed, a run has lost no more."""

import json
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from egcam_jax.evaluate._changes import ResultsError, check

RESULTS = "results.sqlite"
"""What the file of a whole run is called."""

_FORMAT = 2
_SCHEMA = """
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (session INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, provenance TEXT NOT NULL);
CREATE TABLE images (image INTEGER PRIMARY KEY, id TEXT NOT NULL, target INTEGER NOT NULL, label TEXT NOT NULL,
    probability REAL, correct INTEGER, picture BLOB, mask BLOB);
CREATE TABLE unreadable (image INTEGER PRIMARY KEY, id TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE maps (image INTEGER, method TEXT, height INTEGER NOT NULL, width INTEGER NOT NULL, cam BLOB NOT NULL,
    PRIMARY KEY (image, method)) WITHOUT ROWID;
CREATE TABLE scores (image INTEGER, method TEXT, metric TEXT, value REAL, curve BLOB,
    PRIMARY KEY (method, metric, image)) WITHOUT ROWID;
CREATE TABLE failures (session INTEGER, batch INTEGER, method TEXT, metric TEXT, reason TEXT NOT NULL);
"""


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
    cams: np.ndarray | None
    values: Mapping[str, np.ndarray]
    curves: Mapping[str, np.ndarray]


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
    """

    asked: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]]
    images: Sequence[ImageRow]
    unreadable: Sequence[tuple[str, str]]
    failures: Sequence[Failure]
    values: Mapping[tuple[str, str], np.ndarray]
    computed: Mapping[tuple[str, str], np.ndarray]


def create(path: Path, asked: Mapping[str, Any]) -> sqlite3.Connection:
    """Open the file of a run, making it where there is none; an existing one must be of the same run.

    Args:
        path: The file.
        asked: What the run computes: a document that JSON can hold.

    Raises:
        ResultsError: The file is of a run that was asked for something else, and it says what differs; or is none.
    """
    _make(path.parent)
    store = _connect(path)
    try:
        with store:
            store.execute("BEGIN IMMEDIATE")  # all of it or nothing, and one process at a time
            if not store.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _SCHEMA.split(";"):
                    store.execute(statement)
                store.executemany("INSERT INTO run VALUES (?, ?)", [("format", str(_FORMAT)), ("asked", _dump(asked))])
        check(path, asked_of(path, store), json.loads(_dump(asked)))
        with suppress(sqlite3.OperationalError):  # another process is at the file just now, and does it
            store.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        store.close()
        raise ResultsError(f"{path}: {error}; make room, or give another --out") from error
    except BaseException:
        store.close()
        raise
    return store


def begin(store: sqlite3.Connection, provenance: Mapping[str, Any]) -> int:
    """Note that a session starts, and return its number."""
    row = uuid.uuid4().hex, _dump(provenance)
    with writing(store):
        return int(store.execute("INSERT INTO sessions (id, provenance) VALUES (?, ?)", row).lastrowid or 0)


def end(store: sqlite3.Connection, session: int, provenance: Mapping[str, Any]) -> None:
    """Note what a session has been."""
    with writing(store):
        store.execute("UPDATE sessions SET provenance = ? WHERE session = ?", (_dump(provenance), session))


def put_images(
    store: sqlite3.Connection, images: Iterable[ImageRow], unreadable: Iterable[tuple[int, str, str]]
) -> None:
    """Write what is known of a batch's images, in one transaction; what is there already stays."""
    with writing(store):
        store.executemany("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?)", images)
        store.executemany("INSERT OR REPLACE INTO unreadable VALUES (?, ?, ?)", unreadable)


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


def read(path: str | os.PathLike[str]) -> Run:
    """Read a file of results.

    Args:
        path: The file, or its folder.

    Raises:
        ResultsError: There is none, it is no such file, or the run's parts have not been merged.
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
    found = store.execute("SELECT picture, mask FROM images WHERE image = ?", (image,)).fetchone()
    return found if found else (None, None)


def cam(store: sqlite3.Connection, image: int, method: str) -> np.ndarray | None:
    """A method's coarse map of an image, ``(h, w)``."""
    query = "SELECT height, width, cam FROM maps WHERE image = ? AND method = ?"
    found = store.execute(query, (image, method)).fetchone()
    return np.frombuffer(found[2], "<f4").reshape(found[:2]) if found else None


def curves(store: sqlite3.Connection, method: str, metric: str) -> np.ndarray:
    """All curves that a metric gave for a method, ``(N, T)``; ``(0, 0)`` where it has none."""
    query = "SELECT curve FROM scores WHERE method = ? AND metric = ? AND curve IS NOT NULL ORDER BY image"
    found = [np.frombuffer(blob, "<f4") for (blob,) in store.execute(query, (method, metric))]
    return np.stack(found) if found else np.zeros((0, 0), np.float32)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file of results, or its folder, to read it.

    Raises:
        ResultsError: As ``read``.
    """
    with closing(_reading(file_of(path))) as store:
        store.execute("BEGIN")  # all that is read is of one moment, though a run may be writing
        asked_of(path, store)
        yield store


def file_of(path: Path) -> Path:
    """The file of results of a run: itself, or the one in its folder.

    Raises:
        ResultsError: There is none, or only parts that have not been merged.
    """
    if path.is_file():
        return path
    file = path / RESULTS
    if file.is_file():
        return file
    if parts(path):
        raise ResultsError(f"{path}: the run's parts are not merged yet; run `egcam merge {path}` first")
    raise ResultsError(f"{path}: no {RESULTS} there; name the folder that `egcam evaluate --out` was given")


def name(process: int = 0, processes: int = 1) -> str:
    """What a run's file is called: the whole of it, or a process's part."""
    return RESULTS if processes == 1 else f"results-{process:04d}-of-{processes:04d}.sqlite"


def parts(folder: str | os.PathLike[str]) -> list[Path]:
    """The files of a run's processes."""
    return sorted(Path(folder).glob("results-*-of-*.sqlite"))


@contextmanager
def writing(store: sqlite3.Connection) -> Iterator[None]:
    """One transaction: all of it, or nothing where the disk is full or the process is killed.

    Raises:
        ResultsError: It could not be written.
    """
    try:
        with store:
            yield
    except sqlite3.OperationalError as error:
        (file,) = [row[2] for row in store.execute("PRAGMA database_list") if row[1] == "main"]
        raise ResultsError(
            f"{file}: {error}; make room or repair it: all earlier batches are safe there, and the same command goes on"
        ) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(
            f"{folder}: no folder, and none can be made ({error.strerror}); give another --out"
        ) from error


def _reading(path: Path) -> sqlite3.Connection:
    """Open a file that may be on a disk to which nothing can be written."""
    store = _connect(path)
    try:
        store.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.OperationalError:  # it wants a log beside the file, and cannot make one
        store.close()
        log = path.with_name(f"{path.name}-wal")
        whole = not log.exists() or not log.stat().st_size  # all is in the file, and nobody can be writing it
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' * whole}", uri=True)
    except sqlite3.DatabaseError:
        return store  # no database: who asks it anything is told so
    return store


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=60)
    except sqlite3.OperationalError as error:
        raise ResultsError(f"{path}: {error}; check that the folder is there and may be written to") from error


def asked_of(path: Path, store: sqlite3.Connection) -> dict[str, Any]:
    """What the run of a file was asked for.

    Raises:
        ResultsError: It is no file of results.
    """
    try:
        run = dict(store.execute("SELECT name, value FROM run"))
    except sqlite3.DatabaseError as error:
        raise ResultsError(f"{path}: no file of results ({error}); name one that `egcam evaluate` wrote") from error
    if run.get("format") != str(_FORMAT):
        raise ResultsError(
            f"{path}: written in format {run.get('format')}, this version reads {_FORMAT}; compute it again"
        )
    return json.loads(run["asked"])


def _map_rows(outcome: Outcome) -> Iterator[tuple[int, str, int, int, bytes]]:
    for image, cam in zip(outcome.images, () if outcome.cams is None else outcome.cams):
        yield image, outcome.method, *cam.shape, cam.astype("<f4").tobytes()


def _score_rows(outcome: Outcome) -> Iterator[tuple[int, str, str, float | None, bytes | None]]:
    for metric, values in outcome.values.items():
        curve = outcome.curves.get(metric)
        for i, (image, value) in enumerate(zip(outcome.images, np.asarray(values, np.float64).tolist())):
            blob = None if curve is None else curve[i].astype("<f4").tobytes()
            yield image, outcome.method, metric, None if np.isnan(value) else value, blob


def _dump(document: Mapping[str, Any]) -> str:
    return json.dumps(document)
