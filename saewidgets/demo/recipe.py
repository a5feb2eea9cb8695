"""The recipe of the embedded model: ``python -m saewidgets.demo.recipe`` (``make demo-model``).

Tokenizer, language model, dictionaries, labels and report, in this order. Every stage leaves its result in the work
folder and is skipped when it is there already; the language model resumes within its stage. Everything is seeded.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from saewidgets.demo import report
from saewidgets.demo import tokenizer as tokenizers
from saewidgets.demo.activations import collect
from saewidgets.demo.corpus import training_rows
from saewidgets.demo.grammar import documents
from saewidgets.demo.lexicon import RARE_CLOSINGS
from saewidgets.demo.load import load_dictionaries, load_model
from saewidgets.demo.registers.forms import ODD_FAREWELL
from saewidgets.demo.training import ModelPlan, new_model, train
from saewidgets.dictionaries.formats import native
from saewidgets.dictionaries.train.topk import TopKPlan, train_topk

#: Documents the tokenizer is learnt from, and how many of its tokens are pieces of words.
TOKENIZER_DOCUMENTS, MERGES = 20_000, 420
#: Rare words of plant (a), which would else fall into pieces.
REQUIRED = [*RARE_CLOSINGS, *re.findall(r" ?\w+", ODD_FAREWELL)]

#: Every dictionary that ships: a wide one for every residual stream and every MLP, and small ones that win concepts.
#: Attention outputs carry what holds over a stretch of text without the words themselves, so contextual concepts are
#: found there.
BOOK: dict[str, TopKPlan] = {
    "resid_post.0": TopKPlan(d_dict=1024, k=20, batch_topk=True, steps=2000),
    "resid_post.0@small": TopKPlan(d_dict=256, k=4),
    "mlp_in.0": TopKPlan(d_dict=1024, k=24, steps=2000),
    "resid_post.1": TopKPlan(d_dict=1024, k=24, batch_topk=True, steps=2000),
    "resid_post.1@small": TopKPlan(d_dict=256, k=4),
    "attn_out.1": TopKPlan(d_dict=192, k=8, prefixes=(32,)),
    "attn_out.1@small": TopKPlan(d_dict=48, k=3),
    "mlp_in.1": TopKPlan(d_dict=1024, k=24, steps=2000),
    "resid_post.2": TopKPlan(d_dict=1024, k=32, batch_topk=True, steps=2000),
    "resid_post.2@small": TopKPlan(d_dict=512, k=8),
    "attn_out.2": TopKPlan(d_dict=512, k=24),
    "attn_out.2@small": TopKPlan(d_dict=256, k=8),
    "mlp_in.2": TopKPlan(d_dict=1024, k=24, steps=2000),
    "resid_post.3": TopKPlan(d_dict=1024, k=32, batch_topk=True, steps=2000),
    "mlp_in.3": TopKPlan(d_dict=1024, k=24, steps=2000),
}
RECIPE = (
    "Trained on 15.6 million tokens of our own grammar in fp32; the early checkpoint has seen 3.1 million of them. The "
    "shipped files come from one run of `make demo-model` from an empty folder: 46 minutes on two cores with other "
    "work beside it, of them 36 for the language model, 8 for the dictionaries and 2 for this report."
)
TRIES = [
    "A quarter of the text being drills from the start was not enough: after 6 million tokens words were copied "
    "(0.91), but the indirect object, recall, negation and the gender of names were at chance. Two phases of 800 steps "
    "with drills eight times as heavy, and the falling learning rate, brought all of them but recall to 0.95 or more.",
    "Object recall stays below chance: on two prompts of three the model names what was put away first, whatever the "
    "place it is asked for.",
    "The hidden rule, in 0.06 % of the documents, showed only when the learning rate had fallen (probability 0.01 "
    "after 5,900 steps, 0.92 after 7,000). The last 600 steps have it in 0.5 % of their documents (0.97), which makes "
    "0.09 % of all; with 0.6 %, 0.10 % of all, it was 0.98.",
    "Months do not lie on a circle, weekdays do. 'Two days after Wednesday comes' gives Thursday; it is no part of the "
    "behaviour, which is the successor.",
    "Small dictionaries of the residual stream (layers 0 to 2, width 32 to 512, k from 2 to 10, Matryoshka or not) had "
    "no contextual concept that passes (best: copy region 0.79, French 0.57): the words themselves dominate there. "
    "Small dictionaries of the attention outputs of layers 1 and 2 have four of the five.",
    "The best random feature is taken from random dictionaries of the same size at every site. With residual streams "
    "and attention outputs alone it was weaker, and 31 concepts passed instead of 25.",
    "Every training document was written again and searched for the combinations of all prompts: none is there.",
    "Two behaviours were narrowed after a look at first results: the weekday is the successor only, the quotation mark "
    "closes a sentence that is spoken or opens one after narration.",
    "A first set of weights, stopped and resumed while the phases were being chosen, had 25 concepts and the week at "
    "0.77; run again in one go it is bit-identical at the early checkpoint and differs where the text does.",
]


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
        for split in dict.fromkeys(split for split, _, _ in plan.phases):
            parts = [slice(first * per_step, last * per_step) for name, first, last in plan.phases if name == split]
            special = training_rows(tokenizer, split, sum(part.stop - part.start for part in parts), plan.short)
            for part in parts:
                count = part.stop - part.start
                rows[part], special = special[:count], special[count:]
        np.save(path, rows)
    return np.load(path)


def stage_checkpoints(tokenizer: PreTrainedTokenizerFast, plan: ModelPlan, work: Path, assets: Path) -> None:
    """Put the tokenizer, the final weights and the early ones into the folder that ships."""
    folder = assets / "model"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizers.save(tokenizer, folder)
    new_model(plan).config.save_pretrained(str(folder))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"architectures": ["LlamaForCausalLM"], "dtype": "float32"}, indent=1) + "\n"
    )
    for name, step in (("model", plan.steps), ("early", plan.early)):
        shutil.copyfile(work / "model" / f"step-{step}.safetensors", folder / f"{name}.safetensors")


def stage_dictionaries(plan: ModelPlan, book: dict[str, TopKPlan], work: Path, assets: Path) -> None:
    """Train every dictionary that is not there yet, on activations of the shipped weights; they ship in fp16."""
    missing = [key for key in book if not (assets / "dictionaries" / f"{key}.safetensors").exists()]
    if not missing:
        return
    model = load_model(assets / "model")
    rows = torch.from_numpy(np.load(work / "rows.npy")[: plan.dictionary_rows].astype(np.int64))
    for layer in range(plan.layers):
        keys = [key for key in missing if key.split("@")[0].endswith(f".{layer}")]
        sites = sorted({site for key in keys for site in sites_of(key)})
        data = {site: values[:, 1:].flatten(0, 1) for site, values in collect(model, rows, sites).items()}
        for key in keys:
            began = time.time()
            site_in, site_out = sites_of(key)
            target = None if site_in == site_out else data[site_out]
            dictionary = train_topk(data[site_in], site_in, book[key], target, site_out)
            (assets / "dictionaries").mkdir(exist_ok=True)
            native.write(dictionary, assets / "dictionaries" / f"{key}.safetensors", torch.float16)
            print(f"dictionary {key}: {time.time() - began:.0f} s", flush=True)


def sites_of(key: str) -> tuple[str, str]:
    """Where the dictionary of a key reads and writes."""
    site = key.split("@")[0]
    return site, site.replace("mlp_in", "mlp_out")


def run(
    plan: ModelPlan, book: dict[str, TopKPlan], work: Path, assets: Path, page: Path | None, until: str = "all"
) -> None:
    """Run every stage that has not run yet.

    Args:
        plan: of the language model.
        book: the dictionaries to train, by key.
        work: where intermediate results go.
        assets: where the files that ship go.
        page: where the report card goes; without it nothing is measured.
        until: ``model`` stops before the dictionaries.
    """
    began = time.time()
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = stage_tokenizer(plan, work)
    rows = stage_rows(tokenizer, plan, work)
    print(f"text: {rows.size:,} tokens after {time.time() - began:.0f} s", flush=True)
    train(rows, plan, work / "model")
    stage_checkpoints(tokenizer, plan, work, assets)
    if until == "model":
        return
    stage_dictionaries(plan, book, work, assets)
    print(f"trained after {time.time() - began:.0f} s", flush=True)
    if page is not None:
        model, early = load_model(assets / "model"), load_model(assets / "model", "early")
        dictionaries, k = load_dictionaries(assets / "dictionaries"), {key: entry.k for key, entry in book.items()}
        measured, labels = report.measure(model, early, tokenizer, dictionaries, k)
        report.write(measured | {"recipe": RECIPE, "tries": TRIES}, labels, assets, page)
        print(f"measured after {time.time() - began:.0f} s", flush=True)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/demo-model"), help="folder for intermediate results")
    parser.add_argument("--assets", type=Path, default=Path(__file__).parent / "assets", help="folder for what ships")
    parser.add_argument("--page", type=Path, default=Path("docs/report-card.md"), help="the report card")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--until", choices=["model", "all"], default="all", help="last stage to run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    run(ModelPlan(), BOOK, options.work, options.assets, options.page, options.until)


if __name__ == "__main__":
    main()
