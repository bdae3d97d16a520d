"""With what, and on what, a run computes."""

import datetime
import platform
from importlib import metadata
from typing import Any

import jax

from egcam_jax import data
from egcam_jax.run import references
from egcam_jax.run.session import Session

_PACKAGES = ("egcam-jax", "jax", "jaxlib", "flax", "numpy", "pillow")


def versions(*others: str) -> dict[str, str]:
    """Versions of the packages that numbers depend on, in every run or, as ``others``, in this one."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in (*_PACKAGES, *others)}


def device() -> str:
    """The device that this process computes on."""
    first = jax.local_devices()[0]
    return f"{first.platform} ({first.device_kind})"


def of_session(session: Session) -> dict[str, Any]:
    """What a session of a run computes with."""
    return {
        "started": now(),
        "versions": versions("scikit-image"),
        "device": device(),
        "devices": len(jax.local_devices()),
        "weights": str(session.model.weights),
        "left_out": dict(session.left_out),
        "mosaics": references.mosaics(session.source),
        "default_references": session.plan.refs is None,
        "passed_over": data.told(data.passed_over(session.source)),
    }


def now() -> str:
    """The time, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
