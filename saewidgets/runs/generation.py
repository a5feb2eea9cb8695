"""`Generation`: a text that a model wrote under edits, and `Token`: one token of it as it comes."""

from __future__ import annotations

from dataclasses import dataclass

from saewidgets.interventions.algebra import at_places
from saewidgets.interventions.edits import Edit


@dataclass(frozen=True)
class Token:
    """One token as it comes.

    Args:
        row: Which of the texts it belongs to.
        index: Which of the generated tokens of that text, from 0.
        id: Its id.
        text: What it adds to the text; empty while a character is still incomplete.
        log_probability: Of the token under the edited model at temperature 1, in nats.
    """

    row: int
    index: int
    id: int
    text: str
    log_probability: float


@dataclass(frozen=True)
class Generation:
    """A text that a model wrote. `str()` gives the text.

    Args:
        prompt: The text before it, "" for a conversation or token ids.
        token_ids: Ids of prompt and text.
        n_prompt: How many of them are the prompt.
        text: What was written.
        tokens: Its tokens, as strings.
        log_probabilities: Of each of them under the edited model at temperature 1, in nats.
        edits: What was done.
        propagation: How the effect travelled.
        seed: Of the draws.
        strength: By which steering was multiplied, `None` if by none.
        finished: `"length"`, `"stop"`, or `"cancelled"`.
    """

    prompt: str
    token_ids: tuple[int, ...]
    n_prompt: int
    text: str
    tokens: tuple[str, ...]
    log_probabilities: tuple[float, ...]
    edits: tuple[Edit, ...]
    propagation: str
    seed: int
    strength: float | None
    finished: str

    def __str__(self) -> str:
        return self.text

    @property
    def edits_in_run(self) -> tuple[Edit, ...]:
        """The edits for a run of prompt and text: those of the prompt or of generated tokens at explicit positions."""
        return at_places(self.edits, self.n_prompt, len(self.token_ids))
