"""Prompts for a first look: one feature whose ablation visibly changes what the model says next."""

from __future__ import annotations

from functools import partial

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from saewidgets.demo.activations import hooked
from saewidgets.demo.score import ids_of, padded
from saewidgets.dictionaries.dictionary import Dictionary

PROMPTS = [
    "When Mira and Tom came to the pond, Tom gave the red lantern to",
    "The queen went home when",
    "The keys near the lantern",
    "The basket is not open. The basket is",
    "The soup was lovely and the garden was charming. Anna felt",
    "Today is Monday. Tomorrow will be",
    'Nora met Paul at the harbour. Paul said, "I like the green boat',
    "Der Hund ist klein und",
    "Emma wore a blue coat. She",
]


@torch.no_grad()
def tour(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, dictionaries: dict[str, Dictionary]
) -> list[dict[str, object]]:
    """For every prompt the feature of a main dictionary whose ablation costs the likeliest next token most.

    The feature is taken out wherever it fires, and what the dictionary misses stays as it is.
    """
    rows = []
    for prompt in PROMPTS:
        ids = padded(tokenizer, [ids_of(tokenizer, prompt)])
        before = model(input_ids=ids).logits[0, -1].softmax(-1)
        target, best = int(before.argmax()), None
        for key, dictionary in dictionaries.items():
            if dictionary.site_in != dictionary.site_out or "@" in key:
                continue
            changed = _ablate_each(model, ids, dictionary)
            for feature, after in changed.items():
                if best is None or after[target] < best[2][target]:
                    best = (key, feature, after)
        assert best is not None
        key, feature, after = best
        rows.append(
            {
                "prompt": prompt,
                "next": tokenizer.decode([target]),
                "feature": f"{key}/{feature}",
                "before": round(float(before[target]), 4),
                "after": round(float(after[target]), 4),
                "then": tokenizer.decode([int(after.argmax())]),
            }
        )
    return rows


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
