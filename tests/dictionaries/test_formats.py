"""Our own files: round trips; damaged files and configs, names that are no place."""

import json
import struct

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import Dictionary, load_dictionary
from saewidgets.errors import DictionaryError, SaewidgetsError
from tests.dictionaries.test_dictionary import make


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
@pytest.mark.parametrize("d_out", [None, 5])
def test_our_form_is_lossless(tmp_path, kind, d_out):
    dictionary, *_ = make(kind, d_out=d_out)
    dictionary.save(tmp_path / "d.safetensors")
    loaded = load_dictionary(tmp_path / "d.safetensors")
    for name in ("W_enc", "W_dec", "b_enc", "b_dec"):
        assert torch.equal(getattr(loaded, name), getattr(dictionary, name))
    x = torch.randn(5, 6)
    assert torch.equal(loaded.encode(x), dictionary.encode(x))
    assert (loaded.site_in, loaded.site_out) == (dictionary.site_in, dictionary.site_out)
    assert "site_in" in str(loaded.card)


@pytest.mark.parametrize("name", ["my-sae", "my-sae.v2", "sae.safetensors"])
def test_our_form_is_known_by_what_is_in_it(tmp_path, name):
    dictionary, *_ = make("relu")
    dictionary.save(tmp_path / name)
    loaded = load_dictionary(tmp_path / name)
    assert torch.equal(loaded.W_enc, dictionary.W_enc)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1])
    with pytest.raises(DictionaryError):
        load_dictionary(tmp_path / name)


@pytest.mark.parametrize("name", ["sae.pt", "sae.npz", "sae.json"])
def test_our_form_is_not_written_under_the_name_of_another(tmp_path, name):
    dictionary, *_ = make("relu")
    with pytest.raises(DictionaryError, match="would be a safetensors file"):
        dictionary.save(tmp_path / name)
    assert not (tmp_path / name).exists()


def header(entries: object, body: bytes = b"") -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + body


DAMAGED = {
    "empty": b"",
    "short": b"abc",
    "huge length": struct.pack("<Q", 2**63) + b"{}",
    "length beyond the file": struct.pack("<Q", 100) + b"{}",
    "no json": header(b"hello"),
    "deep json": header(b"[" * 100_000),
    "a list": header([1]),
    "a key twice": header(b'{"a":1,"a":1}'),
    "shape lies": header({"W_enc": {"dtype": "F32", "shape": [1000, 1000], "data_offsets": [0, 8]}}, b"\0" * 8),
    "shape overflows": header({"W_enc": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, b"\0" * 8),
    "negative": header({"W_enc": {"dtype": "F32", "shape": [-2], "data_offsets": [8, 0]}}, b"\0" * 8),
    "overlap": header({n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in "ab"}, b"\0" * 8),
    "unknown dtype": header({"a": {"dtype": "F8", "shape": [2], "data_offsets": [0, 2]}}, b"\0" * 2),
    "bad metadata": header({"__metadata__": {"a": 1}}),
    "too many": header({str(i): {} for i in range(10_001)}),
    "pickle": b"\x80\x04\x95" + b"\0" * 60,
    "zip": b"PK\x03\x04" + b"\0" * 60,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_give_one_typed_error(tmp_path, name):
    path = tmp_path / "d.safetensors"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(DictionaryError):
        load_dictionary(path)


def test_truncated_and_mutated_files_never_crash(tmp_path):
    dictionary, *_ = make("jumprelu")
    path = tmp_path / "d.safetensors"
    dictionary.save(path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    loaded = 0
    for case in range(3_000):
        bad = bytearray(good)
        if case % 3 == 0:
            bad = bad[: rng.integers(len(bad))]
        else:
            for _ in range(rng.integers(1, 4)):
                bad[rng.integers(min(len(bad), 700))] = rng.integers(256)
        path.write_bytes(bad)
        try:
            loaded += isinstance(load_dictionary(path), Dictionary)
        except SaewidgetsError:
            continue
    assert loaded > 0, "control: some mutants (a changed weight) must still load"


@pytest.mark.parametrize("path", ["no/such", "hub:x", "hub:../x/y", "hub:a/b/../c", "hub:a/b/c d", "hub:huggingfасе/x",
                                  "\0", "hub:" + "a" * 300 + "/b", "hub:C:\\x"])  # fmt: skip
def test_names_that_are_no_place(path):
    with pytest.raises(DictionaryError):
        load_dictionary(path)


def test_an_unknown_format_names_the_known_ones(tmp_path):
    with pytest.raises(DictionaryError, match="saelens"):
        load_dictionary(tmp_path, format="zip")
    with pytest.raises(DictionaryError, match=r"no format known"):
        load_dictionary(tmp_path)


@pytest.mark.parametrize("text", ["", "[" * 10_000, "3", "{", '{"architecture": NaN'])
def test_damaged_configs(tmp_path, text):
    make("relu")[0].save(tmp_path, format="saelens")
    (tmp_path / "cfg.json").write_text(text)
    with pytest.raises(DictionaryError):
        load_dictionary(tmp_path)
