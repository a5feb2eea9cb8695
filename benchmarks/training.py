"""Training speed and quality beside sae-lens and dictionary_learning, on activations of the embedded model.

Tokens a second: same architecture, width, batch, dtype, thread and data, the three sides taking turns; ours over the
faster peer. Quality: FVU on held-out activations at equal L0 (interpolated over coefficients where L0 is not set), mean
and range over seeds. Each side runs in its own environment:

    python benchmarks/training.py --peer saelens=.../bin/python --peer dictionary_learning=.../bin/python

Without `--peer`, environments are built in a temporary folder.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

PEERS = {
    "saelens": [["torch", "sae-lens==6.54.12"]],
    # without its dependencies: they would take another torch, and plots and clustering that its trainers do not need
    "dictionary_learning": [["torch", "einops", "tqdm", "nnsight", "datasets", "zstandard", "wandb"]],
}
ALONE = {"dictionary_learning": ["dictionary-learning==0.1.0"]}
ARCHITECTURES = ("topk", "batchtopk", "matryoshka", "jumprelu", "gated", "standard")
# Coefficients tried where L0 is not set: each side's in the scale it trains in.
SWEEPS = {
    ("ours", "standard"): (2.0, 4.0, 8.0), ("saelens", "standard"): (2.0, 4.0, 8.0),
    ("dictionary_learning", "standard"): (0.02, 0.05, 0.1),
    ("ours", "gated"): (1.0, 2.0, 4.0), ("saelens", "gated"): (1.0, 2.0, 4.0),
    ("dictionary_learning", "gated"): (0.02, 0.05, 0.1),
    ("ours", "jumprelu"): (0.25, 0.5, 1.0), ("saelens", "jumprelu"): (0.25, 0.5, 1.0),
    ("dictionary_learning", "jumprelu"): (1.0,),
}  # fmt: skip


class Side:
    """A process that trains as it is told."""

    def __init__(self, name: str, python: str, data: Path, threads: int) -> None:
        self.name = name
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "WANDB_MODE": "disabled",
        }
        command = [python, str(Path(__file__).with_name("trainers.py")), name, str(data)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, job: dict) -> dict:
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def activations(path: Path, tokens: int) -> None:
    """Activations of the embedded model after its third block, without position 0."""
    import torch

    import saewidgets as sw
    from saewidgets.demo.grammar import documents
    from saewidgets.training.reader import Reader

    model = sw.demo().model
    texts = [document.text for document in itertools.islice(documents("train"), tokens // 20)]
    found, site = [], model.site("resid_post.2")
    for contexts in Reader(sw.Corpus(texts, model.tokenizer, 128)).take(0, tokens // 127):
        trace = model.trace(torch.as_tensor(contexts.ids), [site], logits=False)
        found.append(trace.values[site][torch.as_tensor(contexts.mask)].numpy())
    np.save(path, np.concatenate(found))


def environment(name: str, folder: Path) -> str:
    """An environment with a peer, of the torch that we have."""
    venv.create(folder / name, with_pip=True)
    python = str(folder / name / "bin" / "python")
    pins = folder / "pins.txt"
    pins.write_text("torch==2.13.0\n")
    for packages in PEERS[name]:
        subprocess.run([python, "-m", "pip", "install", "-q", "-c", str(pins), *packages], check=True)
    if name in ALONE:
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *ALONE[name]], check=True)
    return python


def job(options: argparse.Namespace, architecture: str, **changes) -> dict:
    width = changes.get("width", options.width)
    usual = {
        "architecture": architecture, "width": width, "k": options.k, "batch": options.batch, "rate": options.rate,
        "steps": 2000, "seed": 0, "sparsity": 1.0, "dead": 200, "sparse": False,
        "groups": [width // 8, width // 4, width // 2, width],
    }  # fmt: skip
    return {**usual, **changes}


def speed(options: argparse.Namespace, sides: list[Side], architecture: str) -> dict[str, float]:
    """Median tokens a second of each side; the peer's faster way where it has two."""
    ways = [(side, sparse) for side in sides for sparse in (False, True)[: 1 + (side.name == "saelens")]]
    rates: dict[tuple[str, bool], list[float]] = {(side.name, sparse): [] for side, sparse in ways}
    for _ in range(options.rounds):
        for side, sparse in ways:
            coefficient = SWEEPS.get((side.name, architecture), (1.0,))[0]
            asked = job(options, architecture, do="speed", warm=5, updates=15, sparse=sparse, sparsity=coefficient)
            found = side.ask(asked)
            if "error" in found:
                print(f"  {side.name} {architecture}: {found['error']}", flush=True)
            else:
                rates[side.name, sparse].append(found["tokens_per_second"])
    best: dict[str, float] = {}
    for (name, _), values in rates.items():
        if values:
            best[name] = max(best.get(name, 0.0), statistics.median(values))
    return best


def quality(options: argparse.Namespace, side: Side, architecture: str) -> list[float]:
    """FVU at an L0 of k, one a seed."""
    found = []
    for seed in range(options.seeds):
        points = []
        for coefficient in SWEEPS.get((side.name, architecture), (1.0,)):
            asked = {"width": options.small, "batch": 1024, "steps": options.steps, "k": 16, "seed": seed}
            answer = side.ask(job(options, architecture, do="train", sparsity=coefficient, **asked))
            if "error" in answer:
                print(f"  {side.name} {architecture}: {answer['error']}", flush=True)
                continue
            points.append((np.log(max(answer["l0"], 1e-3)), answer["fvu"]))
        if options.verbose:
            print("   ", side.name, architecture, [(round(float(np.exp(l)), 2), round(f, 4)) for l, f in points])
        points.sort()
        if points:
            found.append(float(np.interp(np.log(16), *zip(*points, strict=True))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--architectures", nargs="+", default=ARCHITECTURES, choices=ARCHITECTURES)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--small", type=int, default=512, help="width where quality is measured, with k = 16")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=150_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=["speed", "quality"])
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pythons = dict(pair.split("=", 1) for pair in options.peer) or {
            name: environment(name, Path(folder)) for name in PEERS
        }
        data = Path(folder) / "activations.npy"
        activations(data, options.tokens)
        every = {"ours": sys.executable, **pythons}
        sides = [Side(name, python, data, options.threads) for name, python in every.items()]
        for architecture in options.architectures:
            if options.only != "quality":
                rates = speed(options, sides, architecture)
                faster = max((rate for name, rate in rates.items() if name != "ours"), default=float("nan"))
                shown = "  ".join(f"{name} {rate:8,.0f}" for name, rate in rates.items())
                print(f"{architecture:<11} tokens/s  {shown}  ratio {rates['ours'] / faster:.2f}", flush=True)
            if options.only != "speed":
                measured = {side.name: quality(options, side, architecture) for side in sides}
                shown = "  ".join(
                    f"{n} {statistics.mean(v):.4f} [{min(v):.4f}, {max(v):.4f}]" for n, v in measured.items() if v
                )
                print(f"{architecture:<11} FVU at L0 16  {shown}", flush=True)
        for side in sides:
            side.close()


if __name__ == "__main__":
    main()
