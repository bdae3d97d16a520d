"""What a value holds, as a key of compiled programs: values with equal content share a program."""

import collections.abc
import dataclasses
import functools
import hashlib
import types
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import jax
import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Same:
    """A value that equals itself alone; it is kept, so that no other value takes its place in memory."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


@dataclasses.dataclass(frozen=True, eq=False)
class _Function:
    """A Python function, which equals itself, and another that the same code made from equal values."""

    function: Any
    held: Hashable

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Function):
            return False
        one, two = self.function, other.function
        return one is two or (
            one.__code__ == two.__code__ and one.__globals__ is two.__globals__ and self.held == other.held
        )

    def __hash__(self) -> int:
        return hash(self.function.__code__)


def content(value: Any, inside: tuple[Any, ...] = ()) -> Hashable:
    """Describe a value by what it holds, hashably; an object without a content is known by its identity.

    Numbers of different types differ, arrays are read, and a function equals itself and another one that the same code
    made from equal values.
    """
    place = next((number for number, outer in enumerate(inside) if outer is value), None)
    if place is not None:
        return ("inside", place)
    part = functools.partial(content, inside=(*inside, value))
    if isinstance(value, bool | int | str | bytes | None | complex):
        return (type(value), value)
    if isinstance(value, float):
        return (float, value.hex())  # which NaN equals, and in which the zeros have signs
    if is_array(value):
        return _array(value)
    if isinstance(value, jax.tree_util.PyTreeDef):
        return ("tree", part(value.node_data()), tuple(map(part, value.children())))
    value = bound(value)
    if isinstance(value, functools.partial):
        keywords = frozenset((name, part(item)) for name, item in value.keywords.items())
        return ("partial", part(value.func), part(value.args), keywords)
    if isinstance(value, types.FunctionType):
        closed = tuple(_enclosed(cell, part) for cell in value.__closure__ or ())
        return _Function(value, (part(value.__defaults__), part(value.__kwdefaults__), closed))
    if isinstance(value, types.MethodType):
        return ("method", part(value.__func__), part(value.__self__))
    if isinstance(value, tuple | list):
        return (type(value), tuple(map(part, value)))
    if isinstance(value, set | frozenset):
        return (type(value), frozenset(map(part, value)))
    if isinstance(value, collections.abc.Mapping):
        return (type(value), tuple((part(key), part(item)) for key, item in value.items()))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value), tuple((name, part(item)) for name, item in _attributes(value)))
    return _opaque(value)


def _opaque(value: Any) -> Hashable:
    """An object by its own equality; without one, by its identity and the plain attributes that it has now."""
    plain = bool | int | float | str | None
    if type(value).__hash__ is object.__hash__ and not isinstance(value, type):
        now = sorted((name, item) for name, item in getattr(value, "__dict__", {}).items() if isinstance(item, plain))
        return (Same(value), tuple((name, content(item)) for name, item in now))
    try:
        hash(value)
    except TypeError:
        return Same(value)
    return (type(value), value)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a dataclass that count in comparisons, and public attributes beside its fields."""
    fields = {field.name: field.compare for field in dataclasses.fields(value)}
    yield from ((name, getattr(value, name, None)) for name, compare in fields.items() if compare)
    others = sorted(name for name in getattr(value, "__dict__", {}) if name not in fields and name[:1] != "_")
    yield from ((name, getattr(value, name)) for name in others)


def _enclosed(cell: types.CellType, part: Callable[[Any], Hashable]) -> Hashable:
    """A value that a function encloses: plain values and functions by content, all others by identity.

    Enclosed arrays may be large, and enclosed lists may change between two calls of the same function.
    """
    try:
        value = cell.cell_contents
    except ValueError:  # an empty cell
        return None
    plain = bool | int | float | str | None | tuple | types.FunctionType | functools.partial
    return part(value) if isinstance(value, plain) else Same(value)


def _array(value: Any) -> Hashable:
    if isinstance(value, jax.core.Tracer) or not getattr(value, "is_fully_addressable", True):
        return Same(value)
    kind = str(value.dtype)
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    array = np.asarray(value)
    if array.dtype.hasobject:
        return Same(value)
    return ("array", type(value).__module__, kind, array.shape, hashlib.sha256(array.tobytes()).digest())


def bound(function: Any) -> Any:
    """The function itself, where ``jax.tree_util.Partial`` has put a ``functools.partial`` into a shell of its own."""
    inner = getattr(function, "fun", None)
    return inner if isinstance(inner, functools.partial) else function


def is_array(value: Any) -> bool:
    """Whether a value is an array of JAX or NumPy, or a NumPy scalar."""
    return isinstance(value, jax.Array | np.ndarray | np.generic)
