"""`Example`: one feature on one context; those where it is strongest, and a text of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from saewidgets.errors import LabelError
from saewidgets.explain.chosen import Chosen, choose_one, words
from saewidgets.explain.contexts import Texts, activations, as_rows
from saewidgets.payloads.heatmap import SPECIAL
from saewidgets.runs.tokens import payload_tokens
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Example:
    """One feature on one context. T tokens.

    Args:
        tokens: `T` strings; joined, without the special ones, they are the text.
        activations: `[T]`.
        ids: `T` token ids, or none if they are not known.
        special: Positions of special tokens, which no label speaks of.

    Raises:
        LabelError: Not one activation a token, or none.
    """

    tokens: tuple[str, ...]
    activations: Array
    ids: tuple[int, ...] = ()
    special: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        values = np.array(self.activations, np.float32)
        if values.shape != (len(self.tokens),) or not len(values) or len(self.ids) not in (0, len(values)):
            raise LabelError(
                f"{len(self.tokens)} tokens with activations {values.shape} and {len(self.ids)} ids.",
                "Give one activation a token, and one id or none.",
            )
        values.setflags(write=False)
        object.__setattr__(self, "activations", values)

    @cached_property
    def spoken(self) -> Array:
        """`[T]` activations, 0 at special tokens."""
        values: Array = self.activations.copy()
        values[list(self.special)] = 0
        return values

    @property
    def position(self) -> int:
        """Where it is strongest, special tokens left out."""
        return int(np.abs(self.spoken).argmax())

    @property
    def value(self) -> float:
        """The activation there."""
        return float(self.spoken[self.position])

    @property
    def text(self) -> str:
        """The text, without special tokens."""
        return "".join(token for i, token in enumerate(self.tokens) if i not in set(self.special))

    def marked(self, positions: Sequence[int]) -> str:
        """The text with marks around some tokens: "a <<red boat>>."."""
        wanted, parts, inside = set(positions) - set(self.special), [], False
        for i, token in enumerate(self.tokens):
            if i in self.special:
                continue
            if (i in wanted) != inside:
                parts.append(">>" if inside else "<<")
                inside = not inside
            parts.append(token)
        return "".join(parts) + (">>" if inside else "")

    def active(self, share: float = 0.0) -> list[int]:
        """Positions where the absolute activation is above a share of its greatest here, special tokens left out."""
        strength = np.abs(self.spoken)
        return [int(i) for i in np.flatnonzero(strength > share * strength.max())]

    def to_frame(self) -> pd.DataFrame:
        """Columns position, token, activation."""
        return pd.DataFrame({"position": range(len(self.tokens)), "token": self.tokens, "activation": self.activations})

    def __repr__(self) -> str:
        return f"Example({self.marked([self.position])!r}, {self.value:.3g})"


def examples_of(scope: Scope, chosen: Chosen, contexts: Texts) -> list[list[Example]]:
    """Every context as an example of every chosen feature: `[feature][context]`."""
    rows = as_rows(scope, contexts)
    made: list[list[Example | None]] = [[None] * len(rows) for _ in chosen.names]
    for i, values in activations(scope, chosen, rows):
        tokens, special = _tokens(scope, rows[i])
        for n, column in enumerate(values.T.numpy()):
            made[n][i] = Example(tokens, column, rows[i], special)
    return [[example for example in line if example is not None] for line in made]


def _tokens(scope: Scope, ids: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    if scope.model.tokenizer is None:
        return words(scope, ids), ()
    named = payload_tokens(scope.model.tokenizer, ids)
    return named.text, tuple(int(i) for i in np.flatnonzero(np.asarray(named.kind) == SPECIAL))


def max_activating(scope: Scope, feature: str | FeatureId, contexts: Texts, n: int = 10) -> list[Example]:
    """The contexts on which a feature is strongest (Bills et al. 2023), strongest first, each once.

    For all features of a dictionary over a corpus, `scope.sweep` makes an atlas in one pass.

    Args:
        scope: A model with its dictionaries.
        feature: `"resid_post.2/17"`.
        contexts: Texts, or rows of token ids.
        n: Greatest number.

    Returns:
        Examples on which it is active.

    Example:
        >>> import saewidgets as sw
        >>> found = max_activating(sw.demo(), "mlp_in.0/23", ["Tom came in May.", "Tom came in a boat."])
        >>> found
        [Example('Tom came in<< May>>.', 1.03)]
    """
    [line] = examples_of(scope, choose_one(scope, feature), contexts)
    distinct = {example.ids: example for example in line if example.value}
    return sorted(distinct.values(), key=lambda example: -abs(example.value))[:n]


def try_text(scope: Scope, feature: str | FeatureId, text: str) -> Example:
    """What a feature does on a text of one's own."""
    [[example]] = examples_of(scope, choose_one(scope, feature), [text])
    return example
