"""Weights from other frameworks' names and layouts to ours, strictly, and batch norm into convolutions."""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from egcam_jax.models._spec import Sizes, Spec

_LEAVES = {"weight": "kernel", "running_mean": "mean", "running_var": "var"}
_STATISTICS = ("mean", "var")
_COUNTERS = ("num_batches_tracked", "n_averaged")  # of batches seen by a batch norm, of models in an average
_BESIDE = re.compile(
    r"criterion|loss|metric|acc|auroc|f1|confmat|precision|recall|(train|val|valid|test)_.*", re.IGNORECASE
)
"""First parts of the names of what training code keeps beside the network, under no name of the network's."""
_WRAPPING = ("module", "_orig_mod")  # put into names, anywhere, by data-parallel training and by torch.compile
_DEPTH = 3
_RGB = 3
_SHOWN = 5

Tree: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]
Placed: TypeAlias = dict[Path, tuple[str, np.ndarray]]
"""The tensor of each variable, with its name in the file."""


def port(tensors: Mapping[str, np.ndarray], shapes: Tree, spec: Spec) -> Tree:
    """Fit a file's tensors into a network's variables.

    Args:
        tensors: By the file's names, in PyTorch's layout: convolutions (out, in, h, w), matrices (out, in). What all
            names begin with, as in ``model.conv1.weight``, is left out.
        shapes: The network's variables, unfolded, with ``.shape``.
        spec: Gives the names and what is flattened before a fully connected layer.

    Returns:
        The variables as float32 arrays.

    Raises:
        ValueError: A tensor is left over, a variable is not filled, or a shape differs; it says which.
    """
    wanted = dict(_leaves(shapes))
    placed, left = _place(tensors, wanted, spec)
    missing = ["/".join(path[1:]) for path in wanted if path not in placed]
    if left:
        raise ValueError(_left_over(left, missing, wanted))
    if missing:
        raise ValueError(f"the weights lack {len(missing)} of {len(wanted)} variables: {_some(missing)}")
    return _tree({path: _fit(*named, path, wanted[path].shape, spec.spatial) for path, named in placed.items()})


def sizes(tensors: Mapping[str, np.ndarray], shapes: Tree, spec: Spec) -> Sizes | None:
    """What a file says of a network's sizes: its channels in, and the units of the classifier's layers.

    Args:
        tensors: As ``port``.
        shapes: Variables of a network of this kind, of any sizes.
        spec: Gives the names of the classifier's layers.

    Returns:
        The sizes, or ``None`` where the file is of another network: ``port`` says why.
    """
    wanted = dict(_leaves(shapes))
    placed, _ = _place(tensors, wanted, spec)
    stem = next(path for path, leaf in wanted.items() if len(leaf.shape) == 4 and leaf.shape[2] == _RGB)
    layers = [("params", *layer.split("/"), "bias") for layer in spec.head]
    if any(path not in placed or not placed[path][1].ndim for path in (stem, *layers)):
        return None
    kernel, (*hidden, classes) = placed[stem][1], [len(placed[path][1]) for path in layers]
    return Sizes(classes, tuple(hidden), kernel.shape[1]) if kernel.ndim == 4 else None


def fold_batch_norm(variables: Tree, eps: float) -> Tree:
    """Scale each kernel by its batch norm and move the rest into the bias: the same function, one step less.

    ``kernel <- kernel * s`` and ``bias <- bias - mean * s`` with ``s = scale / sqrt(var + eps)``.

    Args:
        variables: Linen variables with "params" and "batch_stats".
        eps: Added to the variance.

    Returns:
        Variables with "params" alone.
    """
    return {"params": _fold(variables["params"], variables.get("batch_stats", {}), eps)}


def _fold(params: Tree, stats: Tree, eps: float) -> Tree:
    if "mean" not in stats:
        return {
            name: _fold(child, stats.get(name, {}), eps) if isinstance(child, dict) else child
            for name, child in params.items()
        }
    kernel, scale, bias = (np.asarray(params[name], np.float64) for name in ("kernel", "scale", "bias"))
    mean, var = (np.asarray(stats[name], np.float64) for name in _STATISTICS)
    factor = scale / np.sqrt(var + eps)
    return {"kernel": (kernel * factor).astype(np.float32), "bias": (bias - mean * factor).astype(np.float32)}


def _place(tensors: Mapping[str, np.ndarray], wanted: Collection[Path], spec: Spec) -> tuple[Placed, dict[str, Path]]:
    """The tensors that have a place, and the names of those that have none or whose place is taken."""
    names = {name: tuple(part for part in name.split(".") if part not in _WRAPPING) for name in tensors}
    start = _start(names.values(), wanted, spec)
    placed: Placed = {}
    left: dict[str, Path] = {}
    for name, parts in names.items():
        path = _path(parts[len(start) :] if parts[: len(start)] == start else parts, spec)
        if path in wanted and path not in placed:
            placed[path] = name, tensors[name]
        elif not _is_counter(path, wanted) and not (start and parts[0] != start[0] and _BESIDE.match(parts[0])):
            left[name] = path
    return placed, left


def _is_counter(path: Path, wanted: Collection[Path]) -> bool:
    """Whether a tensor counts batches or models, and is no weight."""
    return path[-1] in _COUNTERS and (len(path) == 2 or ("batch_stats", *path[1:-1], "mean") in wanted)


def _start(names: Iterable[tuple[str, ...]], wanted: Collection[Path], spec: Spec) -> tuple[str, ...]:
    """What to leave out at the beginning of names: with it most have a place."""
    fitting: Counter[tuple[str, ...]] = Counter({(): 0})
    for parts in names:
        fitting.update(parts[:n] for n in range(min(_DEPTH + 1, len(parts))) if _path(parts[n:], spec) in wanted)
    return max(fitting, key=lambda start: (fitting[start], -len(start)))


def _path(parts: tuple[str, ...], spec: Spec) -> Path:
    """``layer1.0.conv1.norm.weight`` to ``("params", "layer1", "0", "conv1", "scale")``."""
    *module, leaf = spec.rename(".".join(parts)).split(".")
    if module and module[-1] == "norm":
        module, leaf = module[:-1], "scale" if leaf == "weight" else leaf
    if module and module[-1].isdecimal() and "/".join(module[:-1]) in spec.head:  # after a dropout, in a container
        module = module[:-1]
    leaf = _LEAVES.get(leaf, leaf)
    return ("batch_stats" if leaf in _STATISTICS else "params", *module, leaf)


def _fit(
    name: str,
    tensor: np.ndarray,
    path: Path,
    shape: tuple[int, ...],
    spatial: Mapping[str, tuple[int, int]],
) -> np.ndarray:
    """The tensor in our layout: convolutions (h, w, in, out), matrices (in, out), flattened row by row."""
    if not np.issubdtype(tensor.dtype, np.floating):
        raise ValueError(f"{name} in the weights is {tensor.dtype}, floating point wanted")
    values = np.asarray(tensor, np.float32)
    module = "/".join(path[1:-1])
    if values.ndim == 2 and module in spatial and values.shape[1] % np.prod(spatial[module]) == 0:
        values = values.reshape(values.shape[0], -1, *spatial[module])
    if values.ndim == 4:
        values = values.transpose(2, 3, 1, 0)
        values = values.reshape(-1, values.shape[-1]) if len(shape) == 2 else values
    elif values.ndim == 2:
        values = values.T
    if values.shape != shape:
        raise ValueError(
            f"{name} in the weights has shape {tensor.shape}, in our layout {values.shape}, and "
            f"{'/'.join(path[1:])} of this network needs {shape}"
        )
    return np.ascontiguousarray(values)


def _left_over(left: Mapping[str, Path], missing: list[str], wanted: Collection[Path]) -> str:
    """Which tensors have no place, why, and which variables are most like them."""
    message = f"{_some(list(left))} in the weights {'has' if len(left) == 1 else 'have'} no place in this network"
    twice = [name for name, path in left.items() if path in wanted]
    if twice:
        message += f"; the place of {_some(twice)} is taken twice"
    if missing:
        message += f"; {len(missing)} of {len(wanted)} variables are not filled: {_some(missing)}"
    known = missing or ["/".join(path[1:]) for path in wanted]
    own = "/".join(next(path for name, path in left.items() if not twice or name in twice)[1:])
    close = difflib.get_close_matches(own, known, n=3, cutoff=0.5)
    return f"{message}. Nearest to {own}: {', '.join(close)}" if close else message


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _leaves(tree: Mapping[str, Any], prefix: Path = ()) -> Iterable[tuple[Path, Any]]:
    for name, child in tree.items():
        if isinstance(child, Mapping):
            yield from _leaves(child, (*prefix, name))
        else:
            yield (*prefix, name), child


def _tree(leaves: Mapping[Path, np.ndarray]) -> Tree:
    tree: Tree = {}
    for path, value in leaves.items():
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = value
    return tree
