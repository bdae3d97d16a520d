"""Batches that are spread over devices: the compiler shards what lies between the input and the result."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def varying(*trees: Any) -> frozenset[str]:
    """The axes of the user's ``shard_map`` over which any array of some trees varies; none outside of one."""
    leaves = [leaf for leaf in jax.tree.leaves(trees) if hasattr(leaf, "dtype")]
    kinds = [leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf) for leaf in leaves]
    return frozenset().union(*(_axes(kind) for kind in kinds))


def _axes(kind: Any) -> frozenset[str]:
    """The axes in an array's type, which JAX keeps under ``manual_axis_type`` and before 0.10 under ``vma``."""
    manual = getattr(kind, "manual_axis_type", None)
    return frozenset(getattr(kind, "vma", None) or getattr(manual, "varying", None) or ())


def vary(array: Any, axes: frozenset[str]) -> Any:
    """An array that varies over some axes of a ``shard_map``, beside those over which it does already."""
    missing = tuple(sorted(axes - varying(array)))
    if not missing:
        return array
    lax: Any = jax.lax
    return lax.pcast(array, missing, to="varying") if hasattr(lax, "pcast") else lax.pvary(array, missing)


def automatic(function: Callable[..., Any], x: Any, *arguments: Any) -> Any:
    """Call ``function(x, *arguments)``, whose results have x's leading axis, with shardings found automatically.

    On a mesh with explicit axes every intermediate value has its sharding in its type, and a model written
    without a mesh in mind does not type-check; inside this call the axes are automatic, as on any other mesh.

    Args:
        function: Returns a pytree of arrays with the images as leading axis.
        x: The images, sharded along their leading axis or not.
        *arguments: Pytrees of arrays.
    """
    shardings = [jax.typeof(leaf).sharding for leaf in jax.tree.leaves((x, arguments))]
    meshes = [sharding.mesh for sharding in shardings if AxisType.Explicit in sharding.mesh.axis_types]
    if not meshes:
        return function(x, *arguments)
    spec = shardings[0].spec
    leading = NamedSharding(meshes[0], PartitionSpec(spec[0] if len(spec) else None))
    run = jax.sharding.auto_axes(function, axes=meshes[0].axis_names, out_sharding=leading)
    return run(x, *arguments)
