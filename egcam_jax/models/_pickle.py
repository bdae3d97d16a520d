"""A reader of the few pickle opcodes that ``torch.save`` writes.

A pickle is a program. Python's own unpickler runs all of it: attributes set on any object, calls, keys that
take for ever to hash. This one has plain containers, numbers and strings, and of names only those it is given;
an opcode that is not below is refused.
"""

import dataclasses
import io
import pickle
import pickletools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_MAX_OPCODES = 4 * 10**6
_MAX_INTEGER = 2**127
_MAX_KEY = 2**63
_IGNORED = {"PROTO", "FRAME", "STOP"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NEW: Mapping[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_STRINGS = {"BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"}
_NUMBERS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
_PUTS = {"BINPUT", "LONG_BINPUT"}
_GETS = {"BINGET", "LONG_BINGET"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class TorchFileError(pickle.UnpicklingError, ValueError):
    """A file that is damaged, or that would do more than hold tensors."""


@dataclasses.dataclass
class _Machine:
    names: Mapping[tuple[str, str], Any]
    refer: Callable[[Any], Any]
    stack: list[Any] = dataclasses.field(default_factory=list)
    marks: list[int] = dataclasses.field(default_factory=list)
    memo: dict[int, Any] = dataclasses.field(default_factory=dict)


def run(data: bytes, names: Mapping[tuple[str, str], Any], refer: Callable[[Any], Any]) -> tuple[Any, int]:
    """Read one pickle.

    Args:
        data: Begins with the pickle.
        names: What the pickle may name, by module and name; what is callable there may be called.
        refer: From a persistent id to what it refers to.

    Returns:
        The value, and the length of the pickle in bytes.

    Raises:
        TorchFileError: An opcode or a name that is not admitted, or a malformed pickle.
    """
    machine, file = _Machine(names, refer), io.BytesIO(data)
    try:
        for count, (op, argument, _) in enumerate(pickletools.genops(file)):
            if count >= _MAX_OPCODES:
                raise TorchFileError(f"its pickle has more than {_MAX_OPCODES} opcodes")
            if op.name not in _IGNORED:
                _step(machine, op.name, argument)
        (value,) = machine.stack
    except TorchFileError:
        raise
    except Exception as error:  # a malformed program can fail in any way; nothing of it is kept
        said = f"{type(error).__name__}: {str(error)[:80]}"
        raise TorchFileError(f"not a readable file of PyTorch, as torch.save writes ({said})") from error
    return value, file.tell()


def ordered_dict(pairs: Iterable[tuple[Any, Any]] = ()) -> dict[str | int, Any]:
    """Make a dict with plain keys: a nested tuple's hash can take for ever."""
    made = {}
    for key, value in pairs:
        if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < _MAX_KEY):
            raise TorchFileError(f"a key is a {type(key).__name__} or too large, a string or number wanted")
        made[key] = value
    return made


def _step(machine: _Machine, name: str, argument: Any) -> None:
    if name in _CONSTANTS:
        machine.stack.append(_CONSTANTS[name])
    elif name in _NEW:
        machine.stack.append(_NEW[name]())
    elif name in _STRINGS:
        machine.stack.append(argument)
    elif name in _NUMBERS:
        machine.stack.append(_number(argument))
    elif name in _PUTS or name == "MEMOIZE":
        machine.memo[len(machine.memo) if name == "MEMOIZE" else argument] = machine.stack[-1]
    elif name in _GETS:
        machine.stack.append(machine.memo[argument])
    else:
        _combine(machine, name, argument)


def _combine(machine: _Machine, name: str, argument: Any) -> None:
    stack = machine.stack
    match name:
        case "MARK":
            machine.marks.append(len(stack))
        case "TUPLE":
            stack.append(tuple(_above_mark(machine)))
        case "TUPLE1" | "TUPLE2" | "TUPLE3":
            stack.append(tuple(_pop(stack, _TUPLES[name])))
        case "APPEND" | "APPENDS":
            items = _pop(stack, 1) if name == "APPEND" else _above_mark(machine)
            _top(stack, list).extend(items)
        case "SETITEM" | "SETITEMS":
            items = _pop(stack, 2) if name == "SETITEM" else _above_mark(machine)
            _top(stack, dict).update(ordered_dict(zip(items[::2], items[1::2], strict=True)))
        case "GLOBAL" | "STACK_GLOBAL":
            module, attribute = argument.split(" ", 1) if name == "GLOBAL" else _pop(stack, 2)
            stack.append(_named(machine, module, attribute))
        case "REDUCE":
            function, arguments = _pop(stack, 2)
            stack.append(function(*arguments))  # a value that is not of ``names`` cannot be called
        case "BUILD":  # attributes, such as the ``_metadata`` of a state dict, are dropped
            _pop(stack, 1)
            _top(stack, dict)
        case "BINPERSID":
            stack.append(machine.refer(stack.pop()))
        case _:
            raise TorchFileError(
                f"it has the opcode {name}, {str(argument)[:80]!r}, and only tensors and plain containers are admitted"
            )


def _number(value: Any) -> Any:
    if abs(value) >= _MAX_INTEGER and isinstance(value, int):
        raise TorchFileError("it holds a number that is too large")
    return value


def _named(machine: _Machine, module: Any, name: Any) -> Any:
    try:
        return machine.names[str(module), str(name)]
    except KeyError:
        asked = f"{str(module)[:40]}.{str(name)[:40]}"
        raise TorchFileError(
            f"it asks for {asked!r}, and only tensors and plain containers are admitted: reading it "
            "with PyTorch would run that code; save its state_dict() as .safetensors where you trust it"
        ) from None


def _above_mark(machine: _Machine) -> list[Any]:
    start = machine.marks.pop()
    items = machine.stack[start:]
    del machine.stack[start:]
    return items


def _pop(stack: list[Any], count: int) -> list[Any]:
    if len(stack) < count:
        raise TorchFileError("not a readable file of PyTorch: its pickle takes more than it has made")
    items = stack[-count:]
    del stack[-count:]
    return items


def _top(stack: list[Any], kind: type) -> Any:
    if not isinstance(stack[-1], kind):
        raise TorchFileError(f"it changes a {type(stack[-1]).__name__} where a {kind.__name__} can be changed")
    return stack[-1]
