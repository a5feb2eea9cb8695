"""SAELens, versions 2 to 6: `cfg.json` and `sae_weights.safetensors`.

Keys: `W_enc [d_in, d_dict]`, `W_dec [d_dict, d_out]`, `b_enc`, `b_dec`; instead of `b_enc` a gated one has `b_gate`,
`b_mag`, `r_mag`; `threshold [d_dict]` of a JumpReLU, `W_skip [d_out, d_in]` of a skip transcoder. The config gives
`architecture`, `apply_b_dec_to_input`, `normalize_activations`, `k`, `rescale_acts_by_decoder_norm`; model and hooks
stand in its `metadata` (before version 6: beside the rest).

```
h      = (norm(x) - b_dec) W_enc + b_enc         (b_dec: unless apply_b_dec_to_input is false, or a transcoder)
f      = relu(h) | h where h > threshold | the k greatest h, rectified | the k greatest |h|, with their sign
output = norm⁻¹(f W_dec + b_dec) (+ x W_skipᵀ)
```

With `rescale_acts_by_decoder_norm`, `h · |row|` is ranked and is the activation, and decoder rows count as unit norm.

- `normalize_activations = "expected_average_only_in"` multiplies inputs by a factor that is no part of the format. It
  stands in `activation_scaler.json` of a training checkpoint; elsewhere it must have been folded, or is lost: SAELens
  then applies nothing. `"covariance_whitening"` keeps its matrices in `activation_whitening.safetensors`.
- A training checkpoint of `batchtopk` or `matryoshka_batchtopk` keeps the greatest of the whole batch. With
  `threshold=` it is the JumpReLU that `save_inference_model` would write.
- An old config may say `standard` and be a TopK: `activation_fn_str` counts more.
- `temporal` and `matching_pursuit` are described in `saelens_temporal` and `saelens_pursuit`.
- Before all that, SAELens pickled whole sessions (`.pkl.gz`, `.pt`): these are refused, with the way to convert them.

`dictionary.save(folder, format="saelens")` writes what sae-lens 6 reads, see `saelens_write`.

Example:
    `load_dictionary("hub:jbloom/GPT2-Small-SAEs-Reformatted/blocks.8.hook_resid_pre")`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import (
    orient,
    saelens_config,
    saelens_norms,
    saelens_pursuit,
    saelens_temporal,
    values,
)
from saewidgets.dictionaries.formats.files import SUFFIXES, Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.formats.saelens_config import CONFIG, WEIGHTS, Config
from saewidgets.dictionaries.gated import fold_gated
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, shorten

NAME = "saelens"
_PICKLES = (".pkl", ".pkl.gz")
_BATCHED = ("batchtopk", "matryoshka_batchtopk")
_TRANSCODERS = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")
_OTHERS = {"temporal": saelens_temporal.read, "matching_pursuit": saelens_pursuit.read}
ARCHITECTURES = ("standard", "gated", "jumprelu", "topk", "abstopk", *_BATCHED, *_TRANSCODERS, *_OTHERS)
# Factors of a fine-tuned dictionary, under the names of two versions.
_FINE_TUNING = ("scaling_factor", "finetuning_scaling_factor")


def matches(files: Files) -> bool:
    """Whether the folder has the two files, or the file is one of the pickles that came before them."""
    return files.has(CONFIG, WEIGHTS) or _pickled(files) is not None


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a dictionary of SAELens, on its authors' activation scale.

    Raises:
        DictionaryError: A pickle, an architecture or normalisation that is not read, damaged, or an open question.
    """
    pickled = None if files.has(CONFIG, WEIGHTS) else _pickled(files)
    if pickled is not None:
        raise DictionaryError(
            f"{shorten(pickled)} is a pickle of SAELens before version 2, which runs code when read.",
            "On a machine where you trust it, load it with the SAELens of its time and write its tensors with "
            f"safetensors.torch.save_file to {WEIGHTS}, beside a {CONFIG} with architecture, d_in, d_sae, hook_name.",
        )
    config = saelens_config.read(files)
    architecture = config.architecture(questions)
    if architecture not in ARCHITECTURES:
        raise DictionaryError(
            f"SAELens architecture {shorten(architecture)} is not read.", f"Known: {', '.join(ARCHITECTURES)}."
        )
    tensors = files.tensors(WEIGHTS)
    config.note(questions)
    if architecture in _OTHERS:
        return _OTHERS[architecture](files, questions, config, tensors)
    return _feed_forward(files, questions, config, tensors, architecture)


def _pickled(files: Files) -> str | None:
    """The named pickle, or the one of a folder that holds no weights in a format that is read."""
    if files.file is not None:
        return files.file.name if files.file.name.endswith(_PICKLES) else None
    found = [name for name in files.names if name.endswith(_PICKLES)]
    return found[0] if found and not any(name.endswith(SUFFIXES) for name in files.names) else None


def _feed_forward(
    files: Files, questions: Questions, config: Config, tensors: dict[str, Tensor], architecture: str
) -> FeedForward:
    transcoder = architecture in _TRANSCODERS
    _require(tensors, architecture)
    W_enc, b_enc, activation = _encoder(tensors, architecture, config, questions)
    W_dec, b_dec, skip = tensors["W_dec"], tensors["b_dec"], tensors.get("W_skip")
    site_in, site_out = config.sites(questions, transcoder)
    questions.note("activation", activation.kind, f"of {architecture} by format")
    questions.note("dtype", str(W_dec.dtype).removeprefix("torch."), WEIGHTS)
    subtract = config.subtracts(questions, transcoder)
    norm, whitening = saelens_norms.read(files, questions, config, len(W_enc), transcoder)
    unit = _unit(architecture, config, questions)
    gain = orient.row_norms(W_dec) if unit else None
    rows = [] if gain is None else [1 / torch.where(gain > 0, gain, 1.0)]
    rows += _fine_tuned(tensors, config, questions)
    b_in = b_dec if subtract else None
    if whitening is not None:
        in_place = orient.alone(tensors, "W_enc") and orient.alone(tensors, "W_dec")
        W_enc, W_dec, b_dec, b_in = whitening.fold(W_enc, W_dec, b_dec, subtract, in_place)
    if norm.kind == "factor":
        rows.append(torch.tensor(1 / norm.factor))
        b_dec = b_dec.float() / norm.factor
    return FeedForward(
        W_enc,
        W_dec,
        b_enc,
        b_dec,
        activation,
        site_in,
        site_out,
        b_in=b_in,
        norm=norm,
        gate_scale=gain,
        value_scale=gain,
        row_scale=_product(rows),
        W_skip=None if skip is None else skip.T,
        architecture=architecture,
        card=questions.card(NAME),
    )


def _require(tensors: Mapping[str, Tensor], architecture: str) -> None:
    encoder = {"b_gate", "b_mag", "r_mag"} if architecture == "gated" else {"b_enc"}
    more: set[str] = set()
    if "jumprelu" in architecture:
        more = {"log_threshold" if "log_threshold" in tensors else "threshold"}
    if "skip" in architecture:
        more |= {"W_skip"}
    optional = {*_FINE_TUNING, *({"topk_threshold"} if architecture in _BATCHED else ())}
    vectors = encoder | (more - {"W_skip"})
    orient.require(tensors, WEIGHTS, {"W_enc", "W_dec", "b_dec", *encoder, *more}, frozenset(optional))
    d_in, d_dict, d_out = len(tensors["W_enc"]), len(tensors["W_dec"]), tensors["b_dec"].numel()
    shapes = {"W_enc": (d_in, d_dict), "W_dec": (d_dict, d_out), "b_dec": (d_out,), "W_skip": (d_out, d_in)}
    of_features = dict.fromkeys([*vectors, *_FINE_TUNING], (d_dict,))
    orient.require_shapes(tensors, WEIGHTS, **shapes, **of_features, topk_threshold=())


def _encoder(
    tensors: Mapping[str, Tensor], architecture: str, config: Config, questions: Questions
) -> tuple[Tensor, Tensor, Activation]:
    if architecture == "gated":
        biases = (tensors[name] for name in ("b_gate", "b_mag", "r_mag"))
        return fold_gated(tensors["W_enc"], *biases, in_place=orient.alone(tensors, "W_enc"))
    return tensors["W_enc"], tensors["b_enc"], _activation(tensors, architecture, config, questions)


def _activation(tensors: Mapping[str, Tensor], architecture: str, config: Config, questions: Questions) -> Activation:
    given = questions.given.get("threshold")
    if "jumprelu" in architecture or (architecture in _BATCHED and given is not None):
        if given is not None:
            questions.note("threshold", given, "argument threshold")
            return Activation("jumprelu", threshold=torch.tensor(values.number(given, "threshold")))
        old = tensors.get("log_threshold")
        return Activation("jumprelu", threshold=tensors["threshold"] if old is None else old.float().exp())
    if architecture in ("topk", "abstopk"):
        return Activation("topk" if architecture == "topk" else "abstopk", k=config.k(questions))
    if architecture not in _BATCHED:
        return Activation("relu")
    stored = values.number(tensors.get("topk_threshold", 0.0), "topk_threshold")
    todo = f"Pass threshold={stored:g}, its topk_threshold," if stored > 0 else "Its threshold was never set; pass one"
    questions.warn(
        "A training checkpoint: it keeps the greatest activations of all tokens that it is given together. "
        f"{todo} to read it as SAELens would save it for use."
    )
    return Activation("batchtopk", k=config.k(questions))


def _unit(architecture: str, config: Config, questions: Questions) -> bool:
    """Whether activations are `h · |row|`."""
    if "topk" not in architecture:
        questions.note("decoder norm", "not used", "by format")
        return False
    found, where = config.fields.get("rescale_acts_by_decoder_norm"), f"{CONFIG}: rescale_acts_by_decoder_norm"
    if found is None and architecture not in _BATCHED:
        found, where = False, "default of SAELens"
    name = None if found is None else ("unit" if found else "raw")
    answer = questions.settle("decoder norm", "decoder_norm", name, where, "unit", "default of SAELens today")
    if answer not in ("unit", "raw"):
        raise DictionaryError(f"decoder_norm = {shorten(answer)}.", "Pass 'unit' or 'raw'.")
    return bool(answer == "unit")


def _fine_tuned(tensors: Mapping[str, Tensor], config: Config, questions: Questions) -> list[Tensor]:
    """What a fine-tuned dictionary of version 2 to 5 multiplies activations by before it decodes them."""
    name = next((name for name in _FINE_TUNING if name in tensors), None)
    if name is None:
        return []
    factors = tensors[name].float()
    if factors.allclose(torch.ones_like(factors)):
        questions.note("fine-tuning factors", "all 1", f"{WEIGHTS}: {name}")
        return []
    if config.fields.get("finetuning_scaling_factor") is not True:
        raise DictionaryError(
            f"{WEIGHTS} holds a {name}, {CONFIG} does not say that it is used.",
            f'Write "finetuning_scaling_factor": true into {CONFIG} if it is, or remove the tensor.',
        )
    questions.note("fine-tuning factors", "multiply decoder rows", f"{WEIGHTS}: {name}")
    return [factors]


def _product(factors: list[Tensor]) -> Tensor | None:
    result: Any = None
    for factor in factors:
        result = factor if result is None else result * factor
    return result
