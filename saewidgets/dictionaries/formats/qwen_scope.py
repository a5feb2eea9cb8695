"""Qwen Scope: one torch file a layer, `layer{n}.sae.pt`, without a config.

Keys: `W_enc [d_dict, d_in]`, `W_dec [d_in, d_dict]`, `b_enc`, `b_dec`. **Both matrices are stored the other way round**
than SAELens stores them under the same names. The file name gives the layer; the dictionary reads the residual stream
after that block. `k` stands in the name of the repository only, `…-W32K-L0_50`; of a file elsewhere, pass `k`.

```
f      = relu(TopK(x W_encᵀ + b_enc))          (b_dec is not subtracted)
output = f W_decᵀ + b_dec
```

Example:
    `load_dictionary("hub:Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_50/layer0.sae.pt")`
"""

from __future__ import annotations

import re

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, shorten

NAME = "qwen_scope"
_TENSORS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec"})
_LAYER = re.compile(r"layer(\d{1,4})\.sae\.pt")
_K = re.compile(r"L0_(\d{1,6})(?!\d)")


def matches(files: Files) -> bool:
    """Whether a torch file is named as theirs are and has the four tensors."""
    name = files.weights(".pt")
    return name is not None and _LAYER.fullmatch(name) is not None and files.keys(name) == _TENSORS


def read(files: Files, questions: Questions) -> Dictionary:
    """Read the dictionary of one layer.

    Raises:
        DictionaryError: Damaged, another format, or nobody says k or where it reads.
    """
    name = files.weights(".pt")
    if name is None:
        raise DictionaryError("A dictionary of Qwen Scope is one .sae.pt file.", "Name the file.")
    tensors = files.tensors(name)
    orient.require(tensors, name, _TENSORS)
    b_enc = tensors["b_enc"]
    layer = _LAYER.fullmatch(name)
    site = questions.site("site", f"resid_post.{int(layer[1])}" if layer else None, f"name of {shorten(name)}")
    named = next((part for part in files.trail if _K.search(part)), "")
    found = _K.search(named)
    k = questions.settle("k", "k", int(found[1]) if found else None, f"name of {shorten(named)}")
    questions.define(activation="topk", bias="b_dec is not subtracted", input_norm="none", decoder_norm="not used")
    return FeedForward(
        orient.encoder(tensors["W_enc"], len(b_enc), transposed=True),
        orient.decoder(tensors["W_dec"], len(b_enc), transposed=True),
        b_enc,
        tensors["b_dec"],
        Activation("topk", k=values.count(k, "k")),
        site,
        site,
        architecture="topk",
        card=questions.card(NAME),
    )
