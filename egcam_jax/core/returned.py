"""What a model's function returned: logits, or an error that names the member that holds them."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp

_LISTED = 8
"""How many members an error lists."""


def logits(function: str, returned: Any, *, dense: bool = False) -> Any:
    """Check that a function of one image returned its logits, ``(1, classes)``.

    Args:
        function: How it is called, such as ``"apply_fn(params, x)"``; the argument's name is the part before "(".
        returned: The array, traced or not, or whatever else was returned.
        dense: Whether outputs with more axes are right too, such as ``(1, H, W, classes)`` of a segmentation.

    Returns:
        The same.

    Raises:
        TypeError: It is no floating array; the error lists the members of what was returned, with their shapes.
        ValueError: It has another shape.
    """
    name, _, arguments = function.partition("(")
    shape = "(b, ..., classes), so (1, ..., classes)" if dense else "(b, classes), so (1, classes)"
    wanted = f"{name} must return logits of shape {shape} for one image"
    if not _is_array(returned):
        raise TypeError(f"{wanted}; got {_described(returned)}. {_remedy(function, arguments.rstrip(')'), returned)}")
    axes = len(returned.shape)
    if axes < 2 or (axes > 2 and not dense) or returned.shape[0] != 1:
        many = axes > 2 and returned.shape[0] == 1
        segmentation = " For outputs with a class at each place, explain takes a function of them as target." * many
        raise ValueError(
            f"{wanted}; got shape {tuple(returned.shape)}. The leading axis must be the images', one row for each: "
            f"add, drop or average axes in a function around {name}. What differs between images is passed as context."
            f"{segmentation}"
        )
    if returned.size == 0:
        raise ValueError(f"{wanted}; got shape {tuple(returned.shape)}, without any score. Return at least one.")
    if not jnp.issubdtype(returned.dtype, jnp.floating):
        raise TypeError(f"{wanted}, of floating dtype; got {returned.dtype}. Return the scores, not the class.")
    return returned


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _members(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every member of a structure that is no structure itself, with how it is written behind the structure's name."""
    if isinstance(value, Mapping):
        inner = [(f"{path}[{key!r}]".replace("'", '"'), item) for key, item in value.items()]
    elif hasattr(value, "_fields"):
        inner = [(f"{path}.{name}", getattr(value, name)) for name in value._fields]
    elif isinstance(value, tuple | list):
        inner = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
    elif dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
        inner = [(f"{path}.{name}", getattr(value, name)) for name in names]
    elif not _is_array(value) and hasattr(value, "__dict__"):
        inner = [(f"{path}.{name}", item) for name, item in vars(value).items() if not name.startswith("_")]
    else:
        yield path, value
        return
    for name, item in inner:
        yield from _members(item, name)


def _described(returned: Any) -> str:
    if returned is None:
        return "None"
    members = list(_members(returned))
    shown = [f"{path} {_form(item)}".strip() for path, item in members if path]
    if not shown:
        return f"a {type(returned).__name__}"
    more = ", ..." * (len(shown) > _LISTED)
    return f"a {type(returned).__name__} with {', '.join(shown[:_LISTED])}{more}"


def _form(item: Any) -> str:
    return str(tuple(item.shape)) if _is_array(item) else f"({type(item).__name__})"


def _remedy(function: str, arguments: str, returned: Any) -> str:
    """How to write the member that is the logits, where there is one; else which members could be."""
    fitting = [path for path, item in _members(returned) if path and _fits(item)]
    by_name = [path for path in fitting if "logit" in path.lower()]
    chosen = by_name if len(by_name) == 1 else fitting
    if not chosen:
        return "None of them has that form: return the logits, without a structure around them."
    if len(chosen) == 1:
        return f"Pass lambda {arguments}: {function}{chosen[0]}."
    forms = {path: _form(item) for path, item in _members(returned)}
    listed = [f"{path} {forms[path]}" for path in chosen]
    ways = [f"lambda {arguments}: {function}{path}" for path in chosen[:_LISTED]]
    return (
        f"{', '.join(listed[:-1])} and {listed[-1]} have that form. Pass the one with a score for each class: "
        f"{' or '.join(ways)}."
    )


def _fits(item: Any) -> bool:
    rows = _is_array(item) and len(item.shape) == 2 and item.shape[0] == 1
    return rows and jnp.issubdtype(item.dtype, jnp.floating)
