"""Pickle programs and torch files, built operation by operation."""

import pickletools
import struct

from tests.attacks.mutate import zip_file


def torch_zip(program: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    """A torch file with any program in it."""
    members = {"data.pkl": program, "version": b"3\n", "byteorder": b"little",
               **{f"data/{key}": data for key, data in (storages or {}).items()}}  # fmt: skip
    return zip_file([(f"a/{name}", data) for name, data in members.items()])


def opcode(name: str, argument: bytes = b"") -> bytes:
    return next(op.code for op in pickletools.opcodes if op.name == name).encode("latin1") + argument


def text(value: str) -> bytes:
    return opcode("BINUNICODE", struct.pack("<I", len(value)) + value.encode())


def integer(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    return opcode("LONG1", bytes([size]) + value.to_bytes(size, "little", signed=True))


def tuple_of(*items: bytes) -> bytes:
    return opcode("MARK") + b"".join(items) + opcode("TUPLE")


def tensor(shape: tuple[int, ...], stride: tuple[int, ...], length: int = 4, offset: int = 0,
           kind: str = "FloatStorage", function: str = "_rebuild_tensor_v2", more: int = 0) -> bytes:  # fmt: skip
    storage = tuple_of(text("storage"), opcode("GLOBAL", f"torch\n{kind}\n".encode()), text("0"), text("cpu"),
                       integer(length)) + opcode("BINPERSID")  # fmt: skip
    arguments = (storage, integer(offset), tuple_of(*map(integer, shape)), tuple_of(*map(integer, stride)),
                 opcode("NEWFALSE"), opcode("GLOBAL", b"collections\nOrderedDict\n") + opcode("EMPTY_TUPLE")
                 + opcode("REDUCE"), *[opcode("NONE")] * more)  # fmt: skip
    return opcode("GLOBAL", f"torch._utils\n{function}\n".encode()) + tuple_of(*arguments) + opcode("REDUCE")


def state(*items: bytes, start: bytes = b"\x80\x02") -> bytes:
    return start + opcode("EMPTY_DICT") + opcode("MARK") + b"".join(items) + opcode("SETITEMS") + b"."


def named(value: bytes, start: bytes = b"\x80\x02") -> bytes:
    return state(text("a"), value, start=start)
