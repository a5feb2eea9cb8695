"""The texts of a steering view: written in batches as they grow, measured when they are finished."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.payloads.steering import SteeringSlider, WrittenText
from saewidgets.widgets.steering_request import SteeringRequest, as_asked, as_text

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.causes.outcome import Outcome
    from saewidgets.interventions import Edit
    from saewidgets.runs.generation import Generation
    from saewidgets.scope import Scope

# Seconds between two pictures of a text that is being written.
FRAME = 0.04

Check = Callable[[], None]


@dataclass(frozen=True)
class Column:
    """What is written in one column."""

    role: str
    note: str
    edits: tuple[Edit, ...] = ()
    direction: int | None = None


def notes(request: SteeringRequest) -> str:
    """What the sliders do, by their letters: "a +4.0, b ×2.0"."""
    from saewidgets.figures.palette import letter
    from saewidgets.figures.text import signed

    moved = []
    for slot, edit in enumerate(request.edits):
        if edit not in request.acting:
            continue
        value = {"additive": f"{signed(edit.value, 1, plus=True)}", "clamp": f"= {signed(edit.value, 1)}",
                 "scale": f"× {signed(edit.value, 1)}"}[request.mode]  # fmt: skip
        moved.append(f"{letter(slot)} {value}")
    return ", ".join(moved)


def write(
    scope: Scope, request: SteeringRequest, columns: Sequence[Column], base: WrittenText | None,
    outcome: Outcome | None, check: Check, propagation: str = "free",
) -> Iterator[tuple[tuple[WrittenText, ...], float]]:  # fmt: skip
    """Texts of some columns in one batch, as they grow: with the first token, now and then, and measured at the end.

    Args:
        scope: The model and its dictionaries.
        request: What is asked.
        columns: What to write.
        base: The text that others are compared with; `None` when it is the first of these columns.
        outcome: What counts as the effect.
        check: Called at every token.
        propagation: How the edits travel.

    Yields:
        The texts so far, and new tokens a second.
    """
    from saewidgets.runs.sampling import Sampling
    from saewidgets.runs.writer import Request, write_texts

    logits: list[Any] = []

    def seen(one: Any) -> None:
        check()
        logits.append(one.log_softmax(-1).cpu())

    stream = write_texts(
        scope.model,
        scope.dictionaries,
        Request(
            as_text(request.prompt),
            scope.model.read_prompt(as_asked(request.prompt)),
            tuple((c.edits, None) for c in columns),
            (request.seed,),
            request.max_new_tokens,
            Sampling(request.temperature),
            propagation=propagation,
            directions=tuple(c.direction for c in columns),
            seen=seen,
        ),
    )
    began, shown, n = time.monotonic(), 0.0, 0
    for token in stream:
        n += 1
        whole = token.row == len(columns) - 1 or n >= len(columns)
        if whole and time.monotonic() - shown >= FRAME:
            yield _texts(scope, request, columns, stream.generations, base, done=False), 0.0
            shown = time.monotonic()
    check()
    speed = n / max(time.monotonic() - began, 1e-9)
    texts = _texts(scope, request, columns, stream.generations, base, done=True)
    yield (
        tuple(
            _measured(scope, request, text, generation, [step[row] for step in logits], outcome)
            for row, (text, generation) in enumerate(zip(texts, stream.generations, strict=True))
        ),
        speed,
    )


def _texts(
    scope: Scope, request: SteeringRequest, columns: Sequence[Column], generations: Sequence[Generation],
    base: WrittenText | None, done: bool,
) -> tuple[WrittenText, ...]:  # fmt: skip
    from saewidgets.runs.tokens import payload_tokens

    found = []
    for column, generation in zip(columns, generations, strict=True):
        tokens = payload_tokens(scope.model.tokenizer, generation.token_ids)
        n = generation.n_prompt
        if base is None and column.role == "base":
            compared = generation.token_ids[n:]
        elif base is not None:
            compared = tuple(base.tokens.ids.tolist()[n:])
        else:
            compared = generations[0].token_ids[n:]
        found.append(
            WrittenText(
                column.role,
                column.note,
                tokens,
                n,
                np.concatenate([np.zeros(n, np.uint8), differing(compared, generation.token_ids[n:])]),
                np.zeros((len(request.edits), len(tokens)), np.float32),
                finished=generation.finished if done else "",
            )
        )
    return tuple(found)


def differing(base: Sequence[int], other: Sequence[int]) -> np.ndarray[Any, Any]:
    """`[other]` 1 for each token that has no partner when both are aligned.

    Example:
        >>> differing([1, 2, 3, 4], [1, 9, 9, 3, 4]).tolist()
        [0, 1, 1, 0, 0]
    """
    marks = np.ones(len(other), np.uint8)
    for block in difflib.SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks():
        marks[block.b : block.b + block.size] = 0
    return marks


def _measured(
    scope: Scope, request: SteeringRequest, text: WrittenText, generation: Generation, logits: Sequence[Any],
    outcome: Outcome | None,
) -> WrittenText:  # fmt: skip
    """A finished text with its numbers, and activations in a run of it without edits."""
    import torch

    from saewidgets.causes.outcome import Outcome, Sums

    keys = dict.fromkeys(feature.dictionary for edit in request.edits for feature in edit.features)
    run = scope.run_ids(generation.token_ids, generation.prompt, sites=list(keys))
    n, length = generation.n_prompt, len(generation.token_ids)
    sums = Sums(1)
    base = run.log_probabilities(slice(n - 1, length - 1))[None]
    edited = torch.stack(list(logits[: length - n]))[None]
    sums.add(0, outcome or Outcome(""), [generation], edited, base)
    effect, kl, perplexity = sums.means()
    values = np.zeros((len(request.edits), length), np.float32)
    for row, edit in enumerate(request.edits):
        for feature in edit.features:
            values[row] = np.maximum(values[row], run.activation(feature).float().numpy())
    values[:, 0] = 0
    return replace(
        text,
        values=values,
        effect=float(effect[0]) if outcome else None,
        kl=float(kl[0]),
        perplexity=float(perplexity[0]),
    )


def with_maxima(made: Sequence[SteeringSlider], texts: Sequence[WrittenText]) -> tuple[SteeringSlider, ...]:
    """Sliders with the greatest activation in the texts."""
    greatest = [max((float(text.values[i].max(initial=0.0)) for text in texts), default=0.0) for i in range(len(made))]
    return tuple(replace(s, maximum=most) for s, most in zip(made, greatest, strict=True))


def control_columns(scope: Scope, request: SteeringRequest, base: WrittenText, atlas: Atlas | None) -> list[Column]:
    """The controls in view: the same change in a random direction, the same edits on random features."""
    import torch

    from saewidgets.causes.densities import densities
    from saewidgets.runs.control import like_edits

    counts = densities(scope, [request.acting], [base.tokens.ids.tolist()], atlas)
    like = like_edits(request.acting, counts, torch.Generator().manual_seed(0), scope.model.n_heads)
    columns = [Column("direction", "random direction, same norm", request.acting, 0)]
    if any(edit.features for edit in request.acting):
        names = ", ".join(dict.fromkeys(str(feature) for edit in like for feature in edit.features))
        columns.append(Column("feature", f"random feature of like density: {names}", like))
    return columns
