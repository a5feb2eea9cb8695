"""Llama Scope (He et al. 2410.20526): `hyperparams.json` and `checkpoints/final.safetensors`.

Keys: `encoder.weight [d_dict, d_in]`, `encoder.bias`, `decoder.weight [d_out, d_dict]`, `decoder.bias`, in bfloat16.
The config gives `hook_point_in`, `hook_point_out`, `act_fn`, `jump_relu_threshold` (one number), `top_k`,
`norm_activation` and `dataset_average_activation_norm {in, out}`.

It was trained on activations scaled to a mean norm of √d, `s = √d / average norm`. Its authors run it on raw
activations:

```
h      = x W_enc + b_enc / s_in
f      = h where h > jump_relu_threshold          (the threshold is in these raw units)
output = f W_dec · s_in / s_out + b_dec / s_out
```

SAELens returns `s_in · f`. Published decoder rows have unit norm, so that `sparsity_include_decoder_norm` makes
no difference to the threshold; a file whose rows have not gets a warning, and a TopK ranks `h · |row|` then.

Example:
    `load_dictionary("hub:fnlp/Llama3_1-8B-Base-LXR-8x/Llama3_1-8B-Base-L15R-8x")`
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError, shorten

NAME, CONFIG, WEIGHTS = "llama_scope", "hyperparams.json", "checkpoints/final.safetensors"
_TENSORS = frozenset({"encoder.weight", "encoder.bias", "decoder.weight"})


def matches(files: Files) -> bool:
    """Whether the folder, or the one above the named checkpoint, has the config."""
    return _names(files) is not None


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a dictionary of Llama Scope, on its authors' scale for raw activations.

    Raises:
        DictionaryError: Damaged, a part that is not read, or an open question.
    """
    names = _names(files)
    if names is None:
        raise DictionaryError(f"Llama Scope keeps {CONFIG} and {WEIGHTS}.", "Name their folder.")
    config, tensors = files.json(names[0]), files.tensors(names[1])
    if config.get("use_glu_encoder"):
        raise DictionaryError("Its encoder is gated (use_glu_encoder).", "This is not read.")
    biased = bool(config.get("use_decoder_bias", True))
    orient.require(tensors, names[1], _TENSORS | ({"decoder.bias"} if biased else set()))
    b_enc = tensors["encoder.bias"].float()
    W_enc = orient.encoder(tensors["encoder.weight"], len(b_enc), transposed=True)
    W_dec = orient.decoder(tensors["decoder.weight"], len(b_enc), transposed=True)
    site_in = questions.site("site", config.get("hook_point_in"), f"{CONFIG}: hook_point_in")
    site_out = questions.site("site_out", config.get("hook_point_out", str(site_in)), f"{CONFIG}: hook_point_out")
    s_in, s_out, norm = _norms(config, W_enc.shape[0], W_dec.shape[1], questions)
    b_dec = tensors["decoder.bias"].float() if biased else b_enc.new_zeros(W_dec.shape[1])
    subtract = bool(biased and config.get("apply_decoder_bias_to_pre_encoder", False))
    where = f"{CONFIG}: apply_decoder_bias_to_pre_encoder"
    subtract = questions.settle("bias", "subtract_b_dec", subtract, where)
    kind = str(config.get("act_fn"))
    gate = _gate(config, W_dec, kind, questions)
    questions.note("activation", kind, f"{CONFIG}: act_fn")
    questions.define(scale="raw activations; SAELens multiplies by the norm factor")
    return FeedForward(
        W_enc,
        W_dec,
        b_enc / s_in,
        b_dec / s_out,
        _activation(kind, config, questions),
        site_in,
        site_out,
        b_in=b_dec / s_in if subtract else None,
        norm=norm,
        gate_scale=gate,
        row_scale=None if s_in == s_out else b_enc.new_tensor(s_in / s_out),
        architecture=kind,
        card=questions.card(NAME),
    )


def _names(files: Files) -> tuple[str, str] | None:
    """Config and weights, seen from the folder: their own, or the one above `checkpoints`."""
    if files.has(CONFIG, WEIGHTS):
        return CONFIG, WEIGHTS
    name, config = files.weights(".safetensors"), f"../{CONFIG}"
    return (config, name) if name and files.folder.name == "checkpoints" and files.has(config) else None


def _norms(config: dict[str, Any], d_in: int, d_out: int, questions: Questions) -> tuple[float, float, Norm]:
    """What inputs and outputs were multiplied by in training, and what is done to each token."""
    kind = config.get("norm_activation", "dataset-wise")
    if kind == "dataset-wise":
        where = f"{CONFIG}: dataset_average_activation_norm"
        average = {side: values.positive(v, where) for side, v in (config.get(where.split(": ")[1]) or {}).items()}
        found = d_in**0.5 / average["in"] if "in" in average else None
        s_in = values.positive(questions.settle("norm factor", "norm_factor", found, where), "norm_factor")
        return s_in, d_out**0.5 / average["out"] if "out" in average else s_in, Norm()
    questions.note("input norm", kind, f"{CONFIG}: norm_activation")
    if kind in ("inference", None):
        return 1.0, 1.0, Norm()
    if kind == "token-wise" and config.get("hook_point_in") == config.get("hook_point_out"):
        return 1.0, 1.0, Norm("token_norm")
    raise DictionaryError(
        f"Input normalisation {shorten(kind)} is not read.", "It needs more than one token at a time to compute."
    )


def _gate(config: dict[str, Any], W_dec: Tensor, kind: str, questions: Questions) -> Tensor | None:
    """Norms of the decoder rows where a TopK ranks by them."""
    included = bool(config.get("sparsity_include_decoder_norm"))
    questions.note("decoder norm", "in the ranking" if included and kind == "topk" else "not used", CONFIG)
    if not included or kind == "relu":
        return None
    if kind == "topk":
        return orient.row_norms(W_dec)
    if (W_dec[:64].float().norm(dim=1) - 1).abs().max() > 0.05:
        questions.warn(
            "Its decoder rows have not unit norm, unlike published ones. The threshold is compared with h, as the "
            "format is documented; its training code would compare it with h times the norm of the row."
        )
    return None


def _activation(kind: str, config: dict[str, Any], questions: Questions) -> Activation:
    if kind == "jumprelu":
        where = f"{CONFIG}: jump_relu_threshold, in raw units"
        threshold = questions.settle("threshold", "threshold", config.get("jump_relu_threshold"), where)
        return Activation("jumprelu", threshold=torch.tensor(values.number(threshold, "threshold")))
    if kind == "topk":
        return Activation(
            "topk", k=values.count(questions.settle("k", "k", config.get("top_k"), f"{CONFIG}: top_k"), "k")
        )
    if kind == "relu":
        return Activation("relu")
    raise DictionaryError(f"Activation {shorten(kind)} is not read.", "Known: jumprelu, topk, relu.")
