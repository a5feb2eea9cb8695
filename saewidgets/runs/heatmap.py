"""From a scope and a request to the payload of the `TokenHeatmap`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.errors import FeatureError, WidgetError, shorten
from saewidgets.figures.text import count
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.text import is_multiple, to_code
from saewidgets.payloads import (
    ChosenFeature,
    Context,
    Control,
    FeatureLabel,
    HeatmapPayload,
    Predictions,
    SiteView,
    Sparse,
)
from saewidgets.runs.control import control_bands
from saewidgets.runs.run import Run, kl_divergence
from saewidgets.runs.tokens import payload_tokens
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope

N_STRONGEST = 8
# Up to this length a payload has predictions and strongest features at every token, so that a page needs no kernel.
FULL_TOKENS = 128

Check = Callable[[], None]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class HeatmapRequest:
    """What a heatmap should show. Hashable: the key under which its payload is cached.

    Args:
        prompt: The text.
        features: Chosen feature ids by slot; "" is a freed slot.
        edits: Interventions, in order.
        error_term: `"kept"` or `"dropped"`, for all edits.
        site: Key of the dictionary in view; "" for the default.
        fill: A chosen feature's id, `"error"`, `"surprise"`, or "" for the first chosen feature.
        selection: Selected token position; -1 for the last.
        positions: Predictions after these positions too (long prompts).
        seed: Of the control's random draws.
    """

    prompt: str
    features: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    error_term: str = "kept"
    site: str = ""
    fill: str = ""
    selection: int = -1
    positions: tuple[int, ...] = ()
    seed: int = 0


def default_features(scope: Scope, prompt: str, site: str = "", n: int = 3) -> tuple[str, ...]:
    """The `n` strongest features at the last token of a prompt."""
    key = scope.key(site) if site else scope.default_site
    run = scope.run(prompt)
    index, _ = run.features[key].strongest(run.n_tokens - 1, n)
    return tuple(f"{key}/{i}" for i in index.tolist())


def heatmap_payload(
    scope: Scope,
    request: HeatmapRequest,
    *,
    control: bool = False,
    glance: bool = False,
    check: Check = lambda: None,
    progress: Progress | None = None,
) -> HeatmapPayload:
    """Run what a request asks for and pack it.

    Args:
        scope: The model and its dictionaries.
        request: What to show.
        control: Also run the control of the edits (some 16 more forwards, batched).
        glance: What a key press waits for. Only the dictionaries in view are encoded, the site's and those of the
            chosen features; predictions and strongest features stand at the selected, the last and the asked tokens.
            The rest is empty until the whole payload follows.
        check: Called between forwards; raises `Cancelled` when the request is stale.
        progress: Called with (done, total, note) while the control runs.

    Returns:
        The payload.

    Raises:
        SaewidgetsError: The request does not fit the scope.
    """
    started = time.perf_counter()
    edits = with_error_term(request.edits, request.error_term)
    site = scope.key(request.site) if request.site else scope.default_site
    chosen = _chosen_ids(scope, request.features)
    keys = in_view(scope, site, chosen) if glance else list(scope.dictionaries)
    base = scope.run(request.prompt, sites=keys)
    check()
    edited = scope.run(request.prompt, edits, sites=keys) if edits else None
    check()
    selection = request.selection if 0 <= request.selection < base.n_tokens else base.n_tokens - 1
    everywhere = base.n_tokens <= FULL_TOKENS and not glance
    positions = range(base.n_tokens) if everywhere else _asked(base.n_tokens, selection, request.positions)
    bands: Control | None = None
    predictions, word_ids = _predictions(base, edited, positions)
    if control and edited is not None:
        bands = control_bands(scope, base, edits, positions, word_ids, request.seed, check, progress)
    features = tuple(
        _chosen_feature(scope, slot, feature, base, edited, edits) for slot, feature in enumerate(chosen) if feature
    )
    sites = tuple(
        _site_view(scope, key, base, edited, positions)
        if key in keys
        else _unseen(key, d.architecture, d.d_dict, base.n_tokens, edited is not None)
        for key, d in scope.dictionaries.items()
    )
    fill = request.fill
    if fill not in ("error", "surprise", *(f.id for f in features)):
        fill = features[0].id if features else "error"
    return HeatmapPayload(
        prompt=request.prompt,
        tokens=payload_tokens(scope.model.tokenizer, base.token_ids),
        sites=sites,
        site=site,
        features=features,
        fill=fill,
        selection=selection,
        surprise=base.surprise.numpy(),
        surprise_after=None if edited is None else edited.surprise.numpy(),
        predictions=predictions,
        control=bands,
        n_edits=len(edits),
        labels=_labels(scope, sites, features),
        context=_context(scope, replace(request, edits=edits, site=site), (time.perf_counter() - started) * 1000),
    )


def with_error_term(edits: Sequence[Edit], error_term: str) -> tuple[Edit, ...]:
    """The edits under one policy for the error term, `"kept"` or `"dropped"`.

    Raises:
        WidgetError: Another word.
    """
    if error_term not in ("kept", "dropped"):
        raise WidgetError(f"The error term cannot be {shorten(error_term)}.", "Use 'kept' or 'dropped'.")
    error = "keep" if error_term == "kept" else "drop"
    return tuple(replace(edit, error=error) if edit.features else edit for edit in edits)


def _chosen_ids(scope: Scope, features: Sequence[str]) -> list[str]:
    if len(features) > 64:
        raise WidgetError(f"{len(features)} features are chosen.", "Choose at most 64.")
    result: list[str] = []
    for name in features:
        if not name:
            result.append("")
            continue
        feature = FeatureId.parse(name)
        dictionary = scope.dictionaries.get(feature.dictionary)
        if dictionary is None or feature.index >= dictionary.d_dict:
            raise FeatureError(f"There is no feature {feature}.", scope.loaded)
        if str(feature) not in result:
            result.append(str(feature))
    return result


def _asked(n_tokens: int, selection: int, asked: Sequence[int]) -> list[int]:
    return sorted({selection, n_tokens - 1, *(p for p in asked[:64] if 0 <= p < n_tokens)})


def _predictions(base: Run, edited: Run | None, positions: Sequence[int]) -> tuple[Predictions, Tensor]:
    """Predictions after the positions, and the `[P, K]` token ids they are about."""
    after = kl = None
    if edited is None:
        ids, before = base.likely[positions], base.log_likely[positions]
    else:
        log_p, log_q = base.log_probabilities(positions), edited.log_probabilities(positions)
        ids = torch.maximum(log_p, log_q).topk(base.likely.shape[1], dim=-1).indices
        before, after, kl = log_p.gather(1, ids), log_q.gather(1, ids), kl_divergence(log_p, log_q)
    rows = ids.tolist()
    words = sorted({number for row in rows for number in row})
    place = {number: index for index, number in enumerate(words)}
    payload = Predictions(
        positions=np.asarray(positions),
        vocabulary=tuple(base.vocabulary.strings(words)),
        token=np.asarray([[place[number] for number in row] for row in rows]),
        before=before.exp().numpy(),
        after=None if after is None else after.exp().numpy(),
        kl=None if kl is None else kl.numpy(),
    )
    return payload, ids


def _chosen_feature(
    scope: Scope, slot: int, feature: str, base: Run, edited: Run | None, edits: Sequence[Edit]
) -> ChosenFeature:
    values = base.activation(feature).numpy()
    after = None if edited is None else edited.activation(feature).numpy()
    mine = [edit for edit in edits if FeatureId.parse(feature) in edit.features]
    # Position 0 attends to nothing and is often huge: it is drawn without a fill and does not set the scale.
    shown = [run[1:] if len(run) > 1 else run for run in (values, after) if run is not None]
    greatest = max(float(np.abs(run).max()) for run in shown)
    return ChosenFeature(
        id=feature,
        label=scope.label(feature),
        slot=slot,
        maximum=greatest,
        values=values,
        after=after,
        edit=", ".join(edit.words for edit in mine),
        scale=1.0 if not mine else is_multiple(mine[0]) if len(mine) == 1 else None,
    )


def _strongest(sparse: SparseActivations, positions: Sequence[int]) -> Sparse:
    """The strongest features at the given positions; no entries elsewhere."""
    start, index, value = sparse.indptr.numpy(), sparse.index.numpy(), sparse.value.numpy()
    counts = np.zeros(sparse.n_tokens, dtype=np.int64)
    at = np.asarray(positions)
    counts[at] = start[at + 1] - start[at]
    rows = np.repeat(np.arange(sparse.n_tokens), counts)
    first = counts.cumsum() - counts
    rank = np.arange(len(rows)) - first[rows]
    entries = start[rows] + rank
    # By token, within a token by strength: each token's entries stay in their place, so their ranks are the same.
    order = entries[np.lexsort((-np.abs(value[entries]), rows))][rank < N_STRONGEST]
    kept = np.minimum(counts, N_STRONGEST)
    return Sparse(np.concatenate([[0], kept.cumsum()]), index[order], value[order])


def _site_view(scope: Scope, key: str, base: Run, edited: Run | None, positions: Sequence[int]) -> SiteView:
    dictionary = scope.dictionaries[key]

    def parts(run: Run) -> tuple[Sparse, np.ndarray, np.ndarray]:
        sparse = run.features[key]
        share = run.errors[key].numpy() / np.maximum(run.norms[key].numpy(), np.float32(1e-12))
        return _strongest(sparse, positions), np.diff(sparse.indptr.numpy()), share

    strongest, active, error = parts(base)
    after = (None, None, None) if edited is None else parts(edited)
    return SiteView(key, dictionary.architecture, dictionary.d_dict, strongest, active, error, *after)


def in_view(scope: Scope, site: str, features: Sequence[str]) -> list[str]:
    """Keys of the dictionaries that a view shows numbers of."""
    shown = {site, *(FeatureId.parse(name).dictionary for name in features if name)}
    return [key for key in scope.dictionaries if key in shown]


@lru_cache(maxsize=1024)
def _unseen(key: str, architecture: str, width: int, n_tokens: int, edited: bool) -> SiteView:
    """The view of a dictionary that was not encoded: the same for every text of this length."""
    nothing = _nothing(n_tokens)
    return SiteView(key, architecture, width, *nothing, *(nothing if edited else ()))


@lru_cache(maxsize=64)
def _nothing(n_tokens: int) -> tuple[Sparse, np.ndarray, np.ndarray]:
    """Strongest features, counts and error shares of such a view: one object for all, so that it is packed once."""
    active, error = np.zeros(n_tokens, np.uint32), np.zeros(n_tokens, np.float32)
    active.flags.writeable = error.flags.writeable = False
    return Sparse(np.zeros(n_tokens + 1, np.uint32), active[:0], error[:0]), active, error


def _labels(scope: Scope, sites: Sequence[SiteView], features: Sequence[ChosenFeature]) -> tuple[FeatureLabel, ...]:
    mentioned = {f.id for f in features}
    for site in sites:
        for sparse in (site.strongest, site.strongest_after):
            if sparse is not None and len(sparse.index):
                mentioned.update([f"{site.key}/{i}" for i in set(sparse.index.tolist())])
    return tuple(FeatureLabel(f, scope.labels[f]) for f in sorted(mentioned) if scope.labels.get(f))


def _context(scope: Scope, request: HeatmapRequest, milliseconds: float) -> Context:
    from saewidgets import __version__

    return Context(
        model=model_words(scope),
        dictionaries=dictionary_words(request.site, scope.dictionaries[request.site]),
        error=request.error_term,
        propagation="free",
        seed=request.seed,
        milliseconds=milliseconds,
        version=__version__,
        code=code(request),
    )


def model_words(scope: Scope) -> str:
    """What the foot of a view says of the model."""
    return f"{scope.name} · {scope.model.n_layers} layers"


def dictionary_words(key: str, dictionary: Dictionary) -> str:
    """What the foot of a view says of a dictionary."""
    width = f"{count(dictionary.d_dict)} features at {key}"
    return f"{dictionary.describe()}, {width}, {dictionary.scale_name}"


def code(request: HeatmapRequest) -> str:
    """Python that shows this view again.

    Example:
        >>> print(code(HeatmapRequest("A boat.", features=("resid_post.2/17",))))
        sw.TokenHeatmap(scope, 'A boat.', features=['resid_post.2/17'])
    """
    arguments = ["scope", repr(request.prompt), f"features={[f for f in request.features if f]!r}"]
    if request.edits:
        arguments.append(f"edits={to_code([replace(e, error='keep') for e in request.edits])}")
    if request.error_term != "kept":
        arguments.append(f"error_term={request.error_term!r}")
    if request.site:
        arguments.append(f"site={request.site!r}")
    if request.fill:
        arguments.append(f"fill={request.fill!r}")
    if request.selection >= 0:
        arguments.append(f"selection={request.selection}")
    return f"sw.TokenHeatmap({', '.join(arguments)})"
