"""Case 5, inside a torch file: what its program claims is neither allocated nor followed; what is sound is read."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries.formats import torchfile
from saewidgets.errors import DictionaryError
from tests.attacks.containers import torch_file
from tests.attacks.measure import measure
from tests.attacks.programs import integer, named, opcode, state, tensor, text, torch_zip, tuple_of
from tests.effort import SECOND

LAUGHS = opcode("EMPTY_LIST") + b"".join(
    opcode("BINPUT", bytes([i])) + opcode("EMPTY_LIST") + opcode("MARK") + opcode("BINGET", bytes([i])) * 10
    + opcode("APPENDS") for i in range(12))  # fmt: skip
DEEP = opcode("EMPTY_TUPLE") + opcode("TUPLE1") * 150_000
CLAIMS = {
    "a view of stride 0": named(tensor((1 << 40,), (0,))),
    "a view of no bytes, 2**60 long": named(tensor((1 << 60, 4), (0, 1))),
    "a storage of 2**40": named(tensor((1 << 40,), (1,), length=1 << 40)),
    "a storage longer than its bytes": named(tensor((5,), (1,), length=5)),
    "a storage shorter than its bytes": named(tensor((3,), (1,), length=3)),
    "a storage of another type": named(tensor((4,), (1,), kind="DoubleStorage")),
    "a view beyond the storage": named(tensor((2,), (3,), offset=1)),
    "an offset beyond the storage": named(tensor((1,), (1,), offset=4)),
    "a negative offset": named(tensor((4,), (1,), offset=-1)),
    "a negative stride": named(tensor((4,), (-1,), offset=3)),
    "a negative side": named(tensor((-4,), (1,))),
    "more sides than strides": named(tensor((2, 2), (1,))),
    "a product that overflows": named(tensor((1 << 32, 1 << 32), (0, 0))),
    "65 dimensions": named(tensor((1,) * 65, (1,) * 65)),
    "more arguments than the function takes": named(tensor((4,), (1,), more=2)),
    "a quantised tensor": named(tensor((4,), (1,), function="_rebuild_qtensor")),
    "a sparse tensor": named(tensor((4,), (1,), function="_rebuild_sparse_tensor")),
    "a tensor without a storage": named(tensor((4,), (1,), function="_rebuild_meta_tensor_no_storage")),
    "a subclass": named(tensor((4,), (1,), function="_rebuild_wrapper_subclass")),
    "a storage of no type": named(tensor((4,), (1,), kind="Tensor")),
    "a constructor that allocates": named(
        opcode("GLOBAL", b"torch\nTensor\n") + tuple_of(integer(1 << 40)) + opcode("REDUCE")),
    "a storage that allocates": named(
        opcode("GLOBAL", b"torch\nFloatStorage\n") + tuple_of(integer(1 << 40)) + opcode("REDUCE")),
    "bytes that allocate": named(
        opcode("GLOBAL", b"__builtin__\nbytearray\n") + tuple_of(integer(1 << 40)) + opcode("REDUCE")),
    "a text of 4 GB": named(opcode("BINUNICODE", b"\xff\xff\xff\xff")),
    "a number of 2,000 bits": named(opcode("LONG1", b"\xfa" + b"\x7f" * 250)),
    "150,000 tuples in one another": named(DEEP),
    "as a key": state(DEEP, integer(1)),
    "a list as a key": state(opcode("EMPTY_LIST"), integer(1)),
    "a dict in itself": b"\x80\x02" + opcode("EMPTY_DICT") + opcode("BINPUT", b"\0") + text("a")
    + opcode("BINGET", b"\0") + opcode("SETITEM") + b".",
    "10**12 lists": named(LAUGHS),
    "a million operations": named(opcode("NONE") * 990_000),
    "2 MB of structure": named(text("x" * (2 << 20))),
    "a key twice": state(text("a"), integer(1), text("a"), integer(2)),
    "half a character": named(opcode("BINUNICODE", b"\3\0\0\0\xed\xa0\x80")),
    "nothing": b"\x80\x02.",
    "a memo that is empty": named(opcode("BINGET", b"\7")),
    "a mark too many": b"\x80\x02" + opcode("MARK") + opcode("EMPTY_DICT") + b".",
    "a second program": named(integer(1)) + named(integer(2)),
    "another protocol": named(integer(1), start=b"\x80\x04"),
    "no protocol": named(integer(1), start=b""),
    "a list": b"\x80\x02" + opcode("EMPTY_LIST") + b".",
    "no tensors": named(integer(1)),
    "a half-word escape": named(opcode("STRING", b"'\\z'\n")),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_of_a_program_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "ae.pt"
    path.write_bytes(torch_zip(CLAIMS[name], {"0": bytes(16)}))
    with pytest.raises(DictionaryError):
        torchfile.load_tensors(path)


def test_the_builder_of_claims_builds_sound_files(tmp_path: Path) -> None:
    """Control: the same helpers, nothing wrong; torch agrees."""
    path = tmp_path / "ae.pt"
    numbers = np.arange(4, dtype="<f4").tobytes()
    path.write_bytes(torch_zip(named(tensor((2, 2), (1, 2), more=1)), {"0": numbers}))
    ours, theirs = torchfile.load_entries(path), torch.load(path, weights_only=True)
    assert ours["a"].tolist() == theirs["a"].tolist() == [[0.0, 2.0], [1.0, 3.0]]
    # What torch's own restricted reader lets through: a tensor of 2**42 bytes from 16.
    path.write_bytes(torch_zip(CLAIMS["a view of stride 0"], {"0": numbers}))
    assert torch.load(path, weights_only=True)["a"].nelement() == 1 << 40


@pytest.mark.parametrize("name", ["a storage that allocates", "10**12 lists", "a million operations", "as a key",
                                  "a view of stride 0"])  # fmt: skip
def test_claims_cost_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "ae.pt"
    path.write_bytes(torch_zip(CLAIMS[name], {"0": bytes(16)}))
    found = measure(path, "tensors")
    assert found["error"].startswith("DictionaryError")
    assert found["grown"] < 128 << 20
    assert found["effort"] < 2 * SECOND


def test_what_state_dicts_hold_is_read(tmp_path: Path) -> None:
    """Control: parameters, shared storages, views, every dtype, nested dicts, plain values, no checksums."""
    base = torch.arange(12.0).reshape(3, 4)
    value = {
        "state_dict": OrderedDict(a=base, view=base[1:, ::2], turned=base.T, empty=base[:0], scalar=torch.tensor(2.5)),
        "p": torch.nn.Parameter(base + 1), "k": 3, "name": "topk", "list": [1, 2.5, None, True, (4,)], "big": 1 << 40,
        "dtype": torch.bfloat16, "shape": torch.Size([3, 4]), "device": torch.device("cpu"),
        **{str(d): base.to(d) for d in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
                                        torch.int16, torch.int8, torch.uint8, torch.bool)},
    }  # fmt: skip
    module = torch.nn.BatchNorm1d(4)
    path = tmp_path / "ae.pt"
    for checksums in (True, False):
        torch.serialization.set_crc32_options(checksums)
        try:
            path.write_bytes(torch_file(value | {"module": module.state_dict()}))
        finally:
            torch.serialization.set_crc32_options(True)
        ours, theirs = torchfile.load_entries(path), torch.load(path, weights_only=True)
        flat = dict(_flat(theirs))
        for key, found in _flat(ours):
            if isinstance(found, torch.Tensor):
                assert found.dtype == flat[key].dtype and torch.equal(found, flat[key].detach()), key
                assert found.stride() == flat[key].stride()
            else:
                assert str(found) == str(flat[key]).replace("torch.Size([3, 4])", "(3, 4)"), key
        assert torchfile.read_names(path) == theirs.keys()


def _flat(value: Any, path: str = "") -> Any:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}/{key}")
    else:
        yield path, value
