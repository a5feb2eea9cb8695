"""Case 5: files that are programs. Refused by what they are, whatever they are called; the canary never appears.

Every hostile file tries to create one file, the canary. The controls let an unsafe reader do it, so the files do work.
"""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.dictionaries.formats.files import SUFFIXES, Files
from saewidgets.errors import DictionaryError
from tests.attacks.containers import npz_file, safetensors_file, torch_file
from tests.attacks.mutate import zip_file
from tests.attacks.programs import opcode, torch_zip
from tests.attacks.tiny import canonical


class Evil:
    """Creates the canary when unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.canary), "w")


def npy(value: np.ndarray, pickled: bool = False) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, value, allow_pickle=pickled)
    return out.getvalue()


def tar(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def old_torch(value: Any) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=False)
    return out.getvalue()


def hostile(canary: Path) -> dict[str, bytes]:
    """Files that create the canary in a reader that lets them."""
    evil = Evil(canary)
    bare = pickle.dumps(evil, protocol=2)
    path = str(canary).encode()
    call = opcode("GLOBAL", b"io\nopen\n") + opcode("MARK")
    text = opcode("BINUNICODE", struct.pack("<I", len(path)) + path) + opcode("BINUNICODE", b"\1\0\0\0w")
    made = call + text + opcode("TUPLE") + opcode("REDUCE")
    named = (opcode("SHORT_BINUNICODE", b"\2io") + opcode("SHORT_BINUNICODE", b"\4open") + opcode("STACK_GLOBAL")
             + opcode("MARK") + text + opcode("TUPLE") + opcode("REDUCE"))  # fmt: skip
    inst = opcode("MARK") + text + opcode("INST", b"io\nopen\n")
    proto = opcode("PROTO", b"\2")
    objects = np.empty(1, dtype=object)
    objects[0] = evil
    array = io.BytesIO()
    np.savez(array, allow_pickle=True, W_enc=objects)
    return {
        "torch file of an object": torch_file({"state_dict": canonical(), "cfg": evil}),
        "torch file from before 1.6": old_torch({"cfg": evil}),
        "bare pickle": bare,
        "pickle of protocol 5": pickle.dumps(evil, protocol=5),
        "torch file with GLOBAL": torch_zip(proto + made + b"."),
        "torch file with STACK_GLOBAL": torch_zip(opcode("PROTO", b"\4") + named + b"."),
        "torch file with INST": torch_zip(proto + inst + b"."),
        "torch file, then a broken stream": torch_zip(proto + made + b"\xff\xff"),
        "torch file, called among tensors": torch_zip(proto + opcode("EMPTY_DICT") + opcode("BINUNICODE", b"\1\0\0\0a")
                                                      + made + opcode("SETITEM") + b"."),
        "npz of objects": array.getvalue(),
        "npy of objects": npy(objects, pickled=True),
        "npz, the pickle beside arrays": zip_file([("W_enc.npy", npy(np.ones(3))), ("data.pkl", bare)]),
        "7z": b"7z\xbc\xaf\x27\x1c\0\4" + bare,
        "gzip": gzip.compress(bare),
        "bzip2": bz2.compress(bare),
        "xz": lzma.compress(bare),
        "tar": tar("data.pkl", bare),
        "gzip of a tar": gzip.compress(tar("data.pkl", bare)),
        "deflated torch file": zip_file(
            [("a/data.pkl", proto + made + b"."), ("a/version", b"3\n")], zipfile.ZIP_DEFLATED),
    }  # fmt: skip


NAMES = list(hostile(Path("canary")))
# No reader of the controls opens these; others do.
WRAPPED = ("7z", "gzip", "bzip2", "xz", "tar", "gzip of a tar", "npz, the pickle beside arrays")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NAMES)
def test_programs_are_refused_whatever_they_are_called(tmp_path: Path, name: str, suffix: str) -> None:
    canary, path = tmp_path / "canary", tmp_path / f"ae{suffix}"
    path.write_bytes(hostile(canary)[name])
    with pytest.raises(DictionaryError) as caught:
        load_dictionary(path, site="resid_post.0", strict=False)
    assert str(tmp_path) not in caught.value.todo
    with pytest.raises(DictionaryError):
        Files(path, "ae").tensors(path.name)
    assert not canary.exists()


def unsafe(data: bytes) -> Any:
    """What a careless reader does: torch, numpy or pickle, whatever works."""
    readers: list[Callable[[], Any]] = [
        lambda: torch.load(io.BytesIO(data), weights_only=False),
        lambda: [np.load(io.BytesIO(data), allow_pickle=True)["W_enc"]],
        lambda: np.load(io.BytesIO(data), allow_pickle=True),
        lambda: pickle.loads(data),
    ]
    for read in readers:
        try:
            return read()
        except Exception:
            continue
    return None


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WRAPPED])
def test_an_unsafe_reader_does_make_the_canary(tmp_path: Path, name: str) -> None:
    """Control: what is refused above runs elsewhere."""
    canary = tmp_path / "canary"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unsafe(hostile(canary)[name])
    assert canary.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torch file of an object", "holds Python objects .*open.*torch.load.path, weights_only=False.*save_file"),
        ("torch file from before 1.6", "from before torch 1.6. Save it again: torch.save"),
        ("bare pickle", "a bare pickle"),
        ("npz of objects", "Python objects.*np.savez"),
        ("7z", "a 7z archive"),
        ("gzip", "compressed with gzip"),
        ("tar", "a tar archive"),
    ],
)
def test_the_message_says_what_it_is_and_how_to_convert_it(tmp_path: Path, name: str, message: str) -> None:
    path = tmp_path / ("ae.npz" if "npz" in name else "ae.pt")
    path.write_bytes(hostile(tmp_path / "canary")[name])
    with pytest.raises(DictionaryError, match=message):
        Files(path, "ae").tensors(path.name)


def test_damaged_is_another_message(tmp_path: Path) -> None:
    path = tmp_path / "ae.pt"
    path.write_bytes(torch_file(canonical())[:-10])
    with pytest.raises(DictionaryError, match="damaged") as caught:
        load_dictionary(path)
    assert "objects" not in str(caught.value)
    path.write_bytes(torch_zip(b"\x80\x02}q\x00("))
    with pytest.raises(DictionaryError, match="damaged") as caught:
        load_dictionary(path)
    assert "objects" not in str(caught.value)


def test_git_lfs_pointers_and_web_pages_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ae.pt"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    with pytest.raises(DictionaryError, match="git lfs pull"):
        load_dictionary(path)
    path.write_bytes(b"<!DOCTYPE html><html>")
    with pytest.raises(DictionaryError, match="a web page"):
        load_dictionary(path)


# ---------------------------------------------------------------------------------------------------- two kinds at once


def polyglots() -> dict[str, tuple[str, bytes]]:
    tensors, other = canonical(), {name: -t for name, t in canonical().items()}
    first, archive = safetensors_file(tensors), torch_file(other)
    carried = safetensors_file({"a": torch.frombuffer(bytearray(archive), dtype=torch.uint8)})
    return {
        "safetensors, a zip appended": (".safetensors", first + archive),
        "safetensors, a zip appended, called torch": (".pt", first + archive),
        "safetensors, a zip appended, called npz": (".npz", first + npz_file(other)),
        "a zip inside a tensor, called torch": (".pt", carried),
        "two archives": (".npz", npz_file(tensors) + npz_file(other)),
        "an archive behind a pickle": (".pt", pickle.dumps({}) + archive),
        "an archive before bytes": (".pt", archive + b"\0"),
        "an archive with a comment": (".npz", npz_file(tensors)[:-2] + b"\4\0abcd"),
        "npz called torch": (".pt", npz_file(tensors)),
        "torch called npz": (".npz", archive),
        "torch called safetensors": (".safetensors", archive),
        "safetensors called torch": (".pt", first),
    }


@pytest.mark.parametrize("name", polyglots())
def test_files_of_two_kinds(tmp_path: Path, name: str) -> None:
    suffix, data = polyglots()[name]
    path = tmp_path / f"ae{suffix}"
    path.write_bytes(data)
    with pytest.raises(DictionaryError):
        Files(path, "ae").tensors(path.name)
    with pytest.raises(DictionaryError):
        load_dictionary(path)


def test_other_readers_take_a_polyglot(tmp_path: Path) -> None:
    """Control: zipfile and numpy find an archive behind anything."""
    data = safetensors_file(canonical()) + npz_file(canonical())
    assert "W_enc" in np.load(io.BytesIO(b"PK\x03\x04" + data))
