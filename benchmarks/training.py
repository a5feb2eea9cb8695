"""Training speed and quality beside sae-lens and dictionary_learning, on activations of the embedded model.

Tokens a second: same architecture, width, batch, dtype, thread and data, the three sides taking turns, at the beginning
and after more updates; ours over the faster peer. Quality: FVU on held-out activations at an L0 of 16, as `_quality.py`
says. Each side runs in an environment of its own, made in `build/peers` from pinned requirements:

    python benchmarks/training.py                              # all of it, about half an hour of one core
    python benchmarks/training.py --only speed --architectures topk
    python benchmarks/training.py --pip="--index-url ..."      # an index with CPU-only builds of torch
"""

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
from _quality import L0, Found, measure, table

HERE = Path(__file__).parent
# Peer -> its requirements, and what is installed without its own: dictionary_learning asks for plots and clustering
# that its trainers do not need, and for another torch.
PEERS: dict[str, tuple[Path, list[str]]] = {
    "saelens": (HERE.parent / "tests" / "peers" / "saelens.txt", []),
    "dictionary_learning": (HERE / "dictionary_learning.txt", ["dictionary-learning==0.1.0"]),
}
ARCHITECTURES = ("topk", "batchtopk", "matryoshka", "jumprelu", "gated", "standard")
# Where speed is measured: coefficients, each in the scale its side trains in, at which L0 is about the same.
SPEED_SPARSITY = {
    ("ours", "standard"): 8.0, ("saelens", "standard"): 8.0, ("dictionary_learning", "standard"): 0.05,
    ("ours", "gated"): 2.0, ("saelens", "gated"): 2.0, ("dictionary_learning", "gated"): 0.05,
    ("saelens", "jumprelu"): 3.0,
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
        command = [python, str(HERE / "_trainers.py"), name, str(data)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, job: dict) -> dict:
        """What it answers to a job."""
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
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


def job(options: argparse.Namespace, architecture: str, **changes) -> dict:
    width = changes.get("width", options.width)
    usual = {
        "architecture": architecture, "width": width, "k": options.k, "batch": options.batch, "rate": 2e-3,
        "steps": 2000, "seed": 0, "sparsity": 1.0, "aim": options.k, "dead": 200, "sparse": False,
        "groups": [width // 8, width // 4, width // 2, width],
    }  # fmt: skip
    return {**usual, **changes}


def speed(options: argparse.Namespace, sides: list[Side], architecture: str) -> dict[str, dict[str, float]]:
    """Median tokens a second of each side, at the beginning and after more updates; a peer's faster way if it has two.

    Dictionaries that pay for active features begin with half of them on, and become sparse while they are trained.
    """
    ways = [(side, False) for side in sides]
    ways += [(side, True) for side in sides if (side.name, architecture) == ("saelens", "topk")]
    found: dict[str, dict[str, float]] = {}
    for phase, warm in (("at first", 2), (f"after {options.settle}", options.settle)):
        rates: dict[tuple[str, bool], list[float]] = {}
        for turn in range(options.rounds):
            for side, sparse in list(ways):
                asked = {"sparse": sparse, "sparsity": SPEED_SPARSITY.get((side.name, architecture), 1.0)}
                asked |= {"warm": 0 if turn else warm, "updates": options.updates, "again": bool(turn or found)}
                answer = side.ask(job(options, architecture, do="speed", **asked))
                if "error" in answer:
                    print(f"  {side.name} {architecture}: {answer['error'][:160]}", flush=True)
                    ways.remove((side, sparse))
                else:
                    rates.setdefault((side.name, sparse), []).append(answer["tokens_per_second"])
        found[phase] = {}
        for (name, _), values in rates.items():
            found[phase][name] = max(found[phase].get(name, 0.0), statistics.median(values))
    return found


def told(architecture: str, phase: str, rates: dict[str, float]) -> str:
    """One line of the table of speed: ours over the faster peer."""
    faster = max((rate for name, rate in rates.items() if name != "ours"), default=float("nan"))
    shown = "  ".join(f"{name} {rate:8,.0f}" for name, rate in rates.items())
    return f"{architecture:<11} {phase:<9} tokens/s  {shown}  ratio {rates.get('ours', float('nan')) / faster:.2f}"


def quality(options: argparse.Namespace, side: Side, architecture: str) -> Found | None:
    """FVU at the L0 of `_quality`, at the best of the rates."""

    def train(steer: str, value: float, rate: float, seed: int) -> dict:
        asked = {"width": options.small, "batch": options.small_batch, "steps": options.steps, "dead": options.dead}
        usual = {"k": L0, "aim": L0, "rate": rate, "seed": seed}
        answer = side.ask(job(options, architecture, do="train", **{**asked, **usual, steer: value}))
        told = {"side": side.name, "architecture": architecture, "rate": rate, "seed": seed, steer: value}
        print("   ", json.dumps(told | answer), flush=True)
        return answer

    return measure(side.name, architecture, options.rates, options.seeds, train)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pip", default="", help="more options for pip")
    parser.add_argument("--architectures", nargs="+", default=ARCHITECTURES, choices=ARCHITECTURES)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--small", type=int, default=256, help="width where quality is measured")
    parser.add_argument("--small-batch", type=int, default=512, help="and the batch")
    parser.add_argument("--dead", type=int, default=100, help="and after how many silent updates a feature is dead")
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--rates", nargs="+", type=float, default=[3e-3, 1e-2, 3e-2, 1e-1], help="for quality")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=10, help="that are timed in each round")
    parser.add_argument("--settle", type=int, default=250, help="updates before speed is measured again")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--tokens", type=int, default=80_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=["speed", "quality"])
    options = parser.parse_args()
    pythons = {name: environment(name, *peer, options.pip.split()) for name, peer in PEERS.items()}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "activations.npy"
        activations(data, options.tokens)
        every = {"ours": sys.executable, **pythons}
        sides = [Side(name, python, data, options.threads) for name, python in every.items()]
        for architecture in options.architectures:
            if options.only != "quality":
                for phase, rates in speed(options, sides, architecture).items():
                    print(told(architecture, phase, rates), flush=True)
            if options.only != "speed":
                found = {side.name: quality(options, side, architecture) for side in sides}
                print(table(architecture, found), flush=True)
        for side in sides:
            side.close()


if __name__ == "__main__":
    main()
