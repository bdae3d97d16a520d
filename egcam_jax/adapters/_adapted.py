"""What all adapters share: keywords of the model's call, and a function that ``jit`` knows again."""

import inspect
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import jax
import numpy as np

from egcam_jax.core.contents import content
from egcam_jax.core.functions import Known
from egcam_jax.core.types import ApplyFn, Params

Call = Callable[[Params, tuple[Any, ...], dict[str, Any]], Any]
"""``(params, inputs, keywords)`` to logits, with inputs ``(x,)`` or ``(x, context)``: how a framework calls a model."""


def adapted(
    adapter: str,
    params: Params,
    call: Call,
    known: Hashable,
    keywords: Mapping[str, Any],
    signature: Any,
    inputs: int = 1,
) -> tuple[Params, ApplyFn]:
    """Bind the keywords of a model's call.

    Arrays among the keywords, such as keys, become a part of the params: other arrays need no second compilation.
    All other keywords select the program by their content.

    Args:
        adapter: Its name, for the advice of errors.
        params: What the model's arrays are.
        call: The call.
        known: The content that determines the call.
        keywords: A tree of arrays and other values for each name.
        signature: The model's call, bound to the model: its parameters are the inputs and the keywords.
        inputs: How many of its first parameters are no keywords.

    Returns:
        The params, as a pair with the list of the keywords' arrays where there are any, and ``(params, x)`` to logits.
    """
    leaves, tree = jax.tree.flatten(dict(keywords))
    traced = [isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves]
    arrays = [leaf for leaf, is_array in zip(leaves, traced) if is_array]
    rest = [None if is_array else leaf for leaf, is_array in zip(leaves, traced)]

    def apply(params: Params, *inputs: Any) -> Any:
        params, given = params if arrays else (params, ())
        values = iter(given)
        together = [next(values) if is_array else leaf for leaf, is_array in zip(rest, traced)]
        return call(params, inputs, jax.tree.unflatten(tree, together))

    what = (adapter, known, content(tree), tuple(traced), content(rest))
    return (params, arrays) if arrays else params, Known(
        what, apply, _advice(adapter, keywords, _optional(signature, inputs))
    )


def _advice(adapter: str, keywords: Mapping[str, Any], optional: Mapping[str, bool]) -> str:
    """How to pass the keywords that the model's call takes beside its inputs, the required ones first."""
    bound = ", ".join(f"{name}=..." for name in keywords)
    start = f"{adapter} called the model with {bound or 'no keywords'}."
    names = sorted(optional.items(), key=lambda item: item[1])
    missing = [f"{name}=..." for name, _ in names if name not in keywords]
    if not missing:
        return f"{start} A keyword that the model needs goes to {adapter} as a keyword."
    return f"{start} The model also takes {', '.join(missing)}: pass what it needs to {adapter} as a keyword."


def _optional(signature: Any, inputs: int) -> dict[str, bool]:
    """The parameters that can be keywords, after the inputs, each with whether it has a default."""
    try:
        parameters = list(inspect.signature(signature).parameters.values())
    except (TypeError, ValueError):
        return {}
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {each.name: each.default is not each.empty for each in parameters[inputs:] if each.kind in kinds}
