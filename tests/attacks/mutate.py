"""Damage, seeded: from a flipped bit to an archive that is sound outside and wrong inside."""

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

Damage = Callable[[bytes, Random], bytes]
_INTEGERS = (0, 1, -1, 2, 255, 1 << 15, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 40, 1 << 63)
_WORDS = (
    "0", "-1", "1", "7", "1e999", "NaN", "-0.0", "1.5", "9" * 5_000, str(1 << 40), str(1 << 63), "true", "null", "[]",
    "{}", '"x"', "[" * 200, "1e-320", "&a *a", "!!python/object:os.system", "\\ud800", "../../x",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 1.5, 10**9, 2**62, 1e308, -0.0, "", "x", "3", "../x", [], [1], {}, {"k": 1},
    [[]] * 9, "standard", "topk", "jumprelu", "none",
)  # fmt: skip


def bits(data: bytes, rng: Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def head(data: bytes, rng: Random) -> bytes:
    return _bytes_in(data, rng, 0, min(600, len(data)))


def tail(data: bytes, rng: Random) -> bytes:
    return _bytes_in(data, rng, max(0, len(data) - 400), len(data))


def _bytes_in(data: bytes, rng: Random, first: int, last: int) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        out[rng.randrange(first, last)] = rng.randrange(256)
    return bytes(out)


def cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data))]


def insert(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice([rng.randbytes(rng.randint(1, 40)), b"\0" * rng.randint(1, 4096)]) + data[at:]


def delete(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 64) :]


def repeat(data: bytes, rng: Random) -> bytes:
    first = rng.randrange(len(data))
    part = data[first : first + rng.randint(1, 200)]
    return data[:first] + part * rng.randint(2, 5) + data[first + len(part) :]


def integer(data: bytes, rng: Random) -> bytes:
    """A little-endian integer somewhere becomes an extreme one."""
    form, size = rng.choice([("<B", 1), ("<H", 2), ("<I", 4), ("<Q", 8)])
    at = rng.randrange(max(1, len(data) - size))
    return data[:at] + struct.pack(form, rng.choice(_INTEGERS) % (1 << 8 * size)) + data[at + size :]


def word(data: bytes, rng: Random) -> bytes:
    """A number or a quoted word in the text becomes another."""
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?|\"[^\"]{0,40}\"", data[:2_000]))
    if not found:
        return bits(data, rng)
    place = rng.choice(found)
    other = rng.choice([rng.choice(_WORDS).encode(), rng.choice(found)[0]])
    return data[: place.start()] + other + data[place.end() :]


def header(data: bytes, rng: Random) -> bytes:
    """One field of a safetensors header, its length made right again."""
    (length,) = struct.unpack("<Q", data[:8])
    entries = json.loads(data[8 : 8 + length])
    key = rng.choice(list(entries))
    entry = entries[key]
    if key == "__metadata__" or rng.random() < 0.2:
        entries[key if rng.random() < 0.5 else rng.choice(list(entries))] = entries[key]
    elif rng.random() < 0.3:
        entry["dtype"] = rng.choice(["F64", "F32", "F16", "BF16", "I32", "I64", "U8", "BOOL", "F8_E4M3", "F4", 3, None])
    else:
        field = rng.choice(["shape", "data_offsets"])
        place = rng.randrange(len(entry[field]) or 1)
        changed = rng.choice([lambda: rng.choice(_INTEGERS), lambda: rng.randint(0, 300), lambda: rng.choice(VALUES)])()
        entry[field] = [*entry[field][:place], changed, *entry[field][place + rng.randint(0, 1) :]]
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def inside(data: bytes, rng: Random) -> bytes:
    """One member of an archive is damaged, renamed, dropped or doubled; the archive itself is sound."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    place = rng.randrange(len(members))
    name, content = members[place]
    what = rng.random()
    if what < 0.75 and content:
        members[place] = name, rng.choice([bits, head, cut, insert, delete, repeat, integer, word])(content, rng)
    elif what < 0.85:
        members[place] = rng.choice(["../x.npy", "/x.npy", "C:\\x.npy", name.upper(), rng.choice(members)[0]]), content
    elif what < 0.9:
        del members[place]
    else:
        members[place] = name, rng.choice(members)[1]
    method = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    return zip_file(members, method)


def zip_file(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive, names as they are given, twice if they are given twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.NameToInfo.pop(name, None)  # no warning about a second one
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def value(data: bytes, rng: Random) -> bytes:
    """One value of a JSON config is replaced."""
    config = json.loads(data)
    places = list(leaves(config))
    return json.dumps(replaced(config, rng.choice(places), rng.choice(VALUES))).encode() if places else data


def leaves(config: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a config, mappings included."""
    found = [path] if path else []
    if isinstance(config, dict):
        found += [place for key, item in config.items() for place in leaves(item, (*path, key))]
    return found


def replaced(config: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The config with one value replaced; `...` for taken away."""
    if not path:
        return new
    inner = replaced(config[path[0]], path[1:], new)
    kept = {key: item for key, item in config.items() if key != path[0]}
    return kept if inner is ... else kept | {path[0]: inner}


ANY: tuple[Damage, ...] = (bits, head, tail, cut, insert, delete, repeat, integer, word)
OF_KIND: dict[str, tuple[Damage, ...]] = {
    ".safetensors": (header, header, header),
    ".npz": (inside, inside, inside),
    ".pt": (inside, inside, inside),
    ".pth": (inside, inside, inside),
    ".json": (value, value, value),
    ".yaml": (word, word),
}
