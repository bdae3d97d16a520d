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
    sharding = jax.typeof(x).sharding
    if AxisType.Explicit not in sharding.mesh.axis_types:
        return function(x, *arguments)
    leading = NamedSharding(sharding.mesh, PartitionSpec(sharding.spec[0]))
    run = jax.sharding.auto_axes(function, axes=sharding.mesh.axis_names, out_sharding=leading)
    return run(x, *arguments)
