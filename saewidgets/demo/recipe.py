"""The recipe of the embedded model: ``python -m saewidgets.demo.recipe`` (``make demo-model``).

Tokenizer, language model, dictionaries, labels and report, in this order. Every stage leaves its result in the work folder and is
skipped when it is there already; the language model resumes within its stage. Everything is seeded.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import time
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from saewidgets.demo import tokenizer as tokenizers
from saewidgets.demo.corpus import training_rows
from saewidgets.demo.grammar import documents
from saewidgets.demo.lexicon import RARE_CLOSINGS
from saewidgets.demo.registers.forms import ODD_FAREWELL
from saewidgets.demo.training import ModelPlan, train

#: Documents the tokenizer is learnt from, and how many of its tokens are pieces of words.
TOKENIZER_DOCUMENTS, MERGES = 20_000, 420
#: Rare words of plant (a), which would else fall into pieces.
REQUIRED = [*RARE_CLOSINGS, *re.findall(r" ?\w+", ODD_FAREWELL)]


def stage_tokenizer(plan: ModelPlan, work: Path) -> PreTrainedTokenizerFast:
    """Learn the tokenizer, or read it."""
    folder = work / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        sample = list(itertools.islice(documents("train"), TOKENIZER_DOCUMENTS))
        words = [document.text for document in sample if document.register not in ("nonsense_copy", "spell_story")]
        learnt = tokenizers.build([document.text for document in sample[::8]], words, REQUIRED, plan.vocabulary, MERGES)
        tokenizers.save(learnt, folder)
    return PreTrainedTokenizerFast.from_pretrained(str(folder))


def stage_rows(tokenizer: PreTrainedTokenizerFast, plan: ModelPlan, work: Path) -> np.ndarray:
    """Write the training text and turn it into rows, or read them."""
    path = work / "rows.npy"
    if not path.exists():
        per_step = plan.tokens_per_step // plan.short
        rows = training_rows(tokenizer, "train", plan.steps * per_step, plan.short)
        drills = training_rows(tokenizer, "drill", sum(last - first for first, last in plan.drill) * per_step, plan.short)
        for first, last in plan.drill:
            count = (last - first) * per_step
            rows[first * per_step : last * per_step], drills = drills[:count], drills[count:]
        np.save(path, rows)
    return np.load(path)


def main() -> None:
    """Run every stage that has not run yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/demo-model"), help="folder for intermediate results")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--until", choices=["model", "all"], default="all", help="last stage to run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    plan, began = ModelPlan(), time.time()
    options.work.mkdir(parents=True, exist_ok=True)
    tokenizer = stage_tokenizer(plan, options.work)
    rows = stage_rows(tokenizer, plan, options.work)
    print(f"text: {rows.size:,} tokens after {time.time() - began:.0f} s", flush=True)
    train(rows, plan, options.work / "model")
    print(json.dumps({"seconds": round(time.time() - began)}), flush=True)


if __name__ == "__main__":
    main()
