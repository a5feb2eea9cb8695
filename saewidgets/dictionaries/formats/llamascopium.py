"""llamascopium and lm_saes from version 1: `config.json` and `sae_weights.safetensors`.

Keys of 2.x: `W_E [d_model, d_dict]`, `b_E`, `W_D [d_dict, d_model]`, `b_D`,
`activation_function.log_jumprelu_threshold`, `dataset_average_activation_norm.<hook>`. Those of 1.x: `encoder.weight
[d_dict, d_model]`, `encoder.bias`, `decoder.weight [d_model, d_dict]`, `decoder.bias`, `log_jumprelu_threshold`. The
config gives `sae_type`, the hook points, `act_fn`, `top_k`, `norm_activation` and `sparsity_include_decoder_norm`.

```
h      = x s_in W_E + b_E,   s = √d_model / average norm at the hook (norm_activation "dataset-wise")
f      = h where h · |W_D| > exp(log threshold)  |  relu(h)  |  the k greatest of h · |W_D|
output = (f W_D + b_D) / s_out
```

Without `sparsity_include_decoder_norm` the selection looks at `h`. Activations are on the scale of the training (the
`encode` of its authors wants inputs that are already scaled); `"inference"` files are folded to raw activations.

`sae_type: crosscoder` and `clt` are described in `llamascopium_sites`. Lorsa, MOLT, GLU encoders and `.dcp` folders
are refused.

Example:
    `load_dictionary("path/to/saved_sae")`
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

NAME, CONFIG = "llamascopium", "config.json"
WEIGHTS = ("sae_weights.safetensors", "checkpoints/pruned.safetensors", "checkpoints/final.safetensors")
THRESHOLD, AVERAGE = "activation_function.log_jumprelu_threshold", "dataset_average_activation_norm."
_RENAMED = {
    "encoder.weight": "W_E",
    "encoder.bias": "b_E",
    "decoder.weight": "W_D",
    "decoder.bias": "b_D",
    "log_jumprelu_threshold": THRESHOLD,
}


def matches(files: Files) -> bool:
    """Whether the config is one of theirs."""
    try:
        return files.has(CONFIG) and "norm_activation" in files.json(CONFIG)
    except DictionaryError:
        return False


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a dictionary on the scale of its authors.

    Raises:
        DictionaryError: A type or part that is not read, damaged files, or an open question.
    """
    config = files.json(CONFIG)
    kind = config.get("sae_type", "sae")
    if kind in ("crosscoder", "clt"):
        from saewidgets.dictionaries.formats import llamascopium_sites

        return llamascopium_sites.read(files, questions, config)
    if kind != "sae":
        raise DictionaryError(f"sae_type {shorten(kind)} is not read.", "Known: sae, crosscoder, clt.")
    if config.get("use_glu_encoder"):
        raise DictionaryError("Its encoder is gated (use_glu_encoder).", "This is not read.")
    name, tensors = read_tensors(files)
    biased = bool(config.get("use_decoder_bias", True))
    check(tensors, name, config, {"W_E", "b_E", "W_D"} | ({"b_D"} if biased else set()))
    b_enc, old = tensors["b_E"], "encoder.weight" in files.keys(name)
    W_enc = orient.encoder(tensors["W_E"], len(b_enc), transposed=old)
    W_dec = orient.decoder(tensors["W_D"], len(b_enc), transposed=old)
    b_dec = tensors["b_D"].float() if biased else b_enc.new_zeros(W_dec.shape[1])
    hook_in, hook_out = config.get("hook_point_in"), config.get("hook_point_out")
    site_in = questions.site("site", hook_in, f"{CONFIG}: hook_point_in")
    site_out = questions.site("site_out", hook_out or str(site_in), f"{CONFIG}: hook_point_out")
    raw = config.get("norm_activation") == "inference"
    questions.define(bias="b_D is not subtracted", scale="raw activations" if raw else "of the training")
    norm, s_out = _norms(config, tensors, (W_enc.shape[0], W_dec.shape[1]), questions)
    return FeedForward(
        W_enc,
        W_dec,
        b_enc,
        b_dec / s_out,
        activation(config, tensors, questions),
        site_in,
        site_out,
        norm=norm,
        gate_scale=orient.row_norms(W_dec) if gated(config, questions) else None,
        row_scale=None if s_out == 1 else b_dec.new_tensor(1 / s_out),
        architecture=str(config.get("act_fn")),
        card=questions.card(NAME),
    )


def read_tensors(files: Files) -> tuple[str, dict[str, Tensor]]:
    """The checkpoint's name, and its tensors under the names of 2.x.

    Raises:
        DictionaryError: There is none that can be read.
    """
    name = files.file.name if files.file else next((name for name in WEIGHTS if files.has(name)), None)
    if name is None or not name.endswith(".safetensors"):
        sharded = any(entry.name.endswith(".dcp") for entry in files.folder.iterdir())
        place = "a sharded .dcp folder" if sharded else "no safetensors file"
        raise DictionaryError(
            f"{shorten(files.source)} keeps its weights in {place}.",
            "Load it with llamascopium and call save_pretrained on one device: that writes sae_weights.safetensors.",
        )
    return name, {_RENAMED.get(key, key): value for key, value in files.tensors(name).items()}


def check(tensors: dict[str, Tensor], name: str, config: dict[str, Any], needed: set[str]) -> None:
    """Refuse a file that lacks a tensor or holds an unknown one."""
    averages = {key for key in tensors if key.startswith(AVERAGE)}
    threshold = {THRESHOLD} if config.get("act_fn") == "jumprelu" else set()
    orient.require(tensors, name, needed | threshold, averages | {THRESHOLD})


def gated(config: dict[str, Any], questions: Questions) -> bool:
    """Whether the selection looks at `h` times the norm of the decoder row."""
    included = bool(config.get("sparsity_include_decoder_norm", True))
    where = f"{CONFIG}: sparsity_include_decoder_norm"
    questions.note("decoder norm", "in the selection" if included else "not used", where)
    return included and config.get("act_fn") != "relu"


def factor(tensors: dict[str, Tensor], hook: str, d_model: int) -> float | None:
    """What activations at a hook were multiplied by in training; None where the file does not say."""
    average = tensors.get(f"{AVERAGE}{hook}")
    return None if average is None else d_model**0.5 / values.positive(average, f"{AVERAGE}{hook}")


def activation(config: dict[str, Any], tensors: dict[str, Tensor], questions: Questions) -> Activation:
    """The sparse nonlinearity."""
    kind = config.get("act_fn")
    questions.note("activation", kind, f"{CONFIG}: act_fn")
    if kind == "jumprelu":
        if config.get("norm_activation") == "inference":
            questions.warn(
                "Its library folds the norm into an inference file but leaves the threshold as it was in training."
            )
        return Activation("jumprelu", threshold=tensors[THRESHOLD].float().exp())
    if kind == "topk":
        k = questions.settle("k", "k", config.get("top_k"), f"{CONFIG}: top_k")
        return Activation("topk", k=values.count(k, "k"))
    if kind == "batchtopk":  # what is kept depends on the whole batch, at inference too
        threshold = questions.settle("threshold (it selects by batch)", "threshold")
        return Activation("jumprelu", threshold=torch.tensor(values.number(threshold, "threshold")))
    if kind == "relu":
        return Activation("relu")
    raise DictionaryError(f"Activation {shorten(kind)} is not read.", "Known: relu, jumprelu, topk, batchtopk.")


def _norms(
    config: dict[str, Any], tensors: dict[str, Tensor], sizes: tuple[int, int], questions: Questions
) -> tuple[Norm, float]:
    kind = config.get("norm_activation")
    if kind == "dataset-wise":
        hook_in = str(config.get("hook_point_in"))
        found = factor(tensors, hook_in, sizes[0])
        s_in = questions.settle("norm factor", "norm_factor", found, f"{AVERAGE}{hook_in}")
        s_in = values.positive(s_in, "norm_factor")
        s_out = factor(tensors, str(config.get("hook_point_out", hook_in)), sizes[1]) if found else None
        return Norm("factor", s_in), s_out or s_in
    questions.note("input norm", kind, f"{CONFIG}: norm_activation")
    if kind == "inference":
        return Norm(), 1.0
    if kind == "token-wise" and config.get("hook_point_in") == config.get("hook_point_out"):
        return Norm("token_norm"), 1.0
    raise DictionaryError(f"Input normalisation {shorten(kind)} is not read.", "Fold it and save again.")
