"""From a scope to what stands around the texts of a steering view: sliders, curves, the verdict, the foot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.errors import FeatureError
from saewidgets.payloads import Context, FeatureLabel
from saewidgets.payloads.steering import Doses, SteeringSlider
from saewidgets.sites import FeatureId
from saewidgets.widgets.steering_request import Prompt, SteeringRequest, as_asked, as_text, slider_ids

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.causes import DoseResponse
    from saewidgets.causes.outcome import Outcome
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope

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

    prompts: tuple[Prompt, ...] = ()
    n_seeds: int = 4
    n_controls: int = 6
    atlas: Atlas | None = None


def outcome_of(scope: Scope, request: SteeringRequest) -> Outcome | None:
    """What counts as the effect: the words asked for, else those the first slider promotes; `None` without sliders.

    Raises:
        PromptError: A word is several tokens.
    """
    from saewidgets.causes.outcome import read_words, words_of

    if request.target:
        return words_of(scope, read_words(scope, request.target))
    if not request.edits:
        return None
    return promoted_by(scope, request.edits[request.first])


def promoted_by(scope: Scope, edit: Edit) -> Outcome:
    """The words that what is edited promotes.

    Raises:
        FeatureError: Nothing is known of its words.
    """
    from saewidgets.causes.outcome import promoted, words_of

    return words_of(scope, promoted(scope, edit.target, N_WORDS))


def sliders(scope: Scope, request: SteeringRequest) -> tuple[SteeringSlider, ...]:
    """One for each edit, without maxima."""
    made = []
    for slot, (name, edit) in enumerate(zip(slider_ids(request.edits), request.edits, strict=True)):
        share = _share(scope, request.prompt, edit)
        half = _SCALE_HALF if request.mode == "scale" else 1.0 if edit.relative else _round(1 / share)
        label = scope.label(edit.feature) if edit.feature else ""
        made.append(SteeringSlider(name, label, slot, edit.value, request.neutral, half, share))
    return tuple(made)


def _share(scope: Scope, prompt: Prompt, edit: Edit) -> float:
    """What strength 1 is in norms of the activation it is added to: |d| / mean |x| over the prompt."""
    from saewidgets.runs.vectors import feature_direction

    if edit.relative:
        return 1.0
    target: Any = edit.target
    direction = target if hasattr(target, "vector") else feature_direction(scope, target)
    ids = scope.model.read_prompt(as_asked(prompt))
    x = scope.model.trace(ids, [direction.site], logits=False).values[direction.site][0].float()
    # Position 0 attends to nothing and is often huge.
    size = float((x[1:] if len(x) > 1 else x).norm(dim=-1).mean())
    return float(np.linalg.norm(direction.vector)) / max(size, 1e-12)


def _round(value: float) -> float:
    """The nearest of 1, 2, 4, 8 times a power of ten: a quarter of it is a round strength."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return float(min((n * power for n in (1, 2, 4, 8, 10)), key=lambda n: abs(math.log(n / max(value, 1e-6)))))


def offers(scope: Scope, prompt: Prompt, taken: Sequence[str]) -> tuple[FeatureLabel, ...]:
    """Features that are strong at the end of the prompt, not among those taken."""
    if not scope.dictionaries:
        return ()
    key = scope.default_site
    run = scope.run_ids(scope.model.read_prompt(as_asked(prompt)), as_text(prompt), sites=[key])
    index, _ = run.features[key].strongest(run.n_tokens - 1, N_OFFERS + len(taken))
    names = [name for name in (f"{key}/{i}" for i in index.tolist()) if name not in taken]
    return tuple(FeatureLabel(name, scope.label(name)) for name in names[:N_OFFERS])


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
        [as_asked(prompt) for prompt in options.prompts or (request.prompt,)],
        list(outcome.ids),
        n_controls=options.n_controls,
        seeds=[request.seed + i for i in range(options.n_seeds)],
        max_new_tokens=request.max_new_tokens,
        temperature=request.temperature,
        propagation=request.propagation,
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

    edits = request.edits or request.acting
    keys = dict.fromkeys(FeatureId.parse(f).dictionary for edit in edits for f in edit.features)
    described = "; ".join(f"{scope.dictionaries[key].describe()} at {key}" for key in keys)
    dropped = any(edit.error == "drop" for edit in edits)
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
                raise FeatureError(f"There is no feature {feature}.", scope.loaded)


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
