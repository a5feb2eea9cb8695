"""Gemma Scope (Lieberum et al. 2408.05147): `layer_20/width_16k/average_l0_71/params.npz`.

Keys: `W_enc [d_in, d_dict]`, `W_dec [d_dict, d_out]`, `b_enc`, `b_dec`, `threshold [d_dict]`; lower-case `w_enc`,
`w_dec` occur. There is no config: layer and width stand in the path, the stream in the name of the repository
(`gemma-scope-2b-pt-res`, `-mlp`, `-att`, `-transcoders`); of a folder that was copied elsewhere, pass `site`.

```
f      = relu(h) where h > threshold,  h = x W_enc + b_enc
output = f W_dec + b_dec
```

* `b_dec` is not subtracted, nothing is normalised.
* `-att` dictionaries read the heads' outputs side by side, before the output projection: `attn_z`.
* `-transcoders` read what the MLP reads, after its norm, and write what is added to the residual stream.
* `embedding/` dictionaries were trained on embeddings as they are stored. The model multiplies them by the root of its
  width, so the encoder is divided by it and the decoder multiplied.

Example:
    `load_dictionary("hub:google/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71")`
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site

NAME = "gemma_scope"
_TENSORS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec", "threshold"})
_STREAMS = {"res": "resid_post", "mlp": "mlp_out", "att": "attn_z", "transcoders": "mlp_in"}
_REPOSITORY = re.compile(r"gemma-scope-(2b|9b|27b)-(?:pt|it)-(res|mlp|att|transcoders)")
# Width of Gemma 2, by its size.
_WIDTHS = {"2b": 2304, "9b": 3584, "27b": 4608}


def matches(files: Files) -> bool:
    """Whether it is an npz file with the five tensors."""
    name = files.weights(".npz")
    return name is not None and {_capital(key) for key in files.keys(name)} >= _TENSORS


def read(files: Files, questions: Questions) -> Dictionary:
    """Read one dictionary of Gemma Scope.

    Raises:
        DictionaryError: Damaged, another format, or nobody says where it reads.
    """
    name = files.weights(".npz")
    if name is None:
        raise DictionaryError("Gemma Scope keeps a dictionary in one params.npz.", "Name the file or its folder.")
    tensors = {_capital(key): value for key, value in files.tensors(name).items()}
    orient.require(tensors, name, _TENSORS)
    b_enc, b_dec = tensors["b_enc"], tensors["b_dec"]
    W_enc = orient.encoder(tensors["W_enc"], len(b_enc))
    layer, stream, size = _place(files.trail)
    site_in, site_out = _sites(questions, layer, stream)
    questions.define(activation="jumprelu", bias="b_dec is not subtracted", decoder_norm="not used")
    factor = _embedding_factor(questions, W_enc.shape[0], size) if site_in.stream == "embed" else 1.0
    if factor == 1:
        questions.define(input_norm="none")
    return FeedForward(
        W_enc,
        orient.decoder(tensors["W_dec"], len(b_enc)),
        b_enc,
        b_dec,
        Activation("jumprelu", threshold=tensors["threshold"]),
        site_in,
        site_out,
        norm=Norm("factor", factor) if factor != 1 else Norm(),
        row_scale=None if factor == 1 else b_dec.new_tensor(1 / factor),
        architecture="jumprelu",
        card=questions.card(NAME),
    )


def _capital(key: str) -> str:
    return f"W{key[1:]}" if key.startswith("w_") else key


def _place(trail: Iterable[str]) -> tuple[int | None, str | None, str | None]:
    """Layer, stream and size of the model, as far as the path says."""
    layer: int | None = None
    stream: str | None = None
    for name in trail:
        found = re.fullmatch(r"layer_(\d{1,4})", name)
        if found and layer is None:
            layer = int(found[1])
        if name == "embedding":
            stream = "embed"
        repository = _REPOSITORY.search(name)
        if repository:
            return layer, stream or _STREAMS[repository[2]], repository[1]
    return layer, stream, None


def _sites(questions: Questions, layer: int | None, stream: str | None) -> tuple[Site, Site]:
    found = None
    if stream is not None and (layer is not None or stream == "embed"):
        found = stream if stream == "embed" else f"{stream}.{layer}"
    assumed = f"resid_post.{layer or 0}"
    why = "most dictionaries of Gemma Scope read the residual stream"
    site_in = questions.site("site", found, "path and repository", assume=assumed, why=why)
    if site_in.stream != "mlp_in" and questions.given.get("site_out") is None:
        return site_in, site_in
    return site_in, questions.site("site_out", f"mlp_out.{site_in.layer}", "by format: a transcoder")


def _embedding_factor(questions: Questions, d_in: int, size: str | None) -> float:
    """What embeddings, as the model hands them on, are multiplied by to be what the dictionary was trained on."""
    width = d_in if d_in in _WIDTHS.values() else _WIDTHS[size or "2b"]
    if width != d_in:
        questions.warn(
            f"Gemma 2 multiplies embeddings by the root of its width. {d_in} is the width of no Gemma 2, so {width} is "
            "taken; pass norm_factor= if that is wrong."
        )
    where = f"by format: embeddings of a model of width {width}"
    return float(questions.settle("norm factor", "norm_factor", width**-0.5, where))
