"""Batches that are spread over devices: the compiler shards what lies between the input and the result."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec


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
