"""Texts written under many edits at once, and what is measured of each: the work behind a dose-response curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saewidgets.causes.along import Version, along
from saewidgets.causes.outcome import Outcome, Sums
from saewidgets.runs.sampling import Sampling
from saewidgets.runs.writer import Request, write_texts

if TYPE_CHECKING:
    from saewidgets.scope import Scope

# Logits of one batch, which bound memory; its rows, and rows times parameters, which bound the time of a token and so
# the time until a stop is noticed.
_BATCH_LOGITS, _BATCH_ROWS, _BATCH_WORK = 1 << 23, 64, 1 << 30
# Tokens of one forward over whole texts, and tokens times parameters, which bound its time. One text is always read.
_BATCH_TOKENS, _FORWARD_WORK = 512, 1 << 32


@dataclass(frozen=True)
class Writing:
    """How texts are written and measured."""

    scope: Scope
    max_new_tokens: int
    sampling: Sampling
    propagation: str
    check: Callable[[], None]
    outcome: Outcome

    def write(self, text: Any, versions: Sequence[Version], seed: int, seen: Callable[[Tensor], None]) -> Any:
        """The finished texts of one prompt, one a version."""
        self.check()
        stream = write_texts(
            self.scope.model,
            self.scope.dictionaries,
            Request(
                text if isinstance(text, str) else "",
                self.scope.model.read_prompt(text),
                tuple((edits, None) for edits, _ in versions),
                (seed,),
                self.max_new_tokens,
                self.sampling,
                propagation="free" if self.propagation == "direct" else self.propagation,
                directions=tuple(direction for _, direction in versions),
                seen=seen,
            ),
        )
        for _ in stream:
            pass
        return stream.generations

    def measure(self, text: Any, versions: Sequence[Version], seed: int, sums: Sums) -> None:
        """Write one text a version and add what is measured to the sums."""
        if self.propagation == "direct":
            self._measure_along(self.write(text, [((), None)], seed, lambda _: None)[0], versions, sums)
            return
        rows = self._rows(len(self.scope.model.read_prompt(text)))
        for start in range(0, len(versions), rows):
            logits: list[Tensor] = []

            def seen(one: Tensor, logits: list[Tensor] = logits) -> None:
                self.check()
                logits.append(one.log_softmax(-1).cpu())

            texts = self.write(text, versions[start : start + rows], seed, seen)
            step = self._runs(len(texts[0].token_ids) + self.max_new_tokens)
            for first in range(0, len(texts), step):
                self.check()
                few = texts[first : first + step]
                edited = torch.stack([one[first : first + step] for one in logits], 1)
                sums.add(start + first, self.outcome, few, edited, self._base(few))
        sums.n_texts += 1

    def _measure_along(self, text: Any, versions: Sequence[Version], sums: Sums) -> None:
        """Read every version along one text that was written without edits."""
        step = self._runs(len(text.token_ids))
        self.check()
        base = self._base([text])
        for start, edited in along(self.scope, text, versions, self.propagation, step, self.check):
            n = len(edited)
            sums.add(start, self.outcome, [text] * n, edited, base.expand(n, -1, -1), written=False)
        sums.n_texts += 1

    def _rows(self, n_prompt: int) -> int:
        """Texts that are written at once."""
        size = self._size
        logits_each = self.scope.model.vocab_size * self.max_new_tokens
        bounds = _BATCH_LOGITS // logits_each, _BATCH_WORK // size, _FORWARD_WORK // (size * n_prompt)
        return max(1, min(_BATCH_ROWS, *bounds))

    def _runs(self, length: int) -> int:
        """Texts of so many tokens that are read at once."""
        return max(1, min(_BATCH_TOKENS, _FORWARD_WORK // self._size) // length)

    @cached_property
    def _size(self) -> int:
        """Parameters, at least one."""
        return max(1, sum(p.numel() for p in self.scope.model.module.parameters()))

    def _base(self, texts: Sequence[Any]) -> Tensor:
        """`[texts, steps, vocab]` log probabilities without edits of what was drawn at each step."""
        longest = max(len(t.token_ids) for t in texts)
        # What is behind the end of a shorter text is seen by nothing before it.
        ids = torch.tensor([[*t.token_ids, *(0,) * (longest - len(t.token_ids))] for t in texts])
        trace = self.scope.model.trace(ids)
        assert trace.logits is not None
        n = texts[0].n_prompt
        return trace.logits[:, n - 1 : longest - 1].float().log_softmax(-1).cpu()
