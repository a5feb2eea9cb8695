"""Baselines of the same kind as what they are compared with: PCA, random directions, a frozen random decoder.

A trained dictionary that does not beat them has learnt nothing a basis could not give (2602.14111).
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn.functional import normalize

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site


def pca(
    x: Tensor, k: int, site: Site | str, y: Tensor | None = None, site_out: Site | str | None = None
) -> FeedForward:
    """The best linear map through k dimensions: PCA, or reduced-rank regression where `y` is given.

    Args:
        x: `[n, d_in]` what it reads.
        k: Number of components: as many features as the dictionary it stands beside has active.
        site: Where `x` was read.
        y: `[n, d_out]` what is to be predicted; `x` itself if None.
        site_out: Where `y` was read.

    Returns:
        A dictionary of 2k ReLU features, one for each sign of a component.

    Raises:
        DictionaryError: Fewer dimensions than k.

    Example:
        >>> x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        >>> bool(pca(x, 4, "resid_post.0").error(x).abs().max() < 1e-3)
        True
    """
    target = x if y is None else y
    if not 1 <= k <= target.shape[1]:
        raise DictionaryError(f"{k} components of {target.shape[1]} dimensions.", "Ask for 1 to the width.")
    x_mean, y_mean = x.mean(0), target.mean(0)
    centred = x - x_mean
    weights = torch.eye(x.shape[1]) if y is None else _regress(centred, target - y_mean)
    predicted = centred @ weights
    directions = torch.linalg.eigh(predicted.T @ predicted).eigenvectors[:, -k:]
    encoder = weights @ directions
    return FeedForward(
        W_enc=torch.cat([encoder, -encoder], 1),
        W_dec=torch.cat([directions.T, -directions.T]),
        b_enc=torch.cat([-x_mean @ encoder, x_mean @ encoder]),
        b_dec=y_mean,
        activation=Activation("relu"),
        site_in=Site.parse(site),
        site_out=Site.parse(site_out or site),
        architecture="pca",
    )


def random_directions(
    x: Tensor, d_dict: int, k: int, site: Site | str, y: Tensor | None = None, site_out: Site | str | None = None,
    seed: int = 0,
) -> FeedForward:  # fmt: skip
    """Random encoder directions with TopK; the decoder is fitted by least squares.

    Args:
        x: `[n, d_in]` what it reads.
        d_dict: Number of features.
        k: Features a token.
        site: Where `x` was read.
        y: `[n, d_out]` what is to be predicted; `x` itself if None.
        site_out: Where `y` was read.
        seed: Of the directions.
    """
    target = x if y is None else y
    generator = torch.Generator().manual_seed(seed)
    encoder = normalize(torch.randn(x.shape[1], d_dict, generator=generator), dim=0)
    spread = (x - x.mean(0)).std()
    blank = FeedForward(
        W_enc=encoder / spread,
        W_dec=torch.zeros(d_dict, target.shape[1]),
        b_enc=-(x.mean(0) @ encoder) / spread,
        b_dec=target.mean(0),
        activation=Activation("topk", k=k),
        site_in=Site.parse(site),
        site_out=Site.parse(site_out or site),
        architecture="random",
    )
    features = blank.encode(x)
    gram = features.T @ features + 1e-2 * len(x) / d_dict * torch.eye(d_dict)
    return dataclasses.replace(blank, W_dec=torch.linalg.solve(gram, features.T @ (target - blank.b_dec)))


def frozen_decoder(
    x: Tensor, d_dict: int, k: int, site: Site | str, y: Tensor | None = None, site_out: Site | str | None = None,
    seed: int = 0,
) -> FeedForward:  # fmt: skip
    """A random unit-norm decoder that is kept; its encoder is its own transpose, with one gain fitted to the data.

    For a transcoder the encoder reads the best linear prediction of `y` from `x`. Arguments as of
    `random_directions`.
    """
    target = x if y is None else y
    generator = torch.Generator().manual_seed(seed)
    decoder = normalize(torch.randn(d_dict, target.shape[1], generator=generator), dim=1)
    centred = x - x.mean(0)
    weights = torch.eye(x.shape[1]) if y is None else _regress(centred, target - target.mean(0))
    encoder = weights @ decoder.T
    activation = Activation("topk", k=k)
    written = activation(centred @ encoder) @ decoder
    gain = ((target - target.mean(0)) * written).sum() / written.pow(2).sum().clamp_min(1e-30)
    return FeedForward(
        W_enc=encoder * gain,
        W_dec=decoder,
        b_enc=-(x.mean(0) @ encoder) * gain,
        b_dec=target.mean(0),
        activation=activation,
        site_in=Site.parse(site),
        site_out=Site.parse(site_out or site),
        architecture="frozen decoder",
    )


def _regress(x: Tensor, y: Tensor) -> Tensor:
    """`[d_in, d_out]` least squares with a little ridge."""
    gram = x.T @ x
    ridge = 1e-5 * gram.diagonal().mean() * torch.eye(len(gram))
    return torch.linalg.solve(gram + ridge, x.T @ y)
