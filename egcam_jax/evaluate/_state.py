"""What a session of a run holds while it goes: its devices, programs, times, and what has failed."""

import datetime
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any, NamedTuple

import jax

from egcam_jax.evaluate import _programs
from egcam_jax.evaluate._processes import Process
from egcam_jax.evaluate._progress import Kind
from egcam_jax.evaluate._work import Work


class State(NamedTuple):
    """A session.

    Attributes:
        work: What the whole run shares.
        store: The file of results.
        session: Its number there.
        devices: This process's.
        size: Of a batch, filled up so that each device has as many images.
        shared: What programs take besides images: parameters, references and keys.
        programs: Compiled, by label.
        traces: How often each was traced.
        times: Seconds of each piece of work, by its kind.
        broken: What has failed, and is not tried again in this session.
        tell: ``(batch, doing, failure="")``, called after each piece of work.
    """

    work: Work
    store: Any
    session: int
    devices: Any
    size: int
    shared: dict[str, Any]
    programs: dict[Any, Any]
    traces: dict[str, int]
    times: dict[Kind, list[float]]
    broken: set[Kind]
    tell: Callable[..., None]


def shared(work: Work, devices: Any) -> dict[str, Any]:
    """What all images share, on every device."""
    key = jax.random.key(work.plan.seed)
    return _programs.share(
        {
            "params": work.model.params,
            "references": work.references,
            "key": jax.random.fold_in(key, 0),
            "metrics_key": jax.random.fold_in(key, 1),
        },
        devices,
    )


def program(state: State, label: str, make: Callable[[], Any]) -> Any:
    """The compiled program of a label, made when it is first asked for."""
    if label not in state.programs:
        state.programs[label] = _programs.over_images(make(), state.devices, label, state.traces)
    return state.programs[label]


@contextmanager
def timed(state: State, kind: Kind) -> Iterator[None]:
    """Note how long a block takes, where it succeeds."""
    start = time.perf_counter()
    yield
    state.times.setdefault(kind, []).append(time.perf_counter() - start)


def provenance(work: Work, process: Process) -> dict[str, Any]:
    """With what, and on what, a session computes."""
    device = jax.local_devices()[0]
    packages = ("egcam-jax", "jax", "jaxlib", "flax", "numpy", "pillow", "scikit-image")
    return {
        "started": now(),
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in packages},
        "device": f"{device.platform} ({device.device_kind})",
        "devices": len(jax.local_devices()),
        "process": list(process),
        "weights": str(work.model.weights),
        "left_out": dict(work.left_out),
    }


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
