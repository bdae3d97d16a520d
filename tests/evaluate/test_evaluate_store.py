"""The file of results: all of a batch or nothing, told apart by what was asked, merged from parts."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from egcam_jax import evaluate
from egcam_jax.run import store as _store

KILLED = Path(__file__).with_name("killed_at_birth.py")
ASKED = {"data": {"source": "folder:x", "count": 4}, "methods": {"gradcam": {"samples": None}}, "batch": 2}


def row(image):
    return _store.ImageRow(image, f"{image}.png", 1, "cat", 0.5, True, b"jpeg" * 1000, None)


def outcome(images, method="gradcam", value=0.5):
    values = {"sparseness": np.full(len(images), value), "insertion_auc": np.array([np.nan] * len(images))}
    curves = {"insertion_auc": np.ones((len(images), 3), np.float32)}
    return _store.Outcome(method, images, np.ones((len(images), 2, 3), np.float32), values, curves)


def filled(path, images, asked=ASKED):
    store = _store.create(path, asked)
    session = _store.begin(store, {"started": f"at {path.name}"})
    _store.put_images(store, map(row, images), [(99, "99.png", "damaged")])
    failure = _store.Failure(session, 0, "scorecam", None, "RuntimeError: no memory")
    _store.put(store, outcome(images), [failure])
    store.close()
    return path


def test_what_is_written_is_read(tmp_path):
    filled(tmp_path / _store.RESULTS, [0, 2])
    run = evaluate.read(tmp_path)
    assert run.asked == ASKED
    assert [(it.image, it.label, it.correct) for it in run.images] == [(0, "cat", True), (2, "cat", True)]
    assert run.unreadable == [("99.png", "damaged")]
    assert run.failures[0].reason == "RuntimeError: no memory"
    np.testing.assert_array_equal(run.values["gradcam", "sparseness"], [0.5, 0.5])
    assert np.isnan(run.values["gradcam", "insertion_auc"]).all()
    assert run.computed["gradcam", "insertion_auc"].all()
    assert [path.name for path in tmp_path.iterdir()] == [_store.RESULTS]  # and reading leaves nothing behind


def test_parts_are_merged_with_their_sessions_and_failures(tmp_path):
    parts = [filled(tmp_path / _store.name(i, 2), [2 * i, 2 * i + 1]) for i in range(2)]
    for _ in range(2):  # a second time adds nothing
        evaluate.merge(parts, tmp_path / _store.RESULTS)
    run = evaluate.read(tmp_path)
    assert [it.image for it in run.images] == [0, 1, 2, 3]
    assert [it["started"] for it in run.sessions] == [f"at {part.name}" for part in parts]
    assert [it.session for it in run.failures] == [1, 2]


def test_a_part_may_be_merged_again_while_its_session_goes_on(tmp_path):
    part = tmp_path / _store.name(0, 2)
    whole = tmp_path / _store.RESULTS
    store = _store.create(part, ASKED)
    session = _store.begin(store, {"started": "now"})
    reasons = ["the first", "the second"]
    for number, reason in enumerate(reasons):
        _store.put_images(store, [row(number)], [(9, "9.png", "damaged")] if number == 0 else [])
        _store.put(store, outcome([number]), [_store.Failure(session, number, "scorecam", None, reason)])
        evaluate.merge([part], whole)
    _store.readable(store, [9])
    _store.put_images(store, [row(9)], [])
    _store.end(store, session, {"started": "now", "ended": "later"})
    store.close()
    evaluate.merge([part], whole)
    run = evaluate.read(whole)
    assert [it.reason for it in run.failures] == reasons
    assert run.sessions == [{"started": "now", "ended": "later"}]
    assert [it.image for it in run.images] == [0, 1, 9]
    assert run.unreadable == []


def test_a_full_disk_is_said_while_parts_are_merged(tmp_path, monkeypatch):
    part = filled(tmp_path / _store.name(0, 2), range(60))
    made = _store.create

    def short(path, asked):
        store = made(path, asked)
        store.execute(f"PRAGMA max_page_count = {store.execute('PRAGMA page_count').fetchone()[0]}")
        return store

    monkeypatch.setattr("egcam_jax.run.store.gather.create", short)
    with pytest.raises(evaluate.ResultsError, match=rf"{_store.RESULTS}.*full.*make room"):
        evaluate.merge([part], tmp_path / _store.RESULTS)


def test_a_run_killed_while_its_file_is_made_goes_on(tmp_path):
    """At every statement in turn: what is left is a file, or none, that the same command goes on with."""
    done = subprocess.run([sys.executable, KILLED, tmp_path, json.dumps(ASKED)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folders = sorted(tmp_path.iterdir())
    assert len(folders) > 10
    for folder in folders:
        filled(folder / _store.RESULTS, [0])
        assert len(evaluate.read(folder).images) == 1


def test_results_can_be_read_where_nothing_can_be_written(tmp_path):
    """SQLite wants a log beside a file that was written with one, and cannot have it there."""
    path = filled(tmp_path / "run" / _store.RESULTS, [0, 1])
    assert not path.with_name(f"{path.name}-wal").exists()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    if os.access(path.parent, os.W_OK):
        pytest.skip("the superuser may write anywhere")
    assert len(evaluate.read(path).images) == 2


def test_a_copy_of_the_file_alone_has_all_settled_batches(tmp_path):
    store = _store.create(tmp_path / _store.RESULTS, ASKED)
    _store.put_images(store, map(row, range(3)), [])
    _store.settle(store)
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes((tmp_path / _store.RESULTS).read_bytes())
    store.close()
    assert len(evaluate.read(copy).images) == 3


def test_parts_of_different_runs_are_not_merged(tmp_path):
    one = filled(tmp_path / _store.name(0, 2), [0])
    other = filled(tmp_path / _store.name(1, 2), [1], {**ASKED, "batch": 4})
    with pytest.raises(evaluate.ResultsError, match="batch was 4, now 2"):
        evaluate.merge([one, other], tmp_path / _store.RESULTS)


def test_a_full_disk_loses_the_batch_in_flight_and_no_more(tmp_path):
    path = filled(tmp_path / _store.RESULTS, [0, 1])
    store = _store.create(path, ASKED)
    pages = store.execute("PRAGMA page_count").fetchone()[0]
    store.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(evaluate.ResultsError, match=r"full.*make room.*same command goes on"):
        _store.put_images(store, [row(image) for image in range(2, 60)], [])
    store.close()
    assert [it.image for it in evaluate.read(path).images] == [0, 1]
    store = _store.create(path, ASKED)
    _store.put_images(store, [row(2)], [])
    store.close()
    assert len(evaluate.read(path).images) == 3


def test_a_batch_is_written_whole_or_not_at_all(tmp_path):
    store = _store.create(tmp_path / _store.RESULTS, ASKED)

    def failures():
        yield _store.Failure(1, 0, "gradcam", None, "before the power failed")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _store.put(store, outcome([0, 1]), failures())
    store.close()
    assert evaluate.read(tmp_path).values == {}


@pytest.mark.parametrize("what", ["nothing", "text", "another database", "a later format"])
def test_what_is_no_file_of_results_is_said(tmp_path, what):
    path = tmp_path / _store.RESULTS
    if what == "text":
        path.write_text("no database, but long enough to be read as if it were one" * 20)
    if what == "another database":
        sqlite3.connect(path).execute("CREATE TABLE run (a)").connection.close()
    if what == "a later format":
        filled(path, [0])
        store = sqlite3.connect(path)
        store.execute("UPDATE run SET value = '3' WHERE name = 'format'")
        store.commit()
        store.close()
    with pytest.raises(evaluate.ResultsError, match=r"egcam evaluate|format 3"):
        evaluate.read(tmp_path)


def test_it_survives_a_reader_at_work(tmp_path):
    path = filled(tmp_path / _store.RESULTS, [0, 1])
    with _store.opened(path) as reader:
        rows = reader.execute("SELECT * FROM scores")
        rows.fetchone()
        store = _store.create(path, ASKED)
        _store.put_images(store, map(row, [2, 3]), [])
        _store.put(store, outcome([2, 3]))
        store.close()
        assert reader.execute("SELECT COUNT(*) FROM images").fetchone() == (2,)
        rows.close()
    assert len(evaluate.read(path).images) == 4
