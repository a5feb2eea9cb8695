"""What an attribution graph costs, beside circuit-tracer in the same run.

Run with `python benchmarks/attribution.py --peer PYTHON`, PYTHON being that of an environment with circuit-tracer
installed; without it, or where it does not run, our side is measured alone and the output says so. (`pip install
circuit-tracer` installs a fork of the project. Its version 0.5.0 needs transformer-lens 2.16.) Both sides get the same
random Llama of 4 layers of width 256 with transcoders of 2,048 features, TopK 16, and prompts of 16 and 64 tokens, in
processes that take turns; their adjacencies are compared. The goals: 20 rows to be seen within 0.5 s, the whole
adjacency at least 6 times faster, at most half the added memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

LAYERS, WIDTH, FEATURES, VOCAB = 4, 256, 2048, 512
SIDE = Path(__file__).with_name("_attributions.py")


def make(folder: Path) -> None:
    """Model, tokenizer and transcoders, always the same."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=4,
        intermediate_size=4 * WIDTH, max_position_embeddings=256, tie_word_embeddings=False, bos_token_id=0,
        eos_token_id=0, initializer_range=0.06,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    vocabulary = {"<bos>": 0} | {f"w{n}": n for n in range(1, VOCAB)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<bos>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<bos>", pad_token="<bos>"
    ).save_pretrained(folder)
    draw = torch.Generator().manual_seed(1)
    weights = {}
    for n in range(LAYERS):
        weights[f"enc{n}"] = torch.randn(WIDTH, FEATURES, generator=draw).numpy() / WIDTH**0.5
        weights[f"dec{n}"] = torch.randn(FEATURES, WIDTH, generator=draw).numpy() / WIDTH**0.5
    np.savez(folder / "transcoders.npz", **weights)


def measure(python: str, side: str, folder: Path, job: dict[str, Any]) -> dict[str, Any] | str:
    """What a side found, or why it found nothing."""
    threads = str(job["threads"])
    environment = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1"}
    command = [python, str(SIDE), side, str(folder), json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}"
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def compare(folder: Path, tokens: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure both sides at one length and print what was found; the medians by side."""
    draw = np.random.default_rng(tokens)
    job = {"ids": [0, *draw.integers(1, VOCAB, tokens - 1).tolist()], "threads": options.threads}
    sides: dict[str, list[dict[str, Any]]] = {"ours": [], "circuit-tracer": []}
    pythons = {"ours": sys.executable} | ({"circuit-tracer": options.peer} if options.peer else {})
    for _ in range(options.rounds):
        for side, python in pythons.items():
            found = measure(python, side, folder, job)
            if isinstance(found, str):
                print(f"{side} does not run: {found}")
                continue
            sides[side].append(found)
    print(f"\n{tokens} tokens")
    middle: dict[str, dict[str, float]] = {}
    for side, runs in sides.items():
        if runs:
            keys = [key for key in ("first", "whole", "cpu", "prune", "mb") if key in runs[0]]
            middle[side] = {key: statistics.median(run[key] for run in runs) for key in keys}
            numbers = "  ".join(f"{key} {value:.3g}" for key, value in middle[side].items())
            about = {key: runs[0][key] for key in ("features", "nodes", "kept", "edges", "scores")}
            print(f"  {side:15} {numbers}  {about}")
    first = middle["ours"]["first"]
    print(f"  20 rows after {first:.2f} s (goal 0.5: {'met' if first <= 0.5 else 'MISSED'})")
    if "circuit-tracer" not in middle:
        print("  circuit-tracer was not measured: pass --peer")
        return middle
    speed = statistics.median(
        b["whole"] / a["whole"] for a, b in zip(sides["ours"], sides["circuit-tracer"], strict=True)
    )
    memory = middle["ours"]["mb"] / middle["circuit-tracer"]["mb"]
    busy = middle["circuit-tracer"]["cpu"] / middle["ours"]["cpu"]
    print(f"  {busy:.1f} x less processor time, which other work on the machine changes less")
    print(f"  {speed:.1f} x faster (goal 6: {'met' if speed >= 6 else 'MISSED'})")
    print(f"  {memory:.2f} of its added memory (goal 0.5: {'met' if memory <= 0.5 else 'MISSED'})")
    mine, theirs = (np.load(folder / f"{name}.npz")["adjacency"] for name in ("ours", "theirs"))
    if mine.shape == theirs.shape:
        print(f"  largest difference {np.abs(mine - theirs).max() / np.abs(theirs).max():.1g} of the largest edge")
    return middle


def growth(lengths: list[int], found: list[dict[str, dict[str, float]]]) -> None:
    """With which power of the prompt's length each number grows, between neighbouring lengths."""
    for side in found[0]:
        for key in ("whole", "cpu", "mb"):
            steps = [
                f"{one} to {two} tokens {np.log(after[side][key] / before[side][key]) / np.log(two / one):.1f}"
                for one, two, before, after in zip(lengths, lengths[1:], found, found[1:], strict=False)
                if side in before and side in after
            ]
            print(f"{side}: {key} grows with the power {', '.join(steps)}")


def main() -> None:
    """Both lengths, or others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="Python of an environment with circuit-tracer")
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
        found = [compare(Path(name), tokens, options) for tokens in options.tokens]
    growth(options.tokens, found)


if __name__ == "__main__":
    main()
