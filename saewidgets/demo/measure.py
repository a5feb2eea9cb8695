"""How good a dictionary is, beside a random one and a linear one of the same size."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from saewidgets.demo.activations import Change, cross_entropy, cross_entropy_with
from saewidgets.dictionaries import Dictionary, FeedForward
from saewidgets.dictionaries.activation import Activation


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


def random_like(dictionary: Dictionary, k: int, x: Tensor, y: Tensor, seed: int = 0) -> FeedForward:
    """A dictionary of the same width with random encoder directions and TopK; its decoder is fitted by least squares.

    Args:
        dictionary: whose sites and width to take.
        k: active features a token.
        x: inputs the decoder is fitted on ``[n, d_in]``.
        y: its targets ``[n, d_out]``.
        seed: of the directions.
    """
    generator = torch.Generator().manual_seed(seed)
    encoder = torch.nn.functional.normalize(torch.randn(dictionary.d_in, dictionary.d_dict, generator=generator), dim=0)
    spread = (x - x.mean(0)).std()
    random = FeedForward(
        W_enc=encoder / spread,
        W_dec=torch.zeros(dictionary.d_dict, dictionary.d_out),
        b_enc=-(x.mean(0) @ encoder) / spread,
        b_dec=y.mean(0),
        activation=Activation("topk", k=k),
        site_in=dictionary.site_in,
        site_out=dictionary.site_out,
        architecture="random",
    )
    features = random.encode(x)
    gram = features.T @ features + 1e-2 * len(x) / dictionary.d_dict * torch.eye(dictionary.d_dict)
    return dataclasses.replace(random, W_dec=torch.linalg.solve(gram, features.T @ (y - random.b_dec)))


def linear_like(dictionary: Dictionary, k: int, x: Tensor, y: Tensor) -> Dictionary:
    """The best linear map through k dimensions: PCA for an autoencoder, reduced-rank regression for a transcoder.

    It is written as a dictionary with 2k ReLU features, one for each sign.
    """
    x_mean, y_mean = x.mean(0), y.mean(0)
    centred = x - x_mean
    gram = centred.T @ centred
    weights = torch.linalg.solve(gram + 1e-5 * gram.diagonal().mean() * torch.eye(len(gram)), centred.T @ (y - y_mean))
    predicted = centred @ weights
    directions = torch.linalg.eigh(predicted.T @ predicted).eigenvectors[:, -k:]
    encoder = weights @ directions
    return FeedForward(
        W_enc=torch.cat([encoder, -encoder], 1), W_dec=torch.cat([directions.T, -directions.T]),
        b_enc=torch.cat([-x_mean @ encoder, x_mean @ encoder]), b_dec=y_mean, activation=Activation("relu"),
        site_in=dictionary.site_in, site_out=dictionary.site_out, architecture="linear",
    )  # fmt: skip


def as_row(quality: Quality) -> dict[str, float]:
    """Numbers rounded for a report."""
    return {name: round(value, 4) for name, value in asdict(quality).items()}
