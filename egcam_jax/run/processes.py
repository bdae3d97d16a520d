"""Which of several processes this is: what ``jax.distributed`` or the cluster's environment says.

Processes need one another only to learn this. Each then explains its own share of the batches on its own devices, into
a file of its own, so that one which is killed stops no other, and may be started again alone.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple


class Process(NamedTuple):
    """One of several processes: its number, from 0, and of how many.

    Example:
        >>> from egcam_jax import evaluate
        >>> evaluate.Process(number=1, of=4)
        Process(number=1, of=4)
    """

    number: int = 0
    of: int = 1


ALONE = Process()


def join(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
) -> Process:
    """Find this process's place among all; call it before anything else of JAX.

    Args:
        coordinator: ``HOST:PORT`` of the first process, where ``jax.distributed`` is to gather them.
        num_processes: How many there are.
        process_id: This one's number, from 0.
        environment: Where a cluster says what is not given: SLURM, Open MPI or a TPU pod. Of an indexed job of
            Kubernetes it says only this one's number, and so both are to be given.

    Returns:
        Its place. With a number and a count, and no coordinator, that is what was given, and no other process is
        waited for: so one that was killed goes on alone.

    Raises:
        ValueError: Some of it is given and the rest is not, or a cluster has told only one of both.

    Example:
        >>> from egcam_jax import evaluate
        >>> evaluate.join(num_processes=4, process_id=1)
        Process(number=1, of=4)
    """
    if coordinator is None and (num_processes is None) != (process_id is None):
        raise ValueError("num_processes and process_id belong together; give both, or neither")
    if coordinator is None and num_processes is not None and process_id is not None:
        return _checked(process_id, num_processes)
    if coordinator is None and not several(environment):
        return _of_devices(environment)
    if coordinator is not None and (num_processes is None or process_id is None):
        raise ValueError("coordinator needs num_processes and process_id too, which tell the processes apart")
    import jax

    jax.distributed.initialize(coordinator, num_processes, process_id)
    place = Process(jax.process_index(), jax.process_count())
    jax.local_devices()  # the devices are found while all processes are here; from now on none needs another
    jax.distributed.shutdown()
    return place


def _of_devices(environment: Mapping[str, str]) -> Process:
    """The place that the devices know of: those of a TPU pod are one machine, whatever the environment says."""
    import jax

    place = Process(jax.process_index(), jax.process_count())
    if place.of == 1 and "JOB_COMPLETION_INDEX" in environment:
        raise ValueError(
            "process_id is not given, and this pod of an indexed job of Kubernetes may be one of several: say "
            "--num-processes N --process-id $JOB_COMPLETION_INDEX, with N the job's completions, or --num-processes 1 "
            "--process-id 0 where each pod is a run of its own"
        )
    return place


def several(environment: Mapping[str, str]) -> bool:
    """Whether a cluster says that this process is one of several."""
    for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "JAX_NUM_PROCESSES"):
        if environment.get(name, "").isdecimal() and int(environment[name]) > 1:
            return True
    return "," in environment.get("TPU_WORKER_HOSTNAMES", "") or "MEGASCALE_COORDINATOR_ADDRESS" in environment


def _checked(index: int, count: int) -> Process:
    if not 0 <= index < count:
        raise ValueError(f"process_id must be 0 to {count - 1}, one of num_processes={count}; got {index}")
    return Process(index, count)
