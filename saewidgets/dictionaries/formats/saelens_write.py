"""Writing what sae-lens 6 loads: a folder with `cfg.json` and `sae_weights.safetensors`.

Written are autoencoders with ReLU, JumpReLU (so Gated, BatchTopK and Matryoshka with a threshold, ProLU), TopK and
AbsTopK, transcoders with ReLU and JumpReLU, with or without a skip connection, matching pursuit and temporal
dictionaries. sae-lens has no place for other TopK variants, TopK transcoders, Switch, crosscoders and cross-layer
transcoders.
"""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats.saelens_config import CONFIG, WEIGHTS
from saewidgets.dictionaries.formats.saelens_plain import counts_rows_as_unit, plain
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.matching_pursuit import MatchingPursuit
from saewidgets.dictionaries.norm import Norm
from saewidgets.dictionaries.temporal import CodeAttention, Temporal
from saewidgets.disk import DiskError, write_bytes
from saewidgets.errors import DictionaryError, shorten

SPARSITY = "sparsity.safetensors"
# Configs without a version, or of one below 6, are rewritten by sae-lens. The peer check loads with this one.
_VERSION = "6.54.12"
_NORMS = {"none": "none", "token_norm": "constant_norm_rescale", "layer_norm": "layer_norm"}
# SAELens thresholds what ReLU leaves, so a ProLU is a JumpReLU; all features by magnitude are all features.
_KINDS = {"relu": "standard", "jumprelu": "jumprelu", "prolu": "jumprelu", "topk": "topk", "abstopk": "abstopk",
          "identity": "abstopk"}  # fmt: skip
_TRANSCODERS = {"relu": "", "jumprelu": "jumprelu_", "prolu": "jumprelu_"}
_Parts = tuple[dict[str, Any], dict[str, Tensor]]


def write(dictionary: Dictionary, folder: Path, density: Tensor | None = None) -> None:
    """Write a folder; the config last.

    Args:
        dictionary: What to write.
        folder: Where; it is made if it is not there.
        density: `[d_dict]`, the share of tokens on which each feature is active, for `sparsity.safetensors`.

    Raises:
        DictionaryError: SAELens has no place for it.
        DiskError: It cannot be written.
    """
    config, tensors = _parts(dictionary)
    dtype = reduce(torch.promote_types, (value.dtype for value in tensors.values()))
    config |= {
        "d_in": dictionary.d_in,
        "d_sae": dictionary.d_dict,
        "dtype": str(dtype).removeprefix("torch."),
        "device": "cpu",
        "reshape_activations": "hook_z" if dictionary.site_in.stream == "attn_z" else "none",
        "metadata": _metadata(dictionary),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"Cannot make {shorten(str(folder))}: {error.strerror}.", "Choose another folder.") from None
    if density is not None:
        write_bytes(folder / SPARSITY, _bytes({"sparsity": (density.float() + 1e-10).log10()}))
    write_bytes(folder / WEIGHTS, _bytes(tensors))
    write_bytes(folder / CONFIG, json.dumps(config, indent=1).encode())


def _bytes(tensors: dict[str, Tensor]) -> bytes:
    return save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})


def _parts(dictionary: Dictionary) -> _Parts:
    if isinstance(dictionary, FeedForward):
        return _feed_forward(plain(dictionary))
    if isinstance(dictionary, MatchingPursuit | Temporal):
        if dictionary.value_scale is not None:
            raise _none("its activations on another scale", "Save the one that unit_norm() was called on.")
        return _pursuit(dictionary) if isinstance(dictionary, MatchingPursuit) else _temporal(dictionary)
    raise _none(f"{type(dictionary).__name__} dictionaries")


def _none(what: str, todo: str = "Save it in our own form, format='saewidgets'.") -> DictionaryError:
    return DictionaryError(f"SAELens has no place for {what}.", todo)


def _metadata(dictionary: Dictionary) -> dict[str, Any]:
    known = {finding.question: finding.answer for finding in dictionary.card.findings}
    metadata = {
        "sae_lens_version": _VERSION,
        "sae_lens_training_version": None,
        "model_name": known.get("model"),
        "hook_name": dictionary.site_in.hook,
        "training_architecture": known.get("trained as", dictionary.architecture),
    }
    return metadata | ({"hook_name_out": dictionary.site_out.hook} if _transcodes(dictionary) else {})


def _transcodes(dictionary: Dictionary) -> bool:
    return dictionary.site_in != dictionary.site_out or getattr(dictionary, "W_skip", None) is not None


def _feed_forward(dictionary: FeedForward) -> _Parts:
    transcoder, activation = _transcodes(dictionary), dictionary.activation
    architecture = _transcoder(dictionary) if transcoder else _KINDS.get(activation.kind)
    if architecture is None or not activation.rectify:
        raise _none(
            f"{activation!r}" + ("" if activation.rectify else " that keeps negative activations"), _todo(activation)
        )
    config: dict[str, Any] = {
        "architecture": architecture,
        "apply_b_dec_to_input": dictionary.b_in is not None,
        "normalize_activations": _norm(dictionary.norm),
    }
    tensors = {name: getattr(dictionary, name) for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
    if "jumprelu" in architecture and activation.threshold is not None:
        tensors["threshold"] = activation.threshold.expand(dictionary.d_dict)
    if "topk" in architecture:
        config["k"] = dictionary.d_dict if activation.k is None else activation.k
        config["rescale_acts_by_decoder_norm"] = counts_rows_as_unit(dictionary)
    if transcoder:
        config["d_out"] = dictionary.d_out
    if dictionary.W_skip is not None:
        tensors["W_skip"] = dictionary.W_skip.T
    return config, tensors


def _transcoder(dictionary: FeedForward) -> str:
    skip = "" if dictionary.W_skip is None else "skip_"
    if dictionary.activation.kind not in _TRANSCODERS:
        raise _none(f"a transcoder with {dictionary.activation!r}")
    if dictionary.norm.per_token:
        raise _none(f"a transcoder that undoes its {dictionary.norm}")
    return f"{_TRANSCODERS[dictionary.activation.kind]}{skip}transcoder"


def _todo(activation: Activation) -> str:
    if activation.kind == "batchtopk":
        return "Give it a threshold: load it with threshold=."
    return "Save it in our own form, format='saewidgets'."


def _norm(norm: Norm) -> str:
    if norm.kind not in _NORMS or (norm.kind == "layer_norm" and norm.eps != Norm().eps):
        raise _none(f"the norm {norm}, eps {norm.eps:g}" if norm.kind == "layer_norm" else f"the norm {norm}")
    return _NORMS[norm.kind]


def _pursuit(dictionary: MatchingPursuit) -> _Parts:
    if not dictionary.rectify:
        raise _none("matching pursuit with negative activations")
    config = {
        "architecture": "matching_pursuit",
        "apply_b_dec_to_input": True,
        "normalize_activations": _norm(dictionary.norm),
        "max_iterations": dictionary.max_iterations,
        "residual_threshold": dictionary.residual_threshold,
        "stop_on_duplicate_support": dictionary.stop_on_duplicate_support,
    }
    return config, {"W_dec": dictionary.W_dec, "b_dec": dictionary.b_dec}


def _temporal(dictionary: Temporal) -> _Parts:
    tied, subtract = torch.equal(dictionary.W_enc, dictionary.W_dec.T), bool(dictionary.b_in.any())
    if subtract and not torch.equal(dictionary.b_in, dictionary.b_dec):
        raise _none("a temporal dictionary that subtracts another bias than it adds")
    tied = tied and (subtract or not bool(dictionary.b_dec.any()))
    norm, scaled = dictionary.norm, dictionary.norm.kind == "factor"
    activation = dictionary.activation
    if activation.kind not in ("topk", "relu") or not activation.rectify:
        raise _none(f"a temporal dictionary with {activation!r}")
    config = {
        "architecture": "temporal",
        "apply_b_dec_to_input": subtract,
        "normalize_activations": "constant_scalar_rescale" if scaled else _norm(norm),
        "activation_normalization_factor": norm.factor,
        "tied_weights": tied,
        "sae_diff_type": activation.kind,
        "kval_topk": activation.k,
        **_attention_sizes(dictionary.attention, dictionary.d_dict),
    }
    tensors = {"W_dec": dictionary.W_dec, "b_dec": dictionary.b_dec}
    for i, layer in enumerate(dictionary.attention):
        tensors |= _attention(layer, f"attn_layers.{i}")
    return config, tensors if tied else tensors | {"W_enc": dictionary.W_enc}


def _attention(layer: CodeAttention, name: str) -> dict[str, Tensor]:
    parts = {"q_target": (layer.W_q, layer.b_q), "k_ctx": (layer.W_k, layer.b_k), "v_ctx": (layer.W_v, layer.b_v),
             "c_proj": (layer.W_o, layer.b_o)}  # fmt: skip
    weights = {f"{name}.{part}.weight": weight.T for part, (weight, _) in parts.items()}
    return weights | {f"{name}.{part}.bias": bias for part, (_, bias) in parts.items()}


def _attention_sizes(layers: tuple[CodeAttention, ...], d_dict: int) -> dict[str, int]:
    """SAELens gives the width of keys as a share of the dictionary, the same for all layers."""
    sizes = {(layer.n_heads, layer.b_q.numel()) for layer in layers}
    if len(sizes) != 1 or d_dict % next(iter(sizes))[1]:
        raise _none(f"attention layers of {sorted(sizes)} heads and widths in {d_dict} features")
    ((heads, width),) = sizes
    return {"n_heads": heads, "n_attn_layers": len(layers), "bottleneck_factor": d_dict // width}
