"""From a scope to what a steering view shows: texts as they are written, their numbers, doses, the verdict."""

from __future__ import annotations

import difflib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.errors import FeatureError
from saewidgets.payloads import Context, FeatureLabel
from saewidgets.payloads.steering import Doses, SteeringSlider, WrittenText
from saewidgets.sites import FeatureId
from saewidgets.widgets.steering_request import SteeringRequest, slider_ids

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.causes import DoseResponse
    from saewidgets.causes.outcome import Outcome
    from saewidgets.interventions import Edit
    from saewidgets.runs.generation import Generation
    from saewidgets.scope import Scope

# Seconds between two pictures of a text that is being written.
FRAME = 0.04
N_WORDS, N_OFFERS = 8, 4
# Strengths of the curves: the slider's whole way in equal steps.
N_STRENGTHS = 9
_SCALE_HALF = 4.0

Check = Callable[[], None]


@dataclass(frozen=True)
class Options:
    """What the curves are measured over.

    Args:
        prompts: Texts to go on from; empty for the view's own.
        n_seeds: Texts of each prompt.
        n_controls: Random directions, and as many random features.
        atlas: Where densities are looked up.
    """

    prompts: tuple[str, ...] = ()
    n_seeds: int = 4
    n_controls: int = 6
    atlas: Atlas | None = None


def outcome_of(scope: Scope, request: SteeringRequest) -> Outcome | None:
    """What counts as the effect: the words asked for, else those the first slider promotes; `None` without sliders.

    Raises:
        PromptError: A word is several tokens.
    """
    from saewidgets.causes.outcome import promoted, read_words, words_of

    if request.target:
        return words_of(scope, read_words(scope, request.target))
    if not request.edits:
        return None
    return words_of(scope, promoted(scope, request.edits[request.first].target, N_WORDS))


def sliders(scope: Scope, request: SteeringRequest) -> tuple[SteeringSlider, ...]:
    """One for each edit, without maxima."""
    made = []
    for slot, (name, edit) in enumerate(zip(slider_ids(request.edits), request.edits, strict=True)):
        share = _share(scope, request.prompt, edit)
        half = _SCALE_HALF if request.mode == "scale" else 1.0 if edit.relative else _round(1 / share)
        label = scope.label(edit.feature) if edit.feature else ""
        made.append(SteeringSlider(name, label, slot, edit.value, request.neutral, half, share))
    return tuple(made)


def _share(scope: Scope, prompt: str, edit: Edit) -> float:
    """What strength 1 is in norms of the activation it is added to: |d| / mean |x| over the prompt."""
    from saewidgets.runs.vectors import feature_direction

    if edit.relative:
        return 1.0
    target: Any = edit.target
    direction = target if hasattr(target, "vector") else feature_direction(scope, target)
    ids = scope.model.tokenize(prompt)
    x = scope.model.trace(ids, [direction.site], logits=False).values[direction.site][0].float()
    # Position 0 attends to nothing and is often huge.
    size = float((x[1:] if len(x) > 1 else x).norm(dim=-1).mean())
    return float(np.linalg.norm(direction.vector)) / max(size, 1e-12)


def _round(value: float) -> float:
    """The nearest of 1, 2, 4, 8 times a power of ten: a quarter of it is a round strength."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return float(min((n * power for n in (1, 2, 4, 8, 10)), key=lambda n: abs(math.log(n / max(value, 1e-6)))))


def offers(scope: Scope, prompt: str, taken: Sequence[str]) -> tuple[FeatureLabel, ...]:
    """Features that are strong at the end of the prompt, not among those taken."""
    if not scope.dictionaries:
        return ()
    key = scope.default_site
    run = scope.run(prompt, sites=[key])
    index, _ = run.features[key].strongest(run.n_tokens - 1, N_OFFERS + len(taken))
    names = [name for name in (f"{key}/{i}" for i in index.tolist()) if name not in taken]
    return tuple(FeatureLabel(name, scope.label(name)) for name in names[:N_OFFERS])


# -- texts -----------------------------------------------------------------------------------------------------------


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
            request.prompt,
            scope.model.tokenize(request.prompt),
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

    from saewidgets.causes.dose import densities
    from saewidgets.runs.control import like_edits

    counts = densities(scope, [request.acting], [base.tokens.ids.tolist()], atlas)
    like = like_edits(request.acting, counts, torch.Generator().manual_seed(0), scope.model.n_heads)
    columns = [Column("direction", "random direction, same norm", request.acting, 0)]
    if any(edit.features for edit in request.acting):
        names = ", ".join(dict.fromkeys(str(feature) for edit in like for feature in edit.features))
        columns.append(Column("feature", f"random feature of like density: {names}", like))
    return columns


# -- doses -----------------------------------------------------------------------------------------------------------


def strengths(slider: SteeringSlider) -> list[float]:
    """The slider's whole way in equal steps."""
    steps = np.linspace(slider.middle - slider.half, slider.middle + slider.half, N_STRENGTHS)
    return [round(float(s), 9) for s in steps]


def measure(
    scope: Scope, request: SteeringRequest, at: Sequence[float], outcome: Outcome, options: Options, check: Check
) -> Iterator[DoseResponse]:
    """Responses at some strengths, over one text after the other."""
    from saewidgets.causes.dose import dose_responses

    yield from dose_responses(
        scope,
        {s: request.at(s) for s in at},
        options.prompts or (request.prompt,),
        list(outcome.ids),
        n_controls=options.n_controls,
        seeds=[request.seed + i for i in range(options.n_seeds)],
        max_new_tokens=request.max_new_tokens,
        temperature=request.temperature,
        atlas=options.atlas,
        check=check,
    )


def doses_payload(found: DoseResponse, planned: int) -> Doses:
    """A response as the view draws it."""
    return Doses(
        found.strengths, found.effect, found.kl, found.perplexity, found.base_effect, found.base_perplexity,
        found.n_directions, found.conditions.prompts, found.n_texts, planned, found.n_tokens,
    )  # fmt: skip


def verdict(doses: Doses, now: float) -> str:
    """Whether the controls change the effect as much as the edit does, at the strength that the slider stands at."""
    place = int(np.abs(doses.strengths - now).argmin())
    if abs(float(doses.strengths[place]) - now) > 1e-4 * max(1.0, abs(now)) or not doses.n_controls:
        return ""
    change = doses.effect[:, place] - doses.base_effect
    greatest = float(np.abs(change[1:]).max())
    if abs(float(change[0])) <= greatest:
        kind = "direction" if int(np.abs(change[1:]).argmax()) < doses.n_directions else "feature"
        return f"No more than a random {kind}: {change[0]:+.3f}, the controls up to {greatest:.3f}.".replace("-", "−")
    return f"More than every control: {change[0]:+.3f}, the controls up to {greatest:.3f}.".replace("-", "−")


def context_of(scope: Scope, request: SteeringRequest, call: str, milliseconds: float) -> Context:
    """The foot."""
    from saewidgets import __version__

    keys = dict.fromkeys(FeatureId.parse(f).dictionary for edit in request.edits for f in edit.features)
    described = "; ".join(f"{scope.dictionaries[key].describe()} at {key}" for key in keys)
    dropped = any(edit.error == "drop" for edit in request.edits)
    return Context(
        f"{scope.name} · {scope.model.n_layers} layers", described, "dropped" if dropped else "kept", "free",
        request.seed, milliseconds, __version__, call,
    )  # fmt: skip


def refuse_strangers(scope: Scope, request: SteeringRequest) -> None:
    """Raise for features this scope does not have, before a job is made of them.

    Raises:
        FeatureError: There is one.
    """
    for edit in request.edits:
        for feature in edit.features:
            dictionary = scope.dictionaries.get(feature.dictionary)
            if dictionary is None or feature.index >= dictionary.d_dict:
                known = ", ".join(f"{k} (0 to {d.d_dict - 1})" for k, d in scope.dictionaries.items())
                raise FeatureError(f"There is no feature {feature}.", f"Loaded: {known or 'none'}.")


def search_atlas(atlas: Atlas | None, scope: Scope, query: str, site: str, limit: int) -> list[tuple[str, str]]:
    """Features of an atlas that fire on a word, the strongest first."""
    if atlas is None or site not in atlas.sites or not query.strip():
        return []
    from saewidgets.atlas.listing import Listing

    listing = Listing(atlas, site)
    found = np.flatnonzero(listing.firing_on(query.strip()))
    found = found[np.argsort(-listing.columns["maximum"][found], kind="stable")][:limit]
    words = listing.fires_on(found.tolist(), 2)
    return [
        (f"{site}/{i}", scope.label(f"{site}/{i}") or f"fires on {', '.join(w.strip() for w in words[row])}")
        for row, i in enumerate(found.tolist())
    ]
