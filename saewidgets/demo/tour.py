"""Prompts for a first look: one feature whose ablation visibly changes what the model says next."""

from __future__ import annotations

from functools import partial

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from saewidgets.demo.activations import hooked
from saewidgets.demo.score import ids_of, padded
from saewidgets.dictionaries import Dictionary

PROMPTS = [
    "When Mira and Tom came to the pond, Tom gave the red lantern to",
    "The queen went home when",
    "Today is Monday. Tomorrow will be",
    "The keys near the lantern",
    "The German word for cat is",
    "The basket is not open. The basket is",
    "Words: lamp cup book lamp cup",
]


@torch.no_grad()
def tour(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, dictionaries: dict[str, Dictionary]
) -> list[dict[str, object]]:
    """For every prompt the feature of an autoencoder whose ablation makes another next token most certain.

    The feature is taken out wherever it fires, and what the dictionary misses stays as it is.
    """
    rows: list[dict[str, object]] = []
    for prompt in PROMPTS:
        ids = padded(tokenizer, [ids_of(tokenizer, prompt)])
        before = model(input_ids=ids).logits[0, -1].softmax(-1)
        target = int(before.argmax())
        changed = {
            f"{key}/{index}": after
            for key, dictionary in dictionaries.items()
            if dictionary.site_in == dictionary.site_out
            for index, after in _ablate_each(model, ids, dictionary).items()
        }
        feature = max(changed, key=lambda feature: float(_without(changed[feature], target).max()))
        after = changed[feature]
        then = int(_without(after, target).argmax())
        rows.append(
            {
                "prompt": prompt,
                "next": tokenizer.decode([target]),
                "feature": feature,
                "before": round(float(before[target]), 4),
                "after": round(float(after[target]), 4),
                "then": tokenizer.decode([then]),
                "then_before": round(float(before[then]), 4),
                "then_after": round(float(after[then]), 4),
            }
        )
    return rows


def _without(probabilities: torch.Tensor, token: int) -> torch.Tensor:
    """The probabilities with that of one token set to zero."""
    return probabilities.index_fill(0, torch.tensor([token]), 0.0)


def _ablate_each(model: LlamaForCausalLM, ids: torch.Tensor, dictionary: Dictionary) -> dict[int, torch.Tensor]:
    """The next-token probabilities without each feature that fires."""
    site = str(dictionary.site_in)
    stored: dict[str, torch.Tensor] = {}

    def read(value: torch.Tensor) -> torch.Tensor:
        stored["features"] = dictionary.encode(value[0])
        return value

    with hooked(model, {site: read}):
        model(input_ids=ids)
    features = stored["features"]
    active = torch.nonzero(features.amax(0) > 0).flatten()
    results: dict[int, torch.Tensor] = {}
    for block in active.split(64):
        writes = features[:, block].T[:, :, None] * dictionary.directions[block][:, None]
        with hooked(model, {site: partial(torch.sub, other=writes)}):
            probabilities = model(input_ids=ids.expand(len(block), -1)).logits[:, -1].softmax(-1)
        results |= dict(zip(block.tolist(), probabilities, strict=True))
    return results
