"""`scope.sweep` beside a bare loop, itself on more text, and SAEDashboard 0.8.

Random weights: 4 layers of width 256, TopK dictionaries with k = 32 after the last, text of the embedded model's
grammar in contexts of 128. Each measurement runs in a process of its own, torch on `--threads` threads:

- *bare*: tokens a second of the sweep over those of a loop that only runs the forward to the site and the encoder, the
  faster of the dense and the sparse one; they take turns, medians; goal >= 0.75;
- *memory*: memory a sweep adds at its peak, on text 4 times as long over that on the text;
- *flat*: a sweep does all features always; milliseconds to read the statistics of 1, 256 and all of them;
- *peer*: SAEDashboard on the same model, dictionary and tokens, in an environment of its own, made in `build/peers`
  from pinned requirements. 256 features are measured, page written, and multiplied by the batches of 256 that the
  dictionary has, for each of which it runs the corpus through the model again; goals >= 20 x and <= 1/2 of the memory.

    python benchmarks/sweep.py                    # all of it, some minutes
    python benchmarks/sweep.py --only bare
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _environment import environment

HERE = Path(__file__).parent
PEER = ("saedashboard", HERE / "saedashboard.txt", ["sae-dashboard==0.8.0"])
PARTS = ("bare", "memory", "flat", "peer")
BATCH = 256


def make(folder: Path, width: int, tokens: int, layers: int = 4, d: int = 256) -> Path:
    """Model, tokenizer, dictionary and tokens that every side reads."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    import saewidgets as sw
    from saewidgets.demo.grammar import documents

    torch.manual_seed(0)
    tokenizer = sw.demo().model.tokenizer
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = GPT2Config(n_layer=layers, n_embd=d, n_head=4, vocab_size=len(tokenizer), n_positions=128, **ends)
    module = GPT2LMHeadModel(config)
    # Logits of usual size: SAEDashboard draws a tick every 1e-6 on smaller ones, and writes for minutes.
    module.transformer.wte.weight.data *= 50
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    directions = torch.nn.functional.normalize(torch.randn(width, d), dim=1)
    np.savez(folder / "dictionary.npz", directions=directions.numpy())
    texts = [document.text for document in itertools.islice(documents("train"), tokens // 15)]
    batches = sw.Corpus(texts, tokenizer, 128).batches(64)
    ids = np.concatenate([batch.ids for batch in batches])
    np.save(folder / "tokens.npy", ids[: tokens // 128])
    return folder


def measure(python: str, name: str, folder: Path, options: argparse.Namespace, **job) -> dict:
    """What one process found."""
    threads = str(options.threads)
    environment = os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1"}
    text = json.dumps({"threads": options.threads, "rounds": options.rounds, **job})
    command = [python, str(HERE / "_sweeps.py"), name, str(folder), text]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def bare(options: argparse.Namespace, place: Path) -> None:
    for width, tokens in ((4096, options.tokens), (24_576, options.wide_tokens)):
        folder = make(place / f"bare-{width}", width, tokens)
        found = measure(sys.executable, "bare", folder, options, tokens=tokens)
        ratio = found["sweep"] / max(found["dense"], found["sparse"])
        shown = "  ".join(f"{name} {rate:,.0f}" for name, rate in found.items())
        print(f"bare    {width:>6} features  tokens/s  {shown}  ratio {ratio:.2f}  (goal >= 0.75)", flush=True)


def memory(options: argparse.Namespace, place: Path) -> None:
    tokens = options.memory_tokens
    folder = make(place / "memory", 1024, 50_000, layers=1, d=64)
    once, longer = (measure(sys.executable, "ours", folder, options, tokens=n * tokens) for n in (1, 4))
    print(
        f"memory  {tokens:,} tokens {once['mb']:.0f} MB, 4 times as many {longer['mb']:.0f} MB, "
        f"ratio {longer['mb'] / once['mb']:.2f}  (disk {once['disk_mb']:.0f} and {longer['disk_mb']:.0f} MB)",
        flush=True,
    )


def flat(options: argparse.Namespace, place: Path) -> None:
    folder = make(place / "flat", 24_576, options.wide_tokens)
    found = measure(sys.executable, "flat", folder, options, tokens=options.wide_tokens)
    page = found.pop("page")
    shown = "  ".join(f"{name}: {value:.0f} ms" for name, value in found.items())
    print(f"flat    statistics of features  {shown};  one feature with its examples {page:.1f} ms", flush=True)


def peer(options: argparse.Namespace, place: Path) -> None:
    python = environment(*PEER, options.pip.split())
    folder, width = make(place / "peer", 4096, options.tokens), 4096
    mine, theirs = [], []
    for _ in range(options.peer_rounds):
        mine.append(measure(sys.executable, "ours", folder, options, tokens=options.tokens))
        theirs.append(measure(python, "saedashboard", folder, options, tokens=options.tokens, features=BATCH))
    if not all(found["same"] for found in theirs):
        raise SystemExit("The two sides do not run the same model.")
    seconds = statistics.median(found["seconds"] for found in mine)
    batch, page = (statistics.median(found[key] for found in theirs) for key in ("seconds", "page"))
    whole = (batch + page) * width / BATCH
    megabytes, added = (statistics.median(found["mb"] for found in side) for side in (mine, theirs))
    print(
        f"peer    sweep of {width} features {seconds:.1f} s, {megabytes:.0f} MB added.  SAEDashboard {BATCH} features "
        f"{batch:.1f} s + page {page:.1f} s, {added:.0f} MB added; x {width // BATCH} batches = {whole:.0f} s.  "
        f"ratio {whole / seconds:.1f} (goal >= 20), memory {megabytes / added:.2f} (goal <= 0.5)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--tokens", type=int, default=50_048)
    parser.add_argument("--wide-tokens", type=int, default=16_384, help="with 24,576 features")
    parser.add_argument("--memory-tokens", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pip", default="", help="more options for pip")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for part in (bare, memory, flat, peer):
            if options.only in (None, part.__name__):
                part(options, Path(place))


if __name__ == "__main__":
    main()
