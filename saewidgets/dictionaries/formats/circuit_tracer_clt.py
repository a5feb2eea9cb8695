"""Cross-layer transcoders of circuit-tracer, `model_kind: cross_layer_transcoder`; called by `circuit_tracer`.

Files: `W_enc_{i}.safetensors` with `W_enc_{i} [d_dict, d_in]`, `b_enc_{i}`, `b_dec_{i}`, and optionally
`threshold_{i}` and `W_skip_{i} [d_in, d_out]` (not transposed, unlike in transcoder sets); `W_dec_{i}.safetensors`
with `W_dec_{i} [d_dict, n_layers - i, d_out]`. Large decoders stay on disk; what is asked for is read.

```
f[i]      = relu(x[i] W_enc[i]ᵀ + b_enc[i])  |  where above threshold
output[l] = sum over i ≤ l of f[i] W_dec[i][:, l - i] + b_dec[l] (+ x[l] W_skip[l])
```

Example:
    `load_dictionary("hub:mntss/clt-gemma-2-2b-426k")`
"""

from __future__ import annotations

import re

from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.clt import CrossLayerTranscoder
from saewidgets.dictionaries.formats import circuit_tracer, orient
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.errors import DictionaryError, shorten
from saewidgets.sites import Site

_ENCODER = re.compile(r"W_enc_(\d{1,4})\.safetensors")


def read(files: Files, questions: Questions) -> CrossLayerTranscoder:
    """Read all layers.

    Raises:
        DictionaryError: Damaged, a layer is missing, or nobody says where it reads and writes.
    """
    found = {int(match[1]) for name in files.names if (match := _ENCODER.fullmatch(name))}
    if not found or found != set(range(len(found))):
        raise DictionaryError(
            f"{shorten(files.source)} holds encoders of layers {shorten(sorted(found))}.", "It needs all from 0 on."
        )
    config = files.yaml(circuit_tracer.CONFIG)
    site_in, site_out = circuit_tracer.sites(questions, config, 0)
    questions.note("layers", len(found), "W_enc_*.safetensors")
    parts = [_layer(files, layer) for layer in sorted(found)]
    thresholds = [part.get("threshold") for part in parts]
    if len({threshold is None for threshold in thresholds}) > 1:
        raise DictionaryError(f"Only some layers of {shorten(files.source)} have a threshold.", "Get the files again.")
    questions.note("activation", "relu" if thresholds[0] is None else "jumprelu", "W_enc_0.safetensors")
    questions.define(bias="b_dec is not subtracted", input_norm="none", decoder_norm="not used")
    return CrossLayerTranscoder(
        W_enc=tuple(part["W_enc"] for part in parts),
        W_dec=tuple(part["W_dec"] for part in parts),
        b_enc=tuple(part["b_enc"] for part in parts),
        b_dec=tuple(part["b_dec"] for part in parts),
        activations=tuple(Activation("relu") if t is None else Activation("jumprelu", threshold=t) for t in thresholds),
        sites_in=tuple(Site(site_in.stream, layer) for layer in sorted(found)),
        sites_out=tuple(Site(site_out.stream, layer) for layer in sorted(found)),
        W_skip=tuple(part["W_skip"] for part in parts if "W_skip" in part),
        card=questions.card(circuit_tracer.NAME),
    )


def _layer(files: Files, layer: int) -> dict[str, Tensor]:
    """The tensors of one layer, without its number in their names."""
    encoder, decoder = f"W_enc_{layer}.safetensors", f"W_dec_{layer}.safetensors"
    found = files.tensors(encoder)
    needed, optional = ("W_enc", "b_enc", "b_dec"), ("threshold", "W_skip")
    orient.require(found, encoder, {f"{n}_{layer}" for n in needed}, frozenset(f"{n}_{layer}" for n in optional))
    part = {name: found[f"{name}_{layer}"] for name in (*needed, *optional) if f"{name}_{layer}" in found}
    weights = files.tensors(decoder)
    orient.require(weights, decoder, {f"W_dec_{layer}"})
    part["W_enc"] = orient.encoder(part["W_enc"], len(part["b_enc"]), transposed=True)
    if "W_skip" in part:
        part["W_skip"] = orient.skip(part["W_skip"], part["W_enc"].shape[0], len(part["b_dec"]))
    if "threshold" in part:
        part["threshold"] = part["threshold"].flatten()
    return part | {"W_dec": weights[f"W_dec_{layer}"]}
