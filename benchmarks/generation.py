"""What steering costs while text is generated: tokens a second with edits, and the wait for the first token.

Run with `python -m benchmarks.generation`. All sides go on greedily from one prompt for as many tokens, in the
same process, turn by turn; the ratio is the median over turns. The plain sides run a copy of the model that nnsight
never touched: "loop" is a bare loop over its forward with a key-value cache, "transformers" is `module.generate`. The
goal is against the loop, the harder of the two.

The wait for the first token is set against a plain forward of the prompt on that copy.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable
from typing import Any

import torch
import transformers

import saewidgets as sw
from benchmarks.tracing import embedded, gpt2_small, measure
from saewidgets.dictionaries import Activation, FeedForward
from saewidgets.runs.sampling import Sampling
from saewidgets.runs.writer import Request, write_texts
from saewidgets.scope import Scope
from saewidgets.sites import Site

GOAL, FIRST_GOAL = 0.85, 1.3


def dictionary(width: int, site: str, d_dict: int) -> FeedForward:
    """A random dictionary: its weights do not change what it costs."""
    draw = torch.Generator().manual_seed(0)
    return FeedForward(
        torch.randn(width, d_dict, generator=draw) / width**0.5,
        torch.nn.functional.normalize(torch.randn(d_dict, width, generator=draw), dim=1),
        torch.zeros(d_dict),
        torch.zeros(width),
        Activation("relu"),
        Site.parse(site),
        Site.parse(site),
    )


def plain_loop(module: Any, ids: torch.Tensor, n: int) -> torch.Tensor:
    """`n` greedy tokens by a bare loop."""
    cache, new, made = transformers.DynamicCache(), ids, []
    with torch.no_grad():
        for _ in range(n):
            logits = module(input_ids=new, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
            new = logits[:, -1].argmax(-1, keepdim=True)
            made.append(new)
    return torch.cat(made, 1)


def sides(module: Any, d_dict: int, n_prompt: int, n: int) -> dict[str, Callable[[], Any]]:
    """What is measured, by name."""
    plain = copy.deepcopy(module)
    width, layers = module.config.hidden_size, module.config.num_hidden_layers
    site = f"resid_post.{layers * 2 // 3}"
    scope = Scope(module, [dictionary(width, site, d_dict)])
    ids = tuple(torch.arange(3, 3 + n_prompt).tolist())
    row = torch.tensor([ids])
    lists = {
        "no edits": [],
        "steer a feature": [sw.steer(f"{site}/17", 2.0)],
        "steer a direction": [sw.steer(sw.Direction(site, torch.ones(width)), 0.05, relative=True)],
        "clamp a feature": [sw.clamp(f"{site}/17", 2.0)],
        "three edits": [sw.steer(f"{site}/17", 2.0), sw.scale("head.1.1", 0.5), sw.ablate("embed", positions=[2])],
    }

    def write(edits: list[Any], tokens: int) -> Callable[[], Any]:
        def run() -> None:
            request = Request("", ids, ((tuple(edits), None),), (0,), tokens, Sampling(temperature=0.0))
            stream = write_texts(scope.model, scope.dictionaries, request)
            # A random model may end its text at once; the comparison needs all tokens.
            stream._writer._ends = frozenset()
            assert sum(1 for _ in stream) == tokens

        return run

    def forward() -> None:
        with torch.no_grad():
            plain(input_ids=row, use_cache=True)

    config = {"do_sample": False, "pad_token_id": 0, "max_new_tokens": n, "min_new_tokens": n}
    found: dict[str, Callable[[], Any]] = {
        "plain: loop": lambda: plain_loop(plain, row, n),
        "plain: transformers": lambda: plain.generate(row, **config),
        "plain: forward of the prompt": forward,
    }
    found |= {name: write(edits, n) for name, edits in lists.items()}
    return found | {f"first token: {name}": write(edits, 1) for name, edits in lists.items()}


def report(name: str, times: dict[str, list[float]], n: int) -> bool:
    """Print a table; whether both goals hold."""
    forward = times["plain: forward of the prompt"]
    print(f"\n{name}\n{'':34}{'tokens/s':>10}{'× loop':>9}{'× transformers':>16}")
    met = True
    for side, seconds in times.items():
        if side.startswith("first") or side.endswith("prompt"):
            continue
        ratios = [
            statistics.median(b / a for a, b in zip(seconds, times[other], strict=True))
            for other in ("plain: loop", "plain: transformers")
        ]
        print(f"{side:34}{n / statistics.median(seconds):10.1f}{ratios[0]:9.2f}{ratios[1]:16.2f}")
        met &= side.startswith("plain") or ratios[0] >= GOAL
    print(f"{'':34}{'ms':>10}{'× forward':>11}")
    for side, seconds in times.items():
        if side.startswith("first") or side.endswith("prompt"):
            ratio = statistics.median(a / b for a, b in zip(seconds, forward, strict=True))
            print(f"{side:34}{1000 * statistics.median(seconds):10.2f}{ratio:11.2f}")
            met &= not side.startswith("first") or ratio <= FIRST_GOAL
    return met


def main() -> None:
    """Measure the embedded model and one of the size of GPT-2 small."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--prompt", type=int, default=32)
    parser.add_argument("--model", choices=["embedded", "gpt2-small", "both"], default="both")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cases = {"embedded": (embedded, 1024), "gpt2-small": (gpt2_small, 16384)}
    for name, (make, d_dict) in cases.items():
        if given.model in (name, "both"):
            torch.manual_seed(0)
            times = measure(sides(make().to(given.device), d_dict, given.prompt, given.tokens), given.repeats)
            met = report(f"{name}, {d_dict} features, {given.prompt} + {given.tokens} tokens", times, given.tokens)
            print(f"goals (>= {GOAL} x loop, first token <= {FIRST_GOAL} x forward): {'met' if met else 'missed'}")


if __name__ == "__main__":
    main()
