"""What tracing costs: a run that reads resid_post, attn_out and mlp_out of every layer, beside plain hooks.

Run with `python benchmarks/tracing.py`. Both sides do the same in the same process, turn by turn; the ratio is the
median over turns. "plain" is a copy of the model that was never wrapped; the goal is against hooks on that copy. The
prefix cache is emptied before every traced run, so nothing is saved by it, and what filling it costs is counted. The
"last token new" row shows what the cache is for.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from saewidgets.model import TracedModel

EMBEDDED = Path(__file__).parents[1] / "saewidgets" / "demo" / "assets" / "model"
STREAMS = ("resid_post", "attn_out", "mlp_out")


def gpt2_small() -> Any:
    """Random weights at the size of GPT-2 small."""
    return transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()


def embedded() -> Any:
    """The embedded model, or one of its size while it is being trained."""
    if (EMBEDDED / "config.json").is_file():
        return transformers.AutoModelForCausalLM.from_pretrained(EMBEDDED).eval()
    config = transformers.LlamaConfig(
        hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=320, vocab_size=2048
    )
    return transformers.LlamaForCausalLM(config).eval()


def hooked(module: Any) -> list[Any]:
    """The modules whose outputs are the same streams."""
    layers = module.transformer.h if hasattr(module, "transformer") else module.model.layers
    return [part for layer in layers for part in (layer, getattr(layer, "attn", None) or layer.self_attn, layer.mlp)]


def plain_run(module: Any, parts: list[Any], ids: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """One forward with a plain hook on every part."""
    values: list[torch.Tensor] = []

    def keep(_module: Any, _args: Any, output: Any) -> None:
        values.append(output[0] if isinstance(output, tuple) else output)

    handles = [part.register_forward_hook(keep) for part in parts]
    try:
        with torch.no_grad():
            return values, module(input_ids=ids).logits
    finally:
        for handle in handles:
            handle.remove()


def measure(sides: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every call of every side; each turn calls each side once, in a new order."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    order = random.Random(0)
    for turn in range(repeats + 3):
        for name in order.sample(list(sides), len(sides)):
            start = time.perf_counter()
            sides[name]()
            if turn >= 3:
                times[name].append(time.perf_counter() - start)
    return times


def ratio(times: dict[str, list[float]], name: str) -> float:
    """Median of one side over plain hooks within a turn, so that a machine that slows down slows both."""
    return statistics.median(a / b for a, b in zip(times[name], times["plain hooks"], strict=True))


def compare(title: str, module: Any, tokens: int, goal: float, repeats: int) -> None:
    """Measure one model and print its line."""
    torch.manual_seed(0)
    ids = torch.randint(1, module.config.vocab_size, (1, tokens))
    plain = copy.deepcopy(module)
    model = TracedModel.wrap(module)
    sites = [site for site in model.sites() if site.stream in STREAMS]

    def traced(read: Any = sites) -> Any:
        model.prefixes.clear()
        return model.trace(ids, read)

    def edited() -> Any:
        changed = ids.clone()
        changed[0, -1] = next(last) % model.vocab_size
        return model.trace(changed, sites)

    def bare() -> Any:
        with torch.no_grad():
            return plain(input_ids=ids)

    last = itertools.count()
    values, logits = plain_run(plain, hooked(plain), ids)
    trace = traced()
    assert torch.equal(trace.logits, logits)
    assert len(values) == len(trace.values) == 3 * model.n_layers
    times = measure(
        {
            "plain forward": bare,
            "plain hooks": lambda: plain_run(plain, hooked(plain), ids),
            "hooks, wrapped": lambda: plain_run(module, hooked(module), ids),
            "traced": traced,
            "traced, no site": lambda: traced(()),
        },
        repeats,
    )
    print(f"\n{title}: {model.n_layers} blocks of width {model.d_model}, {tokens} tokens, {len(sites)} sites")
    # Apart, because the runs above empty the cache.
    times |= {"last token new": measure({"edited": edited}, repeats)["edited"]}
    for name, seconds in times.items():
        print(f"  {name:16} {statistics.median(seconds) * 1e3:8.2f} ms   x {ratio(times, name):.3f}")
    result = ratio(times, "traced")
    print(f"  traced / plain hooks = {result:.3f}   (goal {goal}: {'met' if result <= goal else 'MISSED'})")


def main() -> None:
    """Print the two ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--repeats", type=int, default=40, help="measured turns at GPT-2-small size; 8 times that below"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    compare("GPT-2 small, random weights", gpt2_small(), 64, 1.15, options.repeats)
    name = "Embedded model" if EMBEDDED.is_dir() else "Random model of the embedded one's size"
    compare(name, embedded(), 32, 1.35, options.repeats * 8)


if __name__ == "__main__":
    main()
