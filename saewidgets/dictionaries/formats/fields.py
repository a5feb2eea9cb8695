"""Fields of configs that formats share: what each may be, and that widths it gives are those of the weights.

A reader that asks `if config.get("transcode")` takes `"no"` for a yes. So every known field is checked where a config
is read, whichever format it belongs to; null counts as not said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.errors import DictionaryError, shorten

_FLAGS = frozenset({
    "affine_connection", "apply_b_dec_to_input", "apply_decoder_bias_to_pre_encoder", "finetuning_scaling_factor",
    "has_whitening", "heaviside", "input_unit_norm", "keep_relative_variance", "rescale_acts_by_decoder_norm", "signed",
    "skip_connection", "sparsity_include_decoder_norm", "stop_on_duplicate_support", "tied_weights", "transcode",
    "use_decoder_bias", "use_glu_encoder",
})  # fmt: skip
_COUNTS = frozenset({
    "act_size", "activation_dim", "d_in", "d_model", "d_out", "d_sae", "dict_size", "experts", "k", "kval_topk",
    "max_iterations", "n_attn_layers", "n_heads", "num_latents", "top_k",
})  # fmt: skip
_NUMBERS = frozenset({
    "code_normalization_alpha_cc", "code_normalization_alpha_sae", "jump_relu_threshold", "residual_threshold",
    "scaling_factor",
})  # fmt: skip
_MAPPINGS = frozenset({"activation_fn_kwargs", "dataset_average_activation_norm", "trainer"})
_NO_FLAG, _NO_COUNT = "neither true nor false", "no whole number"
_NO_NUMBER, _NO_MAPPING = "no number", "no mapping"
_MAX_COUNT = 1 << 40
# What SAELens notes of the training, such as a mean k of 6.5.
_NOTES = frozenset({"training_architecture_details"})
# The widths of a dictionary under the names that mean them in every format that has them.
_WIDTHS = {
    "d_in": ("d_in", "activation_dim", "act_size"), "d_dict": ("d_sae", "dict_size"), "d_out": ("d_out",),
    "n_experts": ("experts",),
}  # fmt: skip


def check(config: Mapping[str, Any], name: str) -> None:
    """Refuse a known field of another kind, at any level.

    Args:
        config: As it was read.
        name: Of its file, for messages.

    Raises:
        DictionaryError: With the field, its value and what it should be.

    Example:
        >>> check({"trainer": {"k": True}}, "config.json")
        Traceback (most recent call last):
        saewidgets.errors.DictionaryError: config.json: k = True is no whole number. The file is damaged; get it again.
    """
    for key, value in _items(config):
        kind = _wanted(key)
        if value is not None and kind is not None and not _fits(kind, value):
            raise DictionaryError(f"{name}: {key} = {shorten(value)} is {kind}.", "The file is damaged; get it again.")


def check_widths(configs: Mapping[str, Mapping[str, Any]], dictionary: Dictionary) -> None:
    """Refuse configs that give other widths than the weights have.

    Raises:
        DictionaryError: Config and weights do not belong together.
    """
    for name, config in configs.items():
        for key, value in _items(config):
            for width, keys in _WIDTHS.items():
                there = getattr(dictionary, width, None)
                if key in keys and None not in (value, there) and value != there:
                    raise DictionaryError(
                        f"{shorten(name)} says {key} = {shorten(value)}, the weights have {there}.",
                        "They do not belong together; get both again.",
                    )


def _items(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    levels: list[Mapping[str, Any]] = [config]
    while levels:
        items: Iterable[tuple[str, Any]] = levels.pop().items()
        for key, value in items:
            yield key, value
            if isinstance(value, dict) and key not in _NOTES:
                levels.append(value)


def _wanted(key: str) -> str | None:
    """What a field is if it is not what it should be; None for one that is not known."""
    kinds = {_NO_FLAG: _FLAGS, _NO_COUNT: _COUNTS, _NO_NUMBER: _NUMBERS, _NO_MAPPING: _MAPPINGS}
    return next((kind for kind, keys in kinds.items() if key in keys), None)


def _fits(kind: str, value: Any) -> bool:
    if kind == _NO_FLAG:
        return isinstance(value, bool)
    if kind == _NO_MAPPING:
        return isinstance(value, dict)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # SAELens writes k = 6.0; sparsify writes num_latents = 0 for not set.
    return number and (kind == _NO_NUMBER or (0 <= value < _MAX_COUNT and float(value).is_integer()))
