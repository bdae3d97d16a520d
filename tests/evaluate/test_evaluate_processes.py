"""The same numbers on one device, on four, and on two processes of two, one of which is killed and started again."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from evaluation import assert_same, write_pictures

from egcam_jax import evaluate
from egcam_jax.run.processes import ALONE, Process, join, several

PROGRAM = Path(__file__).with_name("one_process.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("grain")
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def alone(folder, tmp_path_factory):
    """On one device."""
    out = tmp_path_factory.mktemp("alone")
    finish(start(folder, out, devices=1))
    return evaluate.read(out)


def start(folder, out, *, devices, coordinator="", processes=1, number=0, die_after=0):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder.parent / "programs"))  # one compiles, all have it
    environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
    arguments = [folder, out, coordinator, processes, number, die_after]
    return subprocess.Popen(
        [sys.executable, PROGRAM, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.split()


def free_port():
    with socket.socket() as it:
        it.bind(("localhost", 0))
        return it.getsockname()[1]


def test_four_devices_give_what_one_gives(folder, alone, tmp_path):
    assert finish(start(folder, tmp_path, devices=4))[:3] == ["0", "1", "4"]
    assert_same(alone, evaluate.read(tmp_path))


def test_two_processes_of_two_devices_one_killed_and_started_again(folder, alone, tmp_path):
    where = {"coordinator": f"localhost:{free_port()}", "processes": 2, "devices": 2}
    both = [start(folder, tmp_path, number=number, die_after=number, **where) for number in (0, 1)]
    assert finish(both[0])[:3] == ["0", "2", "2"]  # it does not wait for the other, nor die with it
    both[1].communicate(timeout=300)
    assert both[1].returncode == -signal.SIGKILL
    with pytest.raises(evaluate.ResultsError, match="egcam merge"):
        evaluate.read(tmp_path)
    half = evaluate.read(tmp_path / "results-0001-of-0002.sqlite")
    assert len(half.images) == 2
    finish(start(folder, tmp_path, devices=2, processes=2, number=1))  # alone, without a coordinator
    evaluate.merge(evaluate.parts(tmp_path), tmp_path / evaluate.RESULTS)
    merged = evaluate.read(tmp_path)
    assert_same(alone, merged)
    assert [it["process"] for it in merged.sessions] == [[0, 2], [1, 2], [1, 2]]


def test_a_place_that_is_given_is_taken_without_waiting_for_anyone():
    assert join(None, 4, 3) == Process(3, 4)
    assert join(environment={}) == ALONE


def test_the_hosts_of_a_pod_are_told_apart_by_their_devices(monkeypatch):
    """Where `gcloud ... --worker=all` starts the command there is no variable that says so."""
    monkeypatch.setattr("jax.process_count", lambda: 4)
    monkeypatch.setattr("jax.process_index", lambda: 2)
    assert join(environment={}) == Process(2, 4)


def test_a_pod_of_kubernetes_does_not_take_itself_for_the_only_one():
    with pytest.raises(ValueError, match=r"--process-id \$JOB_COMPLETION_INDEX"):
        join(environment={"JOB_COMPLETION_INDEX": "1"})
    assert join(None, 2, 1, environment={"JOB_COMPLETION_INDEX": "1"}) == Process(1, 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"num_processes": 2}, "belong together"),
        ({"num_processes": 2, "process_id": 2}, "0 to 1"),
        ({"coordinator": "localhost:1"}, "num_processes and process_id"),
    ],
)
def test_half_a_place_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        join(**given)


@pytest.mark.parametrize(
    ("environment", "is_several"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
        ({"TPU_WORKER_HOSTNAMES": "t1v-0,t1v-1"}, True),
    ],
)
def test_the_clusters_environment_says_whether_there_are_several(environment, is_several):
    assert several(environment) == is_several
