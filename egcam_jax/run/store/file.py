"""The SQLite file of results: where it lies, how it is opened, and whose run it is of."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from egcam_jax.run.store.changes import ResultsError, check

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
CREATE TABLE contents (image INTEGER PRIMARY KEY, digest TEXT NOT NULL);
CREATE TABLE failures (session INTEGER, batch INTEGER, method TEXT, metric TEXT, reason TEXT NOT NULL);
"""


def create(path: Path, asked: Mapping[str, Any]) -> sqlite3.Connection:
    """Open the file of a run, making it where there is none; an existing one must be of the same run.

    Args:
        path: The file.
        asked: What the run computes: a document that JSON can hold.

    Raises:
        ResultsError: The file is of a run that was asked for something else, and it says what differs; or is none.
    """
    _make(path.parent)
    written = json.dumps(asked)
    store = _connect(path)
    try:
        with store:
            store.execute("BEGIN IMMEDIATE")  # all of it or nothing, and one process at a time
            if not store.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _SCHEMA.split(";"):
                    store.execute(statement)
                store.executemany("INSERT INTO run VALUES (?, ?)", [("format", str(_FORMAT)), ("asked", written)])
        check(path, asked_of(path, store), json.loads(written))
        with suppress(sqlite3.OperationalError):  # another process is at the file just now, and does it
            store.execute("PRAGMA journal_mode = WAL")
            store.execute("PRAGMA synchronous = NORMAL")  # where the power fails, what was not settled may be lost
    except sqlite3.OperationalError as error:
        store.close()
        raise ResultsError(f"{path}: {error}; make room, or give another --out") from error
    except BaseException:
        store.close()
        raise
    return store


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
    """The files of a run's processes.

    Example:
        >>> import tempfile
        >>> from egcam_jax import evaluate
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(evaluate.parts(folder))
        []
    """
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
