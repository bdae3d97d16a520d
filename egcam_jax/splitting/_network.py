"""A network cut at its target layer and closed over its parameters: functions of one image."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float

from egcam_jax.core import checks, contexts, numerics, returned, tokens
from egcam_jax.core.kernel import Code
from egcam_jax.core.types import Context, Image, Params
from egcam_jax.splitting._axes import others
from egcam_jax.splitting._flatten import flatten


class Network(NamedTuple):
    """A model cut at its target layer and closed over its parameters, for one image.

    Attributes:
        encode: ``(H, W, C)`` to a ``Code``; with the image's context as its second argument where there is one.
        decode: A ``Code`` to ``(classes,)`` logits, or ``(..., classes)`` where outputs are dense.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import splitting
        >>> pieces = splitting.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> one = splitting.network(pieces, jnp.array([[1.0, -1]]), jax.ShapeDtypeStruct((1, 1, 2, 1), jnp.float32))
        >>> code = one.encode(jnp.array([[[3.0], [-1]]]))
        >>> code.activation.shape
        (1, 2, 1)
    """

    encode: Callable[..., Code]
    decode: Callable[[Code], Any]

    def under(self, context: Context) -> "Network":
        """The network with one image's context bound: whatever is encoded, is encoded under that."""
        return self if context is None else self._replace(encode=lambda x: self.encode(x, context))


def network(
    pieces: Any,
    params: Params,
    image: jax.ShapeDtypeStruct,
    grid: tuple[int, ...] | None = None,
    context: Context = None,
    dense: bool = False,
) -> Network:
    """View a ``Split`` as functions of one image that take and return float32, whatever it computes in.

    Where the layer is a list of tokens its grid is the activation, and the tokens around it are carried.

    Args:
        pieces: ``features``, ``head`` and ``bypass``, as in ``egcam_jax.Split``.
        params: The model's parameters.
        image: Shape ``(1, H, W, C)`` and the dtype that the network takes images in.
        grid: The places that a layer of tokens stands for, see ``tokens.read``.
        context: Of one image, as ``image`` is given, or None.
        dense: Whether logits may have more axes, ``(1, ..., classes)``.

    Raises:
        ValueError: The network fails on such an image, or its parts do not return ``(1, h, w, K)`` or ``(1, N, K)``,
            and ``(1, classes)``.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import splitting
        >>> pieces = splitting.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> one = splitting.network(pieces, jnp.array([[1.0, -1]]), jax.ShapeDtypeStruct((1, 1, 2, 1), jnp.float32))
        >>> code = one.encode(jnp.array([[[3.0], [-1]]]))
        >>> code.activation.ravel().tolist(), one.decode(code).tolist()
        ([3.0, 0.0], [1.5, -1.5])
    """
    around = pieces.bypass is not None
    row = contexts.arguments(context)

    def coded(x: Any, *context: Context) -> tuple[Any, Any]:
        if around:
            return checks.call("bypass", pieces.bypass, params, x, *context)
        return checks.call("features", pieces.features, params, x, *context), None

    layer = jax.eval_shape(coded, image, *row)[0]
    places = _places(coded, image, row, layer, grid, pieces.layer, pieces.trailing)
    if places is None:
        checks.rank("features", layer, "(1, h, w, K)", len(image.shape))
    if grid is not None and places is None:
        raise ValueError(f"grid is {grid}, but layer {pieces.layer!r} has a grid already: leave grid out.")

    def encode(x: Image, *context: Context) -> Code:
        activation, carried = coded(x.astype(image.dtype)[None], *contexts.row(context))
        others = None
        activation = numerics.accumulate(activation[0])
        if places is not None:
            activation, others = tokens.apart(activation, places)
        return Code(activation, (others, jax.tree.map(lambda leaf: leaf[0], carried)))

    def decode(code: Code) -> Float[Array, "*places classes"]:
        others, rest = code.carried
        carried = (jax.tree.map(lambda leaf: leaf[None], rest),) if around else ()
        head = lambda params, activation: pieces.head(params, activation, *carried)
        activation = code.activation if places is None else tokens.together(code.activation, others, places)
        logits = checks.call("head", head, params, activation.astype(layer.dtype)[None])
        return numerics.accumulate(returned.logits("head(params, A)", logits, dense=dense)[0])

    return Network(encode, decode)


def _places(
    coded: Any, image: Any, row: Any, layer: Any, grid: tuple[int, ...] | None, name: str, trailing: int
) -> tokens.Tokens | None:
    """How a layer that lists tokens, or the positions of a signal, is read; ``None`` for a layer with a grid.

    What the network itself strings to the places, before or after them, is no place.
    """
    size = image.shape[1:-1]
    if len(getattr(layer, "shape", ())) != 3 or layer.shape[0] != 1:
        return None
    features = jax.make_jaxpr(lambda row, image: coded(image, *row)[0])(row, image)
    program = flatten(features)
    listed = program.axes.get(program.logits, others(layer.shape))[1]
    held = [piece.source for piece in listed.pieces if piece.source is not None]
    if grid is None and held != list(range(len(size))):
        raise ValueError(
            f"layer={name!r}: its tokens must be the image's places, row by row; got tokens that the network picked, "
            f"reordered, listed window by window or gathered from everywhere. Pass a Split whose features return the "
            f"grid (b, h, w, K), or "
            f"grid=(rows, columns) if they are in that order."
        )
    count, last = layer.shape[1], trailing or listed.after
    if len(size) == 1 and grid is None and listed.spatial is not None:
        return tokens.Tokens(listed.before, (count - listed.before - last,))
    return tokens.read(count, grid, size, tokens.merged_grids(features.jaxpr, len(size)), last)
