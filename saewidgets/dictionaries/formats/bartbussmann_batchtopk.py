"""Bart Bussmann's BatchTopK repository (2412.06410): `sae.pt` and `config.json`.

Keys: `W_enc [d_in, d_dict]`, `W_dec [d_dict, d_in]`, `b_enc`, `b_dec`, and `jumprelu.log_threshold` of a JumpReLU. The
config gives `sae_type`, `top_k`, `input_unit_norm` and `hook_point`.

```
x'     = (x - mean) / (std + 1e-5)          of each token, if input_unit_norm; std is unbiased
vanilla    f = relu((x' - b_dec) W_enc + b_enc)
topk       f = TopK(relu((x' - b_dec) W_enc))                      (b_enc is in the file and ignored)
batchtopk  f = the k · n greatest of the same for n tokens         (b_enc ignored)
jumprelu   f = h where h > exp(log_threshold), h = relu(x' W_enc + b_enc)      (b_dec is not subtracted)
output = (f W_dec + b_dec) · std + mean     std without the 1e-5
```

No threshold of a BatchTopK is saved, so a token's features depend on the tokens that are encoded with it; the card
warns of it. Pass `threshold` to run it as a JumpReLU of one threshold, which looks at each token alone.

Example:
    `load_dictionary("checkpoints/gpt2-small_batchtopk", threshold=0.4)`
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

NAME, CONFIG = "bartbussmann_batchtopk", "config.json"
_TENSORS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec"})
_LOG_THRESHOLD = "jumprelu.log_threshold"
_TYPES = ("vanilla", "topk", "batchtopk", "jumprelu")


def matches(files: Files) -> bool:
    """Whether there is a torch file with the tensors beside a config with `sae_type` and `act_size`."""
    if not files.keys(files.weights(".pt") or "") >= _TENSORS or not files.has(CONFIG):
        return False
    try:
        return {"sae_type", "act_size"} <= files.json(CONFIG).keys()
    except DictionaryError:
        return False


def read(files: Files, questions: Questions) -> Dictionary:
    """Read an SAE of the BatchTopK repository.

    Raises:
        DictionaryError: Damaged, a type that is not known, or an open question.
    """
    name = files.weights(".pt")
    if name is None:
        raise DictionaryError(f"The repository writes one .pt file and {CONFIG}.", "Name the file.")
    config, tensors = files.json(CONFIG), files.tensors(name)
    kind = questions.settle("architecture", "architecture", config.get("sae_type"), f"{CONFIG}: sae_type")
    if kind not in _TYPES:
        raise DictionaryError(f"sae_type {shorten(kind)} is not read.", f"Known: {', '.join(_TYPES)}.")
    orient.require(tensors, name, _TENSORS | ({_LOG_THRESHOLD} if kind == "jumprelu" else set()))
    b_enc, b_dec = tensors["b_enc"], tensors["b_dec"]
    site = questions.site("site", config.get("hook_point"), f"{CONFIG}: hook_point")
    activation = _activation(kind, config, tensors, questions)
    questions.note("activation", activation, f"of {kind} by format")
    norm = Norm("layer_norm") if config.get("input_unit_norm") else Norm()
    questions.note("input norm", norm, f"{CONFIG}: input_unit_norm")
    questions.define(bias=f"b_dec is {'not ' if kind == 'jumprelu' else ''}subtracted", decoder_norm="not used")
    if kind in ("topk", "batchtopk"):
        questions.define(b_enc="ignored")
    return FeedForward(
        orient.encoder(tensors["W_enc"], len(b_enc)),
        orient.decoder(tensors["W_dec"], len(b_enc)),
        torch.zeros_like(b_enc) if kind in ("topk", "batchtopk") else b_enc,
        b_dec,
        activation,
        site,
        site,
        b_in=None if kind == "jumprelu" else b_dec,
        norm=norm,
        architecture="standard" if kind == "vanilla" else kind,
        card=questions.card(NAME),
    )


def _activation(kind: str, config: dict[str, Any], tensors: dict[str, Tensor], questions: Questions) -> Activation:
    if kind == "vanilla":
        return Activation("relu")
    if kind == "jumprelu":
        questions.note("threshold", "one a feature", f"exp of {_LOG_THRESHOLD}")
        return Activation("jumprelu", threshold=tensors[_LOG_THRESHOLD].float().exp())
    if kind == "batchtopk" and questions.given.get("threshold") is not None:
        threshold = values.number(questions.settle("threshold", "threshold"), "threshold")
        return Activation("jumprelu", threshold=torch.tensor(threshold))
    k = values.count(questions.settle("k", "k", config.get("top_k"), f"{CONFIG}: top_k"), "k")
    if kind == "batchtopk":
        questions.warn(
            "It keeps the k greatest a token over the whole batch, so a token's features depend on the tokens encoded "
            "with it. Pass threshold= to look at each token alone."
        )
    return Activation("topk" if kind == "topk" else "batchtopk", k=k)
