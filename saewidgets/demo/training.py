"""Training the embedded language model: seeded, resumable to the same bytes, with progress on one line."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from saewidgets.demo.optimizer import Optimizer


@dataclass(frozen=True)
class ModelPlan:
    """Size of the model and length of its training.

    Attributes:
        short: length of most rows; every tenth step reads rows of `context` tokens.
        cooldown: the step from which the learning rate falls.
        polish: the step at which it starts anew, lower.
        phases: (split, first step, last step) where the text is from another split than ``train``.
        tokens_per_step: tokens in a batch.
        checkpoints: steps whose weights are kept.
        early: the one of them that ships, from before induction formed.
        dictionary_rows: rows whose activations the dictionaries are trained on.
    """

    hidden: int = 128
    layers: int = 4
    heads: int = 4
    mlp: int = 352
    vocabulary: int = 2048
    context: int = 512
    short: int = 256
    steps: int = 7600
    cooldown: int = 4700
    polish: int = 7000
    phases: tuple[tuple[str, int, int], ...] = (("drill", 3600, 4400), ("drill", 4700, 5500), ("polish", 7000, 7600))
    tokens_per_step: int = 2048
    checkpoints: tuple[int, ...] = (
        100,
        150,
        200,
        250,
        300,
        350,
        400,
        500,
        600,
        700,
        800,
        1000,
        1200,
        1500,
        2000,
        3000,
        4500,
    )
    early: int = 1500
    dictionary_rows: int = 1600
    save_every: int = 100
    seed: int = 0


def new_model(plan: ModelPlan) -> LlamaForCausalLM:
    """A model with seeded random weights."""
    torch.manual_seed(plan.seed)
    config = LlamaConfig(
        vocab_size=plan.vocabulary,
        hidden_size=plan.hidden,
        intermediate_size=plan.mlp,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.heads,
        num_key_value_heads=plan.heads,
        max_position_embeddings=plan.context,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        use_cache=False,
        dtype="float32",
    )
    return LlamaForCausalLM(config)


def learning_rate(step: int, plan: ModelPlan) -> float:
    """A warm-up, a plateau, a cooldown that falls like one minus a square root, and a straight line for the polish."""
    if step >= plan.polish:
        return 0.4 * (plan.steps - step) / (plan.steps - plan.polish)
    cooled = max(0, step - plan.cooldown) / (plan.polish - plan.cooldown)
    return min((step + 1) / 50, 1 - cooled**0.5)


def batch(rows: np.ndarray, step: int, plan: ModelPlan) -> torch.Tensor:
    """The token ids of a step; every tenth step joins neighbouring rows to the full context."""
    size = plan.tokens_per_step // plan.short
    ids = torch.from_numpy(rows[step * size : (step + 1) * size].astype(np.int64))
    if step % 10 == 9:
        joined = ids.view(-1, plan.context)
        joined[:, plan.short] = 1
        return joined
    return ids


def train(rows: np.ndarray, plan: ModelPlan, folder: Path) -> LlamaForCausalLM:
    """Train, or go on where a killed run left off.

    Args:
        rows: token ids ``[steps * tokens_per_step / short, short]``.
        plan: what to train.
        folder: where weights and the state of the run are kept.
    """
    model = new_model(plan)
    optimizer = Optimizer(model, muon_rate=0.015, adam_rate=0.003)
    folder.mkdir(parents=True, exist_ok=True)
    latest, start = folder / "latest.safetensors", 0
    if latest.exists():
        state = load_file(latest)
        start = int(state.pop("step"))
        with torch.no_grad():
            for name, p in model.named_parameters():
                p.copy_(state[f"model.{name}"])
        for name, value in optimizer.state.items():
            value.copy_(state[name])
    began, losses = time.time(), []
    for step in range(start, plan.steps):
        ids = batch(rows, step, plan)
        logits = model(input_ids=ids).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, plan.vocabulary), ids[:, 1:].reshape(-1))
        loss.backward()
        optimizer.step(step + 1, learning_rate(step, plan))
        model.zero_grad()
        losses.append(loss.item())
        done = step + 1
        if done % 20 == 0:
            rate = (done - start) * plan.tokens_per_step / (time.time() - began)
            print(
                f"model: step {done}/{plan.steps}  loss {np.mean(losses[-20:]):.3f}  {rate:,.0f} tokens/s", flush=True
            )
        if done in plan.checkpoints or done == plan.steps:
            save_weights(model, folder / f"step-{done}.safetensors")
        if done % plan.save_every == 0 or done == plan.steps:
            state = {f"model.{name}": p.detach() for name, p in model.named_parameters()} | optimizer.state
            save_file(state | {"step": torch.tensor(done)}, folder / "latest.tmp")
            os.replace(folder / "latest.tmp", latest)
            with open(folder / "losses.jsonl", "a") as file:
                file.write(json.dumps({"step": done, "loss": float(np.mean(losses[-plan.save_every :]))}) + "\n")
    return model


def save_weights(model: LlamaForCausalLM, path: Path) -> None:
    """Weights in fp16, with the names `LlamaForCausalLM.from_pretrained` reads (the tied output matrix is left out)."""
    weights = {name: p.detach().half().contiguous() for name, p in model.named_parameters()}
    save_file(weights, path, metadata={"format": "pt"})
