"""A network cut at the layers that are explained: what ``explain`` and ``encode`` share."""

import dataclasses
from typing import Any

import jax

from egcam_jax.core import contexts, numerics, sharding
from egcam_jax.core.types import ApplyFn, Context, Params
from egcam_jax.splitting import Network, Split, network, splits


@dataclasses.dataclass(frozen=True)
class Cut:
    """What selects the network and its layers: static arguments of the programs.

    ``dense`` outputs may have more axes than classes, ``(b, ..., classes)``.
    """

    apply_fn: ApplyFn
    layers: tuple[str | None, ...]
    grid: tuple[int, ...] | None
    compute_dtype: Any
    precision: str | None = None
    dense: bool = False

    def networks(
        self, params: Params, x: Any, context: Context = None
    ) -> tuple[list[Split], list[Network], jax.ShapeDtypeStruct]:
        """The network cut at each layer, for images like those of x, and the form in which it takes one image."""
        params = numerics.cast_floating(params, self.compute_dtype)
        image = jax.ShapeDtypeStruct((1, *x.shape[1:]), self.compute_dtype or x.dtype)
        first = x[:1].astype(image.dtype) if sharding.varying(x) else image  # a shape alone varies over no axes
        row = contexts.shape_of_row(context)
        pieces = splits(self.apply_fn, params, first, self.layers, context=row, dense=self.dense)
        return pieces, [network(each, params, image, self.grid, row, self.dense) for each in pieces], image
