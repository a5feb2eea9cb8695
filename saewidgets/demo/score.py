"""How likely the model finds a continuation, and small helpers to run it over many prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


def padded(tokenizer: PreTrainedTokenizerFast, texts: Sequence[Sequence[int]]) -> Tensor:
    """Token ids ``[n, longest]``, the start token first and END after the end (a causal model never looks there)."""
    width = 1 + max(map(len, texts))
    rows = torch.full((len(texts), width), tokenizer.eos_token_id)
    rows[:, 0] = tokenizer.bos_token_id
    for row, ids in zip(rows, texts, strict=True):
        row[1 : 1 + len(ids)] = torch.tensor(ids)
    return rows


def ids_of(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Token ids without special tokens."""
    return list(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)


@torch.no_grad()
def log_probabilities(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, pairs: Sequence[tuple[str, str]]
) -> Tensor:
    """Log-probability of each continuation after its prompt.

    Args:
        model: the language model.
        tokenizer: its tokenizer.
        pairs: (prompt, continuation).

    Returns:
        ``[len(pairs)]``, sums over the tokens of the continuation.
    """
    results = []
    for start in range(0, len(pairs), 64):
        block = [(ids_of(tokenizer, prompt), ids_of(tokenizer, rest)) for prompt, rest in pairs[start : start + 64]]
        rows = padded(tokenizer, [prompt + rest for prompt, rest in block])
        log_p = model(input_ids=rows).logits.log_softmax(-1)
        for row, scores, (prompt, rest) in zip(rows, log_p, block, strict=True):
            places = torch.arange(len(prompt), len(prompt) + len(rest))
            results.append(scores[places, row[places + 1]].sum())
    return torch.stack(results)


@torch.no_grad()
def next_probabilities(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]) -> Tensor:
    """Probabilities of the token after each prompt, ``[len(prompts), vocabulary]``."""
    results = []
    for start in range(0, len(prompts), 64):
        texts = [ids_of(tokenizer, prompt) for prompt in prompts[start : start + 64]]
        logits = model(input_ids=padded(tokenizer, texts)).logits
        results.append(logits[torch.arange(len(texts)), [len(ids) for ids in texts]].softmax(-1))
    return torch.cat(results)
