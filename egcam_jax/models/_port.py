"""Weights from other frameworks' names and layouts to ours, strictly, and batch norm into convolutions."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from egcam_jax.models._spec import Spec

_LEAVES = {"weight": "kernel", "running_mean": "mean", "running_var": "var"}
_STATISTICS = ("mean", "var")
_COUNTER = "num_batches_tracked"  # of batches seen in training, by each batch norm
Tree = dict[str, Any]


def port(tensors: Mapping[str, np.ndarray], shapes: Tree, spec: Spec) -> Tree:
    """Fit a file's tensors into a network's variables.

    Args:
        tensors: By the file's names, in PyTorch's layout: convolutions (out, in, h, w), matrices (out, in).
        shapes: The network's variables, unfolded, with ``.shape``.
        spec: Gives the names and what is flattened before a fully connected layer.

    Returns:
        The variables as float32 arrays.

    Raises:
        ValueError: A tensor is left over, a variable is not filled, or a shape differs; it says which.
    """
    wanted = dict(_leaves(shapes))
    found: dict[tuple[str, ...], np.ndarray] = {}
    for name, tensor in tensors.items():
        path = _path(spec.rename(name))
        if path[-1] == _COUNTER and ("batch_stats", *path[1:-1], "mean") in wanted:
            continue
        if path not in wanted or path in found:
            raise ValueError(f"{name} in the weights has no place in this network: {_inventory(wanted, path)}")
        found[path] = _fit(name, tensor, path, wanted[path].shape, spec.spatial)
    if missing := [path for path in wanted if path not in found]:
        names = ", ".join("/".join(path[1:]) for path in missing[:5])
        raise ValueError(f"the weights lack {len(missing)} of {len(wanted)} variables: {names}")
    return _tree(found)


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
    return {
        "kernel": (kernel * factor).astype(np.float32),
        "bias": (bias - mean * factor).astype(np.float32),
    }


def _path(name: str) -> tuple[str, ...]:
    """``layer1.0.conv1.norm.weight`` to ``("params", "layer1", "0", "conv1", "scale")``."""
    *module, leaf = name.split(".")
    if module and module[-1] == "norm":
        module, leaf = module[:-1], "scale" if leaf == "weight" else leaf
    leaf = _LEAVES.get(leaf, leaf)
    return ("batch_stats" if leaf in _STATISTICS else "params", *module, leaf)


def _fit(
    name: str,
    tensor: np.ndarray,
    path: tuple[str, ...],
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


def _inventory(wanted: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> str:
    """Why: no such variable, with those of the same layer as a hint."""
    siblings = sorted("/".join(other[1:]) for other in wanted if other[1:-1] == path[1:-1])
    own = "/".join(path[1:])
    return f"{own} is taken twice or unknown, its layer has {', '.join(siblings) or 'no variables'}"


def _leaves(tree: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    for name, child in tree.items():
        if isinstance(child, Mapping):
            yield from _leaves(child, (*prefix, name))
        else:
            yield (*prefix, name), child


def _tree(leaves: Mapping[tuple[str, ...], np.ndarray]) -> Tree:
    tree: Tree = {}
    for path, value in leaves.items():
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = value
    return tree
