"""`Stream`: texts while a model writes them under edits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saewidgets.errors import EditError, PromptError, shorten
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.propagation import Held, hold
from saewidgets.interventions.rows import RowWrites
from saewidgets.interventions.writes import check_positions, group, make_writes
from saewidgets.model import Write
from saewidgets.runs.control import turned
from saewidgets.runs.generation import Generation, Token
from saewidgets.runs.sampling import Draws, Sampling
from saewidgets.runs.tokens import token_strings
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.dictionaries import Dictionary
    from saewidgets.model import TracedModel

# Tokens that are decoded with a new one.
_BEFORE = 4


@dataclass
class _Row:
    edits: tuple[Edit, ...]
    seed: int
    strength: float | None
    ids: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    text: str = ""
    shown: int = 0
    finished: str = ""


class Stream:
    """Texts while they are being written: an iterator over `Token`s, made by `Scope.generate(..., stream=True)`.

    Nothing runs before the first token is asked for. Between two tokens the model is free for others, and `cancel`
    takes effect. What was written so far is in `.generations` at any time.

    Example:
        >>> import saewidgets as sw
        >>> stream = sw.demo().generate("Mira saw a", max_new_tokens=5, stream=True)
        >>> pieces = [token.text for token in stream]
        >>> "".join(pieces) == stream.generations[0].text
        True
    """

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer
        self._tokens = writer.tokens()

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        return next(self._tokens)

    def cancel(self) -> None:
        """Stop before the next token; from any thread."""
        self._writer.cancelled = True

    @property
    def generations(self) -> tuple[Generation, ...]:
        """The texts so far."""
        return self._writer.generations()


@dataclass(frozen=True)
class Request:
    """What to write.

    Args:
        prompt: Shown in the result.
        ids: Token ids of the prompt.
        versions: Edits, and the strength they were multiplied by, if any; a text each.
        seeds: A text each, of every version.
        max_new_tokens: Greatest number of tokens a text.
        sampling: How they are drawn.
        stop: Texts that end a text; they stay in it.
        propagation: `"free"`, or `"frozen_attention"`: the patterns of the prompt are those without edits.
        cancel: Asked before every token whether to stop.
        directions: Of each version the seed of a random direction in which its changes are made instead, each as long
            as it was: its control. `None` for its own; empty for no controls.
        seen: Called at every token with the `[texts, vocab]` logits it is drawn from.
    """

    prompt: str
    ids: tuple[int, ...]
    versions: tuple[tuple[tuple[Edit, ...], float | None], ...]
    seeds: tuple[int, ...]
    max_new_tokens: int
    sampling: Sampling
    stop: tuple[str, ...] = ()
    propagation: str = "free"
    cancel: Callable[[], bool] | None = None
    directions: tuple[int | None, ...] = ()
    seen: Callable[[Tensor], None] | None = None


def write_texts(model: TracedModel, dictionaries: dict[str, Dictionary], request: Request) -> Stream:
    """Begin to write.

    Args:
        model: The traced model.
        dictionaries: The scope's.
        request: What to write.

    Returns:
        The stream; nothing has run yet but what the edits take values from.

    Raises:
        PromptError: The prompt fills the context, or an option is out of range.
        EditError, FeatureError: An edit does not fit.
    """
    return Stream(_Writer(model, dictionaries, request))


class _Writer:
    def __init__(self, model: TracedModel, dictionaries: dict[str, Dictionary], request: Request) -> None:
        n, room = request.max_new_tokens, model.context_length - len(request.ids)
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise PromptError(f"{shorten(n)} new tokens.", "Give a whole number from 1.")
        if room < 1:
            raise PromptError(f"The prompt fills the {model.context_length} tokens of the context.", "Shorten it.")
        if request.propagation == "direct":
            todo = "Use 'free' or 'frozen_attention', or scope.run for a direct effect."
            raise EditError("A generated token has no run without edits to be held to.", todo)
        for edits, _ in request.versions:
            check_positions(edits, len(request.ids), generated=True)
        self.model = model
        self.request = request
        self.cancelled = False
        self.limit = min(n, room)
        self.rows = [_Row(edits, seed, s) for edits, s in request.versions for seed in request.seeds]
        self._writes, self._read = self._prepare(dictionaries)
        self._ends = _end_ids(model)

    def _prepare(self, dictionaries: dict[str, Dictionary]) -> tuple[dict[Site, Write], frozenset[Site]]:
        request, model = self.request, self.model
        made = {
            e: make_writes(e, dictionaries, model, len(request.ids)) for e in dict.fromkeys(r.edits for r in self.rows)
        }
        every = [write for writes in made.values() for write in writes.values()]
        held: Held = hold(model, request.ids, request.propagation, every)
        used = {key for edits in made for key in group(edits, dictionaries)}
        # A dictionary that reads the context must see every token at each step.
        self._cached = not any(dictionaries[key].reads_context for key in used)
        directions = [d for d in request.directions or (None,) * len(request.versions) for _ in request.seeds]
        writes = [
            held.held(made[row.edits] if seed is None else turned(made[row.edits], seed))
            for row, seed in zip(self.rows, directions, strict=True)
        ]
        read = frozenset(site for write in every for site in write.reads)
        return (writes[0] if len(made) == 1 and not request.directions else RowWrites.of(writes)), read

    def tokens(self) -> Iterator[Token]:
        growth = self.model.grow(self._cached)
        draws = Draws(self.request.sampling, [row.seed for row in self.rows])
        ids = torch.tensor(self.request.ids).repeat(len(self.rows), 1)
        for index in range(self.limit):
            if self.cancelled or (self.request.cancel is not None and self.request.cancel()):
                self._finish("cancelled")
                return
            logits = growth.advance(ids, self._writes, self._read).float()
            if self.request.seen is not None:
                self.request.seen(logits)
            chosen = draws.next(logits)
            log_p = logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0].tolist()
            for r, (row, token) in enumerate(zip(self.rows, chosen.tolist(), strict=True)):
                if not row.finished:
                    yield self._add(r, row, index, token, log_p[r])
            if all(row.finished for row in self.rows):
                return
            ids = chosen[:, None]
        self._finish("length")

    def _add(self, r: int, row: _Row, index: int, token: int, log_p: float) -> Token:
        row.ids.append(token)
        row.log_probabilities.append(log_p)
        piece = self._piece(row)
        over = token in self._ends or any(stop in row.text + piece for stop in self.request.stop)
        # Half a character decodes to U+FFFD; it is shown once it is whole.
        if not over and piece.endswith("\ufffd") and index + 1 < self.limit:
            piece = ""
        else:
            row.text, row.shown = row.text + piece, len(row.ids)
        row.finished = "stop" if over else row.finished
        return Token(r, index, token, piece, log_p)

    def _piece(self, row: _Row) -> str:
        """The text of the tokens that are not shown yet."""
        tokenizer: Any = self.model.tokenizer
        if tokenizer is None or row.shown == len(row.ids):
            return ""
        # With some tokens before them: a tokenizer may drop the space of a text's first token.
        ids = [*self.request.ids[-_BEFORE:], *row.ids]
        end = len(ids) - len(row.ids) + row.shown
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        head: str = tokenizer.decode(ids[max(0, end - _BEFORE) : end], **options)
        text: str = tokenizer.decode(ids[max(0, end - _BEFORE) :], **options)
        return text[len(head) :]

    def _finish(self, how: str) -> None:
        for row in self.rows:
            row.finished = row.finished or how

    def generations(self) -> tuple[Generation, ...]:
        request = self.request
        return tuple(
            Generation(
                prompt=request.prompt,
                token_ids=(*request.ids, *row.ids),
                n_prompt=len(request.ids),
                text=row.text + self._piece(row),
                tokens=() if self.model.tokenizer is None else token_strings(self.model.tokenizer, row.ids),
                log_probabilities=tuple(row.log_probabilities),
                edits=row.edits,
                propagation=request.propagation,
                seed=row.seed,
                strength=row.strength,
                finished=row.finished or "cancelled",
            )
            for row in self.rows
        )


def _end_ids(model: TracedModel) -> frozenset[int]:
    """Ids after which a text is over."""
    found: set[int] = set()
    for owner in (getattr(model.module, "generation_config", None), model.config, model.tokenizer):
        ids = getattr(owner, "eos_token_id", None)
        found |= set(ids) if isinstance(ids, (list, tuple)) else set() if ids is None else {int(ids)}
    return frozenset(found)
