"""Tiny random models of every family, and a tokenizer, built in memory."""

from functools import cache
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

VOCAB, CONTEXT, LAYERS = 61, 32, 3
_COMMON: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 16,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
_LLAMA = _COMMON | {"num_key_value_heads": 1}
# The window is shorter than the prompts of the tests, so that it matters.
_GEMMA = _LLAMA | {"head_dim": 12, "query_pre_attn_scalar": 12, "sliding_window": 6}
_CONFIGS: dict[str, tuple[type, type, dict[str, Any]]] = {
    "gpt2": (
        hf.GPT2Config,
        hf.GPT2LMHeadModel,
        {"vocab_size": VOCAB, "n_embd": 16, "n_layer": LAYERS, "n_head": 2, "n_positions": CONTEXT}
        | {"bos_token_id": 0, "eos_token_id": 0},
    ),
    "llama": (hf.LlamaConfig, hf.LlamaForCausalLM, _LLAMA),
    "mistral": (hf.MistralConfig, hf.MistralForCausalLM, _LLAMA | {"sliding_window": 6}),
    "qwen2": (hf.Qwen2Config, hf.Qwen2ForCausalLM, _LLAMA),
    "qwen3": (hf.Qwen3Config, hf.Qwen3ForCausalLM, _LLAMA | {"head_dim": 12}),
    "gemma": (hf.GemmaConfig, hf.GemmaForCausalLM, _LLAMA | {"head_dim": 12}),
    "gemma2": (hf.Gemma2Config, hf.Gemma2ForCausalLM, _GEMMA),
    "gemma3": (hf.Gemma3TextConfig, hf.Gemma3ForCausalLM, _GEMMA),
    "gpt_neox": (hf.GPTNeoXConfig, hf.GPTNeoXForCausalLM, _COMMON),
    "gpt_neox_sequential": (
        hf.GPTNeoXConfig,
        hf.GPTNeoXForCausalLM,
        _COMMON | {"use_parallel_residual": False},
    ),
}
FAMILIES = tuple(_CONFIGS)


def make(family: str, **changes: Any) -> Any:
    """A new module of a family: always the same weights, large enough for every part to matter."""
    config, architecture, options = _CONFIGS[family]
    torch.manual_seed(0)
    module = architecture(config(**(options | changes))).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    return module


def prompt(seed: int = 0, tokens: int = 14) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, VOCAB, (tokens,), generator=generator).tolist()


@cache
def tokenizer(bos: bool = False) -> Any:
    """Bytes folded into the vocabulary: reads any text."""
    vocab = {"<bos>": 0} | {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet())[:60], 1)}
    vocab |= {"<unk>": len(vocab)}
    made = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), pre_tokenizers.Split("", "isolated")]
    )
    made.decoder = decoders.ByteLevel()
    if bos:
        made.post_processor = processors.TemplateProcessing("<bos> $A", special_tokens=[("<bos>", 0)])
    return hf.PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<bos>", unk_token="<unk>")
