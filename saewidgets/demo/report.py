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
from saewidgets.demo.concepts import SPLITS, Split, detectors, scores
from saewidgets.demo.corpus import labelled_rows, training_rows
from saewidgets.demo.labels import CONTEXTUAL, LEXICAL, NAMES
from saewidgets.demo.measure import Losses, as_row, quality
from saewidgets.demo.plants import GATES
from saewidgets.demo.score import log_probabilities
from saewidgets.demo.tour import tour
from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.baselines import pca, random_directions

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
) -> tuple[list[Report], dict[str, Report]]:
    """What single features detect, beside the best random feature chosen and scored by the same rules.

    Returns:
        For every concept its best feature; and, by feature id, the label of every feature that passes.
    """
    concepts = LEXICAL + CONTEXTUAL
    splits = concept_splits(model, tokenizer, concepts)
    trained = {key: scores(dictionary, splits) for key, dictionary in dictionaries.items()}
    control = {}
    for key, dictionary in dictionaries.items():
        x = splits[0].x[str(dictionary.site_in)]
        control[key] = scores(random_directions(x, dictionary.d_dict, k[key], dictionary.site_in), splits)
    best, chance = detectors(trained), [detector.f1 for detector in detectors(control)]
    enough = np.array([split.truth.sum(0) for split in splits]).min(0) >= MIN_TOKENS

    table = []
    for column in np.flatnonzero(enough):
        row: Report = {
            "concept": concepts[column],
            "kind": "contextual" if concepts[column] in CONTEXTUAL else "lexical",
            "feature": f"{best[column].key}/{best[column].index}",
            "threshold": round(best[column].threshold, 4),
            "f1": round(best[column].f1, 3),
            "random_f1": round(chance[column], 3),
            "tokens": int(splits[2].truth[:, column].sum()),
        }
        row["passes"] = row["f1"] >= F1_BAR and row["f1"] - row["random_f1"] >= RANDOM_MARGIN
        table.append(row)

    labels: dict[str, Report] = {}
    for key, found in trained.items():
        columns = np.where(enough, found.choice, 0).argmax(1)
        for index, column in enumerate(columns):
            chosen, f1 = found.choice[index, column], found.final[index, column]
            if min(chosen, f1) >= F1_BAR and f1 - chance[column] >= RANDOM_MARGIN:
                threshold = round(float(found.thresholds[index, column]), 4)
                labels[f"{key}/{index}"] = {
                    "label": NAMES.get(concepts[column], concepts[column]),
                    "concept": concepts[column],
                    "f1": round(float(f1), 3),
                    "threshold": threshold,
                }
    return table, labels


def measure(
    model: LlamaForCausalLM,
    early: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    dictionaries: dict[str, Dictionary],
    k: dict[str, int],
    say: Say = print,
) -> tuple[Report, dict[str, Report]]:
    """Every number of the report card, and the labels by feature id.

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
        places = (site_in, fit[site_out], site_out)
        baselines = {
            "random": random_directions(fit[site_in], dictionary.d_dict, k[key], *places),
            "linear": pca(fit[site_in], k[key], *places),
        }
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
    report["concepts"], labels = concept_table(model, tokenizer, dictionaries, k)
    say("report: tour")
    report["tour"] = tour(model, tokenizer, dictionaries)
    return report, labels


def write(report: Report, labels: dict[str, Report], assets: Path, page: Path) -> None:
    """Write ``report.json``, ``labels.json`` and the page."""
    (assets / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    (assets / "labels.json").write_text(json.dumps(labels, indent=1) + "\n")
    page.write_text(render(report))
