"""Compiled programs and encoded references that the command line keeps between its runs, in a folder of the user's own.

Whoever can write a program there can run code as the user, so a folder that others can write is not used. A program
fits one version of each package and one kind of processor: these name the folder. JAX bounds the folder's size.
"""

import hashlib
import os
import platform
import shutil
import stat
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIMIT = 512 * 2**20
"""Bytes of programs of one version, at most; JAX removes those that were not used for the longest time."""
REFERENCES = 128 * 2**20
"""Bytes of encoded references beside them, at most."""
VERSIONS = 3
"""How many folders of other versions or processors stay beside each other, the newest ones."""
OFF, PLACE = "EGCAM_NO_CACHE", "EGCAM_CACHE_DIR"


def root() -> Path:
    """The folder of all versions: ``EGCAM_CACHE_DIR``, or the platform's place for caches."""
    import platformdirs

    return Path(os.environ.get(PLACE) or platformdirs.user_cache_path("egcam_jax") / "programs").absolute()


def folder() -> Path:
    """The folder of these versions on this processor."""
    versions = [f"{name}-{version(name)}" for name in ("egcam-jax", "jax", "jaxlib")]
    return root() / "_".join((*versions, _processor()))


def off() -> bool:
    """Whether the user asked for none, or has given JAX a cache of its own."""
    return os.environ.get(OFF, "") not in ("", "0") or bool(os.environ.get("JAX_COMPILATION_CACHE_DIR"))


def problem(place: Path) -> str:
    """Why a folder cannot hold programs: others can write there, or it is another user's. Empty where it can."""
    if not hasattr(os, "getuid"):
        return ""
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return f"{place} must be a folder; got a file or a link. Remove it, or set {PLACE}."
    if found.st_uid != os.getuid():
        return f"{place} must be yours; got a folder of user {found.st_uid}. Set {PLACE} to a folder of yours."
    if found.st_mode & 0o077:
        return f"{place} must be open to you alone; got mode {found.st_mode & 0o777:o}. Run `chmod 700 {place}`."
    return ""


def start() -> str:
    """Let JAX keep programs for this process, unless the user wants none or there is no place for them.

    Returns:
        A sentence where a folder was refused, else nothing. A home that cannot be written is no reason for one.
    """
    if off():
        return ""
    place = folder()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if refused := problem(place.parent):
            return refused
        place.mkdir(mode=0o700, exist_ok=True)
        if refused := problem(place):
            return refused
        if not os.access(place, os.W_OK):
            return ""
        _tidy(place)
    except OSError:
        return ""
    _let_jax_use(place)
    return ""


def references() -> Any:
    """Where encoded references stay, beside the programs, as ``kept.Place``; ``None`` where this process keeps none."""
    import jax

    from egcam_jax.run import kept

    place = folder()
    return (
        kept.Place(place / "references", REFERENCES)
        if jax.config.values["jax_compilation_cache_dir"] == str(place)
        else None
    )


def size(place: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


def _let_jax_use(place: Path) -> None:
    import jax

    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_compilation_cache_max_size", LIMIT)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.01)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    # A program that cannot be read or kept, on a full disk for one, is compiled anew: the result is the same.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")


def _tidy(place: Path) -> None:
    """Remove programs that a killed process wrote in part, and the folders of versions that are long unused."""
    import filelock

    os.utime(place)
    with filelock.FileLock(place / ".lockfile", timeout=1):
        for program in place.glob("*-cache"):
            if not program.with_name(program.name.removesuffix("-cache") + "-atime").exists():
                program.unlink(missing_ok=True)
    others = [one for one in place.parent.iterdir() if one.is_dir() and one != place and not one.is_symlink()]
    others.sort(key=lambda one: one.stat().st_mtime)
    for old in others[: max(0, len(others) + 1 - VERSIONS)]:
        if old.name.startswith("egcam-jax-"):
            shutil.rmtree(old, ignore_errors=True)


def _processor() -> str:
    """A digest of what the processor can do: code for another one may not run here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        kept = [line for line in lines if line.startswith(("flags", "Features", "model name", "cpu family"))]
    except OSError:
        kept = [platform.processor()]
    return hashlib.sha256("\n".join([platform.machine(), *kept]).encode()).hexdigest()[:12]
