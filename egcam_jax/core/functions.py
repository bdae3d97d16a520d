"""Functions as static arguments of compiled programs, and the arrays that they capture."""

import dataclasses
import functools
import sys
import warnings
from collections.abc import Callable, Hashable
from typing import Any

import jax
from jax.extend import core

from egcam_jax.core import jaxprs
from egcam_jax.core.contents import bound, content, is_array

CAPTURED = 16 * 2**20
"""Bytes of captured arrays above which a function gets a warning."""

_MODELS = (
    ("keras", "Layer", "from_keras(model)"),
    ("flax.nnx", "Module", "from_nnx(model)"),
    ("flax.linen", "Module", "from_linen(module, variables)"),
    ("haiku", "Transformed", "from_haiku(transformed, params)"),
    ("haiku", "TransformedWithState", "from_haiku(transformed, params, state)"),
    ("equinox", "Module", "from_equinox(model)"),
)
"""The frameworks' classes of models, each with the adapter for it."""


@dataclasses.dataclass(frozen=True)
class Known:
    """A function that equals another where their content is equal, so that ``jit`` compiles once for both.

    Args:
        content: What the function does is determined by this.
        function: The function.
        advice: What to do where a call fails; the empty text where there is nothing particular to say.
    """

    content: Hashable
    function: Callable[..., Any] = dataclasses.field(compare=False, repr=False)
    advice: str = dataclasses.field(default="", compare=False, repr=False)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The function, for ``inspect.signature``: what the function takes, this takes."""
        return self.function

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function."""
        return self.function(*arguments, **keywords)


def static(argument: str, function: Any, wanted: str = "function") -> Any:
    """Make a function a static argument of ``jit``: equal partials and equal unhashable functions become equal.

    Args:
        argument: Its name, for the error.
        function: Any callable.
        wanted: What it must be, for the error.

    Raises:
        TypeError: The argument is no function, or a framework's model instead of one.
    """
    function = bound(function)
    refuse_a_model(argument, function)
    if not callable(function):
        raise TypeError(f"{argument} must be a {wanted}; got {type(function).__name__}. Pass what calls the model.")
    if isinstance(function, functools.partial):
        refuse_a_model(argument, function.func)
        return Known(content(function), function)
    try:
        hash(function)
    except TypeError:
        return Known(content(function), function)
    return function


def refuse_a_model(argument: str, function: Any) -> None:
    """Name the adapter of a framework's model; frameworks that nobody imported have no models here."""
    for package, kind, adapter in _MODELS:
        model = getattr(sys.modules.get(package), kind, None)
        if model is None or not isinstance(function, model):
            continue
        if package == "equinox" and not any(map(is_array, jax.tree.leaves(function))):
            return  # Equinox wraps functions in modules too: only a module with arrays is a model.
        wanted = "apply_fn" if argument == "apply_fn" else "jax.tree_util.Partial(apply_fn, params)"
        also = ", or its apply function, model.apply" if hasattr(function, "apply") else ""
        raise TypeError(
            f"{argument} must be a function; got the model {type(function).__name__} itself. Call params, apply_fn = "
            f"egcam_jax.{adapter} and pass {wanted}{also}."
        )


def warn_of_captured(argument: str, closed: core.ClosedJaxpr) -> None:
    """Warn where a traced function holds large arrays that did not come through its arguments."""
    arrays = (value for value in jaxprs.constants(closed) if is_array(value) and not isinstance(value, jax.core.Tracer))
    size = sum({id(array): array.nbytes for array in arrays}.values())
    if size > CAPTURED:
        warnings.warn(
            f"{argument} captures {size / 2**20:.0f} MB of arrays, which become constants of the compiled program: "
            f"they take memory and time again, and a later change of them has no effect. Pass the arrays as params of "
            f"apply_fn(params, x), or bind them with jax.tree_util.Partial(function, arrays).",
            UserWarning,
            stacklevel=2,
        )
