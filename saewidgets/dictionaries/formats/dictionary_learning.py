"""dictionary_learning (saprmarks), also as SAEBench and many others publish it: `ae.pt` and `config.json`.

The `trainer` of the config gives `dict_class`, `layer` and `submodule_name`. A file `checkpoints/ae_N.pt` belongs to
the config one folder above. `encoder.weight` is `[d_dict, d_in]`, `decoder.weight [d_in, d_dict]`,
`W_enc [d_in, d_dict]`, `W_dec [d_dict, d_in]`; biases are in raw units. By `dict_class`, with
`h = relu((x - b) W_enc + b_enc)`:

```
AutoEncoder              f = h                    bias, encoder.*, decoder.weight; also the p-annealed ones
AutoEncoderNew           f = relu(x W_enc + b_enc)                encoder.*, decoder.*
GatedAutoEncoder         f = relu((x - b) W_enc · exp(r_mag) + mag_bias) where (x - b) W_enc + gate_bias > 0
                         decoder_bias, encoder.weight, decoder.weight, r_mag, gate_bias, mag_bias
AutoEncoderTopK          f = TopK(h)              b_dec, encoder.*, decoder.weight, k, threshold
BatchTopKSAE             f = h where h > threshold                the same
JumpReluAutoEncoder      f = h where h > threshold, x not shifted      W_enc, W_dec, b_enc, b_dec, threshold [d_dict]
MatryoshkaBatchTopKSAE   f = h where h > threshold                the same, threshold [], k, group_sizes
output = f W_dec + b
```

* **Decoder norm.** The library's own loader of an `AutoEncoder` rescales it to unit-norm decoder rows by default, so
  its activations are `f · |d|`. This is what you get; `decoder_norm="raw"` gives the activations of the weights as
  they are stored. The reconstruction is the same. No other class is rescaled.
* **Threshold.** A BatchTopK that was saved early has a threshold of -1, with which it silently runs dense. It is asked
  for as `threshold`.
* An `AutoEncoderTopK` also stores a threshold. Pass `threshold` to use one in place of the k greatest.
* A JumpReLU may have been trained with `apply_b_dec_to_input`, which no file says; `subtract_b_dec=True` applies it.
* Without a config, `AutoEncoderTopK` and `BatchTopKSAE` cannot be told apart: pass `architecture`.

Example:
    `load_dictionary("trainer_0", decoder_norm="raw")`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.gated import fold_gated
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, shorten

NAME, CONFIG = "dictionary_learning", "config.json"
_LINEAR = frozenset({"encoder.weight", "encoder.bias", "decoder.weight"})
_MATRICES = frozenset({"W_enc", "W_dec", "b_enc", "b_dec", "threshold"})
_GATED = frozenset({"decoder_bias", "encoder.weight", "decoder.weight", "r_mag", "gate_bias", "mag_bias"})
_SIZES = "group_sizes"
_GROUPS = "group_sizes"
_TOPK = _LINEAR | {"b_dec", "k"}
# The tensors of each class; `threshold` came later to those with a k.
_CLASSES = {
    "AutoEncoder": _LINEAR | {"bias"},
    "AutoEncoderNew": _LINEAR | {"decoder.bias"},
    "GatedAutoEncoder": _GATED,
    "AutoEncoderTopK": _TOPK,
    "BatchTopKSAE": _TOPK,
    "JumpReluAutoEncoder": _MATRICES,
    "MatryoshkaBatchTopKSAE": _MATRICES | {"k", _SIZES},
}
_OPTIONAL = {"AutoEncoderTopK": frozenset({"threshold"}), "BatchTopKSAE": frozenset({"threshold"})}
# The bias that is added to the output, and subtracted from the input unless the class does not.
_BIAS = {"AutoEncoder": "bias", "AutoEncoderNew": "decoder.bias", "GatedAutoEncoder": "decoder_bias"}
_ARCHITECTURES = {
    "AutoEncoder": "standard", "AutoEncoderNew": "standard", "GatedAutoEncoder": "gated", "AutoEncoderTopK": "topk",
    "BatchTopKSAE": "batchtopk", "JumpReluAutoEncoder": "jumprelu", "MatryoshkaBatchTopKSAE": "matryoshka_batchtopk",
}  # fmt: skip
_STREAMS = {"resid_post": "resid_post", "residual": "resid_post", "mlp_out": "mlp_out", "attention_out": "attn_out"}


def matches(files: Files) -> bool:
    """Whether a torch file has the tensors of one of the classes; those that others share need the config."""
    keys = files.keys(files.weights(".pt") or "")
    known = [name for name in _CLASSES if _fits(name, keys)]
    if known != ["AutoEncoderNew"]:
        return bool(known)
    try:
        return "dict_class" in trainer_of(files)
    except DictionaryError:
        return False


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a dictionary of dictionary_learning, on the scale that its authors' loader gives.

    Raises:
        DictionaryError: Damaged, a class that is not read, or an open question.
    """
    name = files.weights(".pt")
    if name is None:
        raise DictionaryError(f"dictionary_learning writes one .pt file and {CONFIG}.", "Name the file.")
    trainer, tensors = trainer_of(files), files.tensors(name)
    kind = _class(trainer, tensors, questions, name)
    # The sizes of the groups are whole numbers, which weights are not; `_note_groups` looks at them.
    orient.require(tensors, name, _CLASSES[kind] - {_SIZES}, _OPTIONAL.get(kind, frozenset()) | _CLASSES[kind])
    site = questions.site("site", site_of(trainer), f"{CONFIG}: submodule_name and layer")
    b_dec = tensors[_BIAS.get(kind, "b_dec")]
    W_enc, b_enc, activation = _encoder(kind, trainer, tensors, questions, name)
    questions.note("activation", activation, f"of {kind} by format")
    W_dec = _decoder(tensors, W_enc.shape[1])
    subtract = _subtract(kind, questions)
    questions.define(input_norm="none; biases are stored in raw units")
    norms = _norms(kind, W_dec, questions)
    return FeedForward(
        W_enc,
        W_dec,
        b_enc,
        b_dec,
        activation,
        site,
        site,
        b_in=b_dec if subtract else None,
        value_scale=norms,
        row_scale=None if norms is None else 1 / norms,
        architecture=_ARCHITECTURES[kind],
        card=questions.card(NAME),
    )


def trainer_of(files: Files) -> Mapping[str, Any]:
    """The `trainer` of the config, beside the weights or above their `checkpoints`; empty where there is none.

    Raises:
        DictionaryError: The config is damaged.
    """
    name = f"../{CONFIG}" if files.folder.name == "checkpoints" else CONFIG
    return (files.json(name).get("trainer") or {}) if files.has(name) else {}


def site_of(trainer: Mapping[str, Any]) -> str | None:
    """The place, where the training noted more than a layer."""
    name, layer = trainer.get("submodule_name"), trainer.get("layer")
    found = next((stream for word, stream in _STREAMS.items() if word in str(name)), None)
    return f"{found}.{layer}" if found and type(layer) is int else None


def _fits(kind: str, keys: frozenset[str]) -> bool:
    return _CLASSES[kind] <= keys <= _CLASSES[kind] | _OPTIONAL.get(kind, frozenset())


def _class(trainer: Mapping[str, Any], tensors: Mapping[str, Tensor], questions: Questions, name: str) -> str:
    """The class: what the config says, else what only one class can have."""
    fitting = [kind for kind in _CLASSES if _fits(kind, frozenset(tensors))]
    found, where = trainer.get("dict_class"), f"{CONFIG}: dict_class"
    if found is None and len(fitting) == 1:
        found, where = fitting[0], f"keys of {shorten(name)}"
    kind = questions.settle("architecture", "architecture", found, where)
    if str(kind) not in _CLASSES:
        raise DictionaryError(f"The class {shorten(kind)} is not read.", f"Known: {', '.join(_CLASSES)}.")
    return str(kind)


def _encoder(
    kind: str, trainer: Mapping[str, Any], tensors: Mapping[str, Tensor], questions: Questions, name: str
) -> tuple[Tensor, Tensor, Activation]:
    """`[d_in, d_dict]`, `[d_dict]`, and the activation."""
    if kind == "GatedAutoEncoder":
        gate = tensors["gate_bias"]
        orient.require_shapes(tensors, name, mag_bias=tuple(gate.shape), r_mag=tuple(gate.shape))
        W = orient.encoder(tensors["encoder.weight"], len(gate), transposed=True)
        biases = gate, tensors["mag_bias"], tensors["r_mag"]
        return fold_gated(W, *biases, in_place=orient.alone(tensors, "encoder.weight"))
    if "W_enc" in tensors:
        b_enc = tensors["b_enc"]
        W = orient.encoder(tensors["W_enc"], len(b_enc))
    else:
        b_enc = tensors["encoder.bias"]
        W = orient.encoder(tensors["encoder.weight"], len(b_enc), transposed=True)
    return W, b_enc, _activation(kind, trainer, tensors, questions, name)


def _activation(
    kind: str, trainer: Mapping[str, Any], tensors: Mapping[str, Tensor], questions: Questions, name: str
) -> Activation:
    if kind in ("AutoEncoder", "AutoEncoderNew"):
        return Activation("relu")
    if kind == "JumpReluAutoEncoder" and questions.given.get("threshold") is None:
        questions.note("threshold", "one a feature", f"{name}: threshold")
        return Activation("jumprelu", threshold=tensors["threshold"])
    if kind == "AutoEncoderTopK" and questions.given.get("threshold") is None:
        return Activation("topk", k=values.count(questions.settle("k", "k", tensors["k"].item(), f"{name}: k"), "k"))
    if kind == "MatryoshkaBatchTopKSAE":
        _note_groups(tensors, questions, name)
    return Activation("jumprelu", threshold=torch.tensor(_threshold(kind, tensors, questions, name)))


def _threshold(kind: str, tensors: Mapping[str, Tensor], questions: Questions, name: str) -> float:
    """The one threshold; -1 stands for none yet."""
    stored = tensors.get("threshold")
    found = None if stored is None or stored.numel() != 1 else values.number(stored, "threshold")
    unset = kind != "JumpReluAutoEncoder" and (found is None or found < 0)
    answer = questions.settle(
        "threshold", "threshold", None if unset else found, f"{name}: threshold", 0.0, "it was never set in training"
    )
    if unset:
        questions.warn(
            f"{name} holds no threshold (-1): it was saved before one was estimated. Without one, every positive "
            "pre-activation is a feature."
        )
    return values.number(answer, "threshold")


def _note_groups(tensors: Mapping[str, Tensor], questions: Questions, name: str) -> None:
    stored = tensors.get(_SIZES)
    if stored is None or stored.is_floating_point() or stored.dtype == torch.bool or stored.ndim != 1:
        raise DictionaryError(f"{_SIZES} of {shorten(name)} are no list of whole numbers.", "The file is damaged.")
    sizes = stored.tolist()
    if min(sizes, default=0) < 1 or sum(sizes) != len(tensors["b_enc"]):
        raise DictionaryError(
            f"{_GROUPS} of {shorten(name)} add up to {shorten(sum(sizes))}, not {len(tensors['b_enc'])}.",
            "The file is damaged.",
        )
    questions.note("groups", ", ".join(map(str, sizes[:16])), f"{name}: {_GROUPS}")


def _decoder(tensors: Mapping[str, Tensor], d_dict: int) -> Tensor:
    if "W_dec" in tensors:
        return orient.decoder(tensors["W_dec"], d_dict)
    return orient.decoder(tensors["decoder.weight"], d_dict, transposed=True)


def _subtract(kind: str, questions: Questions) -> bool:
    """Whether the decoder's bias is subtracted; only a JumpReLU leaves it open, and then it seldom is."""
    by_class = kind not in ("AutoEncoderNew", "JumpReluAutoEncoder")
    if kind != "JumpReluAutoEncoder":
        questions.define(bias=f"the decoder's is {'' if by_class else 'not '}subtracted")
        return by_class
    return bool(questions.settle("bias subtracted", "subtract_b_dec", by_class, "default of the class"))


def _norms(kind: str, W_dec: Tensor, questions: Questions) -> Tensor | None:
    """Norms of the decoder rows, where the authors' loader rescales to 1; rows of 0 stay."""
    if kind != "AutoEncoder":
        questions.define(decoder_norm="not used")
        return None
    choice = questions.settle("decoder norm", "decoder_norm", "unit", "default of its loader")
    if choice not in ("raw", "unit"):
        raise DictionaryError(f"decoder_norm = {shorten(choice)}.", "Use 'raw' or 'unit'.")
    norms = orient.row_norms(W_dec)
    return None if choice == "raw" else torch.where(norms > 0, norms, 1.0)
