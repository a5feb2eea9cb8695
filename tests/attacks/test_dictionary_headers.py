"""Case 4: dictionary files whose header or values claim what cannot be: one typed error that names the field."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.dictionaries.formats.safetensors import MAX_HEADER, MAX_TENSORS, load_tensors, read_header
from saewidgets.errors import DictionaryError
from tests.attacks.containers import safetensors_file
from tests.attacks.measure import measure
from tests.attacks.tiny import D, N, canonical, saelens_config
from tests.effort import SECOND


def file(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(shape: Any, span: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": span}


BODY = bytes(16)
HEADERS = {
    "nothing": b"",
    "7 bytes": bytes(7),
    "length 0": struct.pack("<Q", 0) + b"{}",
    "length 2**63": struct.pack("<Q", 1 << 63) + b"{}",
    "length beyond the file": struct.pack("<Q", 99) + b"{}",
    "length in the middle of a tensor": struct.pack("<Q", 200)
    + file({"a": entry([4], [0, 16])}, BODY)[8:]
    + bytes(200),
    "no JSON": file(b"hello"),
    "no UTF-8": file(b'{"\xff": 1}'),
    "half a character": file(b'{"__metadata__": {"a": "\\ud800"}}'),
    "a list": file([1]),
    "200 levels": file(b'{"a":' * 200 + b"1" + b"}" * 200),
    "100,000 levels": file(b"[" * 100_000),
    "unclosed strings": file(b'"\\"' * 100_000),
    "a key twice": file(b'{"a": %s, "a": %s}' % ((json.dumps(entry([4], [0, 16])).encode(),) * 2), BODY),
    "a key twice inside": file(b'{"a": {"dtype": "F32", "dtype": "I32", "shape": [4], "data_offsets": [0, 16]}}', BODY),
    "metadata twice": file(b'{"__metadata__": {}, "__metadata__": {"format": "pt"}}'),
    "metadata of numbers": file({"__metadata__": {"a": 1}}),
    "metadata of lists": file({"__metadata__": []}),
    "too many tensors": file({str(i): entry([0], [0, 0]) for i in range(MAX_TENSORS + 1)}),
    "header too long": file({"__metadata__": {"a": "x" * MAX_HEADER}}),
    "shape beyond the file": file({"a": entry([1 << 40], [0, 1 << 42])}, BODY),
    "shape product overflows": file({"a": entry([1 << 32, 1 << 32, 4], [0, 16])}, BODY),
    "shape wraps to 16 bytes": file({"a": entry([(1 << 62) + 1, 4], [0, 16])}, BODY),
    "shape of 5,000 digits": file(
        b'{"a": {"dtype": "F32", "shape": [%s], "data_offsets": [0, 16]}}' % (b"9" * 5_000), BODY
    ),
    "shape of 9 dimensions": file({"a": entry([1] * 8 + [4], [0, 16])}, BODY),
    "negative shape": file({"a": entry([-4], [16, 0])}, BODY),
    "two negative sides": file({"a": entry([-2, -2], [0, 16])}, BODY),
    "shape of floats": file({"a": entry([4.0], [0, 16])}, BODY),
    "shape of truth values": file({"a": entry([True, 4], [0, 16])}, BODY),
    "shape is text": file({"a": entry("4", [0, 16])}, BODY),
    "shape is infinite": file(b'{"a": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, 16]}}', BODY),
    "offsets reversed": file({"a": entry([4], [16, 0])}, BODY),
    "offsets negative": file({"a": entry([4], [-16, 0])}, BODY),
    "three offsets": file({"a": entry([4], [0, 16, 32])}, BODY),
    "offsets overlap": file({"a": entry([4], [0, 16]), "b": entry([2], [8, 16])}, BODY),
    "two names for the same bytes": file({"a": entry([4], [0, 16]), "b": entry([4], [0, 16])}, BODY),
    "a gap": file({"a": entry([1], [0, 4]), "b": entry([1], [12, 16])}, BODY),
    "bytes after the last": file({"a": entry([2], [0, 8])}, BODY),
    "bytes before the first": file({"a": entry([2], [8, 16])}, BODY),
    "an empty tensor inside another": file({"a": entry([4], [0, 16]), "b": entry([0], [8, 8])}, BODY),
    "a field too many": file({"a": entry([4], [0, 16]) | {"strides": [1]}}, BODY),
    "no dtype": file({"a": {"shape": [4], "data_offsets": [0, 16]}}, BODY),
    "dtype a number": file({"a": entry([4], [0, 16], 3)}, BODY),
    "truth values of 7": file({"a": entry([16], [0, 16], "BOOL")}, b"\7" * 16),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie(tmp_path: Path, name: str) -> None:
    path = tmp_path / "d.safetensors"
    path.write_bytes(HEADERS[name])
    with pytest.raises(DictionaryError) as caught:
        load_tensors(path)
    assert len(str(caught.value)) < 400
    with pytest.raises(DictionaryError):
        load_dictionary(path)


def test_a_sound_header_is_read(tmp_path: Path) -> None:
    """Control: the same writer, nothing wrong; order, scalars, empty tensors and padding as the format allows."""
    path = tmp_path / "d.safetensors"
    header = {"b": entry([2, 1], [4, 12]), "a": entry([], [0, 4]), "c": entry([0, 3], [12, 12]),
              "d": entry([1], [12, 16])}  # fmt: skip
    values = np.arange(4, dtype="<f4")
    path.write_bytes(file(json.dumps(header).encode() + b"    ", values.tobytes()))
    tensors, metadata = load_tensors(path)
    assert {name: t.tolist() for name, t in tensors.items()} == {"a": 0.0, "b": [[1.0], [2.0]], "c": [], "d": [3.0]}
    assert metadata == {}
    theirs = safetensors.torch.load_file(path)
    assert all(torch.equal(theirs[name], tensors[name]) for name in theirs)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "F4", "I4", "U16", "U64", "C64", "f32", ""])
def test_dtypes_that_are_not_read_are_named(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "d.safetensors"
    path.write_bytes(file({"W_enc": entry([16], [0, 16], dtype)}, BODY))
    with pytest.raises(DictionaryError, match=f"'W_enc' of .* stored as '{dtype}'. Convert it"):
        load_tensors(path)


def test_what_a_header_claims_is_not_allocated(tmp_path: Path) -> None:
    """2**40 elements claimed, and the longest header that is read at all: neither costs memory or time."""
    path = tmp_path / "claims.safetensors"
    path.write_bytes(file({"W_enc": entry([1 << 20, 1 << 20], [0, 1 << 42])}, bytes(1 << 10)))
    found = measure(path)
    assert found["error"].startswith("DictionaryError")
    assert found["grown"] < 4 << 20
    path = tmp_path / "long.safetensors"
    entries = {f"{'n' * 30}{i}": entry([0], [0, 0]) for i in range(MAX_TENSORS - 1)}
    path.write_bytes(file(entries))
    assert len(file(entries)) < MAX_HEADER
    assert len(read_header(path)) == MAX_TENSORS - 1
    found = measure(path)
    assert found["error"].startswith("DictionaryError")
    assert found["effort"] < 2 * SECOND
    assert found["grown"] < 64 << 20


def test_the_measure_sees_memory(tmp_path: Path) -> None:
    """Control: a reader that does allocate what is there."""
    path = tmp_path / "large.safetensors"
    path.write_bytes(safetensors_file({"a": torch.zeros(15 << 20)}))
    assert 60 << 20 <= measure(path, "tensors")["grown"] < 66 << 20


# -------------------------------------------------------------------------------------------------------------- values


def folder(path: Path, architecture: str, tensors: dict[str, torch.Tensor], **config: Any) -> Path:
    (path / "cfg.json").write_bytes(saelens_config(architecture, **config))
    (path / "sae_weights.safetensors").write_bytes(safetensors_file(tensors))
    return path


@pytest.mark.parametrize("k", [10**9, 0, -1, True, 2.5, "2", [2], 1 << 62])
def test_k_that_is_none(tmp_path: Path, k: Any) -> None:
    with pytest.raises(DictionaryError, match="k = "):
        load_dictionary(folder(tmp_path, "topk", canonical(), k=k))


@pytest.mark.parametrize("name", ["W_enc", "W_dec", "b_enc", "b_dec", "threshold"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite(tmp_path: Path, name: str, value: float) -> None:
    tensors = canonical(threshold=(N,))
    tensors[name].view(-1)[-1] = value
    with pytest.raises(DictionaryError, match=f"{name} of .* holds values that are not finite"):
        load_dictionary(folder(tmp_path, "jumprelu", tensors))


def test_denormal_weights_are_numbers(tmp_path: Path) -> None:
    """The smallest float32 there is, everywhere: loaded as it is; nothing is divided by a norm that is 0."""
    tensors = {name: torch.full_like(t, 1e-45) for name, t in canonical().items()}
    assert float(tensors["W_dec"].max()) > 0
    loaded = load_dictionary(folder(tmp_path, "standard", tensors))
    assert torch.equal(loaded.directions, tensors["W_dec"])
    rescaled = load_dictionary(folder(tmp_path, "topk", tensors, k=2, rescale_acts_by_decoder_norm=True))
    assert bool(rescaled.reconstruct(torch.ones(2, D)).isfinite().all())


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"W_enc": (D, 0), "W_dec": (0, D), "b_enc": (0,)}, "is empty"),
        ({"W_enc": (0, N), "b_dec": (0,), "W_dec": (N, 0)}, "is empty"),
        ({"W_enc": (D + 1, N)}, "5 .*4"),
        ({"W_enc": (N, D)}, "W_enc of"),
        ({"W_dec": (N + 1, D)}, "W_enc of .* not .4, 7."),
        ({"b_enc": (N, 1)}, "b_enc"),
        ({"b_dec": (1,)}, "W_dec of .* not .6, 1."),
        ({"W_enc": ()}, "0-d"),
        ({"W_enc": (1, D, N)}, "W_enc of"),
    ],
)
def test_shapes_that_do_not_fit(tmp_path: Path, shapes: dict[str, tuple[int, ...]], message: str) -> None:
    tensors = canonical() | {name: torch.ones(shape) for name, shape in shapes.items()}
    with pytest.raises(DictionaryError, match=message):
        load_dictionary(folder(tmp_path, "standard", tensors))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8, torch.bool])
def test_weights_that_are_no_floats(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = canonical()
    tensors["W_enc"] = (tensors["W_enc"] * 10).to(dtype)
    with pytest.raises(DictionaryError, match="W_enc"):
        load_dictionary(folder(tmp_path, "standard", tensors))


def test_the_values_above_load_when_they_are_right(tmp_path: Path) -> None:
    """Control of all of them."""
    assert load_dictionary(folder(tmp_path, "topk", canonical(), k=2)).d_dict == N
    tensors = {name: t.double() for name, t in canonical(threshold=(N,)).items()}
    assert load_dictionary(folder(tmp_path, "jumprelu", tensors)).d_in == D
