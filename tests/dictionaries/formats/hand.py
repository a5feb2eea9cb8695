"""Files made by hand in the formats of others, and the float64 numbers they stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from saewidgets.dictionaries.interface import Dictionary

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures"
Arrays = dict[str, np.ndarray]


def arrays(seed: int = 0, d_in: int = 5, d_dict: int = 12, d_out: int | None = None) -> Arrays:
    """Weights, biases, thresholds and inputs; float64 values that float32 holds exactly."""
    rng = np.random.default_rng(seed)
    out = d_in if d_out is None else d_out
    shapes = {
        "W_enc": (d_in, d_dict), "W_dec": (d_dict, out), "b_enc": (d_dict,), "b_dec": (out,),
        "W_skip": (d_in, out), "x": (9, d_in)
    }  # fmt: skip
    made = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    made["threshold"] = rng.uniform(0.2, 1.2, d_dict)
    return {name: value.astype(np.float32).astype(np.float64) for name, value in made.items()}


def relu(h: np.ndarray) -> np.ndarray:
    return np.maximum(h, 0.0)


def above(h: np.ndarray, threshold: np.ndarray | float, gate: np.ndarray | None = None) -> np.ndarray:
    return np.where((h if gate is None else gate) > threshold, relu(h), 0.0)


def greatest(h: np.ndarray, k: int, gate: np.ndarray | None = None) -> np.ndarray:
    """The k of each row with the greatest gate, with their sign."""
    order = np.argsort(h if gate is None else gate, axis=-1)[..., -k:]
    kept = np.zeros(h.shape, bool)
    np.put_along_axis(kept, order, True, -1)
    return np.where(kept, h, 0.0)


def tensors(made: dict[str, np.ndarray], dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(np.ascontiguousarray(value)).to(dtype) for name, value in made.items()}


def write_safetensors(path: Path, made: dict[str, np.ndarray], dtype: torch.dtype = torch.float32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors(made, dtype), path)


def write_torch(path: Path, made: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors(made), path)


def agree(dictionary: Dictionary, x: np.ndarray, acts: np.ndarray, output: np.ndarray, tolerance: float = 1e-5) -> None:
    """Activations and output are those of the formula; so are sparse activations."""
    given = torch.tensor(x, dtype=torch.float32)
    assert (acts != 0).any() and (acts == 0).any()
    np.testing.assert_allclose(dictionary.encode(given).numpy(), acts, atol=tolerance, rtol=tolerance)
    np.testing.assert_allclose(dictionary.reconstruct(given).numpy(), output, atol=10 * tolerance, rtol=10 * tolerance)
    if given.ndim == 2:
        np.testing.assert_allclose(
            dictionary.encode_sparse(given).to_dense().numpy(), acts, atol=tolerance, rtol=tolerance
        )
