"""Vision SAEs of overcomplete (Fel et al., github.com/KempnerInstitute/overcomplete): a state dict.

The library has no way to save: its users write `torch.save(model)`, which holds Python objects and is refused, or
`torch.save(model.state_dict())`, which is read, as is the same as safetensors. Keys: `dictionary._weights
[d_dict, d_in]` and `dictionary.multiplier` (m), or of an archetypal dictionary (Fel et al. 2502.12892) `dictionary.W`,
`.C`, `.Relax`; of the encoder `encoder.final_block.0.weight [d_dict, d_in]` and `.bias`, with `encoder.final_block.1.*`
for a batch norm, or `encoder.weight` of one made by `untied()`, or `encoder.tied_to.*` of one made by `tied()`;
`thresholds` of a JumpSAE, as logarithms.

```
D      = rows of dictionary._weights / their norms · exp(m)
         archetypal: (relu(W) with rows summing to 1, times C, plus Relax) · exp(m)
h      = batch norm of (x W_enc + b_enc), with the running statistics
f      = relu(h);  TopKSAE: its k greatest;  BatchTopKSAE: where f >= threshold;  JumpSAE: where f >= exp(thresholds)
         MpSAE: k steps of matching pursuit over D, negative values kept, no encoder
output = f D
```

There is no bias of the decoder. The same keys serve SAE, TopKSAE and BatchTopKSAE, and the same keys MpSAE and OMPSAE,
so `architecture` is asked for (the class name will do), and with it `k`, or the `threshold` of a BatchTopKSAE, whose
`running_threshold` is no part of a state dict. Rows that have not unit norm were normalised in another way, or saved
in the middle of training: `decoder_norm="raw"` takes them as they are, `"unit"` normalises them.

Not read: OMPSAE, QSAE, and encoders of more than one layer, with layer norm, attention or convolutions.

Example:
    `load_dictionary("state_dict.pt", site="resid_post.11", architecture="BatchTopKSAE", threshold=1.09)`
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient, values
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.matching_pursuit import MatchingPursuit
from saewidgets.errors import DictionaryError, shorten

NAME = "overcomplete"
_ATOMS, _LOG_SCALE = "dictionary._weights", "dictionary.multiplier"
_MIXTURE = frozenset({"dictionary.W", "dictionary.C", "dictionary.Relax"})
_WEIGHT, _BIAS = "encoder.final_block.0.weight", "encoder.final_block.0.bias"
_NORM = "encoder.final_block.1."
_BATCH_NORM = frozenset(_NORM + name for name in ("weight", "bias", "running_mean", "running_var"))
_OWN, _OWN_BIAS, _TIED = "encoder.weight", "encoder.bias", "encoder.tied_to."
_NAMES = {
    "": "standard", "standard": "standard", "relu": "standard", "topk": "topk", "batchtopk": "batchtopk",
    "jump": "jumprelu", "jumprelu": "jumprelu", "mp": "matching_pursuit", "matching_pursuit": "matching_pursuit",
}  # fmt: skip
# What torch adds to the variance in a BatchNorm1d, and overcomplete to a norm.
_EPS, _TINY = 1e-5, 1e-8
# Rows nearer to 1 than this were normalised when they were saved.
_UNIT = 1e-3


def matches(files: Files) -> bool:
    """Whether a torch file has the tensors of one of its dictionary layers."""
    keys = files.keys(_name(files) or "")
    return _LOG_SCALE in keys and (_ATOMS in keys or keys >= _MIXTURE)


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a state dict of overcomplete.

    Raises:
        DictionaryError: Damaged, a variant that is not read, or an open question.
    """
    name = _name(files)
    if name is None:
        raise DictionaryError("A state dict of overcomplete is one .pt, .pth or .safetensors file.", "Name the file.")
    tensors = files.tensors(name)
    architecture = _architecture(tensors, questions, name)
    encoder = {key for key in tensors if key.startswith("encoder.")}
    if architecture != "matching_pursuit":
        _check_encoder(tensors, encoder, name)
    needed = (_MIXTURE if _ATOMS not in tensors else {_ATOMS}) | {_LOG_SCALE}
    orient.require(tensors, name, needed | ({"thresholds"} if architecture == "jumprelu" else set()), encoder)
    site = questions.site("site")
    questions.define(activation=architecture, input_norm="none", bias="none in the decoder")
    atoms, scale = _atoms(tensors, questions, name)
    if architecture == "matching_pursuit":
        k = values.count(questions.settle("k", "k"), "k")
        D = atoms.float() * scale.reshape(-1, 1)
        return MatchingPursuit(D, D.new_zeros(D.shape[1]), k, site, rectify=False, card=questions.card(NAME))
    W_enc, b_enc = _encoder(tensors, questions, name, atoms, scale)
    return FeedForward(
        W_enc,
        atoms,
        b_enc,
        b_enc.new_zeros(atoms.shape[1]),
        _activation(architecture, tensors, questions),
        site,
        site,
        row_scale=scale,
        architecture=architecture,
        card=questions.card(NAME),
    )


def _name(files: Files) -> str | None:
    return next((name for name in map(files.weights, (".pt", ".pth", ".safetensors")) if name), None)


def _architecture(tensors: Mapping[str, Tensor], questions: Questions, name: str) -> str:
    """What it is, of which the keys tell only a JumpSAE."""
    found = "jumprelu" if "thresholds" in tensors else None
    given = questions.settle("architecture", "architecture", found, f"{name}: thresholds")
    known = _NAMES.get(str(given).lower().removesuffix("sae").removeprefix("ra"))
    if known is None or (found and known != found):
        raise DictionaryError(
            f"{shorten(name)} cannot be read as {shorten(given)}.",
            "Pass architecture= as 'SAE', 'TopKSAE', 'BatchTopKSAE' or 'MpSAE'; a JumpSAE has thresholds.",
        )
    return known


def _check_encoder(tensors: Mapping[str, Tensor], keys: set[str], name: str) -> None:
    """Refuse encoders that are not one matrix."""
    norm = {key for key in keys if key.startswith(_NORM)} - {f"{_NORM}num_batches_tracked"}
    tied = {key for key in keys if key.startswith(_TIED)}
    linear = keys & {_WEIGHT, _BIAS} == {_WEIGHT, _BIAS} and norm in (set(), _BATCH_NORM)
    own = {_WEIGHT, _BIAS, *norm, f"{_NORM}num_batches_tracked"} if linear else {_OWN, _OWN_BIAS, *tied}
    if keys - own or not (linear or _OWN in keys or tied):
        raise DictionaryError(
            f"{shorten(name)} has an encoder of {shorten(', '.join(sorted(keys)) or 'no tensors')}.",
            "One linear layer is read, with or without a batch norm; MpSAE has none: pass architecture='MpSAE'.",
        )
    orient.require({key: tensors[key] for key in keys}, name, {_WEIGHT, _BIAS, *norm} if linear else set(), own)


def _atoms(tensors: Mapping[str, Tensor], questions: Questions, name: str) -> tuple[Tensor, Tensor]:
    """`[d_dict, d_in]` and what multiplies its rows."""
    factor = torch.tensor(values.number(tensors[_LOG_SCALE], _LOG_SCALE)).exp()
    questions.note("multiplier", f"{float(factor):g}", f"{name}: {_LOG_SCALE}")
    if _ATOMS not in tensors:
        W, C, relax = (tensors[f"dictionary.{part}"] for part in ("W", "C", "Relax"))
        shapes = {"dictionary.Relax": (*W.shape[:1], *C.shape[1:]), "dictionary.C": (*W.shape[1:], *relax.shape[1:])}
        orient.require_shapes(tensors, name, **shapes)
        mix = W.float().relu()
        mix = mix / (mix.sum(-1, keepdim=True) + _TINY)
        questions.note("decoder norm", "not used (archetypal)", f"{name}: dictionary.W, C, Relax")
        questions.warn("The bound of its relaxation is no part of a state dict: Relax is taken as it was saved.")
        return torch.addmm(relax.float(), mix, C.float()), factor
    W = tensors[_ATOMS]
    if W.ndim != 2:
        raise DictionaryError(f"{_ATOMS} is {tuple(W.shape)}.", "It must be a matrix.")
    norms = orient.row_norms(W)
    unit = bool(((norms - 1).abs() <= _UNIT).all())
    why = "l2 is the library's default"
    norm = questions.settle(
        "decoder norm", "decoder_norm", "unit" if unit else None, f"{name}: rows of norm 1", "unit", why
    )
    if norm not in ("raw", "unit"):
        raise DictionaryError(f"decoder_norm = {shorten(norm)}.", "Pass 'raw' or 'unit'.")
    return W, factor if norm == "raw" else factor / (norms + _TINY)


def _encoder(
    tensors: Mapping[str, Tensor], questions: Questions, name: str, atoms: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """`W_enc`, `b_enc`, with the batch norm folded."""
    d_dict, d_in = atoms.shape
    if _WEIGHT not in tensors:
        tied = [key for key in tensors if key.startswith(_TIED)]
        W = (atoms.float() * scale.reshape(-1, 1)) if tied else tensors[_OWN]
        if any(not torch.equal(tensors[key], tensors[f"dictionary.{key.removeprefix(_TIED)}"]) for key in tied):
            raise DictionaryError(f"{shorten(name)}: {_TIED}* is not its dictionary.", "The file is damaged.")
        questions.note("encoder", "tied to the dictionary" if tied else "linear", name)
        bias = tensors.get(_OWN_BIAS)
        return orient.reading(W, d_in, transposed=True), W.new_zeros(d_dict) if bias is None else bias
    W, b_enc = orient.encoder(tensors[_WEIGHT], d_dict, transposed=True), tensors[_BIAS]
    if f"{_NORM}running_var" not in tensors:
        questions.note("encoder", "linear", name)
        return W, b_enc
    orient.require_shapes(tensors, name, **dict.fromkeys((*_BATCH_NORM, _BIAS), (d_dict,)))
    gamma, beta, mean, variance = (
        tensors[_NORM + part].float() for part in ("weight", "bias", "running_mean", "running_var")
    )
    questions.note("encoder", f"linear and batch norm (eps {_EPS}), folded", name)
    gain = gamma / (variance + _EPS).sqrt()
    return W.float() * gain, (b_enc.float() - mean) * gain + beta


def _activation(architecture: str, tensors: Mapping[str, Tensor], questions: Questions) -> Activation:
    if architecture == "topk":
        return Activation("topk", k=values.count(questions.settle("k", "k"), "k"))
    if architecture == "batchtopk":
        number = values.number(questions.settle("threshold", "threshold"), "threshold")
        return Activation("jumprelu", threshold=_from(torch.tensor(number)))
    if architecture == "jumprelu":
        return Activation("jumprelu", threshold=_from(tensors["thresholds"].float().exp()))
    return Activation("relu")


def _from(threshold: Tensor) -> Tensor:
    """The number below a threshold: overcomplete keeps what is equal to it, `h > t` does not."""
    return threshold.nextafter(torch.tensor(-math.inf))
