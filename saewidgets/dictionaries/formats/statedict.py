"""The part of pickle that a state dict needs, read without unpickling: nothing is imported or called on its word.

`torch.save` writes its structure as a pickle program beside the raw numbers. Here this program is interpreted by a list
of allowed operations and an allowed handful of names, into dicts, lists, plain values and *descriptions* of tensors.
There is one parser, so there is nothing for two parsers to disagree about; `torch.load` is not called at all.
"""

from __future__ import annotations

import math
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch

from saewidgets.errors import DictionaryError, shorten

MAX_BYTES = 1 << 20
# About 6,000 tensors, half a second.
MAX_OPERATIONS = 200_000
MAX_DEPTH = 16
_STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
_DICT, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_PARAMETER, _SIZE, _DEVICE = "torch._utils _rebuild_parameter", "torch Size", "torch device"
_NAMED_DTYPES = {f"torch {name}" for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32")}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = {"BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_BUILDING = {"NEWOBJ", "NEWOBJ_EX", "INST", "OBJ", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"}
_ADVICE = (
    "On a machine where you trust it: state = torch.load(path, weights_only=False); then "
    "safetensors.torch.save_file(tensors, 'weights.safetensors') with its tensors, such as state['state_dict']."
)


@dataclass(frozen=True)
class Stored:
    """A tensor as the file describes it.

    Args:
        key: Name of its storage.
        dtype: Of the storage.
        length: Elements of the storage.
        offset: First element.
        shape: Sizes.
        stride: Elements from one index to the next.
    """

    key: str
    dtype: torch.dtype
    length: int
    offset: int = 0
    shape: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Name:
    """What the program would import; here only a word."""

    path: str


class _Damaged(Exception):
    """The program is none that `torch.save` writes."""


def read(data: bytes, name: str) -> Any:
    """What a state dict's program describes, tensors as `Stored`.

    Args:
        data: `data.pkl` of the archive.
        name: For messages.

    Raises:
        DictionaryError: It holds Python objects (with the way to convert it), or is damaged.
    """
    try:
        if len(data) > MAX_BYTES:
            raise _Damaged(f"its structure takes {len(data)} bytes; {MAX_BYTES} is the most")
        return _plain(_run(data, name), 0, count())
    except (_Damaged, ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, Warning) as error:
        raise DictionaryError(f"{name} is damaged ({shorten(error)}).", "Get the file again.") from None


def _run(data: bytes, name: str) -> Any:
    stack: list[Any] = []
    marked: list[list[Any]] = []
    memo: dict[int, Any] = {}
    argument: Any
    for number, (operation, argument, place) in enumerate(pickletools.genops(data)):
        code = operation.name
        if number > MAX_OPERATIONS:
            raise _Damaged(f"more than {MAX_OPERATIONS} operations")
        if code in _VALUES:
            stack.append(argument)
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif code in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif code == "EMPTY_DICT":
            stack.append({})
        elif code == "EMPTY_LIST":
            stack.append([])
        elif code == "MARK":
            marked.append(stack)
            stack = []
        elif code in ("TUPLE", "SETITEMS", "APPENDS"):
            items, stack = stack, marked.pop()
            _many(code, stack, items)
        elif code in ("TUPLE1", "TUPLE2", "TUPLE3"):
            n = int(code[-1])
            stack[-n:] = [tuple(stack[-n:])] if len(stack) >= n else _short()
        elif code in ("SETITEM", "APPEND"):
            n = 2 if code == "SETITEM" else 1
            items = [stack.pop() for _ in range(n)][::-1]
            _many(f"{code}S", stack, items)
        elif code == "GLOBAL":
            stack.append(_Name(_allowed(argument, name)))
        elif code == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif code == "REDUCE":
            arguments = stack.pop()
            stack[-1] = _call(stack[-1], arguments)
        elif code == "BUILD":  # what torch.nn notes beside a state dict; the tensors do not need it
            if not (isinstance(stack.pop(), dict) and isinstance(stack[-1], OrderedDict)):
                raise _objects("a state", name)
        elif code == "STOP":
            if marked or len(stack) != 1 or place != len(data) - 1:
                raise _Damaged("its structure does not close")
            return stack[0]
        elif code in _BUILDING:
            raise _objects(f"the operation {code}", name)
        elif code != "PROTO" or argument != 2 or number:
            raise _Damaged(f"the operation {code} {shorten(argument)}")
    raise _Damaged("its structure ends early")


def _short() -> list[Any]:
    raise _Damaged("its structure takes more than there is")


def _many(code: str, stack: list[Any], items: list[Any]) -> None:
    """A tuple of items, or items added to the container below them."""
    if code == "TUPLE":
        stack.append(tuple(items))
        return
    target = stack[-1]
    if code == "APPENDS" and isinstance(target, list):
        target.extend(items)
    elif code == "SETITEMS" and isinstance(target, dict) and len(items) % 2 == 0:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int) or key in target:
                raise _Damaged(f"the key {shorten(key)}")
            target[key] = value
    else:
        raise _Damaged("items for no container")


def _allowed(path: str, name: str) -> str:
    storage = path.removeprefix("torch ")
    known = path in (_DICT, _TENSOR, _PARAMETER, _SIZE, _DEVICE) or path in _NAMED_DTYPES
    if not known and not (storage != path and storage in _STORAGES):
        raise _objects(path.replace(" ", "."), name)
    return path


def _objects(what: str, name: str) -> DictionaryError:
    return DictionaryError(f"{name} holds Python objects ({shorten(what)}), which run code when read.", _ADVICE)


def _storage(reference: Any) -> Stored:
    word, kind, key, location, length = reference
    if word != "storage" or type(key) is not str or type(location) is not str or type(length) is not int or length < 0:
        raise _Damaged("a storage that is none")
    return Stored(key, _STORAGES[kind.path.removeprefix("torch ")], length)


def _call(name: Any, arguments: Any) -> Any:
    """What the few functions of a state dict would return."""
    if not isinstance(name, _Name) or not isinstance(arguments, tuple):
        raise _Damaged("a call of what is no function")
    if name.path == _DICT and not arguments:
        return OrderedDict()
    if name.path == _TENSOR:
        return _tensor(*arguments)
    if name.path == _PARAMETER and isinstance(arguments[0], Stored) and len(arguments) == 3:
        return arguments[0]
    if name.path == _SIZE and len(arguments) == 1 and isinstance(arguments[0], tuple):
        return arguments[0]
    if name.path == _DEVICE and isinstance(arguments[0], str):
        return ":".join(map(str, arguments))
    raise _Damaged(f"a call of {shorten(name.path)}")


def _tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, _metadata: Any = None
) -> Stored:
    """A view of a storage that stays inside it and has no more elements than it."""
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, Stored) or not all(type(n) is int and n >= 0 for n in numbers):
        raise _Damaged("a tensor that is none")
    size, last = math.prod(shape), sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if len(shape) > 8 or size > storage.length or (size and offset + last >= storage.length):
        raise _Damaged(f"a tensor {shorten(tuple(shape))} in a storage of {storage.length}")
    return Stored(storage.key, storage.dtype, storage.length, offset, tuple(shape), tuple(stride))


def _plain(value: Any, depth: int, nodes: Iterator[int]) -> Any:
    """The same with names as text; what refers to itself, is too deep, or multiplies by references is refused."""
    if depth > MAX_DEPTH or next(nodes) > MAX_OPERATIONS:
        raise _Damaged("its structure is too deep or too large")
    if isinstance(value, dict):
        return {key: _plain(item, depth + 1, nodes) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item, depth + 1, nodes) for item in value)
    if isinstance(value, _Name):
        return value.path.replace(" ", ".")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise _Damaged("a number of more than 64 bits")
    if isinstance(value, str):
        value.encode()
    return value


def fill(value: Any, tensor: Callable[[Stored], Any]) -> Any:
    """The same structure with every description replaced by `tensor(description)`."""
    if isinstance(value, Stored):
        return tensor(value)
    if isinstance(value, Mapping):
        return {key: fill(item, tensor) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(fill(item, tensor) for item in value)
    return value
