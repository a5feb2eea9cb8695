"""A dictionary of a million features: what loading, reading rows and encoding take, in a process of its own."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from saewidgets.dictionaries import Activation, Dictionary, FeedForward
from saewidgets.dictionaries.formats import orient, safetensors, torchfile
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site
from tests.attacks.containers import safetensors_file, torch_file

ROOT = Path(__file__).parents[2]
WIDTH, D, WIDE, TOKENS = 1 << 20, 16, 160, 128
MIB = 1 << 20

PROBE = """
import json, sys, torch
from tests.attacks.measure import peak
from saewidgets.dictionaries import Dictionary
task, path, tokens = sys.argv[1], sys.argv[2], int(sys.argv[3])
small = Dictionary.load(sys.argv[4])  # what the first one sets up is not the file's
small.encode_sparse(torch.zeros(1, small.d_in))
before = peak()
sae = Dictionary.load(path)
if task == "rows":
    rows = sae.rows([5, sae.d_dict // 2, sae.d_dict - 1])
if task == "naive":
    kept = {name: getattr(sae, name).float() for name in ("W_enc", "W_dec")}
if task in ("sparse", "dense"):
    x = torch.randn(tokens, sae.d_in, generator=torch.Generator().manual_seed(0))
    found = sae.encode_sparse(x) if task == "sparse" else sae.encode(x)
print(json.dumps(peak() - before))
"""


def save(path: Path, width: int) -> Path:
    """A dictionary of 16 dimensions in bfloat16, in our own form."""
    draw = torch.Generator().manual_seed(0)
    weights = [torch.randn(*shape, generator=draw).bfloat16() for shape in ((D, width), (width, D), (width,), (D,))]
    site = Site("resid_post", 1)
    # At a million features some ten thousand are active a token.
    FeedForward(*weights, Activation("jumprelu", threshold=torch.tensor(10.0)), site, site).save(path)
    return path


def grown(task: str, path: Path) -> int:
    """Bytes that a task adds to the peak of a fresh process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    save(path.with_name("small.safetensors"), 8)
    command = [sys.executable, "-c", PROBE, task, str(path), str(TOKENS), str(path.with_name("small.safetensors"))]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    return int(json.loads(done.stdout))


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million features, 70 MB."""
    return save(tmp_path_factory.mktemp("million") / "sae.safetensors", WIDTH)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million features of 160 dimensions: 670 MB of zeros that the disk does not hold."""
    shapes = {"W_enc": (WIDE, WIDTH), "W_dec": (WIDTH, WIDE), "b_enc": (WIDTH,), "b_dec": (WIDE,)}
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": (end, end + size)}
        end += size
    fields = {name: {"tensor": name} for name in shapes} | {
        "activation": {"Activation": {"kind": "relu", "k": None, "threshold": None, "rectify": True}},
        "site_in": {"site": "resid_post.1"},
        "site_out": {"site": "resid_post.1"},
    }
    ours = {"format": "saewidgets-dictionary-2", "class": "FeedForward", "fields": fields}
    text = json.dumps(header | {"__metadata__": {"saewidgets": json.dumps(ours)}})
    text += " " * (-len(text) % 8)
    path = tmp_path_factory.mktemp("wide") / "sae.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text.encode())
        file.truncate(8 + len(text) + end)
        # A value that is no number, in a row that is read later.
        file.seek(8 + len(text) + header["W_dec"]["data_offsets"][0] + 2 * WIDE * 77)
        file.write(struct.pack("<H", 0x7FC0))
    return path


def test_loading_takes_at_most_a_fifth_more_than_the_file(million: Path) -> None:
    size = million.stat().st_size
    assert size > 64 * MIB, "it must be one of those that are mapped"
    assert grown("load", million) <= 1.2 * size
    assert grown("rows", million) <= 1.2 * size
    assert grown("naive", million) > 1.5 * size, "control: weights as float32 take more"


def test_rows_of_a_large_decoder_are_read_on_demand(wide: Path) -> None:
    size = wide.stat().st_size
    assert size > 600 * MIB
    assert grown("rows", wide) < 0.1 * size
    assert grown("naive", wide) > size, "control: all of it takes more"


def test_what_is_read_on_demand_is_checked_then(wide: Path) -> None:
    sae = Dictionary.load(wide)
    assert sae.rows([76, 78]).abs().max() == 0
    with pytest.raises(DictionaryError, match="W_dec holds values that are not finite"):
        sae.rows([76, 77])


def test_encoding_a_million_features_never_holds_all_pre_activations(million: Path) -> None:
    dense = 4 * TOKENS * WIDTH
    blocks, whole = grown("sparse", million), grown("dense", million)
    assert whole > 1.5 * dense, "control: the dense path holds them more than once"
    assert blocks < 0.8 * dense


def test_memory_that_two_tensors_share_is_not_overwritten(tmp_path: Path) -> None:
    """A reader may change a matrix in place only where nothing else lies in its memory."""
    W = torch.arange(12.0).reshape(3, 4)
    views = {"W": W, "turned": W.T, "row": W[1], "other": W + 1, "turned alone": (W + 2).T, "half": W.half()}
    path = tmp_path / "ae.pt"
    path.write_bytes(torch_file(views))
    found = torchfile.load_tensors(path)
    assert {name: orient.alone(found, name) for name in found} == {
        "W": False, "turned": False, "row": False, "other": True, "turned alone": True, "half": False
    }  # fmt: skip
    path = tmp_path / "ae.safetensors"
    path.write_bytes(safetensors_file({name: value.contiguous().clone() for name, value in views.items()}))
    tensors = safetensors.load_tensors(path)[0]
    assert {name for name in tensors if orient.alone(tensors, name)} == tensors.keys() - {"half"}
    tensors["W"].zero_()
    assert torch.equal(tensors["turned"], W.T), "control: separate they are"
