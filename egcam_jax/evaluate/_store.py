"""Results in one SQLite file: a transaction for a batch's maps and for each metric: killed, a run has lost no more."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

RESULTS = "results.sqlite"
"""What the file of a whole run is called."""

_FORMAT = 1
_SCHEMA = """
CREATE TABLE run (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (session INTEGER PRIMARY KEY, provenance TEXT NOT NULL);
CREATE TABLE images (image INTEGER PRIMARY KEY, id TEXT NOT NULL, target INTEGER NOT NULL, label TEXT NOT NULL,
    probability REAL, correct INTEGER, picture BLOB, mask BLOB);
CREATE TABLE unreadable (image INTEGER PRIMARY KEY, id TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE maps (image INTEGER, method TEXT, height INTEGER NOT NULL, width INTEGER NOT NULL, cam BLOB NOT NULL,
    PRIMARY KEY (image, method)) WITHOUT ROWID;
CREATE TABLE scores (image INTEGER, method TEXT, metric TEXT, value REAL, curve BLOB,
    PRIMARY KEY (method, metric, image)) WITHOUT ROWID;
CREATE TABLE failures (session INTEGER, batch INTEGER, method TEXT, metric TEXT, reason TEXT NOT NULL);
"""
_TABLES = ("images", "unreadable", "maps", "scores")


class ResultsError(OSError):
    """A file of results that cannot be used, or that belongs to another run."""


_GROUPS = ("methods", "metrics")
_FOLLOWS = ("data.digest", "references.ids", "references.count", "references.explained")
"""Of what was asked for, what follows from other parts of it, and is told only where nothing else has changed."""
_NAMES = 4


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
            if not store.execute("SELECT 1 FROM sqlite_master").fetchone():
                store.execute("PRAGMA journal_mode = WAL")
                store.executescript(_SCHEMA)
                _put_run(store, asked)
        _check(path, _asked(path, store), json.loads(_dump(asked)))
    except sqlite3.OperationalError as error:
        store.close()
        raise ResultsError(f"{path}: {error}; make room, or give another --out") from error
    except BaseException:
        store.close()
        raise
    return store


def begin(store: sqlite3.Connection, provenance: Mapping[str, Any]) -> int:
    """Note that a session starts, and return its number."""
    with _writing(store):
        return int(store.execute("INSERT INTO sessions (provenance) VALUES (?)", (_dump(provenance),)).lastrowid or 0)


def end(store: sqlite3.Connection, session: int, provenance: Mapping[str, Any]) -> None:
    """Note what a session has been."""
    with _writing(store):
        store.execute("UPDATE sessions SET provenance = ? WHERE session = ?", (_dump(provenance), session))


def put_images(
    store: sqlite3.Connection, images: Iterable[ImageRow], unreadable: Iterable[tuple[int, str, str]]
) -> None:
    """Write what is known of a batch's images, in one transaction; what is there already stays."""
    with _writing(store):
        store.executemany("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?)", images)
        store.executemany("INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?)", unreadable)


def put(store: sqlite3.Connection, outcome: Outcome, failures: Iterable[Failure] = ()) -> None:
    """Write what a method gave for a batch, and what went wrong, in one transaction."""
    with _writing(store):
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
            asked=_asked(path, store),
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
    with closing(_connect(file_of(path))) as store:
        store.execute("BEGIN")  # all that is read is of one moment, though a run may be writing
        _asked(path, store)
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


def merge(files: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> None:
    """Gather the parts of a run in one file; parts that are there already are added to.

    Raises:
        ResultsError: There are none, or they are not of one run.
    """
    out, paths = Path(out), list(map(Path, files))
    if not paths:
        raise ResultsError(f"{out.parent}: no parts of a run there; name their files, or the folder they are in")
    with opened(paths[0]) as first:
        asked = _asked(paths[0], first)
    with closing(create(out, asked)) as whole:
        for file in paths:
            with opened(file) as part:
                _check(file, _asked(file, part), asked)
            _take(whole, file)


def _take(whole: sqlite3.Connection, file: Path) -> None:
    whole.execute("ATTACH ? AS part", (str(file),))
    try:
        with whole:
            for table in _TABLES:
                whole.execute(f"INSERT OR REPLACE INTO main.{table} SELECT * FROM part.{table}")
            known = {text for (text,) in whole.execute("SELECT provenance FROM main.sessions")}
            for session, text in whole.execute("SELECT session, provenance FROM part.sessions").fetchall():
                if text not in known:
                    _take_session(whole, session, text)
    finally:
        whole.execute("DETACH part")


def _take_session(whole: sqlite3.Connection, session: int, text: str) -> None:
    """A session of a part with its failures, under a number of its own."""
    number = whole.execute("INSERT INTO main.sessions (provenance) VALUES (?)", (text,)).lastrowid
    whole.execute(
        "INSERT INTO main.failures SELECT ?, batch, method, metric, reason FROM part.failures WHERE session = ?",
        (number, session),
    )


@contextmanager
def _writing(store: sqlite3.Connection) -> Iterator[None]:
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


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=60)
    except sqlite3.OperationalError as error:
        raise ResultsError(f"{path}: {error}; check that the folder is there and may be written to") from error


def _put_run(store: sqlite3.Connection, asked: Mapping[str, Any]) -> None:
    store.executemany("INSERT INTO run VALUES (?, ?)", [("format", str(_FORMAT)), ("asked", _dump(asked))])


def _asked(path: Path, store: sqlite3.Connection) -> dict[str, Any]:
    try:
        run = dict(store.execute("SELECT name, value FROM run"))
    except sqlite3.DatabaseError as error:
        raise ResultsError(f"{path}: no file of results ({error}); name one that `egcam evaluate` wrote") from error
    if run.get("format") != str(_FORMAT):
        raise ResultsError(f"{path}: written in format {run.get('format')}, this version reads {_FORMAT}")
    return json.loads(run["asked"])


def _check(path: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    if changes := _changes(there, asked):
        raise ResultsError(
            f"{path}: results of another run: {'; '.join(changes)}. Give another --out, or the same options."
        )


def _changes(there: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What differs, in words, without what only follows from it."""
    groups = {name: _exchanged(there.get(name) or (), asked.get(name) or ()) for name in _GROUPS}
    before, now = dict(_flat(there)), dict(_flat(asked))
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    changed = [name for name in changed if not groups.get(name.partition(".")[0])]
    told = [name for name in changed if name not in _FOLLOWS]
    told = told if told or any(groups.values()) else changed
    values = [f"{it} was {_short(before.get(it, 'not given'))}, now {_short(now.get(it, 'not given'))}" for it in told]
    return [f"{name} now {words}" for name, words in groups.items() if words] + values


def _exchanged(before: Iterable[str], now: Iterable[str]) -> str:
    gone, new = sorted({*before} - {*now}), sorted({*now} - {*before})
    return " and ".join(f"{word} {', '.join(them)}" for word, them in (("without", gone), ("with", new)) if them)


def _short(value: Any) -> Any:
    return f"{len(value)} others" if isinstance(value, list) and len(value) > _NAMES else value


def _flat(document: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a document by their path."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, document


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
