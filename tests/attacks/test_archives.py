"""Case 6: archives that unpack to more than they are, or to somewhere else."""

import io
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries.formats import npz
from saewidgets.dictionaries.formats.archives import MAX_MEMBERS
from saewidgets.dictionaries.formats.files import Files
from saewidgets.errors import DictionaryError
from tests.attacks.containers import npz_file, torch_file
from tests.attacks.measure import measure
from tests.attacks.mutate import zip_file
from tests.attacks.tiny import canonical
from tests.effort import SECOND

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


def npy(value: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, value, allow_pickle=False)
    return out.getvalue()


def header(text: str, body: bytes = b"", version: int = 1) -> bytes:
    """An .npy of any header."""
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + body


def one(data: bytes, name: str = "W_enc.npy", method: int = STORED) -> bytes:
    return zip_file([(name, data)], method)


def patched(data: bytes, magic: bytes, place: int, form: str, value: int) -> bytes:
    """A field of the first record with this magic, replaced."""
    at = data.index(magic) + place
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


def both(data: bytes, local: int, central: int, form: str, value: int) -> bytes:
    """The same field of both headers of the first member."""
    return patched(patched(data, b"PK\3\4", local, form, value), b"PK\1\2", central, form, value)


def link(name: str, target: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, target)
    return out.getvalue()


ARRAY = npy(np.ones(1_000, dtype="<f4"))
ZEROS = npy(np.zeros(50 << 20, dtype="<f4"))  # 200 MB, packed in 195 kB
FINE = "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n"
SHAPE = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }\n"
DTYPE = "{'descr': %s, 'fortran_order': False, 'shape': (4,), }\n"
EXACT = one(ARRAY, method=DEFLATED)
NAMES = (
    "../../x.npy", "/x.npy", "//server/x.npy", "C:/x.npy", "C:\\x.npy", "\\\\server\\x.npy", "a/../x.npy", "./x.npy",
    "a//x.npy", "x.npy/", "a\\x.npy", "a\nx.npy", "a\x1bx.npy", "x\x7f.npy", "..", "", "x:y.npy",
)  # fmt: skip
ARCHIVES = {
    "nothing in it": zip_file([]),
    "1,001 members": zip_file([(f"{i}.npy", b"") for i in range(MAX_MEMBERS + 1)]),
    "the same name twice": zip_file([("a.npy", ARRAY), ("a.npy", ARRAY)]),
    "names that a Mac or Windows takes for one": zip_file([("a.npy", ARRAY), ("A.npy", ARRAY)]),
    "names of one letter in two cases": zip_file([("ß.npy", ARRAY), ("SS.npy", ARRAY)]),
    "an archive in it": zip_file([("a.npy", ARRAY), ("b.zip", EXACT)]),
    "an archive called an array": one(EXACT),
    "a text in it": zip_file([("a.npy", ARRAY), ("README", b"hello")]),
    "a link": link("a.npy", "/etc/passwd"),
    "a folder": zip_file([("a/", b""), ("a/b.npy", ARRAY)]),
    "encrypted": both(one(ARRAY), 6, 8, "<H", 1),
    "an unknown method": both(one(ARRAY), 8, 10, "<H", 12),
    "stored here, deflated there": patched(one(ARRAY), b"PK\1\2", 10, "<H", 8),
    "another checksum": both(one(ARRAY), 14, 16, "<I", 7),
    "unpacks to less than it says": both(EXACT, 22, 24, "<I", len(ARRAY) + 1),
    "unpacks to more than it says": both(EXACT, 22, 24, "<I", len(ARRAY) - 1),
    "packed into less than it says": both(EXACT, 18, 20, "<I", 8),
    "says 4 GB": both(EXACT, 22, 24, "<I", 0xFFFFFFFE),
    "says 2**64": both(EXACT, 22, 24, "<I", 0xFFFFFFFF),
    "begins beyond the file": patched(one(ARRAY), b"PK\1\2", 42, "<I", 1 << 30),
    "begins in another member": patched(zip_file([("a.npy", ARRAY), ("b.npy", ARRAY)]), b"PK\1\2", 42, "<I", 5),
    "a directory beyond the file": patched(one(ARRAY), b"PK\5\6", 16, "<I", 1 << 30),
    "a directory longer than it is": patched(one(ARRAY), b"PK\5\6", 12, "<I", 1 << 20),
    "65,535 members said": patched(patched(one(ARRAY), b"PK\5\6", 8, "<H", 65_535), b"PK\5\6", 10, "<H", 65_535),
    "two members said, one there": patched(patched(one(ARRAY), b"PK\5\6", 8, "<H", 2), b"PK\5\6", 10, "<H", 2),
    "no members said, one there": patched(patched(one(ARRAY), b"PK\5\6", 8, "<H", 0), b"PK\5\6", 10, "<H", 0),
    "a comment": one(ARRAY)[:-2] + b"\3\0abc",
    "a name in a code page": patched(zip_file([("ü.npy", ARRAY)]), b"PK\1\2", 8, "<H", 0),
    "magic only": one(b"\x93NUMPY"),
    "no magic": one(b"hello, world"),
    "version 4": one(header(FINE, bytes(16), 4)),
    "version 0": one(header(FINE, bytes(16), 0)),
    "a header beyond the file": one(b"\x93NUMPY\1\0\xff\xff{}"),
    "a header of 2 GB": one(b"\x93NUMPY\2\0\xff\xff\xff\x7f{}"),
    "a header of 8 kB": one(header(FINE + " " * 8_192, bytes(16))),
    "a shape of 2**40": one(header(SHAPE % "(1099511627776,)", bytes(16))),
    "a shape that overflows": one(header(SHAPE % "(4294967296, 4294967296, 4)", bytes(16))),
    "a shape of 3,000 digits": one(header(SHAPE % f"({'9' * 3_000},)", bytes(16))),
    "a negative shape": one(header(SHAPE % "(-4,)", bytes(16))),
    "two negative sides": one(header(SHAPE % "(-2, -2)", bytes(16))),
    "a shape of floats": one(header(SHAPE % "(4.0,)", bytes(16))),
    "a shape of truth values": one(header(SHAPE % "(True, 4)", bytes(16))),
    "a shape that is a number": one(header(SHAPE % "4", bytes(16))),
    "nine dimensions": one(header(SHAPE % "(1, 1, 1, 1, 1, 1, 1, 1, 4)", bytes(16))),
    "bytes missing": one(header(FINE, bytes(15))),
    "bytes left over": one(header(FINE, bytes(17))),
    "objects": one(header(DTYPE % "'|O'", bytes(16))),
    "objects in a record": one(header(DTYPE % "[('a', '|O')]", bytes(16))),
    "text": one(header(DTYPE % "'<U1'", bytes(16))),
    "complex": one(header(DTYPE % "'<c8'", bytes(32))),
    "an unknown dtype": one(header(DTYPE % "'<f16'", bytes(64))),
    "bfloat16 as raw bytes": one(header(DTYPE % "'|V2'", bytes(8))),
    "a dtype that is a number": one(header(DTYPE % "4", bytes(16))),
    "truth values of 7": one(header(DTYPE % "'|b1'", b"\7" * 4)),
    "a call in the header": one(header("{'descr': '<f4', 'fortran_order': open('x'), 'shape': (4,), }\n", bytes(16))),
    "a header without a shape": one(header("{'descr': '<f4', 'fortran_order': False, }\n", bytes(16))),
    "a header with more": one(header(FINE.replace(", }", ", 'x': 1}"), bytes(16))),
    "a key twice": one(header(FINE.replace(", }", ", 'shape': (4,)}"), bytes(16))),
    "3,000 brackets": one(header("(" * 3_000 + "\n", bytes(16))),
    "order is a number": one(header(FINE.replace("False", "0"), bytes(16))),
}


def load(folder: Path, data: bytes, name: str = "params.npz") -> Any:
    path = folder / name
    path.write_bytes(data)
    return Files(path, name).tensors(name)


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_that_lie(tmp_path: Path, name: str) -> None:
    with pytest.raises(DictionaryError) as caught:
        load(tmp_path, ARCHIVES[name])
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    for member in (name, f"archive/{name}"):
        with pytest.raises(DictionaryError):
            load(tmp_path, zip_file([("W_enc.npy", ARRAY), (member, ARRAY)]))
        with pytest.raises(DictionaryError):
            load(
                tmp_path,
                zip_file([("archive/data.pkl", b"\x80\x02}."), ("archive/version", b"3"), (member, b"")]),
                "a.pt",
            )
    assert [entry.name for entry in tmp_path.iterdir()] in (["params.npz", "a.pt"], ["a.pt", "params.npz"])


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("method", [STORED, DEFLATED])
def test_sound_arrays_are_read(tmp_path: Path, version: int, method: int) -> None:
    """Control: everything numpy writes, every version, order, byte order and rank; numpy agrees."""
    rng = np.random.default_rng(0)
    members = []
    for place, dtype in enumerate(["<f2", "<f4", "<f8", ">f4", ">i4", "<i8", "|i1", "|u1", "|b1"]):
        for shape in [(), (0,), (3,), (2, 3), (2, 1, 3)]:
            value = (rng.normal(size=shape) * 3).astype(dtype)
            for order in ("C", "F"):
                out = io.BytesIO()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    np.lib.format.write_array(out, np.asarray(value, order=order), version=(version, 0))
                members.append((f"group/{place}-{len(shape)}{sum(shape)}{order}.npy", out.getvalue()))
    data = zip_file(members, method)
    ours = load(tmp_path, data)
    with np.load(io.BytesIO(data)) as theirs:
        assert ours.keys() == set(theirs.files) == npz.read_names(tmp_path / "params.npz")
        for name in theirs.files:
            expected = theirs[name]
            assert ours[name].dtype == torch.from_numpy(expected.astype(expected.dtype.newbyteorder("="))).dtype
            np.testing.assert_array_equal(ours[name].numpy(), expected)


def test_forms_of_archives_that_libraries_write(tmp_path: Path) -> None:
    """Control: sizes before and after the data, 64-bit records, names beyond ASCII."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a.npy", "w", force_zip64=True) as member:
        member.write(ARRAY)
    assert load(tmp_path, out.getvalue())["a"].shape == (1_000,)

    class Pipe(io.BytesIO):  # cannot seek: sizes follow the data
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", DEFLATED) as archive:
        archive.writestr("ä.npy", npy(np.random.default_rng(0).normal(size=100).astype("<f4")))
    assert load(tmp_path, pipe.getvalue())["ä"].shape == (100,)
    assert load(tmp_path, npz_file(canonical()))["W_enc"].shape == canonical()["W_enc"].shape
    assert load(tmp_path, torch_file(canonical()), "a.pt").keys() == canonical().keys()


# ---------------------------------------------------------------------------------------------------------------- bombs


def overlapping(copies: int) -> bytes:
    """Many members that share one packed kernel, as in the better zip bomb: 1 MB each, all from the same bytes."""
    kernel = one(npy(np.zeros(250_000, dtype="<f4")), "000.npy", DEFLATED)
    end = kernel.index(b"PK\1\2")
    entry = kernel[end : kernel.index(b"PK\5\6")]
    directory = b"".join(entry.replace(b"000.npy", b"%03d.npy" % i) for i in range(copies))
    return kernel[:end] + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, copies, copies, len(directory), end, 0)


BOMBS = {
    "195 kB to 200 MB": lambda: one(ZEROS, method=DEFLATED),
    "the same in a torch file": lambda: zip_file([("a/data.pkl", ZEROS), ("a/version", b"3\n")], DEFLATED),
    "it says 4 bytes": lambda: both(one(ZEROS, method=DEFLATED), 22, 24, "<I", 4),
    "it says what a ratio of 90 allows": lambda: both(one(ZEROS, method=DEFLATED), 22, 24, "<I", 90 * 195_000),
    "900 members of the same bytes": lambda: overlapping(900),
    "a million members": lambda: (b"PK\3\4" + bytes(26) + b"PK\1\2" + bytes(42)) * 60_000 + struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 60_000, 60_000, 46 * 60_000, 0, 0),
    "a bomb in a bomb": lambda: one(one(ZEROS, method=DEFLATED), "a.npy", DEFLATED),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_do_not_go_off(tmp_path: Path, name: str) -> None:
    data = BOMBS[name]()
    suffix = ".pt" if "torch" in name else ".npz"
    path = tmp_path / f"params{suffix}"
    path.write_bytes(data)
    found = measure(path, "tensors")
    assert found["error"].startswith("DictionaryError"), found
    # A bomb that says less than it holds is found out when it has filled what it said: at most 100 times the file.
    assert found["grown"] < (24 << 20), found
    assert found["effort"] < 2 * SECOND


def test_a_careless_reader_does_go_off(tmp_path: Path) -> None:
    """Control: numpy takes 200 MB for the first one, and the measure sees them."""
    path = tmp_path / "params.npz"
    path.write_bytes(BOMBS["195 kB to 200 MB"]())
    assert path.stat().st_size < 210_000
    assert measure(path, "numpy")["grown"] > 190 << 20


def test_a_compressed_dictionary_is_no_bomb(tmp_path: Path) -> None:
    """Control: real weights, zeros among them, unpacked at their own size."""
    tensors = canonical() | {"W_enc": torch.rand(100, 100), "b_enc": torch.zeros(1 << 16)}
    assert torch.equal(load(tmp_path, npz_file(tensors, compressed=True))["W_enc"], tensors["W_enc"])
