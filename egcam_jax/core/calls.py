"""What users' functions take: errors for a context that has no place in them, and for one that is missing."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any


def accepts(function: Callable[..., Any], *arguments: Any, **named: Any) -> bool:
    """Whether a function can be called with these arguments, as far as its signature tells."""
    try:
        _signature(function).bind(*arguments, **named)
    except TypeError:
        return False
    except ValueError:  # no signature can be had
        return True
    return True


def has(function: Callable[..., Any], name: str) -> bool:
    """Whether a function takes an argument by this name, or any by name."""
    try:
        parameters = _signature(function).parameters
    except (TypeError, ValueError):
        return False
    own = parameters.get(name)
    by_name = own is not None and own.kind in (own.POSITIONAL_OR_KEYWORD, own.KEYWORD_ONLY)
    return by_name or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def signature(function: Callable[..., Any]) -> str:
    """The arguments that a function takes, for an error."""
    try:
        return f"({', '.join(_signature(function).parameters)})"
    except ValueError:
        return type(function).__name__


def context_taken(name: str, function: Callable[..., Any], before: tuple[Any, ...], context: Sequence[Any]) -> None:
    """Refuse a context that a function has no argument for, and the lack of one that it needs.

    Args:
        name: The function's, for the message.
        function: What failed.
        before: The arguments before the context.
        context: The context alone, or nothing.
    """
    if accepts(function, *before, *context):
        return
    if context and accepts(function, *before):
        raise TypeError(
            f"{name} must take context as its last argument where context is given; got a function of "
            f"{signature(function)}. Leave context out, or add the argument."
        )
    if not context and accepts(function, *before, None):
        raise TypeError(
            f"context must be given, since {name} takes one: it is a function of {signature(function)}; got None. "
            f"Pass context=..., a pytree of arrays with one row for each image."
        )


def _signature(function: Any) -> inspect.Signature:
    """Of a function with arguments bound, at any depth: JAX hides one partial function in another behind ``*args``."""
    return inspect.signature(_bound(function))


def _bound(function: Any) -> Any:
    if not all(hasattr(function, name) for name in ("func", "args", "keywords")):
        return function
    return functools.partial(_bound(function.func), *function.args, **function.keywords)
