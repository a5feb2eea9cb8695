"""Quality for `benchmarks/training.py`: FVU at an L0 of 16, each side at the best of the same learning rates.

The rate is chosen on one split (first seed), the numbers come from another. Where L0 is not what was asked for, what
steers it is moved until two runs lie close on both sides of 16; FVU is interpolated between them in log L0.
"""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

L0 = 16
# In logarithms of L0: what counts as equal; two runs are interpolated if one is near, or they are not far apart.
CLOSE, NEAR, NARROW = 0.005, 0.03, 0.35
# Runs for one value, and the first step when the setting is about known.
TRIES, NEXT = 8, 1.15
# What steers L0, where it begins and what it is multiplied by; the first runs find the rest.
STEERS: dict[tuple[str, str], tuple[str, float, float]] = {
    **{(side, name): ("k", L0, 1.15) for side in ("ours", "saelens", "dictionary_learning")
       for name in ("topk", "batchtopk", "matryoshka")},
    ("ours", "standard"): ("sparsity", 4.0, 2.0), ("saelens", "standard"): ("sparsity", 4.0, 2.0),
    ("dictionary_learning", "standard"): ("sparsity", 0.1, 2.0),
    ("ours", "gated"): ("sparsity", 4.0, 2.0), ("saelens", "gated"): ("sparsity", 4.0, 2.0),
    ("dictionary_learning", "gated"): ("sparsity", 0.1, 2.0),
    ("ours", "jumprelu"): ("aim", L0, 1.3), ("saelens", "jumprelu"): ("sparsity", 4.0, 2.0),
    ("dictionary_learning", "jumprelu"): ("aim", L0, 1.3),
}  # fmt: skip
Train = Callable[[str, float, float, int], dict]
"""`(what steers, its value, rate, seed)` -> `{"selection": {"l0", "fvu"}, "score": ...}`, or `{"error"}`."""


@dataclass(frozen=True)
class At:
    """FVU at the L0 on both splits, and the setting of the run that came closest."""

    selection: float
    score: float
    value: float


@dataclass(frozen=True)
class Found:
    """FVU of one side at the rate that was best.

    Args:
        rate: The learning rate.
        fvu: On the score split, one a seed.
    """

    rate: float
    fvu: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.mean(self.fvu)

    @property
    def deviation(self) -> float:
        """Over seeds."""
        return statistics.stdev(self.fvu) if len(self.fvu) > 1 else 0.0


def measure(side: str, architecture: str, rates: list[float], seeds: int, train: Train) -> Found | None:
    """The side at its best rate; `None` where no rate lies on both sides of the L0."""
    steer, start, factor = STEERS[side, architecture]
    tried: dict[float, At] = {}
    for rate in rates:
        at = at_l0(steer, start, factor, lambda value, rate=rate: train(steer, value, rate, 0))
        if at is not None:
            tried[rate], start = at, at.value
    if not tried:
        return None
    best = min(tried, key=lambda rate: tried[rate].selection)
    start, found = tried[best].value, [tried[best]]
    for seed in range(1, seeds):
        at = at_l0(steer, start, NEXT, lambda value, seed=seed: train(steer, value, best, seed))
        if at is not None:
            found.append(at)
    return Found(best, tuple(at.score for at in found))


def at_l0(steer: str, value: float, factor: float, train: Callable[[float], dict]) -> At | None:
    """FVU at the L0; `None` where a run failed, or the runs do not close in on it."""
    runs: list[tuple[float, dict]] = []
    for _ in range(TRIES):
        answer = train(value)
        if "error" in answer or not math.isfinite(answer["selection"]["fvu"]):
            return None
        runs.append((value, answer))
        ends = _ends(runs)
        if ends and (min(abs(_far(run)) for run in ends) <= NEAR or abs(_far(ends[0]) - _far(ends[-1])) <= NARROW):
            selection, score = (_between([answer[split] for _, answer in ends]) for split in ("selection", "score"))
            return At(selection, score, min(ends, key=lambda run: abs(_far(run)))[0])
        if len(ends) == 2:  # coefficient and L0 lie about on a line in logarithms
            share = _far(ends[0]) / (_far(ends[0]) - _far(ends[1]))
            value = ends[0][0] * (ends[1][0] / ends[0][0]) ** share
        else:
            value *= factor if (_far(runs[-1]) > 0) == (steer == "sparsity") else 1 / factor
        value = round(value) if steer == "k" else value
        if any(value == before for before, _ in runs):  # it would say the same again
            return None
    return None


def _ends(runs: list[tuple[float, dict]]) -> list[tuple[float, dict]]:
    """The run that is at the L0, or the closest on either side of it; nothing while one side has none."""
    by_distance = sorted(runs, key=lambda run: abs(_far(run)))
    if abs(_far(by_distance[0])) <= CLOSE:
        return by_distance[:1]
    below, over = ([run for run in by_distance if (_far(run) > 0) is side] for side in (False, True))
    return [below[0], over[0]] if below and over else []


def _far(run: tuple[float, dict]) -> float:
    """How far L0 is from where it should be, as a logarithm."""
    return math.log(max(run[1]["selection"]["l0"], 1e-3) / L0)


def _between(ends: list[dict]) -> float:
    """FVU at the L0, from one point close to it or a line in log L0 through two."""
    if len(ends) == 1:
        return ends[0]["fvu"]
    first, last = (math.log(max(end["l0"], 1e-3)) for end in ends)
    share = (math.log(L0) - first) / (last - first)
    return ends[0]["fvu"] + share * (ends[1]["fvu"] - ends[0]["fvu"])


def table(architecture: str, found: dict[str, Found | None]) -> str:
    """One line a peer: both sides, the ratio, and whether ours is as good within twice the pooled deviation."""
    ours, lines = found["ours"], []
    for name, peer in found.items():
        if name == "ours":
            continue
        if ours is None or peer is None:
            lines.append(f"{architecture:<11} {name:<20} not on both sides of the L0")
            continue
        noise = 2 * math.sqrt((ours.deviation**2 + peer.deviation**2) / 2)
        gap = ours.mean - peer.mean
        verdict = "better" if gap < -noise else "within noise" if gap <= noise else "WORSE"
        lines.append(
            f"{architecture:<11} {name:<20} ours {_shown(ours)}  peer {_shown(peer)}"
            f"  ratio {ours.mean / peer.mean:.3f}  gap {gap:+.4f}, noise {noise:.4f}: {verdict}"
        )
    return "\n".join(lines)


def _shown(found: Found) -> str:
    return f"{found.mean:.4f} ± {found.deviation:.4f} (rate {found.rate:g}, {len(found.fvu)} seeds)"
