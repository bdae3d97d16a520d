"""Named scopes for the submodules of frameworks that do not write them: JAX then knows layers by name."""

import functools
from collections.abc import Iterable
from typing import Any

import jax


@functools.cache
def scoped(cls: type, scope: str) -> type:
    """Return a subclass of a module's class whose call happens inside a named scope.

    A subclass rather than a wrapper, so that ``isinstance`` and the framework's own tree functions go on working.
    """

    def __call__(self: Any, *args: Any, **options: Any) -> Any:
        with jax.named_scope(scope):
            return cls.__call__(self, *args, **options)

    return type(cls)(cls.__name__, (cls,), {"__call__": __call__, "__module__": cls.__module__})


def relative(paths: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], str]:
    """Scope of each module: its path below the nearest module around it, whose scope it is called in."""
    known = set(paths)
    return {path: "/".join(map(str, path[_outer(path, known) :])) for path in known if path}


def _outer(path: tuple[Any, ...], known: set[tuple[Any, ...]]) -> int:
    return max((n for n in range(1, len(path)) if path[:n] in known), default=0)
