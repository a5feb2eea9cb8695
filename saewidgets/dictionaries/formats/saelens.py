"""SAELens folders: `cfg.json` and `sae_weights.safetensors`, versions 2 to 6."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, shorten

NAME, CONFIG, WEIGHTS = "saelens", "cfg.json", "sae_weights.safetensors"
_KINDS = {
    "standard": "relu",
    "topk": "topk",
    "jumprelu": "jumprelu",
    "transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
}
_TENSORS = {"W_enc", "W_dec", "b_enc", "b_dec", "threshold", "scaling_factor"}


def matches(files: Files) -> bool:
    """Whether the folder has the two files."""
    return files.has(CONFIG, WEIGHTS)


def read_config(files: Files) -> dict[str, Any]:
    """`cfg.json`, with `metadata` of version 6 laid over it.

    Raises:
        DictionaryError: Missing, too large, or no JSON object.
    """
    config = files.json(CONFIG)
    metadata = config.get("metadata")
    if not (metadata is None or isinstance(metadata, dict)):
        raise DictionaryError(f"{CONFIG} is no SAELens config.", "Name the format if it is another one.")
    return {**config, **(metadata or {})}


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a SAELens folder, on the authors' activation scale.

    Raises:
        DictionaryError: An architecture or normalisation that is not read, damaged files, or an open question.
    """
    config = read_config(files)
    tensors = files.tensors(WEIGHTS)
    architecture = config.get("architecture", "standard")
    where = f"{CONFIG}: architecture"
    if config.get("activation_fn_str") == "topk":
        architecture, where = "topk", f"{CONFIG}: activation_fn_str = 'topk' overrides the architecture"
    if not isinstance(architecture, str) or architecture not in _KINDS:
        raise DictionaryError(
            f"SAELens architecture {shorten(architecture)} is not read.", f"Known: {', '.join(sorted(_KINDS))}."
        )
    questions.note("architecture", architecture, where)
    _refuse_unknown(config, tensors, architecture, questions)
    transcoder = "transcoder" in architecture
    subtract = config.get("apply_b_dec_to_input")
    where = "default of SAELens" if subtract is None else f"{CONFIG}: apply_b_dec_to_input"
    subtract = questions.settle("bias", "subtract_b_dec", not transcoder if subtract is None else bool(subtract), where)
    site_in = questions.site("site", config.get("hook_name", config.get("hook_point")), f"{CONFIG}: hook_name")
    site_out = (
        questions.site("site_out", config.get("hook_name_out"), f"{CONFIG}: hook_name_out") if transcoder else site_in
    )
    rescaled = bool(config.get("rescale_acts_by_decoder_norm"))
    norm = tensors["W_dec"].float().norm(dim=-1) if rescaled else None
    questions.note("decoder norm", "rescales activations" if rescaled else "free", f"{CONFIG}")
    return FeedForward(
        tensors["W_enc"],
        tensors["W_dec"],
        tensors["b_enc"],
        tensors["b_dec"],
        _activation(architecture, config, tensors),
        site_in,
        site_out,
        b_in=tensors["b_dec"] if subtract else None,
        gate_scale=norm,
        value_scale=norm,
        row_scale=None if norm is None else 1 / norm,
        architecture=architecture,
        card=questions.card(NAME),
    )


def _refuse_unknown(
    config: dict[str, Any], tensors: dict[str, Tensor], architecture: str, questions: Questions
) -> None:
    missing = {"W_enc", "W_dec", "b_enc", "b_dec"} - tensors.keys()
    extra = tensors.keys() - _TENSORS
    if missing or extra:
        names = ", ".join(sorted(missing or extra))
        raise DictionaryError(
            f"{WEIGHTS} {'lacks' if missing else 'also holds'} {shorten(names)}.",
            f"A {architecture!r} dictionary has W_enc, W_dec, b_enc, b_dec.",
        )
    scaling = tensors.get("scaling_factor")
    if scaling is not None and not bool((scaling == 1).all()):
        raise DictionaryError("The file holds a fine-tuning scaling_factor.", "Fold it into W_dec and save again.")
    normalise = config.get("normalize_activations")
    if normalise in (None, False, "none"):
        return
    if normalise == "expected_average_only_in":
        # The factor is not in the folder; SAELens then applies nothing, which is right only if it was folded.
        questions.settle("norm factor", "norm_factor", assume=1.0, why="SAELens applies nothing then")
        return
    raise DictionaryError(f"Input normalisation {shorten(normalise)} is not read.", "Fold it and save again.")


def _activation(architecture: str, config: dict[str, Any], tensors: dict[str, Any]) -> Activation:
    kind = _KINDS[architecture]
    if kind == "topk":
        arguments = config.get("activation_fn_kwargs")
        k = config.get("k", arguments.get("k") if isinstance(arguments, dict) else None)
        if isinstance(k, float) and k.is_integer():
            k = int(k)
        if type(k) is not int or not 1 <= k <= tensors["b_enc"].numel():
            raise DictionaryError(f"TopK with k = {shorten(k)}.", f"{CONFIG} must give k from 1 to d_sae.")
        return Activation("topk", k=k)
    if kind == "jumprelu":
        if "threshold" not in tensors:
            raise DictionaryError(f"{WEIGHTS} lacks threshold.", "A JumpReLU dictionary has one value a feature.")
        return Activation("jumprelu", threshold=tensors["threshold"])
    return Activation("relu")
