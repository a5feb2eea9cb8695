"""Temporal SAEs (2511.01836): `layer_12/temporal/conf.yaml` and `latest_ckpt.safetensors`.

Keys: `D [d_dict, d_in]`, `b [d_in]`, `E [d_in, d_dict]` unless the weights are tied, and for each attention layer
`attn_layers.{i}.{q_target,k_ctx,v_ctx,c_proj}.{weight,bias}`, weights as `torch.nn.Linear` keeps them. The config
gives `sae.n_heads`, `n_attn_layers`, `sae_diff_type` ("topk" or "relu"), `kval_topk`, `tied_weights` and
`scaling_factor` s.

```
r      = x s - b, from which each layer takes out what the context predicts: z_pred
f      = TopK(relu(r E / (4 d_in)))
output = ((f + z_pred) D + b) / s
```

What `decode(f)` gives without its input is not the reconstruction: pass `x`.

Example:
    `load_dictionary("layer_12/temporal", site="resid_post.12")`
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.norm import Norm
from saewidgets.dictionaries.temporal import CodeAttention, Temporal
from saewidgets.errors import DictionaryError, shorten

NAME, CONFIG, WEIGHTS = "temporal_saes", "conf.yaml", "latest_ckpt.safetensors"
_LAYER = re.compile(r"attn_layers\.(\d{1,3})\.(q_target|k_ctx|v_ctx|c_proj)\.(weight|bias)")
_MAX_LAYERS = 1000
_PARTS = {"q_target": "q", "k_ctx": "k", "v_ctx": "v", "c_proj": "o"}


def matches(files: Files) -> bool:
    """Whether there are a config and a safetensors file with `D`, `b` and attention layers."""
    name = files.weights(".safetensors") if files.has(CONFIG) else None
    return name is not None and files.keys(name) >= {"D", "b"}


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a temporal SAE.

    Raises:
        DictionaryError: Damaged, a variant that is not read, or an open question.
    """
    name = files.weights(".safetensors")
    config = files.yaml(CONFIG).get("sae")
    if name is None or not isinstance(config, dict):
        raise DictionaryError(f"A temporal SAE keeps {CONFIG} with `sae`, and {WEIGHTS}.", "Name their folder.")
    tensors = files.tensors(name)
    attention = _attention(tensors, name, config)
    b = tensors["b"]
    W_dec = orient.reading(tensors["D"], len(b), transposed=True).T
    layer = next((found[1] for part in files.trail if (found := re.fullmatch(r"layer_(\d{1,4})", part))), "0")
    site = questions.site("site", assume=f"resid_post.{layer}", why="the layer stands in the path")
    activation = _activation(config, questions)
    factor = config.get("scaling_factor")
    where = f"{CONFIG}: scaling_factor" if factor is not None else "by format: no scaling_factor"
    factor = questions.settle("norm factor", "norm_factor", 1.0 if factor is None else factor, where)
    factor = values.positive(factor, "norm_factor")
    questions.define(bias="b is subtracted", decoder_norm="not used")
    questions.note("encoder", "E" if "E" in tensors else "tied to D", name)
    return Temporal(
        orient.reading(tensors["E"], len(b)) if "E" in tensors else W_dec.T,
        W_dec,
        b,
        b,
        attention,
        activation,
        site,
        Norm() if factor == 1 else Norm("factor", factor),
        card=questions.card(NAME),
    )


def _attention(tensors: dict[str, Tensor], name: str, config: dict[str, Any]) -> tuple[CodeAttention, ...]:
    found = {match[1] for key in tensors if (match := _LAYER.fullmatch(key))}
    n_layers = values.count(config.get("n_attn_layers", len(found)), "n_attn_layers")
    untied = not config.get("tied_weights", "E" not in tensors)
    orient.require(tensors, name, {"D", "b", *attention_keys(n_layers)} | ({"E"} if untied else set()))
    return attention(tensors, n_layers, values.count(config.get("n_heads"), "n_heads"))


def attention_keys(n_layers: int) -> set[str]:
    """Names of the tensors of the attention layers.

    Raises:
        DictionaryError: More layers than any such dictionary has.
    """
    if n_layers > _MAX_LAYERS:
        raise DictionaryError(f"{n_layers} attention layers.", "The file is damaged; get it again.")
    return {f"attn_layers.{i}.{part}.{kind}" for i in range(n_layers) for part in _PARTS for kind in ("weight", "bias")}


def attention(tensors: Mapping[str, Tensor], n_layers: int, heads: int) -> tuple[CodeAttention, ...]:
    """The attention layers, of weights as `torch.nn.Linear` keeps them.

    Raises:
        DictionaryError: Weights and biases that do not fit.
    """
    return tuple(CodeAttention(**_weights(tensors, i), n_heads=heads) for i in range(n_layers))


def _weights(tensors: Mapping[str, Tensor], layer: int) -> dict[str, Tensor]:
    made: dict[str, Tensor] = {}
    for part, letter in _PARTS.items():
        place = f"attn_layers.{layer}.{part}"
        weight, bias = tensors[f"{place}.weight"], tensors[f"{place}.bias"]
        if weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise DictionaryError(
                f"{place} is {tuple(weight.shape)} with a bias of {tuple(bias.shape)}.", "The file is damaged."
            )
        made |= {f"W_{letter}": weight.T, f"b_{letter}": bias}
    return made


def _activation(config: dict[str, Any], questions: Questions) -> Activation:
    kind = config.get("sae_diff_type", "topk")
    questions.note("activation", kind, f"{CONFIG}: sae_diff_type")
    if kind == "topk":
        k = questions.settle("k", "k", config.get("kval_topk"), f"{CONFIG}: kval_topk")
        return Activation("topk", k=values.count(k, "k"))
    if kind == "relu":
        return Activation("relu")
    raise DictionaryError(f"sae_diff_type {shorten(kind)} is not read.", "Known: topk, relu.")
