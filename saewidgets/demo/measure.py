"""How good a dictionary is, beside a random one and a linear one of the same size."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from saewidgets.demo.activations import Change, cross_entropy, cross_entropy_with
from saewidgets.dictionaries import Dictionary


@dataclass(frozen=True)
class Quality:
    """Numbers of one dictionary on held-out text, position 0 left out.

    Attributes:
        fvu: fraction of variance unexplained.
        l0: active features a token.
        dead: share of features that never fire.
        recovered_zero: share of the loss between zero ablation and the model that the reconstruction keeps.
        recovered_mean: the same with mean ablation.
    """

    fvu: float
    l0: float
    dead: float
    recovered_zero: float
    recovered_mean: float


@torch.no_grad()
def fvu(prediction: Tensor, target: Tensor) -> float:
    """Fraction of variance unexplained, ``[n, d]`` each."""
    return float((target - prediction).pow(2).sum() / (target - target.mean(0)).pow(2).sum())


@dataclass(frozen=True)
class Losses:
    """Cross-entropy of the model as it is, and with a site set to zero or to its mean."""

    clean: float
    zero: float
    mean: float

    @classmethod
    def at(cls, model: LlamaForCausalLM, rows: Tensor, site: str, mean: Tensor) -> Losses:
        """Measure them on token ids ``[n, length]``; `mean` is that of the site ``[d]``."""
        ablations: dict[str, Change] = {"zero": torch.zeros_like, "mean": lambda value: mean.expand_as(value)}
        ablated = {name: cross_entropy(model, rows, {site: change}) for name, change in ablations.items()}
        return cls(clean=cross_entropy(model, rows, {}), **ablated)


@torch.no_grad()
def quality(
    model: LlamaForCausalLM, rows: Tensor, dictionary: Dictionary, x: Tensor, y: Tensor, losses: Losses | None = None
) -> Quality:
    """Measure a dictionary.

    Args:
        model: the language model.
        rows: token ids for the loss.
        dictionary: what to measure.
        x: held-out activations at its input ``[n, d_in]``, without position 0.
        y: the same at its output ``[n, d_out]``.
        losses: those of its output site on `rows`, if they are known.
    """
    features = dictionary.encode(x)
    losses = losses or Losses.at(model, rows, str(dictionary.site_out), y.mean(0))
    spliced = cross_entropy_with(model, rows, dictionary)
    return Quality(
        fvu=fvu(dictionary.decode(features), y),
        l0=float((features > 0).float().sum(1).mean()),
        dead=float((~(features > 0).any(0)).float().mean()),
        recovered_zero=(losses.zero - spliced) / (losses.zero - losses.clean),
        recovered_mean=(losses.mean - spliced) / (losses.mean - losses.clean),
    )


def as_row(quality: Quality) -> dict[str, float]:
    """Numbers rounded for a report."""
    return {name: round(value, 4) for name, value in asdict(quality).items()}
