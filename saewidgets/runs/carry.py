"""From a scope and a request to what a page computes with: a small Llama, its tokenizer, some dictionaries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary, FeedForward
from saewidgets.errors import FigureError
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.text import to_json
from saewidgets.model import tokens
from saewidgets.payloads.carried import Carried
from saewidgets.runs.carry_tokenizer import tokenizer_data
from saewidgets.runs.heatmap import HeatmapRequest, dictionary_words, model_words
from saewidgets.runs.tensors import pack

if TYPE_CHECKING:
    from saewidgets.scope import Scope

MAX_PARAMETERS = 5_000_000
_TODO = "Export it without live=True."
_LINEAR = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
)  # fmt: skip
_NORMS = ("input_layernorm", "post_attention_layernorm")


def carry(scope: Scope, request: HeatmapRequest, keys: Sequence[str]) -> Carried:
    """Pack everything a page needs to answer as this scope does.

    Args:
        scope: A scope around a small model of the Llama family, in float32.
        request: What the page shows first.
        keys: Of the dictionaries that go along.

    Returns:
        The data.

    Raises:
        FigureError: The model is of another family, too large or of another precision; the tokenizer, a dictionary or
            an edit is of a kind that a page cannot compute.
    """
    for edit in request.edits:
        _check_edit(edit)
    sizes, tensors = _model(scope.model.module)
    dictionaries = []
    for number, key in enumerate(keys):
        entry, weights = _dictionary(key, scope.dictionaries[key])
        dictionaries.append(entry)
        tensors |= {f"{number}.{name}": value for name, value in weights.items()}
    places, raw = pack(tensors)
    from saewidgets import __version__

    bos = tokens.bos_to_prepend(scope.model.tokenizer, False)
    header = {
        "name": model_words(scope),
        "version": __version__,
        "model": {**sizes, "context": scope.model.context_length},
        "tokenizer": tokenizer_data(scope.model.tokenizer, bos),
        "dictionaries": dictionaries,
        "labels": {f: label for f, label in scope.labels.items() if f.rpartition("/")[0] in keys},
        "request": {
            "prompt": request.prompt,
            "features": request.features,
            "edits": to_json(request.edits),
            "error_term": request.error_term,
            "seed": request.seed,
        },
        "tensors": places,
    }
    return Carried(json.dumps(header, separators=(",", ":"), allow_nan=False), raw)


def _check_model(module: Any) -> None:
    """Refuse a module whose forward pass is not that of `js/src/engine/llama.ts`."""
    config: Any = getattr(module, "config", None)
    kind = getattr(config, "model_type", type(module).__name__)
    if kind != "llama" or type(module).__name__ != "LlamaForCausalLM":
        raise FigureError(f"The model is of the family {kind}: a page computes models of the family llama.", _TODO)
    size = sum(parameter.numel() for parameter in module.parameters())
    if size > MAX_PARAMETERS:
        raise FigureError(
            f"The model has {size:,} parameters: a page computes models of up to {MAX_PARAMETERS:,}.", _TODO
        )
    for name, value in module.state_dict().items():
        if value.dtype != torch.float32:
            raise FigureError(f"{name} is of {value.dtype}, in which a page does not compute.", "Load it in float32.")
        if name.endswith(".bias"):
            raise FigureError(f"The model has {name}: a page computes models without biases.", _TODO)
    rotations = getattr(module.model.rotary_emb, "rope_type", "default")
    if config.hidden_act != "silu" or rotations != "default":
        what = f"The model has {config.hidden_act} and positions of type {rotations}"
        raise FigureError(f"{what}: a page computes silu and default rotations.", _TODO)


def _model(module: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights of a Llama."""
    _check_model(module)
    config, weights = module.config, module.state_dict()
    tensors = {"embed": weights["model.embed_tokens.weight"], "norm": weights["model.norm.weight"]}
    if not torch.equal(weights["lm_head.weight"], tensors["embed"]):
        tensors["head"] = weights["lm_head.weight"]
    for layer in range(config.num_hidden_layers):
        for name in (*_LINEAR, *_NORMS):
            short = name.rpartition(".")[2]
            tensors[f"layer{layer}.{short}"] = weights[f"model.layers.{layer}.{name}.weight"]
    tensors["frequencies"] = module.model.rotary_emb.inv_freq
    heads = config.num_attention_heads
    sizes = {
        "layers": config.num_hidden_layers,
        "heads": heads,
        "groups": config.num_key_value_heads or heads,
        "width": getattr(config, "head_dim", None) or config.hidden_size // heads,
        "eps": config.rms_norm_eps,
    }
    return sizes, tensors


def _dictionary(key: str, dictionary: Dictionary) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Conventions and weights of a dictionary; encoder and skip transposed, so that their rows are read in order."""
    if not isinstance(dictionary, FeedForward):
        kind = f"{dictionary.architecture} ({type(dictionary).__name__})"
        raise FigureError(f"The dictionary at {key} is of the kind {kind}, which a page cannot compute.", _TODO)
    for site in (dictionary.site_in, dictionary.site_out):
        if site.stream == "attn_pattern":
            raise FigureError(f"The dictionary at {key} reads or writes {site}, which a page cannot.", _TODO)
    activation, norm = dictionary.activation, dictionary.norm
    entry = {
        "key": key,
        "site_in": str(dictionary.site_in),
        "site_out": str(dictionary.site_out),
        "architecture": dictionary.architecture,
        "words": dictionary_words(key, dictionary),
        "activation": {"kind": activation.kind, "k": activation.k, "rectify": activation.rectify},
        "norm": {"kind": norm.kind, "factor": norm.factor, "eps": norm.eps},
    }
    weights: dict[str, Tensor | None] = {
        "encoder": dictionary.W_enc.T,
        "decoder": dictionary.W_dec,
        "b_enc": dictionary.b_enc,
        "b_dec": dictionary.b_dec,
        "b_in": dictionary.b_in,
        "gate_scale": dictionary.gate_scale,
        "value_scale": dictionary.value_scale,
        "row_scale": None if dictionary.row_scale is None else dictionary.row_scale.expand(dictionary.d_dict),
        "threshold": None if activation.threshold is None else activation.threshold.expand(dictionary.d_dict),
        "skip": None if dictionary.W_skip is None else dictionary.W_skip.T,
    }
    return entry, {name: value for name, value in weights.items() if value is not None}


def _check_edit(edit: Edit) -> None:
    if edit.feature is None or edit.kind == "patch" or edit.source is not None or edit.latents != "edit":
        raise FigureError(
            f"A page cannot make the edit {edit!r}.", "It ablates, scales, clamps and steers single features."
        )
    if isinstance(edit.positions, str):
        raise FigureError(f"A page cannot make the edit {edit!r}.", "Give token positions, or None for all.")
