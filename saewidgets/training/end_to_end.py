"""End-to-end training (Braun et al. 2405.12241): the error of a dictionary is what the model's predictions lose by it.

`KL(p(x) || p(model with the reconstruction in place of the activation))`, per token; "+ downstream" adds how much later
residual streams differ, as a share of their mean square.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from saewidgets.corpus import Contexts, Corpus
from saewidgets.dictionaries.train import Probe
from saewidgets.dictionaries.train.source import Sample
from saewidgets.errors import TrainingError
from saewidgets.model import TracedModel
from saewidgets.sites import Site
from saewidgets.training.reader import Reader
from saewidgets.training.stream import ModelSource


class Given(torch.autograd.Function):
    """`(output, loss, gradient) -> loss`: a loss whose gradient to `output` is known already.

    The gradient is computed apart, so that none reaches the weights of the model.
    """

    @staticmethod
    def forward(ctx: Any, output: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        """The loss."""
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """What is known."""
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0], None, None


class EndToEndSource:
    """Whole contexts of a corpus, with the divergence of the model's predictions as their error (a `Source`).

    Args:
        model: The model.
        corpus: The text, read in order, again and again.
        site_in: What the dictionary reads.
        site_out: What it writes; `site_in` itself for an autoencoder.
        contexts: Contexts an update.
        downstream: Weight of the differences of later residual streams; 0 for none.
    """

    def __init__(
        self,
        model: TracedModel,
        corpus: Corpus,
        site_in: Site,
        site_out: Site | None = None,
        *,
        contexts: int = 8,
        downstream: float = 0.0,
    ) -> None:
        self._model, self._downstream, self._count = model, downstream, contexts
        self._site_in, self._site_out = site_in, site_out or site_in
        self._reader = Reader(corpus, contexts)
        measured = ModelSource(model, Reader(corpus), (site_in,), site_out, buffer=32_768)
        self._measured, self.transcodes = measured, measured.transcodes
        self.widths, self.d_out = measured.widths, measured.d_out
        last = self._site_out.order
        self._later = [site for site in model.sites() if site.stream == "resid_post" and site.order > last]
        self._at = 0

    def sample(self, n: int) -> Sample:
        """Up to `n` tokens of the beginning of the corpus."""
        return self._measured.sample(n)

    def next(self, n: int) -> Sample:
        """The tokens of the next contexts that count, whatever `n`; what is left of a round and too few is not used.

        Raises:
            TrainingError: The corpus has fewer contexts than one update takes.
        """
        contexts = next(self._reader.take(self._at, self._count), None)
        if contexts is None or len(contexts) < self._count:
            contexts = next(self._reader.take(0, self._count))
        if len(contexts) < self._count:
            raise TrainingError(f"{self._count} contexts of {len(contexts)}.", "Lower batch_size or add text.")
        self._at = self._reader.at
        return self._of(contexts)

    def position(self) -> dict[str, Any]:
        """The next context."""
        return {"context": self._at}

    def seek(self, position: dict[str, Any]) -> None:
        """Go to a context."""
        self._at = position["context"]

    def probe(self) -> Probe | None:
        """The first contexts of the corpus."""
        return self._measured.probe()

    def _of(self, contexts: Contexts) -> Sample:
        ids = torch.as_tensor(contexts.ids)
        mask = torch.as_tensor(contexts.mask, device=self._model.device)
        later = self._later if self._downstream else []
        clean = self._model.trace(_at_least_two(ids), [self._site_in, self._site_out, *later])
        rows = len(ids)
        x, y = (clean.values[site][:rows][mask] for site in (self._site_in, self._site_out))
        assert clean.logits is not None
        expected = clean.logits[:rows][mask].float().log_softmax(-1)
        streams = {site: clean.values[site][:rows][mask].float() for site in later}

        def fidelity(output: Tensor) -> Tensor:
            leaf = output.detach().requires_grad_()
            loss = self._loss(leaf, ids, mask, expected, streams)
            (gradient,) = torch.autograd.grad(loss, leaf)
            return Given.apply(output, loss.detach(), gradient)[None]

        return Sample(x, y if self.transcodes else x, fidelity)

    def _loss(
        self, output: Tensor, ids: Tensor, mask: Tensor, expected: Tensor, streams: Mapping[Site, Tensor]
    ) -> Tensor:
        def write(value: Tensor, values: Mapping[Site, Tensor], offset: int) -> Tensor:
            return value.masked_scatter(mask[..., None], output.to(value.dtype))

        trace = self._model.trace(ids, list(streams), {self._site_out: write}, grad=True)
        assert trace.logits is not None
        predicted = trace.logits[mask].float().log_softmax(-1)
        loss = (expected.exp() * (expected - predicted)).sum(-1).mean()
        for site, stream in streams.items():
            left = (trace.values[site][mask].float() - stream).pow(2).sum(-1).mean()
            loss = loss + self._downstream * left / stream.pow(2).sum(-1).mean() / len(streams)
        return loss


def _at_least_two(ids: Tensor) -> Tensor:
    """A single prompt would take over prefixes of earlier ones; its last bits would depend on what was run before."""
    return ids if len(ids) > 1 else ids.repeat(2, 1)
