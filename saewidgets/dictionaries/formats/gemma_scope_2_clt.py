"""Cross-layer transcoders of Gemma Scope 2, folders of `params_layer_{i}.safetensors`; called by `gemma_scope_2`.

Keys of each: `w_enc [d_in, d_dict]`, `b_enc`, `threshold`, `b_dec [d_out]` and optionally `affine_skip_connection
[d_in, d_out]` (not transposed) of layer i, and `w_dec [d_dict, n_layers, d_out]`, of which the layers from i on count.

```
f[i]      = relu(h) where h > threshold[i],  h = x[i] w_enc[i] + b_enc[i]
output[l] = sum over i ≤ l of f[i] w_dec[i][:, l] + b_dec[l] (+ x[l] affine_skip_connection[l])
```

Example:
    `load_dictionary("hub:google/gemma-scope-2-270m-pt/clt/width_262k_l0_medium_affine")`
"""

from __future__ import annotations

import re

from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.clt import CrossLayerTranscoder
from saewidgets.dictionaries.formats import gemma_scope_2, orient
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.errors import DictionaryError, shorten
from saewidgets.sites import Site

_LAYER = re.compile(r"params_layer_(\d{1,4})\.safetensors")


def read(files: Files, questions: Questions) -> CrossLayerTranscoder:
    """Read all layers.

    Raises:
        DictionaryError: Damaged, or a layer is missing.
    """
    layers = sorted(int(match[1]) for name in files.names if (match := _LAYER.fullmatch(name)))
    n = len(layers)
    if layers != list(range(n)):
        raise DictionaryError(f"{shorten(files.source)} holds layers {shorten(layers)}.", "It needs all from 0 on.")
    site_in = questions.site("site", "mlp_in.0", "by format: what the MLP reads")
    site_out = questions.site("site_out", "mlp_out.0", "by format: what is added to the residual stream")
    questions.define(activation="jumprelu", bias="b_dec is not subtracted", input_norm="none", decoder_norm="not used")
    questions.note("layers", n, "params_layer_*.safetensors")
    parts = [_layer(files, layer, n) for layer in layers]
    skips = [part[gemma_scope_2.SKIP] for part in parts if gemma_scope_2.SKIP in part]
    return CrossLayerTranscoder(
        W_enc=tuple(part["w_enc"] for part in parts),
        W_dec=tuple(part["w_dec"] for part in parts),
        b_enc=tuple(part["b_enc"] for part in parts),
        b_dec=tuple(part["b_dec"] for part in parts),
        activations=tuple(Activation("jumprelu", threshold=part["threshold"]) for part in parts),
        sites_in=tuple(Site(site_in.stream, layer) for layer in layers),
        sites_out=tuple(Site(site_out.stream, layer) for layer in layers),
        W_skip=tuple(skips),
        card=questions.card(gemma_scope_2.NAME),
    )


def _layer(files: Files, layer: int, n: int) -> dict[str, Tensor]:
    """The tensors of one layer, its decoder from that layer on."""
    name = f"params_layer_{layer}.safetensors"
    part = files.tensors(name)
    orient.require(part, name, gemma_scope_2.TENSORS, frozenset({gemma_scope_2.SKIP}))
    d_dict, d_out = len(part["b_enc"]), len(part["b_dec"])
    if tuple(part["w_dec"].shape) != (d_dict, n, d_out):
        raise DictionaryError(
            f"w_dec of {name} is {tuple(part['w_dec'].shape)}.", f"For {n} layers it must be {(d_dict, n, d_out)}."
        )
    W_enc = orient.encoder(part["w_enc"], d_dict)
    skip = part.get(gemma_scope_2.SKIP)
    turned = {} if skip is None else {gemma_scope_2.SKIP: orient.skip(skip, W_enc.shape[0], d_out)}
    return part | {"w_enc": W_enc, "w_dec": part["w_dec"][:, layer:]} | turned
