"""Make a file of results again and again, each time killed one statement later: FOLDER ASKED. A folder for each."""

import functools
import json
import os
import signal
import sqlite3
import sys
import types
from pathlib import Path

from egcam_jax.run import store
from egcam_jax.run.store import file as _file


class Dying(sqlite3.Connection):
    """Dies before a statement."""

    left = 0

    def execute(self, *arguments):
        """Count down."""
        if Dying.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        Dying.left -= 1
        return super().execute(*arguments)


def killed(path: Path, asked: dict, statements: int) -> bool:
    """Whether a process that lives for so many statements was killed before the file was made."""
    child = os.fork()
    if child == 0:
        Dying.left = statements
        connect = functools.partial(sqlite3.connect, factory=Dying)
        _file.sqlite3 = types.SimpleNamespace(**{**vars(sqlite3), "connect": connect})
        store.create(path, asked).close()
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


if __name__ == "__main__":
    folder, asked = Path(sys.argv[1]), json.loads(sys.argv[2])
    statements = 0
    while killed(folder / f"{statements:02d}" / store.RESULTS, asked, statements):
        statements += 1
