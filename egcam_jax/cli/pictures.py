"""What `explain` and `compare` do alike: find the pictures, refuse what makes no sense, load what they share."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from egcam_jax import data
from egcam_jax.cli import cache, networks, options
from egcam_jax.output import console, files, names
from egcam_jax.run import runner, sources
from egcam_jax.run import session as sessions
from egcam_jax.run.plan import Plan
from egcam_jax.run.progress import Clock
from egcam_jax.run.session import Session


class Run(NamedTuple):
    """A run of pictures.

    Attributes:
        plan: What is asked for.
        places: The pictures that may be readable.
        failures: Path and reason of what could not be done.
        kept: Identities of the files that none may replace: pictures, references and weights.
    """

    plan: Plan
    places: Sequence[int]
    failures: list[tuple[str, str]]
    kept: frozenset[tuple[int, int]]


def begin(asked: Any, *, metrics: str, one_method: bool = False, fused: bool = False) -> Run:
    """Check what can be checked before a network is loaded, and find the pictures."""
    networks.check(asked.model, asked.weights)
    source, places, failures = sources.find(asked.images or [str(data.demo_path())])
    count = max(asked.num_refs, asked.samples or 0) if asked.refs else asked.num_refs
    plan = options.plan(asked, data=source, metrics=metrics, num_refs=count, fused=fused)
    methods = sessions.read(plan, has=())
    if one_method and len(methods) > 1:
        raise ValueError(f"methods must be one method here; got {len(methods)}. `egcam compare` sets several apart.")
    files.prepare(asked.out)
    paths = [*source.paths, *(path for path, _ in failures), *([asked.weights] if asked.weights else [])]
    kept = names.identities([*paths, *_references(asked.refs)])
    if said := data.told(source.passed):
        console.line(console.console(stderr=True), said)
    if places:
        plan = dataclasses.replace(plan, model=networks.early(asked))
    return Run(plan, places, failures, kept)


def session(run: Run, step: Callable[..., None]) -> Session:
    """Load what the pictures share."""
    return sessions.prepare(run.plan, has=(), whole=True, tell=step, keep=cache.references())


def clock(session: Session, places: Sequence[int], step: Callable[..., None]) -> Clock:
    """The clock of a run, which moves the bar."""
    todo = runner.everything(session, range(0, len(places), session.size))
    return runner.clock(session, todo, lambda progress: step(console.doing(progress), progress.share))


def problems(run: Run) -> list[dict[str, str]]:
    """What could not be done, for the document."""
    return [{"path": path, "reason": reason} for path, reason in run.failures]


def _references(refs: str | None) -> list[Path]:
    """All files that references may be drawn from, where they are a folder's or match a pattern."""
    if refs is None or ":" in refs:
        return []
    return list(Path(refs).expanduser().rglob("*")) if os.path.isdir(os.path.expanduser(refs)) else data.expand(refs)
