"""The arrays of the parameters that belong to each layer, by the names that ``egcam_jax.layers`` lists."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from egcam_jax.core import checks, numerics
from egcam_jax.core.types import Params
from egcam_jax.splitting import Use, parameter_uses

Path = tuple[str, ...]
Key = tuple[int, int | None]


class Loss(NamedTuple):
    """An array that loses its order.

    Attributes:
        number: Its place in ``jax.tree.leaves(params)``.
        step: The step of a loop over layers, where the leaf is a stack and the array is one part of it; else None.
        group: The place of its innermost scope among those of its layer, by first use.
        axes: The order of its axes in which frameworks agree.
    """

    number: int
    step: int | None
    group: int
    axes: tuple[int, ...]


def losses(params: Params, layers: Sequence[str], function: Callable[[Params], Any]) -> list[list[Loss]]:
    """Find the arrays of each layer by tracing a function of the parameters.

    Args:
        params: The model's parameters.
        layers: Names.
        function: A function of the parameters, which uses them inside named scopes.

    Raises:
        ValueError: A name is no layer with parameters, or of several layers.
    """
    if isinstance(layers, str) or not layers:
        raise ValueError(f"layers must be a sequence of names, the output's first; got {layers!r}.")
    leaves = jax.tree_util.tree_leaves_with_path(params)
    uses = parameter_uses(jax.make_jaxpr(function)(params), len(leaves))
    uses = {key: use for key, use in uses.items() if numerics.is_floating(leaves[key[0]][1])}
    keys: dict[Key, Path]
    keys = {(i, None): _parts(map(_word, path)) for i, (path, leaf) in enumerate(leaves) if numerics.is_floating(leaf)}
    scopes = {key: use.path for key, use in uses.items() if use.path}
    below, under = _prefixes(scopes), _prefixes(keys)

    def lost(layer: str) -> list[Loss]:
        inside = [(key, uses.get(key, Use(len(uses)))) for key in _members(layer, below, under)]
        inside.sort(key=lambda member: (member[1].order, member[0][0]))
        groups = [scopes.get(key) or keys[key[0], None][:-1] for key, _ in inside]
        places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
        return [
            Loss(number, step, places[group], _axes(use, leaves[number][1].ndim, step))
            for ((number, step), use), group in zip(inside, groups)
        ]

    return [lost(layer) for layer in layers]


def _axes(use: Use, rank: int, step: int | None) -> tuple[int, ...]:
    """The order of the axes of a leaf, or of one part of it; axes of length 1 that the network drops come first."""
    first = 0 if step is None else 1
    own = tuple(range(rank - first))
    axes = tuple(axis - first for axis in use.axes or ()) or own
    return (*(axis for axis in own if axis not in axes), *axes)


def _members(layer: str, scopes: Mapping[Path, frozenset[Key]], keys: Mapping[Path, frozenset[Key]]) -> frozenset[Key]:
    """The arrays of a layer: by its scope, or, where there is no such scope, by the keys of the tree."""
    wanted = _parts([layer])
    for named in (scopes, keys):
        root = {path[0] for path in named}
        exact = [path for path in named if wanted in (path, path[1:] if len(root) == 1 else path)]
        paths = exact[:1] or [path for path in named if wanted and path[-len(wanted) :] == wanted]
        # Collections, such as Flax's params and batch_stats, have the same layers: their first keys do not count.
        ends = {path[1:] for path in paths} if named is keys else {named[path] for path in paths}
        if len(ends) > 1:
            several = ", ".join(repr("/".join(path)) for path in paths[:6])
            fault = f"got {layer!r}, which could be {several}. Give more of the name."
            raise ValueError(f"layers must name one layer each; {fault}")
        if paths:
            return frozenset().union(*(named[path] for path in paths))
    outer = 1 if len({path[0] for path in scopes}) == 1 else 0
    known = dict.fromkeys("/".join(path) for path in (*(path[outer:] for path in scopes if path[outer:]), *keys))
    raise ValueError(f"layers must be names of layers with parameters; got {layer!r}. {checks.nearest(layer, known)}")


def _prefixes(paths: Mapping[Key, Path]) -> dict[Path, frozenset[Key]]:
    """The arrays below each beginning of the paths."""
    below: dict[Path, set[Key]] = {}
    for key, path in paths.items():
        for depth in range(1, len(path) + 1):
            below.setdefault(path[:depth], set()).add(key)
    return {path: frozenset(members) for path, members in below.items()}


def _parts(words: Iterable[str]) -> Path:
    """The parts of names: ``a.b`` and ``a/b`` are one, and Haiku's ``~``, which stands for a constructor, is none."""
    return tuple(part for word in words for part in re.split(r"[./]", word) if part and part != "~")


def _word(key: Any) -> str:
    """A key of a path in a tree as it is written."""
    return str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key))))
