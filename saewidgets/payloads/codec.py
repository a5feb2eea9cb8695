"""Payload <-> bytes: JSON for structure and text, raw little-endian buffers for numbers, one checksum over both.

Layout: `SAEW`, version, header length, CRC-32 of what follows (each uint32), the JSON header, then the buffers, each
at a multiple of 8 from the start of the file. An array in the JSON is `{"$buffer": i}`; entry i of `buffers` says
dtype, shape and offset. A decoder allocates nothing before it has compared these with the bytes that are there.
"""

import dataclasses
import struct
import sys
import zlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any, get_args, get_origin

import numpy as np
import orjson

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads import (
    circuit,
    compare,
    contrast,
    dictionary_report,
    explorer,
    feature_dashboard,
    feature_table,
    frontier,
    heatmap,
    patch_map,
    steering,
    training,
)
from saewidgets.payloads.arrays import DTYPES, NAMES, Array
from saewidgets.payloads.record import array_type, field_types, optional

MAGIC = b"SAEW"
VERSION = 1
KINDS: dict[str, type] = {
    "heatmap": heatmap.HeatmapPayload,
    "training": training.TrainingPayload,
    "frontier": frontier.FrontierPayload,
    "dictionary_report": dictionary_report.DictionaryReportPayload,
    "feature_dashboard": feature_dashboard.FeatureDashboardPayload,
    "patch_map": patch_map.PatchMapPayload,
    "feature_table": feature_table.FeatureTablePayload,
    "circuit": circuit.CircuitPayload,
    "steering": steering.SteeringPayload,
    "compare": compare.ComparePayload,
    "contrast": contrast.ContrastPayload,
    "explorer": explorer.ExplorerPayload,
    # No view of its own: what scrolls into a feature table.
    "table_rows": feature_table.TableRows,
}
_HEAD = struct.Struct("<4sIII")
_MAX_BUFFERS = 10_000
# Bytes up to which an array is compared with the others.
_SMALL = 4096


def kind_of(payload: object) -> str:
    """Name under which a payload's class is stored.

    Raises:
        PayloadError: It is not a payload.
    """
    for kind, record in KINDS.items():
        if type(payload) is record:
            return kind
    raise PayloadError(f"{shorten(type(payload).__name__)} is not a payload.", f"Known: {', '.join(KINDS)}.")


class _Buffers:
    """The arrays of a payload; small equal ones, such as those of sites without numbers yet, are written once."""

    def __init__(self) -> None:
        self.arrays: list[Array] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], int] = {}
        # By identity: the payload keeps its arrays alive meanwhile.
        self._placed: dict[int, int] = {}

    def name(self, array: Array) -> dict[str, int]:
        """What stands for an array in the JSON."""
        place = self._placed.get(id(array))
        if place is None:
            place = self._placed[id(array)] = self._place(array)
        return {"$buffer": place}

    def _place(self, array: Array) -> int:
        place = len(self.arrays)
        if array.nbytes <= _SMALL:
            place = self._known.setdefault((array.dtype.str, array.shape, array.tobytes()), place)
        if place == len(self.arrays):
            self.arrays.append(array)
        return place


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def encode(payload: Any) -> bytes:
    """Bytes of a payload; equal payloads give equal bytes.

    Args:
        payload: One of the payload records.

    Returns:
        The encoding, also the content of a `.sae` file.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     decode(encode(view.payload)).prompt
        'Mira saw a red boat.'
    """
    kind, buffers = kind_of(payload), _Buffers()
    # A record's fields are plain values, tuples, records and arrays; only these are not JSON by themselves.
    data = orjson.dumps(payload, default=buffers.name)
    entries, offset = [], 0
    for array in buffers.arrays:
        entries.append({"dtype": NAMES[array.dtype], "shape": list(array.shape), "offset": offset})
        offset += _padded(array.nbytes)
    text = orjson.dumps({"kind": kind, "data": orjson.Fragment(data), "buffers": entries})
    text += b" " * (_padded(_HEAD.size + len(text)) - _HEAD.size - len(text))
    parts = [text]
    for array in buffers.arrays:
        raw = (array if sys.byteorder == "little" else array.byteswap()).tobytes()
        parts.append(raw + b"\0" * (_padded(len(raw)) - len(raw)))
    body = b"".join(parts)
    return _HEAD.pack(MAGIC, VERSION, len(text), zlib.crc32(body)) + body


def decode(raw: bytes) -> Any:
    """The payload in `raw`.

    Args:
        raw: What `encode` returned.

    Returns:
        The payload, its arrays views into `raw`.

    Raises:
        PayloadError: Truncated, damaged, of a newer version, or not a payload.
    """
    if len(raw) < _HEAD.size or raw[:4] != MAGIC:
        raise PayloadError("This is not a saewidgets payload.", "Open a file that `widget.save` wrote.")
    _, version, length, checksum = _HEAD.unpack_from(raw)
    if version > VERSION:
        raise PayloadError(f"The payload has format {version}; this version reads up to {VERSION}.", "Upgrade.")
    if _HEAD.size + length > len(raw) or zlib.crc32(memoryview(raw)[_HEAD.size :]) != checksum:
        raise PayloadError(f"The payload is damaged or cut short ({len(raw)} bytes).", "Save it again.")
    header = _parse(raw[_HEAD.size : _HEAD.size + length])
    kind = header.get("kind")
    record = KINDS.get(kind) if isinstance(kind, str) else None
    if record is None:
        raise PayloadError(f"Unknown kind of payload {shorten(kind)}.", f"Known: {', '.join(KINDS)}.")
    buffers = _buffers(header.get("buffers"), raw, _HEAD.size + length)
    return _record(record, record.__name__, header.get("data"), buffers)


def _parse(text: bytes) -> dict[str, Any]:
    try:
        header = orjson.loads(text)
    except ValueError as error:
        raise PayloadError(f"The payload's header cannot be read ({shorten(error)}).", "Save it again.") from None
    if not isinstance(header, dict):
        raise PayloadError("The payload's header is no object.", "Save it again.")
    return header


def _buffers(entries: Any, raw: bytes, start: int) -> list[Array]:
    if not isinstance(entries, list) or len(entries) > _MAX_BUFFERS:
        raise PayloadError("The payload's list of buffers is missing or too long.", "Save it again.")
    return [_buffer(entry, raw, start) for entry in entries]


def _buffer(entry: Any, raw: bytes, start: int) -> Array:
    if not isinstance(entry, dict) or entry.get("dtype") not in DTYPES:
        raise PayloadError(f"A buffer is declared as {shorten(entry)}.", f"Its dtype must be one of {DTYPES}.")
    shape, offset = entry.get("shape"), entry.get("offset")
    sizes = [*shape, offset] if isinstance(shape, list) and len(shape) <= 2 else [None]
    if not isinstance(shape, list) or any(type(n) is not int or not 0 <= n < 2**40 for n in sizes):
        raise PayloadError(f"A buffer has shape {shorten(shape)} at {shorten(offset)}.", "Save the payload again.")
    count = 1
    for n in shape:
        count *= n
    first = start + int(offset or 0)
    if first % 8 or first + count * np.dtype(entry["dtype"]).itemsize > len(raw):
        raise PayloadError(f"A buffer of shape {shorten(shape)} lies outside the file.", "Save the payload again.")
    dtype = np.dtype(entry["dtype"]).newbyteorder("<")
    return np.frombuffer(raw, dtype, count, first).reshape(shape)


# From the JSON of a field and the buffers to its value; the record's own check has the last word.
Read = Callable[[Any, list[Array]], Any]


@cache
def _fields(record: Any) -> dict[str, tuple[Read, bool]]:
    """Of each field of a record what reads it, and whether it must be there; made once, for a file has thousands."""
    needed = {f.name: f.default is dataclasses.MISSING for f in dataclasses.fields(record)}
    types = field_types(record)
    return {name: (_reader(types[name], f"{record.__name__}.{name}"), must) for name, must in needed.items()}


def _reader(annotation: Any, name: str) -> Read:
    """What reads a field of this annotation."""
    inner, _ = optional(annotation)
    if array_type(inner) is not None:
        read: Read = partial(_array, name)
    elif get_origin(inner) is tuple:
        read = partial(_tuple, _reader(get_args(inner)[0], name))
    else:
        read = partial(_record, inner, name) if dataclasses.is_dataclass(inner) else _plain
    return read if inner is annotation else partial(_optional, read)


def _optional(read: Read, value: Any, buffers: list[Array]) -> Any:
    return None if value is None else read(value, buffers)


def _array(name: str, value: Any, buffers: list[Array]) -> Array:
    index = value.get("$buffer") if isinstance(value, dict) else None
    if type(index) is not int or not 0 <= index < len(buffers):
        raise PayloadError(f"{name} names the buffer {shorten(index)}.", f"There are {len(buffers)}.")
    return buffers[index]


def _tuple(read: Read, value: Any, buffers: list[Array]) -> Any:
    if not isinstance(value, list):
        return value
    return tuple(value) if read is _plain else tuple([read(item, buffers) for item in value])


def _record(record: Any, name: str, value: Any, buffers: list[Array]) -> Any:
    if not isinstance(value, dict):
        raise PayloadError(f"{name} is {shorten(value)}.", "It must be an object.")
    fields = _fields(record)
    missing = [key for key, (_, must) in fields.items() if must and key not in value]
    if missing:
        raise PayloadError(f"{name} lacks {', '.join(missing)}.", "Save the payload again.")
    return record(**{key: read(value[key], buffers) for key, (read, _) in fields.items() if key in value})


def _plain(value: Any, buffers: list[Array]) -> Any:
    return value
