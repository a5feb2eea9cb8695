"""The copy of a payload that a widget's state keeps, and with it a notebook: a good third of its bytes.

Floats hardly deflate as they lie, for only their first bytes are alike. So the body is written plane by plane, the
first byte of every four, then the second, and so on, and all of it is deflated. `js/src/unpack.ts` reads it.
"""

import struct
import zlib

import numpy as np

from saewidgets.errors import PayloadError

_LENGTH = struct.Struct("<8xI")
_HEAD = 16


def pack(raw: bytes) -> bytes:
    """What `saewidgets.payloads.encode` returned, smaller."""
    start = _body(raw)
    return zlib.compress(raw[:start] + np.frombuffer(raw, np.uint8, offset=start).reshape(-1, 4).T.tobytes())


def unpack(packed: bytes, limit: int) -> bytes:
    """What was packed.

    Args:
        packed: What `pack` returned.
        limit: More bytes than this are not unpacked.

    Returns:
        The encoding of a payload, its checksum not yet looked at.

    Raises:
        PayloadError: It is damaged, or larger than the limit.

    Example:
        >>> import saewidgets as sw
        >>> from saewidgets.payloads import encode
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     raw = encode(view.payload)
        >>> unpack(pack(raw), limit=100_000) == raw, len(pack(raw)) < len(raw) / 2
        (True, True)
    """
    inflater = zlib.decompressobj()
    try:
        shuffled = inflater.decompress(packed, limit)
    except zlib.error:
        shuffled = b""
    if not inflater.eof or len(shuffled) < _HEAD or (len(shuffled) - _body(shuffled)) % 4:
        raise PayloadError(f"A packed payload of {len(packed)} bytes is damaged or too large.", "Run the cell again.")
    start = _body(shuffled)
    return shuffled[:start] + np.frombuffer(shuffled, np.uint8, offset=start).reshape(4, -1).T.tobytes()


def _body(raw: bytes) -> int:
    """Where the buffers begin."""
    return min(len(raw), _HEAD + int(_LENGTH.unpack_from(raw)[0]))
