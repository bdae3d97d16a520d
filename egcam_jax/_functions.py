"""Functions as arguments of compiled programs: when two of them are one, and which arrays they capture."""

import collections.abc
import dataclasses
import functools
import hashlib
import sys
import types
import warnings
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import jax
import numpy as np
from jax.extend import core

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

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function."""
        return self.function(*arguments, **keywords)


@dataclasses.dataclass(frozen=True, eq=False)
class Same:
    """A value that equals itself alone; it is kept, so that no other value takes its place in memory."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def static(argument: str, function: Any) -> Any:
    """Make a function a static argument of ``jit``: equal partials and equal unhashable functions become equal.

    Args:
        argument: Its name, for the error.
        function: Any callable, or a ``Split``.

    Raises:
        TypeError: The argument is a framework's model instead of a function.
    """
    _refuse_a_model(argument, function)
    if isinstance(function, functools.partial):
        _refuse_a_model(argument, function.func)
        return Known(content(function), function)
    try:
        hash(function)
    except TypeError:
        return Known(content(function), function)
    return function


def _refuse_a_model(argument: str, function: Any) -> None:
    """Name the adapter of a framework's model; frameworks that nobody imported have no models here."""
    for package, kind, adapter in _MODELS:
        model = getattr(sys.modules.get(package), kind, None)
        if model is None or not isinstance(function, model):
            continue
        if package == "equinox" and not any(map(_is_array, jax.tree.leaves(function))):
            return  # Equinox wraps functions in modules too: only a module with arrays is a model.
        also = ", or its apply function, model.apply" if hasattr(function, "apply") else ""
        raise TypeError(
            f"{argument} must be a function; got the model {type(function).__name__} itself. Pass the function from "
            f"params, apply_fn = egcam_jax.{adapter}{also}."
        )


def content(value: Any, inside: tuple[Any, ...] = ()) -> Hashable:
    """Describe a value by what it holds, hashably; an object without a content is known by its identity.

    Numbers of different types differ, arrays are read, and functions made twice by the same code from equal values are
    equal.
    """
    place = next((number for number, outer in enumerate(inside) if outer is value), None)
    if place is not None:
        return ("inside", place)
    part = functools.partial(content, inside=(*inside, value))
    if isinstance(value, bool | int | str | bytes | None | complex):
        return (type(value), value)
    if isinstance(value, float):
        return (float, value.hex())  # which NaN equals, and in which the zeros have signs
    if _is_array(value):
        return _array(value)
    if isinstance(value, jax.tree_util.PyTreeDef):
        return ("tree", part(value.node_data()), tuple(map(part, value.children())))
    if isinstance(value, functools.partial):
        return ("partial", part(value.func), part(value.args), part(value.keywords))
    if isinstance(value, types.FunctionType):
        cells = tuple(part(cell) for cell in value.__closure__ or ())
        return ("function", value.__code__, Same(value.__globals__), part(value.__defaults__), part(value.__kwdefaults__), cells)
    if isinstance(value, types.CellType):
        return ("cell", part(value.cell_contents)) if _full(value) else ("cell",)
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


def _full(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray | np.generic)


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


def warn_of_captured(argument: str, closed: core.ClosedJaxpr) -> None:
    """Warn where a traced function holds large arrays that did not come through its arguments."""
    size = sum({id(array): array.nbytes for array in _captured(closed)}.values())
    if size > CAPTURED:
        warnings.warn(
            f"{argument} captures {size / 2**20:.0f} MB of arrays, which become constants of the compiled program: "
            f"they take memory and time again, and a later change of them has no effect. Pass the arrays as params of "
            f"apply_fn(params, x), or bind them with jax.tree_util.Partial(function, arrays).",
            UserWarning,
            stacklevel=2,
        )


def _captured(closed: core.ClosedJaxpr) -> Iterator[Any]:
    """The constant arrays of a jaxpr, and of the jaxprs inside."""
    arrays = (value for value in closed.consts if _is_array(value) and not isinstance(value, jax.core.Tracer))
    yield from arrays
    for equation in closed.jaxpr.eqns:
        yield from (atom.val for atom in equation.invars if isinstance(atom, core.Literal) and _is_array(atom.val))
        for inner in jax.tree.leaves(tuple(equation.params.values()), is_leaf=lambda node: isinstance(node, core.ClosedJaxpr)):
            if isinstance(inner, core.ClosedJaxpr):
                yield from _captured(inner)
