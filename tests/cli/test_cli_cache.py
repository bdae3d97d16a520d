"""The cache of compiled programs: private, bounded, safe with two processes at once, and left out where asked for."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import pytest

from egcam_jax.cli import cache

HERE = pathlib.Path(__file__).parent
COMMAND = """
import collections, sys
import jax
from tiny_network import tiny_model
import egcam_jax.cli, egcam_jax.models
model = tiny_model()
egcam_jax.models.load = lambda name, weights=None: model
counts = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: counts.update([event.rsplit("/", 1)[-1]]))
try:
    egcam_jax.cli.main()
finally:
    print(counts["cache_misses"], counts["cache_hits"], file=sys.stderr)
"""


def started(code, place, *arguments):
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment |= {"EGCAM_CACHE_DIR": str(place), "PYTHONPATH": os.pathsep.join((str(HERE), *sys.path))}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


NAMES = ("EGCAM_NO_CACHE", "EGCAM_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")


def ended(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for programs, and nothing in the environment that leaves the cache out."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EGCAM_CACHE_DIR", str(tmp_path / "programs"))
    return tmp_path / "programs"


def test_two_runs_at_once_fill_it_and_the_next_compiles_nothing(place, photographs, tmp_path):
    run = lambda out: started(COMMAND, place, "explain", photographs / "0.png", "--json", "--out", tmp_path / out)
    first, second = [ended(process) for process in [run("a"), run("b")]]
    kept = {file.name for file in place.rglob("*-cache")}
    assert kept
    third = ended(run("c"))
    misses, hits = map(int, third[1].split()[-2:])
    assert misses == 0 < hits
    assert {file.name for file in place.rglob("*-cache")} == kept
    top = [json.loads(out)["images"][0]["top_classes"] for out, _ in (first, second, third)]
    assert top[0] == top[1] == top[2]
    for folder in (place, cache.folder()):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_its_size_is_bounded(place):
    code = """
import jax, jax.numpy as jnp
from egcam_jax.cli import cache
cache.LIMIT = 30_000
assert cache.start() == ""
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
for side in range(1, 16):
    jax.jit(lambda x: jnp.sin(x) @ x.T)(jnp.ones((side, 2)))
"""
    ended(started(code, place))
    kept = [file.stat().st_size for file in place.rglob("*-cache")]
    assert 0 < sum(kept) <= 30_000


def test_programs_that_were_half_written_and_old_versions_go(place):
    folder = cache.folder()
    folder.mkdir(parents=True)
    place.chmod(0o700)
    folder.chmod(0o700)
    for name in ("whole-cache", "whole-atime", "half-cache"):
        (folder / name).write_bytes(b"12345678")
    for age in range(5):
        other = place / f"egcam-jax-0.0.{age}"
        other.mkdir()
        os.utime(other, (age, age))
    cache._tidy(folder)
    assert {file.name for file in folder.iterdir()} - {".lockfile"} == {"whole-cache", "whole-atime"}
    assert {one.name for one in place.iterdir()} == {folder.name, "egcam-jax-0.0.3", "egcam-jax-0.0.4"}


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755])
def test_a_folder_that_is_open_to_others_is_refused_with_a_word(egcam, tiny, photographs, place, mode):
    place.mkdir()
    place.chmod(mode)
    result = egcam("explain", photographs / "0.png", "--method", "gradcam")
    assert result.exit_code == 0
    assert f"must be open to you alone; got mode {mode:o}. Run `chmod 700 {place}`" in result.stderr
    assert not list(place.iterdir())


def test_a_link_is_refused(place, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.symlink_to(tmp_path / "elsewhere")
    assert "must be a folder; got a file or a link" in cache.start()


def test_a_folder_of_another_user_is_refused(place, monkeypatch):
    place.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    assert "must be yours; got a folder of user" in cache.start()


def test_no_cache_writes_nothing(egcam, tiny, photographs, place):
    assert egcam("explain", photographs / "0.png", "--method", "gradcam", "--no-cache").exit_code == 0
    assert not place.exists()


@pytest.mark.parametrize("name", ["EGCAM_NO_CACHE", "JAX_COMPILATION_CACHE_DIR"])
def test_the_environment_leaves_it_out(place, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert cache.start() == ""
    assert not place.exists()


def test_a_home_that_cannot_be_written_is_no_error(place, monkeypatch):
    monkeypatch.setenv("EGCAM_CACHE_DIR", "/proc/nobody/programs")
    before = jax.config.jax_compilation_cache_dir
    assert cache.start() == ""
    assert jax.config.jax_compilation_cache_dir == before


def test_the_doctor_names_it_and_its_size(place, monkeypatch):
    from egcam_jax.cli import doctor

    (check,) = doctor._programs()
    assert check.good
    assert check.text == f"none yet in {place}"
    place.mkdir(mode=0o700)
    (place / "one").write_bytes(bytes(3 * 2**20))
    assert doctor._programs()[0].text == f"{place}, 3 of at most 1920 MiB"
    place.chmod(0o777)
    (check,) = doctor._programs()
    assert not check.good
    assert not check.needed
    monkeypatch.setenv("EGCAM_NO_CACHE", "1")
    assert "not kept" in doctor._programs()[0].text
