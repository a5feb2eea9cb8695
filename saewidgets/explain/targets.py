"""`Target`: the number whose causes are looked for. A token's logit, a difference, a probability, or any function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from torch import Tensor

from saewidgets.errors import PromptError, shorten
from saewidgets.explain.chosen import words

if TYPE_CHECKING:
    from saewidgets.scope import Scope


@dataclass(frozen=True)
class Probability:
    """The probability of a next token, as a target.

    Args:
        token: Its text, with the space before it, or its id.

    Example:
        >>> import saewidgets as sw
        >>> sw.explain.influence(sw.demo(), "Mira saw a red", sw.explain.Probability(" boat")).target
        'p( boat)'
    """

    token: str | int


Asked: TypeAlias = "str | int | Sequence[str | int] | Probability | Callable[[Tensor], Tensor] | None"
"""What a target may be asked for as.

A token (text or id): its logit. Two tokens: the logit of the first minus that of the second. `Probability(token)`. A
function of logits `[batch, tokens, vocab]` that gives `[batch]`. None: the logit of the likeliest token.
"""


@dataclass(frozen=True, eq=False)
class Target:
    """A number read off the logits.

    Args:
        name: In words: " Mira", " Mira − Tom", "p( Mira)", or the name of the function.
        token: Id of the token when the target is one logit, else None.
        position: After which token it is predicted.
        measure: Logits `[batch, tokens, vocab]` -> `[batch]`, differentiable.
    """

    name: str
    token: int | None
    position: int
    measure: Callable[[Tensor], Tensor]


def read_target(scope: Scope, asked: Asked, position: int, logits: Tensor) -> Target:
    """Read what a caller asks for.

    Args:
        scope: For its tokenizer.
        asked: See `Asked`.
        position: After which token, negative ones from the end.
        logits: `[T, vocab]` of the prompt as it is.

    Raises:
        PromptError: The position is outside the prompt, or a token is not one token.
    """
    length, vocabulary = logits.shape
    if not -length <= position < length:
        raise PromptError(f"Token {shorten(position)} is outside the prompt.", f"It has {length} tokens.")
    place = position % length
    if asked is None:
        asked = int(logits[place].argmax())
    if isinstance(asked, Probability):
        token = token_id(scope, asked.token, vocabulary)
        return Target(
            f"p({words(scope, [token])[0]})", None, place, lambda x: x[:, place].float().softmax(-1)[:, token]
        )
    if callable(asked):
        return Target(getattr(asked, "__name__", "function"), None, place, _checked(asked))
    if isinstance(asked, Sequence) and not isinstance(asked, str):
        if len(asked) != 2:
            raise PromptError(f"{shorten(asked)} names {len(asked)} tokens.", "Name one, or two to subtract.")
        plus, minus = (token_id(scope, token, vocabulary) for token in asked)
        name = " − ".join(word.strip() or word for word in words(scope, [plus, minus]))
        return Target(name, None, place, lambda x: (x[:, place, plus] - x[:, place, minus]).float())
    token = token_id(scope, asked, vocabulary)
    return Target(words(scope, [token])[0], token, place, lambda x: x[:, place, token].float())


def token_id(scope: Scope, token: object, vocabulary: int) -> int:
    """The id of one token.

    Raises:
        PromptError: It is several tokens, or none.
    """
    if isinstance(token, str) and scope.model.tokenizer is not None:
        ids = scope.model.tokenizer(token, add_special_tokens=False)["input_ids"]
        if len(ids) == 1:
            return int(ids[0])
        raise PromptError(f"{shorten(token)} is {len(ids)} tokens.", "Name one token, with the space before it.")
    if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < vocabulary:
        raise PromptError(f"{shorten(token)} is no token.", f"Give its text, or an id below {vocabulary}.")
    return token


def _checked(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def measure(logits: Tensor) -> Tensor:
        value = function(logits)
        if not isinstance(value, Tensor) or value.shape != logits.shape[:1]:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise PromptError(
                f"The target gave {got} for {len(logits)} rows.",
                "It takes logits [batch, tokens, vocab] and gives one number a row.",
            )
        return value

    return measure
