"""Temporal SAEs against a loop over tokens, heads and layers in float64."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import agree, greatest, relu, write_safetensors

CONFIG: dict[str, Any] = {"n_heads": 2, "n_attn_layers": 1, "sae_diff_type": "topk", "kval_topk": 3,
    "tied_weights": True,
                          "scaling_factor": 2.0}  # fmt: skip


def make(d_in: int = 4, d_dict: int = 8, width: int = 6, n_layers: int = 1, tied: bool = True) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    made = {"D": rng.normal(size=(d_dict, d_in)), "b": rng.normal(size=d_in)}
    made |= {} if tied else {"E": rng.normal(size=(d_in, d_dict))}
    for i in range(n_layers):
        for part, rows in (("q_target", width), ("k_ctx", width), ("v_ctx", d_dict), ("c_proj", d_dict)):
            made[f"attn_layers.{i}.{part}.weight"] = rng.normal(size=(rows, d_dict)) * 2
            made[f"attn_layers.{i}.{part}.bias"] = rng.normal(size=rows)
    return {name: value.astype(np.float32).astype(np.float64) for name, value in made.items()}


def write(folder: Path, made: dict[str, np.ndarray], **changes: Any) -> Path:
    write_safetensors(folder / "latest_ckpt.safetensors", made)
    (folder / "conf.yaml").write_text(yaml.safe_dump({"llm": {"dimin": 4}, "sae": CONFIG | changes}))
    return folder


def predict(made: dict[str, np.ndarray], i: int, z: np.ndarray, heads: int) -> np.ndarray:
    """Codes of each token from those before it."""

    def linear(part: str, v: np.ndarray) -> np.ndarray:
        return v @ made[f"attn_layers.{i}.{part}.weight"].T + made[f"attn_layers.{i}.{part}.bias"]

    before = np.vstack([np.zeros_like(z[:1]), z[:-1]])
    q, k, v = linear("q_target", z), linear("k_ctx", before), linear("v_ctx", before)
    mixed = np.zeros_like(z)
    for head in range(heads):
        a, b = (slice(head * m.shape[1] // heads, (head + 1) * m.shape[1] // heads) for m in (q, v))
        for t in range(len(z)):
            logits = k[: t + 1, a] @ q[t, a] / (a.stop - a.start) ** 0.5
            weights = np.exp(logits - logits.max())
            mixed[t, b] = weights @ v[: t + 1, b] / weights.sum()
    return relu(linear("c_proj", mixed))


def formula(
    made: dict[str, np.ndarray], x: np.ndarray, n_layers: int, s: float, k: int
) -> tuple[np.ndarray, np.ndarray]:
    E, D = made.get("E", made["D"].T), made["D"]
    left, predicted, lam = x * s - made["b"], 0.0, 1 / (4 * x.shape[1])
    for i in range(n_layers):
        codes = predict(made, i, relu(left * lam @ E), 2)
        written = codes @ D
        share = (written * left).sum(1, keepdims=True) / ((written**2).sum(1, keepdims=True) ** 0.5 + 1e-6) ** 2
        predicted, left = predicted + codes * share, left - share * written
    h = left * lam @ E
    f = relu(greatest(h, k)) if k else relu(h)
    return f, ((f + predicted) @ D + made["b"]) / s


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", ["topk", "relu"])
@pytest.mark.parametrize("square", [False, True])
def test_features_are_what_the_context_does_not_predict(
    tmp_path: Path, n_layers: int, tied: bool, kind: str, square: bool
) -> None:
    made = make(8 if square else 4, n_layers=n_layers, tied=tied)
    x = np.random.default_rng(4).normal(size=(7, made["b"].size)).astype(np.float32).astype(np.float64)
    folder = write(tmp_path, made, n_attn_layers=n_layers, tied_weights=tied, sae_diff_type=kind)
    dictionary = load_dictionary(folder, site="resid_post.12")
    f, output = formula(made, x, n_layers, 2.0, 3 if kind == "topk" else 0)
    assert dictionary.reads_context
    agree(dictionary, x, f, output, tolerance=2e-5)
    batch = torch.tensor(np.stack([x[::-1], x]), dtype=torch.float32)
    np.testing.assert_allclose(dictionary.encode(batch)[1].numpy(), f, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"sae_diff_type": "nullify"}, "nullify"), ({"tied_weights": False}, "lacks 'E'"), ({"n_attn_layers": 2},
        "attn_layers.1"),
     ({"kval_topk": None}, "k="), ({"n_heads": 5}, "heads"), ({"scaling_factor": 0}, "above 0"), ({"n_heads": "a"},
         "n_heads")],
)  # fmt: skip
def test_what_is_open_or_not_read_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DictionaryError, match=words):
        load_dictionary(write(tmp_path, make(), **changes), site="resid_post.1")


def test_the_path_says_the_layer_but_not_the_stream(tmp_path: Path) -> None:
    folder = write(tmp_path / "layer_12" / "temporal", make())
    with pytest.raises(DictionaryError, match=r"site=.*resid_post\.12"):
        load_dictionary(folder)
    assert str(load_dictionary(folder, strict=False).site_in) == "resid_post.12"
