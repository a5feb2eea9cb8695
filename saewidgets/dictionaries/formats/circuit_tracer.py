"""circuit-tracer: transcoder sets, `config.yaml` and one `layer_{i}.safetensors` a layer.

Keys: `W_enc [d_dict, d_in]`, `W_dec [d_dict, d_out]` (version 0.1: `[d_out, d_dict]`), `b_enc`, `b_dec`, and
optionally `W_skip [d_out, d_in]`, `activation_function.threshold [d_dict]`, `k`. The config gives `model_kind:
transcoder_set`, `feature_input_hook`, `feature_output_hook`, `activation` and `k`.

```
h      = x W_encᵀ + b_enc
f      = relu(h)  |  h where h > threshold  |  the k greatest h, with their sign (no ReLU)
output = f W_dec + b_dec (+ x W_skipᵀ)
```

A set holds one dictionary a layer: name the file, or the site that is read.

Cross-layer transcoders (`model_kind: cross_layer_transcoder`) are described in `circuit_tracer_clt`.

Example:
    `load_dictionary("hub:mntss/transcoder-Llama-3.2-1B/layer_3.safetensors")`
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, SiteError, shorten
from saewidgets.sites import Site

NAME, CONFIG = "circuit_tracer", "config.yaml"
_SET, _CROSS_LAYER = "transcoder_set", "cross_layer_transcoder"
_TENSORS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec"})
_THRESHOLD = "activation_function.threshold"
_LAYER = re.compile(r"layer_(\d{1,4})\.safetensors")


def matches(files: Files) -> bool:
    """Whether the config says that it is of circuit-tracer."""
    try:
        return files.has(CONFIG) and files.yaml(CONFIG).get("model_kind") in (_SET, _CROSS_LAYER)
    except DictionaryError:
        return False


def read(files: Files, questions: Questions) -> Dictionary:
    """Read the transcoder of one layer, or a cross-layer transcoder.

    Raises:
        DictionaryError: Damaged, several layers and none chosen, or an open question.
    """
    config = files.yaml(CONFIG)
    if config.get("model_kind") == _CROSS_LAYER:
        from saewidgets.dictionaries.formats import circuit_tracer_clt

        return circuit_tracer_clt.read(files, questions)
    layer = _layer(files, config, questions)
    name = f"layer_{layer}.safetensors"
    tensors = files.tensors(name)
    orient.require(tensors, name, _TENSORS, frozenset({"W_skip", _THRESHOLD, "k"}))
    b_enc, skip = tensors["b_enc"], tensors.get("W_skip")
    W_enc = orient.encoder(tensors["W_enc"], len(b_enc), transposed=True)
    W_dec = orient.decoder(tensors["W_dec"], len(b_enc))
    site_in, site_out = sites(questions, config, layer)
    activation = _activation(config, tensors, questions, name)
    questions.define(bias="b_dec is not subtracted", input_norm="none", decoder_norm="not used")
    questions.note("skip", "none" if skip is None else "W_skip, transposed", name)
    return FeedForward(
        W_enc,
        W_dec,
        b_enc,
        tensors["b_dec"],
        activation,
        site_in,
        site_out,
        W_skip=None if skip is None else orient.skip(skip, W_enc.shape[0], W_dec.shape[1], transposed=True),
        architecture="transcoder" if skip is None else "skip_transcoder",
        card=questions.card(NAME),
    )


def sites(questions: Questions, config: dict[str, Any], layer: int) -> tuple[Site, Site]:
    """Where the transcoder of a layer reads and writes."""
    model = str(config.get("model_name", ""))
    hooks = {side: config.get(f"feature_{side}_hook") for side in ("input", "output")}
    if hooks["input"] == "ln2.hook_normalized":
        questions.warn(
            "ln2.hook_normalized stands before the weight of the norm, mlp_in after it; they differ by that."
        )
    where = f"{CONFIG}: feature_{{}}_hook"
    site_in = questions.site("site", _hook(hooks["input"], layer, model), where.format("input"))
    return site_in, questions.site("site_out", _hook(hooks["output"], layer, model), where.format("output"))


def _hook(hook: Any, layer: int, model: str) -> str | None:
    """A hook name as circuit-tracer writes it, in full."""
    if not isinstance(hook, str):
        return None
    if hook == "mlp.hook_out" and not re.search(r"gemma-?[23]", model.lower()):
        return f"mlp_out.{layer}"  # in Gemma 2 and 3 a norm follows, what it returns is mlp_out
    return hook.format(layer) if "{}" in hook else f"blocks.{layer}.{hook}"


def _layer(files: Files, config: dict[str, Any], questions: Questions) -> int:
    """Which layer of the set: the file that was named, the site that was asked for, or the only one."""
    named = _LAYER.fullmatch(files.file.name) if files.file else None
    if named:
        return int(named[1])
    layers = sorted(int(found[1]) for name in files.names if (found := _LAYER.fullmatch(name)))
    if not layers:
        listed = config.get("transcoders")
        todo = f"It lists {shorten(listed[0])}; load that." if listed else "Get the files of its layers."
        raise DictionaryError(f"{shorten(files.source)} holds no layer_0.safetensors.", todo)
    asked = _asked_layer(questions.given.get("site"))
    if asked is not None and asked not in layers:
        raise DictionaryError(f"There is no layer {asked} in {shorten(files.source)}.", f"It has {_list(layers)}.")
    if asked is not None or len(layers) == 1:
        return layers[0] if asked is None else asked
    found = questions.settle(
        f"layer ({_list(layers)}; name the file, or the site)",
        "site",
        None,
        "",
        f"layer_{layers[0]}",
        "the first of the set",
    )
    return int(found.rpartition("_")[2])


def _asked_layer(site: Any) -> int | None:
    try:
        return None if site is None else Site.parse(site).layer
    except SiteError as error:
        raise DictionaryError(error.what, "Pass site= with one of our sites, such as 'mlp_in.3'.") from None


def _list(layers: list[int]) -> str:
    return "layers " + (", ".join(map(str, layers)) if len(layers) < 6 else f"{layers[0]} to {layers[-1]}")


def _activation(config: dict[str, Any], tensors: dict[str, Tensor], questions: Questions, name: str) -> Activation:
    kind, threshold = config.get("activation"), tensors.get(_THRESHOLD)
    if kind == "topk":
        found, where = (config["k"], CONFIG) if config.get("k") else (tensors.get("k"), name)
        questions.note("activation", "topk, negative values kept", f"{CONFIG}: activation")
        k = values.count(questions.settle("k", "k", found, f"{where}: k"), "k")
        return Activation("topk", k=k, rectify=False)
    if kind not in (None, "relu", "jumprelu", "jump_relu"):
        raise DictionaryError(f"Activation {shorten(kind)} is not read.", "Known: relu, jumprelu, topk.")
    if kind == "relu" or threshold is None:
        if kind in ("jumprelu", "jump_relu"):
            raise DictionaryError(f"{name} lacks {_THRESHOLD}.", "A JumpReLU transcoder has one value a feature.")
        questions.note("activation", "relu", f"{CONFIG}: activation" if kind else f"{name}: no threshold")
        return Activation("relu")
    questions.note("activation", "jumprelu", f"{name}: {_THRESHOLD}")
    return Activation("jumprelu", threshold=torch.squeeze(threshold))
