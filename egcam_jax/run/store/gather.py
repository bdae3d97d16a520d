"""The files of several processes, gathered in one."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from egcam_jax.run.store.changes import ResultsError, check
from egcam_jax.run.store.file import asked_of, create, opened, writing

_TABLES = ("images", "contents", "unreadable", "maps", "scores")


def merge(files: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> None:
    """Gather the parts of a run in one file; parts that are there already are added to.

    Args:
        files: The parts, as ``parts`` lists those of a folder.
        out: The file that they go to: ``RESULTS`` in the run's folder.

    Raises:
        ResultsError: There are none, or they are not of one run.

    Example:
        >>> import pathlib, tempfile
        >>> from egcam_jax import evaluate
        >>> from egcam_jax.run import store
        >>> with tempfile.TemporaryDirectory() as text:
        ...     folder = pathlib.Path(text)
        ...     for number in range(2):  # as two processes of one run do
        ...         store.create(folder / store.name(number, 2), {"seed": 3}).close()
        ...     evaluate.merge(evaluate.parts(folder), folder / evaluate.RESULTS)
        ...     print(evaluate.read(folder).asked)
        {'seed': 3}
    """
    out, paths = Path(out), list(map(Path, files))
    if not paths:
        raise ResultsError(f"{out.parent}: no parts of a run there; name their files, or the folder they are in")
    with opened(paths[0]) as first:
        asked = asked_of(paths[0], first)
    with closing(create(out, asked)) as whole:
        for file in paths:
            with opened(file) as part:
                check(file, asked_of(file, part), asked)
            _take(whole, file)


def _take(whole: sqlite3.Connection, file: Path) -> None:
    """All that a part holds, in place of what an earlier merge took of it."""
    whole.execute("ATTACH ? AS part", (str(file),))
    try:
        with writing(whole):
            for statement in _TAKE:
                whole.execute(statement)
    finally:
        whole.execute("DETACH part")


_TAKE = (
    *(f"INSERT OR REPLACE INTO main.{table} SELECT * FROM part.{table}" for table in _TABLES),
    # an image that could be read the second time is no longer one that could not
    "DELETE FROM main.unreadable WHERE image IN (SELECT image FROM main.images)",
    """INSERT INTO main.sessions (id, provenance) SELECT id, provenance FROM part.sessions WHERE true
    ON CONFLICT (id) DO UPDATE SET provenance = excluded.provenance""",
    """DELETE FROM main.failures WHERE session IN
    (SELECT its.session FROM main.sessions its JOIN part.sessions theirs ON its.id = theirs.id)""",
    """INSERT INTO main.failures SELECT its.session, batch, method, metric, reason FROM part.failures
    JOIN part.sessions theirs ON theirs.session = failures.session JOIN main.sessions its ON its.id = theirs.id
    ORDER BY failures.rowid""",
)
