"""Gemma Scope 2 (for Gemma 3): `resid_post/layer_12_width_16k_l0_small/params.safetensors`, often with `config.json`.

Keys, in lower case: `w_enc [d_in, d_dict]`, `w_dec [d_dict, d_out]`, `b_enc`, `b_dec`, `threshold [d_dict]`, and for
skip transcoders `affine_skip_connection [d_in, d_out]`, which is not transposed. The config gives `hf_hook_point_in`
and `hf_hook_point_out` as Hugging Face module paths; where it is missing, the folder names say the place.

```
f      = relu(h) where h > threshold,  h = x w_enc + b_enc
output = f w_dec + b_dec (+ x affine_skip_connection)
```

Cross-layer transcoders, folders of `params_layer_{i}.safetensors`, are described in `gemma_scope_2_clt`.

Example:
    `load_dictionary("hub:google/gemma-scope-2-270m-pt/resid_post/layer_12_width_16k_l0_small")`
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError

NAME, CONFIG = "gemma_scope_2", "config.json"
FIRST_OF_CLT = "params_layer_0.safetensors"
TENSORS = frozenset({"w_enc", "w_dec", "b_enc", "b_dec", "threshold"})
SKIP = "affine_skip_connection"
_PLACES = {
    "resid_post": ("resid_post", "resid_post"),
    "attn_out": ("attn_out", "attn_out"),
    "mlp_out": ("mlp_out", "mlp_out"),
    "transcoder": ("mlp_in", "mlp_out"),
}


def matches(files: Files) -> bool:
    """Whether a safetensors file has the five tensors in lower case."""
    name = files.weights(".safetensors") or next((name for name in files.names if name == FIRST_OF_CLT), None)
    return name is not None and files.keys(name) >= TENSORS


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a dictionary of Gemma Scope 2, or a cross-layer transcoder.

    Raises:
        DictionaryError: Damaged, another format, or nobody says where it reads.
    """
    name = files.weights(".safetensors")
    if FIRST_OF_CLT in files.names:
        from saewidgets.dictionaries.formats import gemma_scope_2_clt

        return gemma_scope_2_clt.read(files, questions)
    if name is None:
        raise DictionaryError("Gemma Scope 2 keeps a dictionary in one params.safetensors.", "Name the file.")
    tensors = files.tensors(name)
    orient.require(tensors, name, TENSORS, frozenset({SKIP}))
    config = files.json(CONFIG) if files.has(CONFIG) else {}
    b_enc, skip = tensors["b_enc"], tensors.get(SKIP)
    if config.get("affine_connection") and skip is None:
        raise DictionaryError(f"{CONFIG} says affine_connection, {name} has none.", "Get the file again.")
    site_in, site_out = _sites(questions, config, _place(files.trail))
    questions.define(activation="jumprelu", bias="b_dec is not subtracted", input_norm="none", decoder_norm="not used")
    questions.note("skip", "none" if skip is None else f"{SKIP}, not transposed", name)
    W_enc = orient.encoder(tensors["w_enc"], len(b_enc))
    W_dec = orient.decoder(tensors["w_dec"], len(b_enc))
    return FeedForward(
        W_enc,
        W_dec,
        b_enc,
        tensors["b_dec"],
        Activation("jumprelu", threshold=tensors["threshold"]),
        site_in,
        site_out,
        W_skip=None if skip is None else orient.skip(skip, W_enc.shape[0], W_dec.shape[1]),
        architecture="jumprelu" if skip is None else "jumprelu_skip_transcoder",
        card=questions.card(NAME),
    )


def _place(trail: Iterable[str]) -> tuple[str, int] | None:
    """Kind and layer, as far as the folder names say."""
    layer: int | None = None
    for name in trail:
        found = re.match(r"layer_(\d{1,4})_", name)
        layer = int(found[1]) if found and layer is None else layer
        kind = name.removesuffix("_all")
        if kind in _PLACES and layer is not None:
            return kind, layer
    return None


def _sites(questions: Questions, config: dict[str, Any], place: tuple[str, int] | None) -> tuple[Any, Any]:
    model = str(config.get("model_name", "gemma-3"))
    found_in, found_out = config.get("hf_hook_point_in"), config.get("hf_hook_point_out")
    where_in, where_out = f"{CONFIG}: hf_hook_point_in", f"{CONFIG}: hf_hook_point_out"
    if place is not None and found_in is None:
        (stream_in, stream_out), layer = _PLACES[place[0]], place[1]
        found_in, found_out, where_in, where_out = f"{stream_in}.{layer}", f"{stream_out}.{layer}", "path", "path"
    site_in = questions.site("site", found_in, where_in, model=model)
    if found_out is None and site_in.stream == "mlp_in":
        found_out, where_out = f"mlp_out.{site_in.layer}", "by format: a transcoder"
    site_out = questions.site(
        "site_out", found_out or str(site_in), where_out if found_out else "as it reads", model=model
    )
    return site_in, site_out
