"""A model that is a table, a dictionary of it, and a corpus: a sweep in milliseconds."""

import hashlib
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from saewidgets.atlas.atlas import Atlas
from saewidgets.atlas.limits import Limits
from saewidgets.atlas.sweep import sweep
from saewidgets.corpus import Corpus
from saewidgets.dictionaries import Activation, Dictionary, FeedForward
from saewidgets.sites import Site

SITES = (Site.parse("resid_post.0"), Site.parse("resid_post.1"))
LIMITS = Limits(top=3, random=3, interval=2, tokens=4, shared=50)
LENGTH, D, WIDTH, VOCABULARY = 256, 6, 40, 30


class TableModel:
    """Looks activations up by token id and position; has what a sweep asks of a `TracedModel`."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.module = torch.nn.Embedding(VOCABULARY, 2 * D)
        self.module.weight.data = torch.randn(VOCABULARY, 2 * D, generator=generator)
        self.tokenizer, self.name, self.lock, self.device = None, "table", threading.RLock(), torch.device("cpu")

    def trace(self, ids: torch.Tensor, read: Any, **_: Any) -> Any:
        wave = torch.sin(torch.arange(ids.shape[1]) * 0.7)[:, None]
        value = self.module.weight[ids].detach() + wave
        return SimpleNamespace(values={site: value[..., D * site.layer : D * site.layer + D] for site in read})


def dictionary(site: Site, seed: int = 1) -> FeedForward:
    directions = torch.randn(WIDTH, D, generator=torch.Generator().manual_seed(seed))
    directions /= directions.norm(dim=1, keepdim=True)
    bias = torch.zeros(WIDTH) - 1.0
    return FeedForward(directions.T.contiguous(), directions, bias, torch.zeros(D), Activation("relu"), site, site)


def dictionaries(n: int = 2) -> dict[str, Dictionary]:
    return {str(site): dictionary(site, i) for i, site in enumerate(SITES[:n])}


def rows(n: int = 200, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, VOCABULARY, (n, LENGTH))


def run(folder: Path, n: int = 200, model: Any = None, **options: Any) -> Atlas:
    """Sweep `n` contexts, four shards for 200, into a folder."""
    chosen = options.pop("dictionaries", None) or dictionaries()
    options = {"limits": LIMITS, "version": "test"} | options
    return sweep(model or TableModel(), chosen, options.pop("corpus", None) or Corpus(rows(n)), folder, **options)


def fingerprints(folder: Path) -> dict[str, str]:
    """Every file and its content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
