"""Measures everything on the shipped weights: ``assets/report.json`` and, from it, ``docs/report-card.md``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from saewidgets.demo.activations import collect, cross_entropy
from saewidgets.demo.behaviours import BEHAVIOURS, prompts
from saewidgets.demo.card import F1_BAR, RANDOM_MARGIN, render
from saewidgets.demo.concepts import SPLITS, Split, detectors
from saewidgets.demo.corpus import labelled_rows, training_rows
from saewidgets.demo.labels import CONTEXTUAL, LEXICAL
from saewidgets.demo.measure import Losses, as_row, linear_like, quality, random_like
from saewidgets.demo.plants import GATES
from saewidgets.demo.score import log_probabilities
from saewidgets.demo.tour import tour
from saewidgets.dictionaries.dictionary import Dictionary

Report = dict[str, Any]
Say = Callable[[str], None]
#: A concept is looked for only where a split has this many tokens of it.
MIN_TOKENS = 60
MEASURE_ROWS, LOSS_ROWS, CONCEPT_ROWS, LENGTH = 256, 32, 120, 256


def behaviours(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """Accuracy of every behaviour: how often the right continuation is likelier than the wrong one."""
    result = {}
    for name in BEHAVIOURS:
        made = prompts(name)
        right = log_probabilities(model, tokenizer, [(prompt.text, prompt.right) for prompt in made])
        wrong = log_probabilities(model, tokenizer, [(prompt.text, prompt.wrong) for prompt in made])
        result[name] = round(float((right > wrong).float().mean()), 4)
    return result


def measuring_data(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, split: str, rows: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Token ids, and activations ``[n, d]`` without position 0, at every site that a dictionary can read or write."""
    ids = torch.from_numpy(training_rows(tokenizer, split, rows, LENGTH).astype(np.int64))
    sites = [
        f"{stream}.{layer}"
        for layer in range(len(model.model.layers))
        for stream in ("resid_post", "attn_out", "mlp_in", "mlp_out")
    ]
    return ids, {site: values[:, 1:].flatten(0, 1) for site, values in collect(model, ids, sites).items()}


def concept_splits(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, concepts: tuple[str, ...]
) -> list[Split]:
    """The three splits of labelled tokens."""
    sites = [
        f"{stream}.{layer}"
        for layer in range(len(model.model.layers))
        for stream in ("resid_post", "attn_out", "mlp_in")
    ]
    splits = []
    for name in SPLITS:
        rows, labels = labelled_rows(tokenizer, name, CONCEPT_ROWS, LENGTH)
        real = torch.from_numpy((rows != tokenizer.bos_token_id) & (rows != tokenizer.eos_token_id)).flatten()
        flat = [found for row in labels for found in row]
        truth = np.array(
            [[concept in found for concept in concepts] for found, kept in zip(flat, real, strict=True) if kept]
        )
        activations = collect(model, torch.from_numpy(rows), sites)
        splits.append(Split({site: values.flatten(0, 1)[real] for site, values in activations.items()}, truth))
    return splits


def concept_table(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, dictionaries: dict[str, Dictionary], k: dict[str, int]
) -> list[Report]:
    """For every concept its best feature and the best random one, each chosen and scored by the same rules."""
    concepts = LEXICAL + CONTEXTUAL
    splits = concept_splits(model, tokenizer, concepts)
    random = {
        key: random_like(dictionary, k[key], splits[0].x[str(dictionary.site_in)], splits[0].x[str(dictionary.site_in)])
        for key, dictionary in dictionaries.items()
        if dictionary.site_in == dictionary.site_out
    }
    found, chance = detectors(dictionaries, splits), detectors(random, splits)
    table = []
    for column, (concept, best, control) in enumerate(zip(concepts, found, chance, strict=True)):
        tokens = [int(split.truth[:, column].sum()) for split in splits]
        if min(tokens) >= MIN_TOKENS:
            passes = best.f1 >= F1_BAR and best.f1 - control.f1 >= RANDOM_MARGIN
            table.append(
                {
                    "concept": concept,
                    "kind": "contextual" if concept in CONTEXTUAL else "lexical",
                    "feature": f"{best.key}/{best.index}",
                    "threshold": round(best.threshold, 4),
                    "f1": round(best.f1, 3),
                    "random_f1": round(control.f1, 3),
                    "tokens": tokens[2],
                    "passes": bool(passes),
                }
            )
    return table


def measure(
    model: LlamaForCausalLM,
    early: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    dictionaries: dict[str, Dictionary],
    k: dict[str, int],
    say: Say = print,
) -> Report:
    """Every number of the report card.

    Args:
        model: the final weights.
        early: the weights from before induction.
        tokenizer: of both.
        dictionaries: by key.
        k: features a token of every dictionary, for the baselines.
        say: told about progress.
    """
    say("report: behaviours")
    final, before = behaviours(model, tokenizer), behaviours(early, tokenizer)
    report: Report = {
        "behaviours": [
            {"name": name, "prompts": len(prompts(name)), "accuracy": final[name], "early": before[name]}
            for name in BEHAVIOURS
        ]
    }
    say("report: plants")
    report["plants"] = {}
    for name, gate in GATES.items():
        measured, absent = gate(model, tokenizer), gate(early, tokenizer)
        report["plants"][name] = {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in dataclasses.asdict(measured).items()
        }
        report["plants"][name] |= {"passes": measured.passes, "early": round(absent.value, 4)}
    say("report: dictionaries")
    ids, data = measuring_data(model, tokenizer, "measure", MEASURE_ROWS)
    _, fit = measuring_data(model, tokenizer, "fit", MEASURE_ROWS // 4)
    report["model"] = {
        "parameters": model.num_parameters(),
        "cross_entropy": round(cross_entropy(model, ids[:LOSS_ROWS], {}), 4),
        "early_cross_entropy": round(cross_entropy(early, ids[:LOSS_ROWS], {}), 4),
    }
    report["dictionaries"] = {}
    for key, dictionary in dictionaries.items():
        site_in, site_out = str(dictionary.site_in), str(dictionary.site_out)
        x, y = data[site_in], data[site_out]
        baselines = {"random": random_like(dictionary, k[key], fit[site_in], fit[site_out]),
                     "linear": linear_like(dictionary, k[key], fit[site_in], fit[site_out])}  # fmt: skip
        losses = Losses.at(model, ids[:LOSS_ROWS], site_out, y.mean(0))
        entry: Report = {
            "architecture": dictionary.architecture,
            "d_dict": dictionary.d_dict,
            "k": k[key],
            "writes": site_out,
        }
        entry["trained"] = as_row(quality(model, ids[:LOSS_ROWS], dictionary, x, y, losses))
        entry |= {
            name: as_row(quality(model, ids[:LOSS_ROWS], baseline, x, y, losses))
            for name, baseline in baselines.items()
        }
        report["dictionaries"][key] = entry
        say(f"report: {key} {entry['trained']}")
    say("report: concepts")
    report["concepts"] = concept_table(model, tokenizer, dictionaries, k)
    say("report: tour")
    report["tour"] = tour(model, tokenizer, dictionaries)
    return report


def labels(report: Report) -> dict[str, Report]:
    """Labels of the features that pass the bar, by feature id; the concept it detects best if it detects several."""
    found: dict[str, Report] = {}
    for row in report["concepts"]:
        if row["passes"] and row["f1"] > found.get(row["feature"], {"f1": 0})["f1"]:
            text = row["concept"].replace("_", " ")
            found[row["feature"]] = {
                "label": text,
                "concept": row["concept"],
                "f1": row["f1"],
                "threshold": row["threshold"],
            }
    return dict(sorted(found.items()))


def write(report: Report, assets: Path, page: Path) -> None:
    """Write ``report.json``, ``labels.json`` and the page."""
    (assets / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    (assets / "labels.json").write_text(json.dumps(labels(report), indent=1) + "\n")
    page.write_text(render(report))
