"""Crosscoders of ckkissane (two models) and of science-of-finetuning/dictionary_learning (several models or layers).

ckkissane: `cfg.json` and `cc_weights.pt` with `W_enc [n, d, d_dict]`, `W_dec [d_dict, n, d]`, `b_enc`, `b_dec [n, d]`.
The config gives `hook_point`, the same for all models. Its authors scale the activations of each model to a mean norm
of √d before encoding; the factors are not saved, and the numbers here are those of activations that are scaled
already.

science-of-finetuning: `model.safetensors` with `config.json`, or `ae.pt`, with `encoder.weight [n, d, d_dict]`,
`encoder.bias`, `decoder.weight [n, d_dict, d]`, `decoder.bias [n, d]`, `code_normalization_id`; BatchTopK ones also
`k` and `threshold`. Keys of compiled models begin with `_orig_mod.`. Where `activation_mean` holds numbers, inputs are
normalised as `(x - activation_mean) * activation_global_scale`, which is folded into the weights.

```
f         = relu(sum over m of x[m] W_enc[m] + b_enc)
            BatchTopK: where f · c > threshold, c the code normalisation (the decoder norms, summed over m, …)
output[m] = f W_dec[m] + b_dec[m]
```

Activations are not multiplied by the code normalisation; `unit_norm()` multiplies them by the summed decoder norms.

Example:
    `load_dictionary("crosscoder", site="resid_post.13")`
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, shorten

NAME = "crosscoders"
_PAIR, _PAIR_CONFIG = "cc_weights.pt", "cfg.json"
_PAIR_TENSORS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec"})
_CONFIG, _COMPILED = "config.json", "_orig_mod."
_TENSORS = frozenset({"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"})
_CODE, _MEAN, _STD, _SCALE = "code_normalization_id", "activation_mean", "activation_std", "activation_global_scale"
_OPTIONAL = frozenset({_CODE, _MEAN, _STD, _SCALE, "target_rms", "k", "threshold"})
_CODES = {1: "crosscoder", 2: "sae", 3: "mixed", 4: "none", 5: "decoupled"}


def matches(files: Files) -> bool:
    """Whether there are weights with the keys of either."""
    if files.has(_PAIR_CONFIG, _PAIR) or (files.file is not None and files.file.name == _PAIR):
        return files.keys(_PAIR) >= _PAIR_TENSORS
    name = _weights(files)
    return name is not None and _TENSORS | {_CODE} <= {key.removeprefix(_COMPILED) for key in files.keys(name)}


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a crosscoder.

    Raises:
        DictionaryError: Damaged, a variant that is not read, or an open question.
    """
    if files.has(_PAIR) and files.keys(_PAIR) >= _PAIR_TENSORS:
        return _read_pair(files, questions)
    name = _weights(files)
    if name is None:
        raise DictionaryError(f"A crosscoder is {_PAIR}, ae.pt or model.safetensors.", "Name the file.")
    tensors = {key.removeprefix(_COMPILED): value for key, value in files.tensors(name).items()}
    unset = {key for key in (_MEAN, _STD) if key in tensors and bool(tensors[key].isnan().all())}
    orient.require({key: value for key, value in tensors.items() if key not in unset}, name, _TENSORS, _OPTIONAL)
    config = files.json(_CONFIG) if files.has(_CONFIG) else {}
    for key in ("latent_processor", "encoder_layers", "num_decoder_layers", "num_decoder_output_layers"):
        if config.get(key) is not None:
            raise DictionaryError(f"{_CONFIG} sets {key} = {shorten(config[key])}.", "Such a crosscoder is not read.")
    W_enc, W_dec = tensors["encoder.weight"], tensors["decoder.weight"]
    site = questions.site("site")
    questions.define(bias="b_dec is not subtracted", scale="without the code normalisation")
    activation = _activation(tensors, config, W_dec, questions, name)
    W_enc, W_dec, b_enc, b_dec = _folded(tensors, config, questions, name)
    return Crosscoder(W_enc, W_dec, b_enc, b_dec, activation, (site,) * len(W_enc), card=questions.card(NAME))


def _weights(files: Files) -> str | None:
    """The named file, or the safe one of the two."""
    if files.file is not None:
        return files.file.name if files.file.name.endswith((".safetensors", ".pt")) else None
    return next((name for name in ("model.safetensors", "ae.pt") if files.has(name)), files.weights(".pt"))


def _read_pair(files: Files, questions: Questions) -> Dictionary:
    tensors = files.tensors(_PAIR)
    orient.require(tensors, _PAIR, _PAIR_TENSORS)
    config = files.json(_PAIR_CONFIG) if files.has(_PAIR_CONFIG) else {}
    W_enc, W_dec = tensors["W_enc"], tensors["W_dec"]
    site = questions.site("site", config.get("hook_point"), f"{_PAIR_CONFIG}: hook_point")
    questions.define(activation="relu", bias="b_dec is not subtracted", decoder_norm="not used")
    factor = questions.settle("norm factor", "norm_factor", 1.0, "by format: inputs are scaled before")
    factor = values.positive(factor, "norm_factor")
    if questions.given.get("norm_factor") is None:
        questions.warn(
            "Scale the activations of each model to a mean norm of sqrt(d) before encoding, as its authors do; the "
            "factors are not in the file. Pass norm_factor= if one is right for all models."
        )
    return Crosscoder(
        W_enc,
        W_dec.transpose(0, 1),
        tensors["b_enc"],
        tensors["b_dec"],
        Activation("relu"),
        (site,) * len(W_enc),
        factors=None if factor == 1 else torch.full((len(W_enc),), factor),
        card=questions.card(NAME),
    )


def _activation(
    tensors: dict[str, Tensor], config: dict[str, Any], W_dec: Tensor, questions: Questions, name: str
) -> Activation:
    """ReLU, or for BatchTopK the threshold of each feature: `f · c > t` is `f > t / c`."""
    code = values.count(tensors[_CODE], _CODE) if _CODE in tensors else 0
    if "threshold" not in tensors:
        questions.note("activation", "relu", f"{name}: no threshold")
        questions.note("decoder norm", f"not used (codes were {_CODES.get(code, 'of a kind not said')})", name)
        return Activation("relu")
    questions.note("activation", "jumprelu, from BatchTopK", f"{name}: threshold")
    kind = questions.settle("code normalisation", "decoder_norm", _CODES.get(code), f"{name}: {_CODE}")
    threshold = questions.settle("threshold", "threshold", _trained(tensors["threshold"], kind), f"{name}: threshold")
    norms = W_dec.float().norm(dim=2)
    weight = {
        "crosscoder": norms.sum(0),
        "sae": norms.square().sum(0).sqrt(),
        "mixed": norms.square().sum(0).sqrt()
        * values.number(config.get("code_normalization_alpha_sae", 1.0), "alpha_sae")
        + norms.sum(0) * values.number(config.get("code_normalization_alpha_cc", 0.1), "alpha_cc"),
        "none": torch.ones_like(norms[0]),
    }.get(kind)
    if weight is None:
        raise DictionaryError(f"BatchTopK with {shorten(kind)} codes is not read.", "Its features differ by place.")
    never = torch.finfo(weight.dtype).max
    return Activation(
        "jumprelu", threshold=torch.where(weight > 0, values.number(threshold, "threshold") / weight, never)
    )


def _trained(threshold: Tensor, kind: str) -> float | None:
    """The threshold, None for one that was never set (-1), with which every feature would be active."""
    if threshold.numel() != 1:
        raise DictionaryError(f"BatchTopK with {shorten(kind)} codes is not read.", "Its features differ by place.")
    value = values.number(threshold, "threshold")
    return value if value >= 0 else None


def _folded(
    tensors: dict[str, Tensor], config: dict[str, Any], questions: Questions, name: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights and biases for inputs as they are."""
    W_enc, b_enc = tensors["encoder.weight"], tensors["encoder.bias"]
    W_dec, b_dec = tensors["decoder.weight"], tensors["decoder.bias"]
    mean, std = tensors.get(_MEAN), tensors.get(_STD)
    if mean is None or std is None or bool(mean.isnan().any()) or bool(std.isnan().any()):  # not set
        questions.note("input norm", "none", f"{name}: {_MEAN}" if mean is not None else "by format")
        return W_enc, W_dec, b_enc, b_dec
    mean = mean.float().expand(b_dec.shape)
    if config.get("keep_relative_variance", True):
        scale = tensors[_SCALE].float().reshape(-1, 1).expand(b_dec.shape)
        undo = scale + 1e-8
        questions.note("input norm", "mean and one scale, folded", f"{name}: {_MEAN}, {_SCALE}")
    else:
        undo = scale = 1 / (std.float().expand(b_dec.shape) + 1e-8)
        questions.note("input norm", "mean and standard deviation, folded", f"{name}: {_MEAN}, {_STD}")
    W_enc = W_enc.float() * scale[:, :, None]
    b_enc = b_enc.float() - torch.einsum("nd,ndm->m", mean, W_enc)
    return W_enc, W_dec.float() / undo[:, None, :], b_enc, b_dec.float() / undo + mean
