"""Data whose true dictionary is known."""

import torch

from saewidgets.dictionaries import Dictionary


def world(tokens: int = 12_000, true: int = 32, d: int = 24, k: int = 3, seed: int = 5):
    """`true` unit directions `[true, d]` and sums of `k` of them with positive strengths `[tokens, d]`, off centre."""
    draw = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(true, d, generator=draw), dim=1)
    active = torch.rand(tokens, true, generator=draw).topk(k, dim=1).indices
    strengths = torch.zeros(tokens, true).scatter(1, active, 1 + torch.rand(tokens, k, generator=draw))
    return directions, strengths @ directions + 0.5


def recovered(dictionary: Dictionary, directions: torch.Tensor) -> float:
    """Share of the true directions that a feature of the dictionary writes (cosine above 0.9)."""
    rows = torch.nn.functional.normalize(dictionary.directions, dim=1)
    return float(((directions @ rows.T).max(1).values > 0.9).float().mean())


def fvu(dictionary: Dictionary, x: torch.Tensor, y: torch.Tensor | None = None) -> float:
    y = x if y is None else y
    return float((y - dictionary.reconstruct(x)).pow(2).sum() / (y - y.mean(0)).pow(2).sum())


def l0(dictionary: Dictionary, x: torch.Tensor) -> float:
    return float((dictionary.encode(x) != 0).float().sum(1).mean())
