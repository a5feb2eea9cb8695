"""Muon in fp32 for the matrices, AdamW for the rest; the state is a flat dict of tensors, so a run resumes exactly."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def orthogonalise(batch: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices by a quintic Newton-Schulz iteration.

    Args:
        batch: matrices ``[n, rows, columns]``.
        steps: iterations.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = batch.shape[1] > batch.shape[2]
    x = batch.transpose(1, 2) if tall else batch
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Optimizer:
    """Muon for two-dimensional weights of the blocks, AdamW for embeddings and norms.

    Attributes:
        state: every running average, by name.
    """

    def __init__(self, model: nn.Module, muon_rate: float, adam_rate: float) -> None:
        """Start with zero averages.

        Args:
            model: its trainable parameters.
            muon_rate: learning rate of the matrices.
            adam_rate: learning rate of everything else.
        """
        named = dict(model.named_parameters())
        self.muon_rate, self.adam_rate = muon_rate, adam_rate
        matrices = {name: p for name, p in named.items() if p.ndim == 2 and "layers" in name}
        self.rest = {name: p for name, p in named.items() if name not in matrices}
        shapes = sorted({tuple(p.shape) for p in matrices.values()})
        self.groups = [{name: p for name, p in matrices.items() if tuple(p.shape) == shape} for shape in shapes]
        self.state: dict[str, Tensor] = {f"momentum.{name}": torch.zeros_like(p) for name, p in matrices.items()}
        for name, p in self.rest.items():
            self.state |= {f"first.{name}": torch.zeros_like(p), f"second.{name}": torch.zeros_like(p)}

    @torch.no_grad()
    def step(self, number: int, scale: float) -> None:
        """One update.

        Args:
            number: how many updates there have been, from 1.
            scale: what the schedule multiplies both rates with.
        """
        for group in self.groups:
            updates = []
            for name, p in group.items():
                gradient = _gradient(p)
                momentum = self.state[f"momentum.{name}"].lerp_(gradient, 0.05)
                updates.append(gradient.lerp(momentum, 0.95))
            directions = orthogonalise(torch.stack(updates))
            rate = self.muon_rate * scale * max(1.0, directions.shape[1] / directions.shape[2]) ** 0.5
            for p, direction in zip(group.values(), directions, strict=True):
                p.mul_(1 - 0.1 * self.muon_rate * scale).sub_(direction, alpha=rate)
        for name, p in self.rest.items():
            gradient = _gradient(p)
            first = self.state[f"first.{name}"].lerp_(gradient, 0.1)
            second = self.state[f"second.{name}"].lerp_(gradient.square(), 0.02)
            corrected = (second / (1 - 0.98**number)).sqrt_().add_(1e-8)
            p.sub_(first / corrected, alpha=self.adam_rate * scale / (1 - 0.9**number))


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
