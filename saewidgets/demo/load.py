"""The embedded model from the package: no network, a few seconds at most."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from saewidgets.dictionaries import Dictionary

ASSETS = files("saewidgets.demo") / "assets"


def load_model(folder: Path, checkpoint: str = "final") -> LlamaForCausalLM:
    """The language model of a folder in fp32, ready to run."""
    config = LlamaConfig.from_pretrained(str(folder))
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    model.to_empty(device="cpu")
    name = "early.safetensors" if checkpoint == "early" else "model.safetensors"
    weights = {key: value.float() for key, value in load_file(folder / name).items()}
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    model.model.rotary_emb = type(model.model.rotary_emb)(config)
    return model.eval().requires_grad_(False)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder."""
    return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)


def load_dictionaries(folder: Path) -> dict[str, Dictionary]:
    """Every dictionary of a folder by its key, sites in order."""
    found = {path.stem: Dictionary.load(path) for path in sorted(folder.glob("*.safetensors"))}
    return dict(sorted(found.items(), key=lambda item: (item[1].site_in.order, item[0])))


def load_demo(
    checkpoint: Literal["final", "early"] = "final",
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast, dict[str, Dictionary], dict[str, str]]:
    """The embedded model.

    Args:
        checkpoint: ``final``, or ``early``: the weights from before induction formed. The dictionaries were trained
            on the final ones.

    Returns:
        The module, its tokenizer, the dictionaries by key, and labels by feature id.

    Example:
        >>> model, tokenizer, dictionaries, labels = load_demo()
        >>> list(dictionaries)[:2]
        ['mlp_in.0', 'resid_post.0']
    """
    if checkpoint not in ("final", "early"):
        raise ValueError(f"checkpoint is 'final' or 'early', not {checkpoint!r}")
    with as_file(ASSETS) as folder:
        labels = {
            feature: entry["label"] for feature, entry in json.loads((folder / "labels.json").read_text()).items()
        }
        model, tokenizer = load_model(folder / "model", checkpoint), load_tokenizer(folder / "model")
        return model, tokenizer, load_dictionaries(folder / "dictionaries"), labels


def load_report() -> dict[str, object]:
    """What was measured on the shipped weights, as `docs/report-card.md` shows it."""
    report: dict[str, object] = json.loads((ASSETS / "report.json").read_text())
    return report


def tour() -> list[dict[str, Any]]:
    """Prompts for a first look with a feature worth ablating, measured on the shipped weights: see `demo/tour.py`."""
    stops = load_report()["tour"]
    assert isinstance(stops, list)
    return stops
