"""The bytes of a payload: they come back as they went, and damaged ones give one typed error, whatever the damage."""

import dataclasses
import json
import random
import struct
import time
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from saewidgets.errors import PayloadError
from saewidgets.payloads import HeatmapPayload, decode, encode, typescript
from tests.effort import SECOND, effort
from tests.payload_factory import make_payload
from tests.payloads.strategies import payloads

HEAD = struct.Struct("<4sIII")


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def pack(header: Any, body: bytes = b"", version: int = 1) -> bytes:
    """A file around a header of any content, with a right checksum."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-(HEAD.size + len(text)) % 8)
    return seal(HEAD.pack(b"SAEW", version, len(text), 0) + text + body)


def seal(raw: bytes) -> bytes:
    """The same file with a right checksum."""
    return raw[:12] + struct.pack("<I", zlib.crc32(raw[16:])) + raw[16:]


def parts(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and buffers of a file."""
    length = HEAD.unpack_from(raw)[2]
    return json.loads(raw[16 : 16 + length]), raw[16 + length :]


@given(payload=payloads())
@settings(max_examples=2_000, deadline=None)
def test_what_goes_in_comes_out(payload: HeatmapPayload) -> None:
    raw = encode(payload)
    back = decode(raw)
    assert same(back, payload)
    assert encode(back) == raw
    for array in (back.surprise, back.tokens.ids, back.predictions.token):
        assert not array.flags.writeable


@pytest.mark.parametrize("n_tokens", [0, 1, 17, 10_000])
def test_what_goes_in_comes_out_at_any_length(n_tokens: int) -> None:
    payload = make_payload(n_tokens)
    assert same(decode(encode(payload)), payload)
    assert all(entry["offset"] % 8 == 0 for entry in parts(encode(payload))[0]["buffers"])


def test_cut_at_every_byte() -> None:
    raw = encode(make_payload())
    assert decode(raw).prompt
    for end in range(len(raw)):
        with pytest.raises(PayloadError):
            decode(raw[:end])


def test_a_decoder_without_checksum_would_take_a_cut_file() -> None:
    """The control: what is cut off the padding is noticed by the checksum alone."""
    raw = encode(make_payload(edits=False))
    accepted = 0
    for end in range(len(raw) - 64, len(raw)):
        try:
            decode(seal(raw[:end]))
            accepted += 1
        except PayloadError:
            pass
    assert accepted > 0, "cutting the padding is seen by the checksum alone"


def test_5000_flipped_bytes_are_all_noticed() -> None:
    raw, source = encode(make_payload()), random.Random(0)
    for _ in range(5_000):
        damaged = bytearray(raw)
        damaged[source.randrange(len(raw))] ^= source.randrange(1, 256)
        with pytest.raises(PayloadError):
            decode(bytes(damaged))


STRANGE: list[Any] = [
    *(
        None,
        True,
        -1,
        0,
        3,
        1.5,
        2**31,
        2**53,
        2**63,
        10**30,
        "",
        "x",
        "__proto__",
        "uint8",
        "float64",
        [],
        {},
        [0],
        [[]],
    ),
    *({"$buffer": index} for index in (0, -1, 10**9, "0")),
]


def mutate(value: Any, source: random.Random) -> Any:
    """The header with one thing in it replaced, removed or doubled."""
    if not isinstance(value, (dict, list)) or not value or source.random() < 0.08:
        return source.choice(STRANGE)
    key = source.choice(list(value) if isinstance(value, dict) else range(len(value)))
    result = dict(value) if isinstance(value, dict) else list(value)
    act = source.random()
    if act < 0.8:
        result[key] = mutate(value[key], source)
    elif act < 0.9:
        del result[key]
    elif isinstance(result, dict):
        result[source.choice(["__proto__", "constructor", key + key])] = value[key]
    else:
        result.append(value[key])
    return result


def test_5000_wrong_headers_with_a_right_checksum() -> None:
    raw, source = encode(make_payload(5)), random.Random(1)
    header, body = parts(raw)
    outcomes: Counter[str] = Counter()
    longest, slowest = 0, 0.0
    for _ in range(5_000):
        damaged = pack(mutate(header, source), body)
        start = time.thread_time()
        try:
            payload = decode(damaged)
            assert same(decode(encode(payload)), payload), "what was accepted must be sound"
            outcomes["read"] += 1
        except PayloadError as error:
            longest = max(longest, len(str(error)))
            outcomes["refused"] += 1
        slowest = max(slowest, time.thread_time() - start)
    assert effort(slowest) < 2 * SECOND
    assert outcomes["refused"] > 1_500
    assert 0 < longest < 400
    assert outcomes["read"] > 500, "a changed text or number is still a payload"


def test_5000_wrong_bytes_with_a_right_checksum() -> None:
    raw, source = encode(make_payload(5)), random.Random(2)
    outcomes: Counter[str] = Counter()
    for _ in range(5_000):
        damaged = bytearray(raw)
        for _ in range(source.randint(1, 3)):
            at = source.randrange(4, len(raw))
            damaged[at : at + source.randint(0, 3)] = bytes(source.choices(range(256), k=source.randint(0, 3)))
        try:
            decode(seal(bytes(damaged)))
            outcomes["read"] += 1
        except PayloadError:
            outcomes["refused"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 150


def declared(entry: dict[str, Any]) -> bytes:
    header, body = parts(encode(make_payload(5)))
    header["buffers"][0] = {**header["buffers"][0], **entry}
    return pack(header, body)


WRONG_BUFFERS: list[dict[str, Any]] = [
    *({"shape": shape} for shape in ([2**39], [2**39] * 2, [10**30], [-1], [True], "5", [1, 1, 1], [], [1.0])),
    *({"offset": offset} for offset in (-8, 4, 2**39, None)),
    *({"dtype": dtype} for dtype in ("object", "float64", ["uint8"], None, ">u4", "V1000000000")),
]


@pytest.mark.parametrize("entry", WRONG_BUFFERS, ids=str)
def test_declared_sizes_are_compared_before_anything_is_allocated(entry: dict[str, Any]) -> None:
    raw = declared(entry)
    tracemalloc.start()
    try:
        with pytest.raises(PayloadError):
            decode(raw)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "header",
    [b"", b"null", b"[]", b"7", b"{", b"\xff\xfe", b'{"kind": NaN}', b"[" * 100_000, b'{"a":' * 50_000,
     b'{"kind":' + b"9" * 5_000 + b"}", {"kind": "heatmap"}, {"kind": ["heatmap"]}, {"kind": "__class__"},
     {"kind": "heatmap", "data": {}, "buffers": []}, {"kind": "heatmap", "data": {}, "buffers": [{}] * 10_001},
     {"kind": "heatmap", "data": None, "buffers": []}],
    ids=range(16),
)  # fmt: skip
def test_headers_that_are_none(header: Any) -> None:
    with pytest.raises(PayloadError):
        decode(pack(header))


def test_a_newer_version_says_so() -> None:
    header, body = parts(encode(make_payload(5)))
    with pytest.raises(PayloadError, match=r"has format 2; this version reads up to 1\. Upgrade"):
        decode(pack(header, body, version=2))


def test_fields_of_a_later_version_are_ignored_and_missing_ones_named() -> None:
    header, body = parts(encode(make_payload(5)))
    header["data"]["later"] = {"x": 1}
    assert decode(pack(header, body)).prompt
    del header["data"]["prompt"], header["data"]["n_edits"]
    with pytest.raises(PayloadError, match="HeatmapPayload lacks prompt"):
        decode(pack(header, body))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_on_both_sides(value: float) -> None:
    with pytest.raises(PayloadError, match="not finite"):
        make_payload(surprise=np.full(17, value))
    header, body = parts(encode(make_payload()))
    index = header["data"]["surprise"]["$buffer"]
    start = header["buffers"][index]["offset"]
    with pytest.raises(PayloadError, match="not finite"):
        decode(pack(header, body[:start] + struct.pack("<f", value) + body[start + 4 :]))


@pytest.mark.parametrize("thing", [None, 3, "heatmap", {}, object()])
def test_only_payloads_are_encoded(thing: Any) -> None:
    with pytest.raises(PayloadError, match="is not a payload"):
        encode(thing)


def test_the_typescript_is_what_the_dataclasses_say() -> None:
    source = Path(__file__).parents[2] / "js/src"
    for name, made in {"payloads": typescript.generate(), "records": typescript.generate_records()}.items():
        assert (source / f"{name}.ts").read_text(encoding="utf-8") == made, f"write {name}.ts again"
    assert "export interface HeatmapPayload {" in typescript.generate()
