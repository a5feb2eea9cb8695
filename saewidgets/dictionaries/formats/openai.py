"""OpenAI's SAEs for GPT-2 (Gao et al. 2406.04093): one torch file a layer, `{layer}.pt`.

Keys: `pre_bias [d_in]`, `latent_bias [d_dict]`, `encoder.weight [d_dict, d_in]`, `decoder.weight [d_in, d_dict]`, the
strings and numbers `activation` (`"ReLU"` when it is missing) and `activation_state_dict` (`k`, `postact_fn`), and
statistics of the training, which are not used.

```
x'     = (x - mean) / (std + 1e-5)                  of each token, where the activation is TopK; std is unbiased
f      = activation((x' - pre_bias) W_enc + latent_bias)
output = (f W_dec + pre_bias) · std + mean          std without the 1e-5
```

**Whether inputs are normalised is no field of the file**: their loader infers it from the activation, and so does this
one. The layer is the name of the file; the location is the folder two above it, in copies that keep the path of their
storage, `gpt2-small/resid_post_mlp_v5_32k/autoencoders/8.pt`: `resid_post_mlp` is `resid_post`, `resid_post_attn` is
`resid_mid`, `resid_delta_mlp` is `mlp_out`, `resid_delta_attn` is `attn_out`. Elsewhere, pass `site`. `mlp_post_act`,
inside the MLP, is no site of ours.

They were trained in TransformerLens, whose residual stream of GPT-2 may be centred; with the layer norm this makes no
difference.

Example:
    `load_dictionary("resid_post_mlp_v5_32k/autoencoders/8.pt")`
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient, torchfile, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError, shorten

NAME = "openai"
_TENSORS = frozenset({"pre_bias", "latent_bias", "encoder.weight", "decoder.weight"})
_STATISTICS = frozenset({"stats_last_nonzero", "latents_activation_frequency", "latents_mean_square"})
_LAYER = re.compile(r"(\d{1,4})\.pt")
_STREAMS = {
    "resid_post_mlp": "resid_post",
    "resid_post_attn": "resid_mid",
    "resid_delta_mlp": "mlp_out",
    "resid_delta_attn": "attn_out",
}


def matches(files: Files) -> bool:
    """Whether a torch file has the four tensors."""
    return files.keys(files.weights(".pt") or "") >= _TENSORS


def read(files: Files, questions: Questions) -> Dictionary:
    """Read an SAE of OpenAI.

    Raises:
        DictionaryError: Damaged, an activation that is not read, or nobody says where it reads.
    """
    name = files.weights(".pt")
    if name is None:
        raise DictionaryError("An SAE of OpenAI is one .pt file.", "Name the file.")
    entries = torchfile.load_entries(files.folder / name)
    files.read.append(files.folder / name)
    tensors = {key: value for key, value in entries.items() if isinstance(value, Tensor)}
    orient.require(tensors, name, _TENSORS, _STATISTICS)
    site = questions.site("site", _site(files), "path of the file")
    kind = entries.get("activation", "ReLU")
    questions.note("activation", kind, f"{name}: activation" if "activation" in entries else "default of its loader")
    activation = _activation(kind, entries.get("activation_state_dict"), questions, name)
    norm = Norm("layer_norm") if kind == "TopK" else Norm()
    questions.note("input norm", norm, "inferred from the activation, as its loader does")
    questions.define(bias="pre_bias is subtracted and added", decoder_norm="not used")
    b_enc, pre_bias = tensors["latent_bias"], tensors["pre_bias"]
    return FeedForward(
        orient.encoder(tensors["encoder.weight"], len(b_enc), transposed=True),
        orient.decoder(tensors["decoder.weight"], len(b_enc), transposed=True),
        b_enc,
        pre_bias,
        activation,
        site,
        site,
        b_in=pre_bias,
        norm=norm,
        architecture="topk" if kind == "TopK" else "standard",
        card=questions.card(NAME),
    )


def _activation(kind: Any, state: Any, questions: Questions, name: str) -> Activation:
    if kind == "ReLU":
        return Activation("relu")
    if kind != "TopK":
        raise DictionaryError(f"Activation {shorten(kind)} is not read.", "Known: ReLU, TopK.")
    state = state if isinstance(state, Mapping) else {}
    k = values.count(questions.settle("k", "k", state.get("k"), f"{name}: activation_state_dict"), "k")
    after = state.get("postact_fn", "ReLU")
    if after not in ("ReLU", "Identity"):
        raise DictionaryError(f"postact_fn {shorten(after)} is not read.", "Known: ReLU, Identity.")
    return Activation("topk", k=k, rectify=after == "ReLU")


def _site(files: Files) -> str | None:
    """The place, where the path is still that of their storage."""
    layer = _LAYER.fullmatch(files.weights(".pt") or "")
    location = next((part for part in files.trail if part.startswith(tuple(_STREAMS))), "")
    stream = next((stream for start, stream in _STREAMS.items() if location.startswith(start)), None)
    return f"{stream}.{int(layer[1])}" if layer and stream else None
