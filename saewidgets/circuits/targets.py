"""What a graph explains: tokens that may come next, differences of two, or any vector that reads the final stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saewidgets.errors import ModelError, PromptError, shorten
from saewidgets.model import TracedModel
from saewidgets.runs.run import vocabulary_of

MASS, MOST = 0.95, 10


@dataclass(frozen=True, eq=False)
class Target:
    """One thing to explain.

    Args:
        token: A token, as text or id. Its logit is measured against the mean over the vocabulary.
        minus: A second token: the difference of the two logits is explained instead.
        vector: `[d_model]` that multiplies the stream behind the final norm, instead of tokens.
        position: After which token; negative ones count from the end.
        weight: Its share of the whole; the probability of its token, or 1 for differences and vectors, by default.
        label: Shown in views; the token by default.

    Example:
        >>> import saewidgets as sw
        >>> graph = sw.demo().attribute("Mira saw a red boat.", targets=Target(" the", minus=" a"), max_features=8)
        >>> graph.nodes.label.iloc[-1]
        "' the' - ' a'"
    """

    token: str | int | None = None
    minus: str | int | None = None
    vector: Any = None
    position: int = -1
    weight: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if (self.token is None) == (self.vector is None) or (self.minus is not None and self.token is None):
            raise PromptError("A target is a token, a token minus another, or a vector.", "Give one of them.")


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets, resolved. k of them.

    Args:
        vectors: `[k, d]` that multiply the stream behind the final norm.
        positions: `[k]`.
        weights: `[k]` float64.
        tokens: `[k]` vocabulary ids; -1 for a vector.
        minus: `[k]` ids of the tokens subtracted; -1 for none.
        labels: `k` strings.
        probabilities: `[k]` of the tokens; 0 for a vector.
    """

    vectors: Tensor
    positions: Tensor
    weights: Tensor
    tokens: Tensor
    minus: Tensor
    labels: tuple[str, ...]
    probabilities: Tensor


def resolve(model: TracedModel, logits: Tensor, targets: object = None, positions: Sequence[int] = (-1,)) -> Targets:
    """Targets of a prompt.

    Args:
        model: The model.
        logits: `[tokens, vocab]` of the prompt.
        targets: `None`: the most probable tokens up to a mass of 0.95, at most 10, after each of `positions`; or a
            token, a `Target`, or several of them.
        positions: After which tokens, where a target does not say.

    Raises:
        PromptError: A token that is none, a position outside the prompt, or nothing to explain.
        ModelError: The unembedding cannot be read.
    """
    places = [_position(p, len(logits)) for p in positions]
    if targets is None:
        chosen = [Target(t, position=p) for p in places for t in _likely(logits[p])]
    else:
        listed = [targets] if isinstance(targets, str | int | Target) else targets
        if not isinstance(listed, Iterable):
            raise PromptError(f"{shorten(targets)} is no target.", "Give tokens, or sw.circuits.Target.")
        parts = [(one, p) for one in listed for p in ([None] if isinstance(one, Target) else places)]
        chosen = [one if isinstance(one, Target) else Target(one, position=p or 0) for one, p in parts]
    if not chosen:
        raise PromptError("There is nothing to explain.", "Give at least one target.")
    unembed = _unembedding(model)
    rows = [_resolve(model, unembed, logits, target) for target in chosen]
    vectors, at, weights, tokens, minus, labels, probabilities = zip(*rows, strict=True)
    return Targets(
        torch.stack(vectors),
        torch.tensor(at),
        torch.tensor(weights, dtype=torch.float64),
        torch.tensor(tokens),
        torch.tensor(minus),
        labels,
        torch.tensor(probabilities, dtype=torch.float64),
    )


def _likely(logits: Tensor) -> list[int]:
    """The fewest tokens whose probabilities reach `MASS`, at most `MOST`, by descending probability."""
    p, ids = logits.double().softmax(-1).topk(min(MOST, len(logits)))
    count = int((p.cumsum(0) < MASS).sum()) + 1
    return [int(i) for i in ids[:count]]


def _resolve(
    model: TracedModel, unembed: Tensor, logits: Tensor, target: Target
) -> tuple[Tensor, int, float, int, int, str, float]:
    position = _position(target.position, len(logits))
    if target.vector is not None:
        vector = torch.as_tensor(target.vector, dtype=torch.float32, device=unembed.device)
        if vector.shape != unembed.shape[1:] or not bool(vector.isfinite().all()):
            raise PromptError(
                f"A target vector has shape {tuple(vector.shape)}.", f"It has {unembed.shape[1]} finite numbers."
            )
        return vector, position, _weight(target, 1.0), -1, -1, target.label or "vector", 0.0
    token, name = _token(model, target.token, len(unembed))
    probability = float(logits[position].double().softmax(-1)[token])
    row = unembed[token].float()
    if target.minus is None:
        vector = row - unembed.float().mean(0)
        return vector, position, _weight(target, probability), token, -1, target.label or name, probability
    other, other_name = _token(model, target.minus, len(unembed))
    label = target.label or f"{name!r} - {other_name!r}"
    return row - unembed[other].float(), position, _weight(target, 1.0), token, other, label, probability


def _weight(target: Target, default: float) -> float:
    weight = default if target.weight is None else float(target.weight)
    if not 0 <= weight < float("inf"):
        raise PromptError(f"A target has weight {shorten(target.weight)}.", "Weights are finite numbers from 0.")
    return weight


def _position(position: int, tokens: int) -> int:
    if type(position) is not int or not -tokens <= position < tokens:
        raise PromptError(f"Token {shorten(position)} is outside the prompt.", f"It has {tokens} tokens.")
    return position % tokens


def _token(model: TracedModel, token: str | int | None, vocab: int) -> tuple[int, str]:
    """Id and text of a token; text that is several tokens is refused rather than cut."""
    if isinstance(token, str):
        if model.tokenizer is None:
            raise PromptError(f"Without a tokenizer {shorten(token)} is no token.", "Give token ids.")
        ids = model.tokenizer.encode(token, add_special_tokens=False)
        if len(ids) != 1:
            raise PromptError(f"{shorten(token)} is {len(ids)} tokens.", "Give one token, with its leading space.")
        token = int(ids[0])
    if type(token) is not int or not 0 <= token < vocab:
        raise PromptError(f"{shorten(token)} is no token of this model.", f"Ids go from 0 to {vocab - 1}.")
    name = f"‹{token}›" if model.tokenizer is None else vocabulary_of(model.tokenizer).strings([token])[0]
    return token, name


def _unembedding(model: TracedModel) -> Tensor:
    layer = getattr(model.module, "get_output_embeddings", lambda: None)()
    weight = getattr(layer, "weight", None)
    if weight is None or weight.is_meta:
        raise ModelError("The unembedding of this model cannot be read.", "Load the model itself, with its lm_head.")
    found: Tensor = weight.detach()
    return found
