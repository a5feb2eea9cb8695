"""`ModelSource`: activations straight from a model, shuffled in a buffer of bounded size.

The buffer is filled with the activations of consecutive contexts, shuffled, given out to its last whole batch, and
filled again. A fill depends on nothing but its number and its first context, so a run that was killed goes on with the
same batches after one fill, and a checkpoint holds no activations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saewidgets.corpus import Contexts, Ids
from saewidgets.dictionaries.train import Probe
from saewidgets.dictionaries.train.source import Sample
from saewidgets.errors import TrainingError
from saewidgets.model import TracedModel
from saewidgets.sites import Site
from saewidgets.training.reader import Reader

# Tokens kept from the first fill, to measure the scale on and to watch features on.
_SAMPLE, _PROBE = 16_384, 4_096


class ModelSource:
    """Activations of a corpus, read from a model as they are needed (a `Source`).

    Args:
        model: The model.
        reader: The text; it begins again when it ends, if it can.
        site_in: What is read; several sites side by side for a crosscoder.
        site_out: What a transcoder writes.
        buffer: Greatest number of tokens held and shuffled together; one forward pass at least.
        pooled: Several sites one below the other instead, as more tokens of one space (a layer group).
        seed: Of the order.
    """

    _x: Tensor
    _y: Tensor
    _order: Tensor
    _ids: Ids

    def __init__(
        self,
        model: TracedModel,
        reader: Reader,
        site_in: tuple[Site, ...],
        site_out: Site | None = None,
        *,
        buffer: int = 131_072,
        pooled: bool = False,
        seed: int = 0,
    ) -> None:
        self._model, self._reader, self._seed, self._pooled = model, reader, seed, pooled
        self._site_in, self._site_out = site_in, site_out
        self._capacity = max(1, buffer // reader.length // (len(site_in) if pooled else 1))
        self._fill, self._first = 0, -1
        self._load(0)
        self._sample = self._take(self._order[:_SAMPLE])
        self._probe = self._first_contexts()
        self.transcodes = site_out is not None
        self.widths = (self._x.shape[1],) if pooled else self._site_widths
        self.d_out = self._y.shape[1]

    def sample(self, n: int) -> Sample:
        """Up to `n` tokens of the first fill."""
        x, y = self._sample.x[:n], self._sample.y[:n]
        return Sample(x, y if self.transcodes else x)

    def next(self, n: int) -> Sample | None:
        """The next `n` tokens; what is left of a fill and too few is not used."""
        while self._taken + n > len(self._order):
            if self._whole and n > len(self._order):
                raise TrainingError(f"Batches of {n} of {len(self._order)} tokens.", "Lower batch_size or add text.")
            if not self._advance():
                return None
        chosen = self._order[self._taken : self._taken + n]
        self._taken += n
        return self._take(chosen)

    def position(self) -> dict[str, Any]:
        """The fill, where it begins in the corpus, and what is taken of it."""
        return {"fill": self._fill, "first": self._first, "taken": self._taken}

    def seek(self, position: dict[str, Any]) -> None:
        """Go to a position; runs the model on one fill."""
        self._fill = position["fill"]
        self._load(position["first"])
        self._taken = position["taken"]

    def probe(self) -> Probe | None:
        """The first contexts of the corpus; None without a tokenizer, for a crosscoder, or for a layer group."""
        return self._probe

    @property
    def _whole(self) -> bool:
        """Whether the buffer holds the whole corpus."""
        return self._first == 0 and self._ended

    def _advance(self) -> bool:
        """The next fill; False at the end of text that can be read only once."""
        self._fill += 1
        if not self._ended and self._load(self._next):
            return True
        return (self._whole or self._reader.repeats) and self._load(0)

    def _load(self, first: int) -> bool:
        """Run the model on the contexts of this fill, unless the buffer holds them, and shuffle; False at the end."""
        if first != self._first:
            contexts = list(self._reader.take(first, self._capacity))
            if not contexts:
                return False
            self._ids = contexts[0].ids if self._first < 0 else self._ids
            passes = [self._activations(some) for some in contexts]
            self._x = torch.cat([x for x, _ in passes])
            self._y = self._x if self._site_out is None else torch.cat([y for _, y in passes])
            self._first, self._next, self._ended = first, self._reader.at, self._reader.ended
        draw = torch.Generator().manual_seed(self._seed * 1_000_003 + self._fill)
        self._order = torch.randperm(len(self._x), generator=draw).to(self._x.device)
        self._taken = 0
        return True

    def _activations(self, contexts: Contexts) -> tuple[Tensor, Tensor]:
        """`[tokens, d]` of the tokens that count."""
        sites = list(self._site_in) + ([] if self._site_out is None else [self._site_out])
        ids = torch.as_tensor(contexts.ids)
        # A single prompt would take over prefixes of earlier ones, and its last bits depend on what was run before.
        trace = self._model.trace(ids if len(ids) > 1 else ids.repeat(2, 1), sites, logits=False)
        mask = torch.as_tensor(contexts.mask, device=self._model.device)
        values = [trace.values[site][: len(ids)][mask] for site in sites]
        read = values[: len(self._site_in)]
        self._site_widths = tuple(value.shape[1] for value in read)
        return torch.cat(read, 0 if self._pooled else 1), values[-1]

    def _take(self, index: Tensor) -> Sample:
        x = self._x[index]
        return Sample(x, x if self._site_out is None else self._y[index])

    def _first_contexts(self) -> Probe | None:
        tokenizer = self._model.tokenizer
        if len(self._site_in) > 1 or tokenizer is None:
            return None
        n, skipped = max(1, _PROBE // self._reader.length), self._reader.skipped
        ids = torch.as_tensor(self._ids[:n])
        values = self._model.trace(ids, self._site_in, logits=False).values[self._site_in[0]]
        tokens = tuple(tuple(tokenizer.decode([token]) for token in row[skipped:]) for row in ids.tolist())
        return Probe(values[:, skipped:].flatten(0, 1), tokens)
