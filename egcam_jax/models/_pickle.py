"""A pickle of tensors, read by Python's own unpickler and checked before any of it runs.

A pickle is a program: it can call functions, set attributes on any object, fill memory by an index, and hash a nested
key for ever. So each is looked through first. It may have only the opcodes of plain containers, numbers and strings;
keys are strings or numbers. Then it is run with the names that the caller admits and with nothing else.
"""

import io
import pickle
import pickletools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_MAX_OPCODES = 4 * 10**6
_MAX_INTEGER = 2**127
_MARKED = (pickletools.markobject, pickletools.stackslice)
_KEYS = {pickletools.pyunicode, pickletools.pybytes_or_str, pickletools.pyint, pickletools.pybool}
_ADMITTED = """PROTO FRAME STOP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE
SHORT_BINUNICODE BINSTRING SHORT_BINSTRING EMPTY_DICT EMPTY_LIST EMPTY_TUPLE MARK TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND
APPENDS SETITEM SETITEMS BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID"""
_OPCODES = frozenset(_ADMITTED.split())


class TorchFileError(pickle.UnpicklingError, ValueError):
    """A file that is damaged, or that would do more than hold tensors."""


class Fixed:
    """Base of all objects that a pickle may name or refer to: it cannot set their attributes."""

    kind = ""

    def __setstate__(self, state: Any) -> None:
        """Refuse the opcode BUILD, the only one that sets attributes."""
        raise TorchFileError(f"it changes a {self.kind or type(self).__name__}, and only a dict can be changed")


class Function(Fixed):
    """A function that a pickle may call, whatever the arguments."""

    kind = "function"

    def __init__(self, function: Callable[..., Any]) -> None:
        """Wrap the function, so that no attribute of it can be set."""
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        return self._function(*arguments)


class OrderedDict(dict[str | int, Any]):
    """What stands for ``collections.OrderedDict``; attributes, as the ``_metadata`` of a state dict, are dropped."""

    def __setstate__(self, state: Any) -> None:
        """Drop the attributes."""


def ordered_dict(pairs: Any = ()) -> OrderedDict:
    """Make a dict with plain keys: the hash of a nested tuple can take for ever."""
    made = OrderedDict()
    for key, value in pairs:
        if not isinstance(key, str | int):
            raise TorchFileError(f"a key is a {type(key).__name__}, a string or number wanted")
        made[key] = value
    return made


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, names: Mapping[tuple[str, str], Any], refer: Callable[[Any], Any]) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._names, self._refer = names, refer

    def find_class(self, module: str, name: str) -> Any:
        """An object of our own under an admitted name."""
        return _named(self._names, module, name)

    def persistent_load(self, pid: Any) -> Any:
        """What a persistent id refers to."""
        return self._refer(pid)


def run(data: bytes, names: Mapping[tuple[str, str], Any], refer: Callable[[Any], Any]) -> tuple[Any, int]:
    """Read one pickle.

    Args:
        data: Begins with the pickle.
        names: What the pickle may name, by module and name: instances of ``Fixed``.
        refer: From a persistent id to the object that it refers to, an instance of ``Fixed``.

    Returns:
        The value, and the length of the pickle in bytes.

    Raises:
        TorchFileError: An opcode or a name that is not admitted, or a malformed pickle.
    """
    try:
        length = _check(data, names)
        return _Unpickler(data[:length], names, refer).load(), length
    except TorchFileError:
        raise
    except Exception as error:  # a malformed program can fail in any way; nothing of it is kept
        message = f"{type(error).__name__}: {str(error)[:80]}"
        raise TorchFileError(f"not a readable file of PyTorch, as torch.save writes ({message})") from error


def _check(data: bytes, names: Mapping[tuple[str, str], Any]) -> int:
    """The length of a pickle that has admitted opcodes and plain keys alone.

    Only the kinds of the values on the stack are followed, as ``pickletools`` has them; a mark begins a new stack.
    """
    file, stack, outer, memo = io.BytesIO(data), list[Any](), list[list[Any]](), dict[int, Any]()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        name, before = opcode.name, [kind for kind in opcode.stack_before if kind not in _MARKED]
        _check_opcode(name, argument, count, names)
        if name == "MARK":
            outer.append(stack)
            stack = []
            continue
        if name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else int(argument)] = stack[-1]
            continue
        above = stack[-2:]
        if len(before) < len(opcode.stack_before):
            above, stack = stack, outer.pop()
        if name in ("SETITEM", "SETITEMS"):
            _check_keys(above[::2])
        if len(stack) < len(before):
            raise TorchFileError("not a readable file of PyTorch: its pickle takes more than it has made")
        del stack[len(stack) - len(before) :]
        stack.extend([memo[int(argument or 0)]] if name in ("BINGET", "LONG_BINGET") else opcode.stack_after)
    return file.tell()


def _check_opcode(name: str, argument: Any, count: int, names: Mapping[tuple[str, str], Any]) -> None:
    if count >= _MAX_OPCODES:
        raise TorchFileError(f"its pickle has more than {_MAX_OPCODES} opcodes")
    if name not in _OPCODES:
        raise TorchFileError(
            f"it has the opcode {name}, {str(argument)[:80]!r}, and only tensors and plain containers are admitted"
        )
    if name == "GLOBAL":
        _named(names, *argument.split(" ", 1))
    # The unpickler makes room for as many values as a place in its memory says.
    if isinstance(argument, int) and abs(argument) >= (count if name.endswith("PUT") else _MAX_INTEGER):
        raise TorchFileError("it holds a number that is too large")


def _check_keys(kinds: Iterable[Any]) -> None:
    for kind in kinds:
        if kind not in _KEYS:
            raise TorchFileError(f"a key is a {kind.name}, a string or number wanted")


def _named(names: Mapping[tuple[str, str], Any], module: str, name: str) -> Any:
    try:
        return names[module, name]
    except KeyError:
        asked = f"{module[:40]}.{name[:40]}"
        raise TorchFileError(
            f"it asks for {asked!r}, and only tensors and plain containers are admitted: reading it with PyTorch would "
            "run that code; save its state_dict() as .safetensors where you trust it"
        ) from None
