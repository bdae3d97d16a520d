"""The layers of a program by name: the scopes and tags whose value is an activation with spatial extent."""

import re

from egcam_jax.core.jaxprs import bodies
from egcam_jax.splitting import _default
from egcam_jax.splitting._channels import grid, tokens
from egcam_jax.splitting._program import Program, Step
from egcam_jax.splitting._scopes import Path, shared
from egcam_jax.splitting._visits import numbered_names


def named(program: Program) -> dict[str, int]:
    """Slot of every layer that can be named, in order of execution.

    A layer is a scope or a ``checkpoint_name`` tag; its value is the last one with spatial extent that was computed
    inside the scope and is used outside of it, or the last list of tokens where there is none. The automatic choice is
    there too, under a descriptive name where it is the value of no scope.
    """
    scopes = _values_of_scopes(program)
    chosen = _default.last_spatial(program)
    root = root_of(program)
    found = {"/".join(path[len(root) :]): slot for path, slot in scopes.items() if not _is_private(path)}
    found |= _tags(program, root)
    if chosen is not None and not any(_default.source(program, slot) == chosen for slot in found.values()):
        found[described(program, chosen)] = chosen
    order = program.producers
    return dict(sorted(found.items(), key=lambda item: (order[item[1]], -len(pieces(item[0])))))


def root_of(program: Program) -> Path:
    """The scope around all others, such as Flax's top module, where it is no layer itself; else the empty path."""
    tops = {step.path[:1] for step in program.steps if step.path}
    if len(tops) != 1:
        return ()
    (top,) = tops
    inside = {slot for step in program.steps if step.path for slot in step.outputs if slot in program.varying}
    used = (
        slot for slot, users in _users(program).items() if slot in inside and any(path[:1] != top for path in users)
    )
    return () if any(_extent(program, slot) is not None for slot in used) else top


def name_of(program: Program, layers: dict[str, int], slot: int) -> str:
    """The outermost layer that has a value, moved or not, as its own."""
    names = [name for name, other in layers.items() if _default.source(program, other) == slot]
    return min(names, key=lambda name: (len(pieces(name)), len(name)))


def described(program: Program, slot: int) -> str:
    """Scope and operation of a value that no layer has as its own."""
    step = program.steps[program.producers[slot]]
    return "/".join((*step.path[len(root_of(program)) :], _operation(step)))


def pieces(name: str) -> Path:
    """The parts of a name: ``layer3.4`` and ``layer3/4`` are one."""
    return tuple(piece for piece in re.split(r"[./]", name) if piece)


def shapes(program: Program, layers: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Shape of every layer for one image, ``(h, w, K)`` or ``(N, K)``."""
    return {name: _extent(program, slot) or () for name, slot in layers.items()}


def _extent(program: Program, slot: int) -> tuple[int, ...] | None:
    return grid(program, slot) or tokens(program, slot)


def _is_private(path: Path) -> bool:
    """Whether a scope is that of a private method (linen's ``conv1._convolve``): a part of a layer, not a layer."""
    return any("._" in piece for piece in path)


def _values_of_scopes(program: Program) -> dict[Path, int]:
    users = _users(program)
    grids: dict[Path, int] = {}
    lists: dict[Path, int] = {}
    for step in program.steps:
        for slot in step.outputs:
            if not step.path or slot not in program.varying or slot not in users:
                continue
            is_grid = grid(program, slot) is not None
            if is_grid or tokens(program, slot) is not None:
                found = grids if is_grid else lists
                inside = min(len(shared(step.path, path)) for path in users[slot])
                found.update((step.path[:depth], slot) for depth in range(inside + 1, len(step.path) + 1))
    return {**lists, **grids}


def _users(program: Program) -> dict[int, list[Path]]:
    """The scopes in which each slot is used; the logits are used outside of every scope."""
    users: dict[int, list[Path]] = {program.logits: [()]}
    for step in program.steps:
        for slot in step.inputs:
            users.setdefault(slot, []).append(step.path)
    return users


def _tags(program: Program, root: Path) -> dict[str, int]:
    """The slot of each ``checkpoint_name`` tag; a tag that comes more than once has its scope before it."""
    tagged = [step for step in program.steps if step.name == "name" and _extent(program, step.outputs[0]) is not None]
    tags = [str(step.equation.params["name"]) for step in tagged]
    within = ["/".join((*step.path[len(root) :], tag)) for step, tag in zip(tagged, tags)]
    names = [tag if tags.count(tag) == 1 else path for tag, path in zip(tags, within)]
    return {name: step.outputs[0] for name, step in zip(numbered_names(names), tagged)}


def _operation(step: Step) -> str:
    """The operation's name, for people: ``relu`` rather than ``custom_jvp_call``."""
    called = [call for body, _ in bodies(step.equation) for call in body.eqns if "call_jaxpr" in step.equation.params]
    names = [str(call.params["name"]) for call in called if "name" in call.params]
    return names[0] if names else step.name
