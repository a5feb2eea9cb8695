"""Where each family of models keeps its streams, as data.

A `Family` says for every stream which module to watch and on which side. Adding a family is adding a record here
(and a fixture in `tests/model`), or passing `sites=` to `TracedModel.wrap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from saewidgets.errors import ModelError, shorten
from saewidgets.sites import MODEL_STREAMS, STREAMS


@dataclass(frozen=True)
class Family:
    """The places of one model architecture.

    Args:
        name: Shown to the user.
        places: Stream -> module path with `.input` or `.output` at its end and `{layer}` for the block index.
            `resid_mid` must be the input of the norm before the MLP: it is written in place, so that the residual
            stream and the MLP both see the new value.
        needs_bos: The model was never trained without a first `<bos>` token.
        cacheable: A prompt that begins like an earlier one may reuse that one's keys and values. True only where
            the keys and values are the model's whole memory (a plain transformer).

    Example:
        >>> Family("mine", {"resid_post": "blocks.{layer}.output"}).places["resid_post"]
        'blocks.{layer}.output'
    """

    name: str
    places: Mapping[str, str]
    needs_bos: bool = False
    cacheable: bool = False

    def __post_init__(self) -> None:
        for stream, place in self.places.items():
            if stream not in STREAMS:
                raise ModelError(f"Unknown stream {shorten(stream)} in `sites`.", f"Use {', '.join(STREAMS)}.")
            if not isinstance(place, str) or not place.endswith((".input", ".output")):
                raise ModelError(
                    f"The place {shorten(place)} of stream {stream!r} does not say which side of the module is meant.",
                    "End it with '.input' or '.output', as in 'model.layers.{layer}.mlp.output'.",
                )
            if ("{layer}" in place) == (stream in MODEL_STREAMS):
                raise ModelError(
                    f"The place {shorten(place)} of stream {stream!r} has the wrong number of layers.",
                    "Write '{layer}' in the place of every stream but 'embed' and 'final'.",
                )
        object.__setattr__(self, "places", MappingProxyType(dict(self.places)))


def _prefixed(prefix: str, places: Mapping[str, str]) -> dict[str, str]:
    return {stream: f"{prefix}.{place}" for stream, place in places.items()}


_GPT2 = {
    "embed": "wte.output",
    "resid_pre": "h.{layer}.input",
    "attn_z": "h.{layer}.attn.c_proj.input",
    "attn_out": "h.{layer}.attn.output",
    "resid_mid": "h.{layer}.ln_2.input",
    "mlp_in": "h.{layer}.mlp.input",
    "mlp_out": "h.{layer}.mlp.output",
    "resid_post": "h.{layer}.output",
    "final": "ln_f.output",
}
_LLAMA = {
    "embed": "embed_tokens.output",
    "resid_pre": "layers.{layer}.input",
    "attn_z": "layers.{layer}.self_attn.o_proj.input",
    "attn_out": "layers.{layer}.self_attn.output",
    "resid_mid": "layers.{layer}.post_attention_layernorm.input",
    "mlp_in": "layers.{layer}.mlp.input",
    "mlp_out": "layers.{layer}.mlp.output",
    "resid_post": "layers.{layer}.output",
    "final": "norm.output",
}
# Gemma 2 and 3 normalise what attention and MLP return before it is added, so what is added is the norm's output.
_GEMMA2 = _LLAMA | {
    "attn_out": "layers.{layer}.post_attention_layernorm.output",
    "resid_mid": "layers.{layer}.pre_feedforward_layernorm.input",
    "mlp_out": "layers.{layer}.post_feedforward_layernorm.output",
}
_NEOX = {
    "embed": "embed_in.output",
    "resid_pre": "layers.{layer}.input",
    "attn_z": "layers.{layer}.attention.dense.input",
    "attn_out": "layers.{layer}.attention.output",
    "resid_mid": "layers.{layer}.post_attention_layernorm.input",
    "mlp_in": "layers.{layer}.mlp.input",
    "mlp_out": "layers.{layer}.mlp.output",
    "resid_post": "layers.{layer}.output",
    "final": "final_layer_norm.output",
}
# With a parallel residual the MLP reads the block's input: no point lies between attention and MLP.
_NEOX_PARALLEL = {stream: place for stream, place in _NEOX.items() if stream != "resid_mid"}

_LLAMA_LIKE = Family("llama", _prefixed("model", _LLAMA), cacheable=True)
_GEMMA_LIKE = Family("gemma2", _prefixed("model", _GEMMA2), needs_bos=True, cacheable=True)

# Hugging Face `model_type` -> where its streams are.
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "gpt2": Family("gpt2", _prefixed("transformer", _GPT2), cacheable=True),
        "llama": _LLAMA_LIKE,
        "mistral": replace(_LLAMA_LIKE, name="mistral"),
        "qwen2": replace(_LLAMA_LIKE, name="qwen2"),
        "qwen3": replace(_LLAMA_LIKE, name="qwen3"),
        "gemma": replace(_LLAMA_LIKE, name="gemma", needs_bos=True),
        "gemma2": _GEMMA_LIKE,
        "gemma3_text": replace(_GEMMA_LIKE, name="gemma3"),
        "gemma3": replace(_GEMMA_LIKE, name="gemma3", places=_prefixed("model.language_model", _GEMMA2)),
        "gpt_neox": Family("gpt_neox", _prefixed("gpt_neox", _NEOX_PARALLEL), cacheable=True),
        "gpt_neox_sequential": Family("gpt_neox", _prefixed("gpt_neox", _NEOX), cacheable=True),
    }
)


def find_family(module: Any, sites: Family | Mapping[str, str] | None = None) -> Family:
    """The family of a module.

    Args:
        module: A Hugging Face causal language model, or any `torch.nn.Module` when `sites` is given.
        sites: The user's own mapping; wins over the table.

    Returns:
        The record to read and write by.

    Raises:
        ModelError: The table does not know this model and no mapping was given.
    """
    if isinstance(sites, Family):
        return sites
    if sites is not None:
        return Family("custom", dict(sites))
    config = getattr(module, "config", None)
    kind = str(getattr(config, "model_type", ""))
    if kind == "gpt_neox" and not getattr(config, "use_parallel_residual", True):
        kind = "gpt_neox_sequential"
    if kind in FAMILIES:
        return FAMILIES[kind]
    known = ", ".join(sorted({family.name for family in FAMILIES.values()}))
    raise ModelError(
        f"No table for the architecture {shorten(kind or type(module).__name__)}; there is one for {known}.",
        "Pass sites={'resid_post': 'path.to.blocks.{layer}.output', ...} with the module paths of this model.",
    )
