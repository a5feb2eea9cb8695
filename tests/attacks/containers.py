"""Files as the libraries write them, made in memory, and read back by the libraries themselves."""

import io
import json
import struct
from typing import Any

import numpy as np
import safetensors.torch
import torch
import yaml

Tensors = dict[str, torch.Tensor]


def safetensors_file(tensors: Tensors, metadata: dict[str, str] | None = None) -> bytes:
    return safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()}, metadata)


def npz_file(tensors: Tensors, compressed: bool = False) -> bytes:
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **{name: t.numpy() for name, t in tensors.items()})
    return out.getvalue()


def torch_file(value: Any) -> bytes:
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


def json_file(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def yaml_file(value: Any) -> bytes:
    return yaml.safe_dump(value).encode()


def read(name: str, data: bytes) -> Any:
    """What the library of a file's kind says is in it; for safetensors, tensors and metadata."""
    if name.endswith(".safetensors"):
        (length,) = struct.unpack("<Q", data[:8])
        return safetensors.torch.load(data), json.loads(data[8 : 8 + length]).get("__metadata__")
    if name.endswith(".npz"):
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {key: torch.from_numpy(np.ascontiguousarray(archive[key]).reshape(archive[key].shape).astype(
                archive[key].dtype.newbyteorder("="))) for key in archive.files}  # fmt: skip
    if name.endswith((".pt", ".pth")):
        return torch.load(io.BytesIO(data), weights_only=True)
    return yaml.safe_load(data) if name.endswith(".yaml") else json.loads(data)


def write(name: str, value: Any) -> bytes:
    """A clean file of what `read` returned, or of the same kind."""
    if name.endswith(".safetensors"):
        return safetensors_file(*value)
    if name.endswith(".npz"):
        return npz_file(value)
    if name.endswith((".pt", ".pth")):
        return torch_file(value)
    return yaml_file(value) if name.endswith(".yaml") else json_file(value)
