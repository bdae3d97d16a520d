"""From the user's spelling of a layer to its value, with errors that say what would have been right."""

import difflib
import itertools
from collections.abc import Iterable

from jax.extend import core

from egcam_jax.splitting import _default
from egcam_jax.splitting._flatten import hidden
from egcam_jax.splitting._loops import LONGEST
from egcam_jax.splitting._names import name_of, pieces, root_of, shapes
from egcam_jax.splitting._program import Program
from egcam_jax.splitting._reach import counts_everywhere
from egcam_jax.splitting._scopes import Path
from egcam_jax.splitting._visits import MARK, is_spelled

LISTED = 6
"""How many names an error lists."""


def resolve(program: Program, layers: dict[str, int], layer: str | None) -> tuple[str, int]:
    """Return the name and slot of the layer that was asked for, among all that are ``named``, or the automatic choice.

    Raises:
        ValueError: no such layer, or more than one, or nothing to choose automatically.
    """
    return _automatic(program, layers) if layer is None else _wanted(program, layers, layer)


def _wanted(program: Program, layers: dict[str, int], layer: str) -> tuple[str, int]:
    found = matches(list(layers), layer, root_of(program))
    if not found:
        raise ValueError(f"layer={layer!r}: {_absence(program, layer)} {_nearest(program, layers, layer)}")
    if len({layers[name] for name in found}) > 1:
        shown = listed(program, layers, found[:LISTED])
        numbered = f" ({MARK}2 is the second block of a name: write the number too)" * any(
            MARK in each for each in found
        )
        raise ValueError(f"layer={layer!r} is ambiguous: it could be {shown}. Give more of the name{numbered}.")
    name = min(found, key=lambda name: len(pieces(name)))
    return name, layers[name]


def matches(names: Iterable[str], layer: str, root: Path = ()) -> list[str]:
    """The names that a spelling means: those that equal it, else all that end with it, else without loops' steps."""
    wanted = pieces(layer)
    spelled = {name: pieces(name) for name in names}
    for exact in (wanted, wanted[len(root) :] if wanted[: len(root)] == root else wanted):
        if equal := [name for name, parts in spelled.items() if len(parts) == len(exact) and _is_end(exact, parts)]:
            return equal
    if ends := [name for name, parts in spelled.items() if wanted and _is_end(wanted, parts)]:
        return ends
    unnumbered = {name: tuple(part for part in parts if not part.isdigit()) for name, parts in spelled.items()}
    return [name for name, parts in unnumbered.items() if wanted and _is_end(wanted, parts)]


def _is_end(wanted: Path, parts: Path) -> bool:
    """Whether a name ends with what is wanted, in which the numbers of blocks may be left out."""
    return len(wanted) <= len(parts) and all(map(is_spelled, parts[len(parts) - len(wanted) :], wanted))


def _automatic(program: Program, layers: dict[str, int]) -> tuple[str, int]:
    slot = _default.last_spatial(program)
    tokens = None if slot is None else _default.tokens_after(program, slot)
    if slot is None or tokens is not None:
        reason = "no activation with spatial extent (h, w, K) lies on every path from x to the logits"
        if slot is not None:
            reason = (
                f"after {name_of(program, layers, slot)!r}, the last activation with a spatial grid, "
                f"the network works on tokens of shape {tokens}, which have none"
            )
        raise ValueError(
            f"layer=None: {reason}. Pass layer=... with a name (in a transformer that of what goes into the last "
            f"block's attention, such as its first norm), or tag an activation (b, h, w, K) or (b, N, K) in the model "
            f"with checkpoint_name(value, 'name'), after from jax.ad_checkpoint import checkpoint_name, and pass that "
            f"name, or pass Split(features, head). {_nearest(program, layers, None)}"
        )
    return name_of(program, layers, slot), slot


def _absence(program: Program, layer: str) -> str:
    """Why there is no such layer: hidden in a loop, without a grid, dead, or simply unknown."""
    inside = next(((each, path) for each, path in hidden(program.steps) if _ends_with(path, layer)), None)
    if inside:
        return _closed(*inside, layer)
    if any(_ends_with(step.path[:n], layer) for step in program.steps for n in range(1, len(step.path) + 1)):
        return "its value has neither a spatial grid (h, w, K) nor tokens (N, K), or does not depend on x."
    if any(_ends_with(path[:n], layer) for path in program.paths for n in range(1, len(path) + 1)):
        return "it is computed but does not reach the logits."
    return "there is no such layer."


def _closed(equation: core.JaxprEqn, path: Path, layer: str) -> str:
    """Why nothing can be cut inside an equation that stays whole."""
    kind, length = equation.primitive.name, equation.params.get("length", 0)
    outer = "/".join(path[: -len(pieces(layer))]) or "the model"
    reason = "whose values cannot be reached from outside"
    if kind == "scan":
        reason = "which runs along the image or makes no activation (h, w, K) or (N, K), so that it stays whole"
        if length > LONGEST:
            reason = f"of {length} steps, and a loop of more than {LONGEST} stays whole"
    return (
        f"it exists only inside a `{kind}` (in {outer}), {reason}. "
        "Name the scope around it, or write the loop over layers in Python, so that each step has its own values."
    )


def _ends_with(path: Path, layer: str) -> bool:
    wanted = pieces(layer)
    parts = pieces("/".join(path))
    return bool(wanted) and parts[-len(wanted) :] == wanted


def _nearest(program: Program, layers: dict[str, int], layer: str | None) -> str:
    if not layers:
        return (
            "No activation (b, h, w, K) in this function has a name; "
            "jax.named_scope or checkpoint_name (from jax.ad_checkpoint import checkpoint_name) gives it one."
        )
    names = _reaching(program, layers) if layer is None else nearest(layers, layer)
    which = "It could be" if layer is None else "The nearest are"
    return f"{which} {listed(program, layers, names)}; egcam_jax.layers(apply_fn, params, x) lists all {len(layers)}."


def _reaching(program: Program, layers: dict[str, int]) -> list[str]:
    """The last layers all of whose positions count, in order: behind the last attention only the class token does."""
    every = (name for name in reversed(layers) if counts_everywhere(program, layers[name]))
    return list(itertools.islice(every, LISTED))[::-1] or list(layers)[-LISTED:]


def nearest(names: Iterable[str], layer: str) -> list[str]:
    """The names that look most like a spelling, best first, by the whole and by the last parts."""
    wanted = "/".join(pieces(layer)).lower()

    def likeness(name: str) -> float:
        parts = pieces(name.lower())
        tails = ("/".join(parts), "/".join(parts[-len(pieces(layer)) :]))
        return max(difflib.SequenceMatcher(None, wanted, tail).ratio() for tail in tails)

    return sorted(names, key=likeness, reverse=True)[:LISTED]


def listed(program: Program, layers: dict[str, int], names: Iterable[str]) -> str:
    """Names with their shapes, for an error."""
    known = shapes(program, layers)
    return ", ".join(f"{name!r} {known[name]}" for name in names)
