"""Zip archives from strangers, as `np.savez` and `torch.save` write them: checked before any byte is unpacked.

The directory at the end of the file says what is in it. Nothing is believed before it agrees with the members
themselves: how many there are, that together they unpack to at most `MAX_RATIO` times the file, that none reaches into
another, that the name stands in both places. Then each is unpacked by a counter, and its checksum compared.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedReader
from itertools import pairwise
from typing import Any

from saewidgets.dictionaries.formats import buffers
from saewidgets.dictionaries.formats.kinds import HEAD, kind_of
from saewidgets.errors import DictionaryError, shorten

MAX_MEMBERS = 1_000
MAX_RATIO = 100
_MAX_DIRECTORY = 1 << 20
_END, _END_64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_ENTRY, _LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_VERSION, _LINK, _FOLDER = 63, 0xA, 0x10
# Compression level, sizes after the data, names in UTF-8; not encrypted, not patched.
_SIZES_FOLLOW, _UTF_8, _FLAGS = 8, 0x800, 0x80E
_NAME = re.compile(r"[^/\\:\x00-\x1f\x7f]+(/[^/\\:\x00-\x1f\x7f]+)*")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """One file of an archive.

    Args:
        name: Relative, with `/`.
        start: Where its bytes begin in the archive.
        packed: How many there are.
        size: How many they unpack to.
        deflated: Whether they are compressed.
        crc: Checksum of the unpacked bytes.
    """

    name: str
    start: int
    packed: int
    size: int
    deflated: bool
    crc: int


def read_members(file: BufferedReader, name: str) -> dict[str, Member]:
    """The checked directory of an archive.

    Args:
        file: Open for reading.
        name: For messages, shortened.

    Raises:
        DictionaryError: No archive, damaged, or crafted; the message says in what.
    """
    size = buffers.size_of(file)
    head = buffers.read_at(file, 0, min(HEAD, size), name)
    if not head.startswith(b"PK\x03\x04"):
        raise DictionaryError(f"{name} is no zip archive, but {kind_of(head)}.", "Name the file as what it is.")
    start, length, count = _find_directory(file, size, name)
    if count > MAX_MEMBERS or length > _MAX_DIRECTORY:
        raise _crafted(name, f"{count} members in a directory of {length} bytes; {MAX_MEMBERS} is the most")
    try:
        members = _read_directory(buffers.read_at(file, start, length, name), count)
        members = [_locate(file, member, name) for member in members]
    except (struct.error, UnicodeDecodeError):
        raise _damaged(name, "its directory cannot be read") from None
    _check_names(members, name)
    if sum(member.size for member in members) > MAX_RATIO * size:
        raise _crafted(name, f"{size} bytes that unpack to {sum(member.size for member in members)}")
    spans = sorted((member.start, member.start + member.packed) for member in members)
    if any(a[1] > b[0] for a, b in pairwise([*spans, (start, start)])):
        raise _crafted(name, "members that overlap")
    return {member.name: member for member in members}


def content(data: memoryview, member: Member, name: str, *, checked: bool = True) -> memoryview:
    """The bytes of a member: a view of a stored one, unpacked from a compressed one.

    Args:
        data: The whole archive. Where it is mapped, a stored member is not read to compare its checksum.
        member: One of `read_members`.
        name: Of the archive, for messages.
        checked: Whether the archive has checksums.

    Raises:
        DictionaryError: Another length or another checksum than declared.
    """
    packed = data[member.start : member.start + member.packed]
    if not member.deflated:
        return packed if len(data) > buffers.COPIED else _compared(packed, member, name, checked)
    pieces = (packed[first : first + _CHUNK] for first in range(0, len(packed), _CHUNK))
    return _compared(_inflate(pieces, member, name), member, name, checked)


def read_content(file: BufferedReader, member: Member, name: str, *, checked: bool = True) -> memoryview:
    """The bytes of a member, copied from the open archive; otherwise as `content`."""
    if not member.deflated:
        copied = buffers.copied(file, member.start, member.packed, name)
        return _compared(copied, member, name, checked)
    ends = range(0, member.packed, _CHUNK)
    pieces = (buffers.read_at(file, member.start + at, min(_CHUNK, member.packed - at), name) for at in ends)
    return _compared(_inflate(pieces, member, name), member, name, checked)


def _compared(unpacked: memoryview, member: Member, name: str, checked: bool) -> memoryview:
    if len(unpacked) != member.size:
        raise _damaged(name, f"{shorten(member.name)} has another length than declared")
    if checked and zlib.crc32(unpacked) != member.crc:
        raise _damaged(name, f"the checksum of {shorten(member.name)} is wrong")
    return unpacked


def _find_directory(file: BufferedReader, size: int, name: str) -> tuple[int, int, int]:
    """Start and length of the directory, and how many members it says."""
    tail_start = max(0, size - _END.size - _LOCATOR.size - _END_64.size)
    tail = buffers.read_at(file, tail_start, size - tail_start, name)
    if len(tail) < _END.size:
        raise _damaged(name, "it is cut off")
    end = len(tail) - _END.size
    magic, disk, first_disk, here, count, length, start, comment = _END.unpack_from(tail, end)
    if magic != b"PK\x05\x06" or comment or disk or first_disk or here != count:
        raise _damaged(name, "it does not end as an archive does")
    stop = tail_start + end
    locator_start = end - _LOCATOR.size
    if locator_start >= _END_64.size and tail[locator_start:].startswith(b"PK\x06\x07"):
        stop -= _LOCATOR.size + _END_64.size  # torch writes the wide form always
        locator = _LOCATOR.unpack_from(tail, locator_start)
        wide = _END_64.unpack_from(tail, locator_start - _END_64.size)
        narrow = (count, length, start)
        here, count, length, start = wide[6:10]
        agrees = all(a == b or a in (0xFFFF, 0xFFFFFFFF) for a, b in zip(narrow, wide[7:10], strict=True))
        fixed = (wide[0], wide[1], *wide[4:6], *locator[1:]) == (b"PK\x06\x06", 44, 0, 0, 0, stop, 1)
        if not fixed or not agrees or here != count:
            raise _damaged(name, "its directory cannot be found")
    if start + length != stop:
        raise _damaged(name, "its directory is not where it says")
    return start, length, count


def _read_directory(data: bytes, count: int) -> list[Member]:
    """Members as the directory has them; `start` is still that of their own header."""
    members, at = [], 0
    for _ in range(count):
        fields = _ENTRY.unpack_from(data, at)
        if not _is_plain_file(fields):
            raise struct.error
        flags, method, crc = fields[3], fields[4], fields[7]
        packed, size, name_length, extra_length, comment_length = fields[8:13]
        text, rest = at + _ENTRY.size, at + _ENTRY.size + name_length
        name = data[text:rest].decode("utf-8" if flags & _UTF_8 else "ascii")
        size, packed, start = _wide(data[rest : rest + extra_length], size, packed, fields[16])
        if method == _STORED and packed != size:
            raise struct.error
        members.append(Member(name, start, packed, size, method == _DEFLATED, crc))
        at = rest + extra_length + comment_length
    if at != len(data):
        raise struct.error
    return members


def _is_plain_file(fields: tuple[Any, ...]) -> bool:
    """Whether an entry is what every reader of archives understands: no link, no folder, no feature of later years."""
    magic, needed, flags, method = fields[0], *fields[2:5]
    disk, attributes = fields[13], fields[15]
    known = magic == b"PK\x01\x02" and needed <= _VERSION and not flags & ~_FLAGS and method in (_STORED, _DEFLATED)
    return known and not disk and attributes >> 28 != _LINK and not attributes & _FOLDER


def _wide(extra: bytes, *values: int) -> tuple[int, ...]:
    """Sizes above 4 GB stand in the extra field, in this order, those that do not fit only."""
    wide, at = b"", 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        if tag == 1:
            wide = extra[at + 4 : at + 4 + length]
        at += 4 + length
    result = []
    for value in values:
        if value == 0xFFFFFFFF:
            (value,), wide = struct.unpack_from("<Q", wide), wide[8:]
        result.append(value)
    return tuple(result)


def _locate(file: BufferedReader, member: Member, name: str) -> Member:
    """The member with the place of its bytes, once its own header agrees with the directory."""
    fields = _LOCAL.unpack(buffers.read_at(file, member.start, _LOCAL.size, name))
    magic, flags, method, crc, packed, size = fields[0], fields[2], fields[3], *fields[6:9]
    own = buffers.read_at(file, member.start + _LOCAL.size, fields[9], name)
    unknown = flags & _SIZES_FOLLOW or 0xFFFFFFFF in (packed, size)
    same = unknown or (crc, packed, size) == (member.crc, member.packed, member.size)
    if magic != b"PK\x03\x04" or own != member.name.encode() or (method == _DEFLATED) != member.deflated or not same:
        raise _damaged(name, f"{shorten(member.name)} is declared twice, differently")
    start = member.start + _LOCAL.size + fields[9] + fields[10]
    return Member(member.name, start, member.packed, member.size, member.deflated, member.crc)


def _check_names(members: list[Member], name: str) -> None:
    for member in members:
        if not _NAME.fullmatch(member.name) or {".", ".."} & set(member.name.split("/")):
            raise _crafted(name, f"a member named {shorten(member.name)}")
    if len({member.name.casefold() for member in members}) != len(members):
        raise _crafted(name, "two members of one name")


def _inflate(pieces: Iterable[bytes | memoryview], member: Member, name: str) -> memoryview:
    """Unpack no more than declared, whatever the bytes say."""
    out, at, stream = bytearray(member.size), 0, zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in pieces:
            while piece:
                part = stream.decompress(piece, _CHUNK)
                if at + len(part) > member.size:
                    raise _crafted(name, f"{shorten(member.name)}, which unpacks to more than declared")
                out[at : at + len(part)] = part
                at, piece = at + len(part), stream.unconsumed_tail
            if stream.unused_data:
                break
    except zlib.error as error:
        raise _damaged(name, f"{shorten(member.name)} cannot be unpacked: {shorten(error)}") from None
    if not stream.eof or stream.unused_data:
        raise _damaged(name, f"{shorten(member.name)} is cut off")
    return memoryview(out)[:at]


def _damaged(name: str, why: str) -> DictionaryError:
    return DictionaryError(f"{name} is damaged: {why}.", "Get the file again.")


def _crafted(name: str, what: str) -> DictionaryError:
    return DictionaryError(f"{name} holds {what}.", "No dictionary does; do not use this file.")
