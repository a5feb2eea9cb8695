"""`evaluate`: one pass over a corpus for every structural metric of several dictionaries and their baselines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saewidgets.corpus import Contexts, Corpus
from saewidgets.dictionaries import Dictionary, FeedForward
from saewidgets.dictionaries.baselines import frozen_decoder, pca, random_directions
from saewidgets.errors import CorpusError
from saewidgets.evaluate.report import OWN, Measured, Report
from saewidgets.evaluate.sums import LOSS_COLUMNS, Sums
from saewidgets.payloads import Context
from saewidgets.sites import Site

# Dense activations in flight: 64 MiB.
_BLOCK = 1 << 24
# Tokens that baselines are fitted on, and means are taken over.
_FIT_TOKENS = 8_192


@dataclass(frozen=True, eq=False)
class _Candidate:
    key: str
    kind: str
    dictionary: Dictionary
    mean: Tensor
    sums: Sums


def evaluate(
    scope: Any,
    corpus: Any,
    dictionaries: Sequence[str] | str | None = None,
    *,
    baselines: bool = True,
    losses: bool = True,
    length: int = 128,
    batch: int = 8,
    contexts: int | None = None,
    draws: int = 1000,
    seed: int = 0,
    progress: Callable[[int], None] = lambda tokens: None,
) -> Report:
    """Measure dictionaries on a corpus, beside PCA, random directions and a frozen random decoder.

    The first contexts (8,192 tokens, at most half of the corpus) fit the baselines and the means; the numbers are of
    the rest. Sums are kept in float64 by document, so batch size and order do not matter, and intervals come from a
    bootstrap over documents. In the loss, the reconstruction takes the place of the original at all tokens that count.

    Args:
        scope: A model with its dictionaries.
        corpus: Texts, token ids `[n, length]`, a path, a dataset, or a `Corpus`.
        dictionaries: Keys; None for all.
        baselines: Whether to measure the baselines too.
        losses: Whether to measure cross-entropy and KL: one more forward for each dictionary, baseline and batch.
        length: Tokens in a context, for text.
        batch: Contexts in a forward.
        contexts: Greatest number of contexts measured; None for all.
        draws: Bootstrap resamples.
        seed: Of the baselines and the resamples.
        progress: Called with the number of tokens measured so far.

    Returns:
        The report: `.to_frame()`, `.table()`, `.to_payload()`.

    Raises:
        CorpusError: The corpus holds fewer than two contexts.
        SiteError: No such dictionary.

    Example:
        >>> import saewidgets as sw
        >>> text = [f"Mira and Tom saw {n} red boats." for n in range(40)]
        >>> report = evaluate(sw.demo(), text, "resid_post.2", length=16, contexts=8, draws=10)
        >>> sorted(report.table().index.get_level_values("kind"))
        ['PCA', 'dictionary', 'frozen decoder', 'random']
    """
    text = Corpus.of(corpus, scope.model.tokenizer, length)
    keys = (
        list(scope.dictionaries)
        if dictionaries is None
        else [dictionaries]
        if isinstance(dictionaries, str)
        else dictionaries
    )
    chosen = {scope.key(key): scope.dictionaries[scope.key(key)] for key in keys}
    stream = text.batches(batch)
    fit, rest = _split(stream, batch)
    with torch.no_grad():
        candidates = _candidates(scope.model, chosen, fit, baselines, seed)
        n_tokens = 0
        for part in itertools.islice(rest, None if contexts is None else max(1, contexts // batch)):
            _measure(scope.model, candidates, part, losses)
            n_tokens += part.n_tokens
            progress(n_tokens)
    if not n_tokens:
        raise CorpusError("Nothing is left to measure after fitting the baselines.", "Give more text.")
    parts = tuple(
        Measured(
            c.key, c.kind, c.dictionary.architecture, c.dictionary.d_dict, c.sums, neighbours(c.dictionary),
            str(c.dictionary.card) if c.kind == OWN else "",
        )
        for c in candidates
    )  # fmt: skip
    left_out = "position 0 and padding left out" if text.skip_first else "padding left out"
    window = f"{n_tokens:,} tokens in contexts of {text.length}"
    names = ", ".join(chosen) if len(chosen) <= 4 else f"{len(chosen)} dictionaries"
    context = Context(scope.name, names, seed=seed)
    return Report(parts, left_out, window, context, dict(scope.labels), draws, seed)


def _split(stream: Iterator[Contexts], batch: int) -> tuple[list[Contexts], Iterator[Contexts]]:
    """The contexts that fit, and the others; of a short corpus, half and half."""
    fit: list[Contexts] = []
    held: list[Contexts] = []
    while sum(part.n_tokens for part in fit) < _FIT_TOKENS:
        pair = list(itertools.islice(stream, 2))
        if not pair:
            break
        fit.append(pair[0])
        held += pair[1:]
    if not held and len(fit) == 1 and len(fit[0]) > 1:
        whole, half = fit[0], len(fit[0]) // 2
        cut = [
            Contexts(whole.first + part.start, whole.ids[part], whole.documents[part], whole.mask[part])
            for part in (slice(0, half), slice(half, len(whole)))
        ]
        fit, held = cut[:1], cut[1:]
    return fit, itertools.chain(held, stream)


def _read(model: Any, part: Contexts, sites: Sequence[Site]) -> dict[Site, Tensor]:
    """Values `[contexts, tokens, d]` of each site, float32."""
    trace = model.trace(torch.from_numpy(part.ids), sites, logits=False)
    return {site: trace.values[site].float() for site in sites}


def _candidates(
    model: Any, chosen: dict[str, Dictionary], fit: Sequence[Contexts], baselines: bool, seed: int
) -> list[_Candidate]:
    sites = sorted({s for d in chosen.values() for s in (d.site_in, d.site_out)}, key=lambda site: site.order)
    seen: dict[Site, list[Tensor]] = {site: [] for site in sites}
    for part in fit:
        for site, value in _read(model, part, sites).items():
            seen[site].append(value[torch.from_numpy(part.mask)])
    flat = {site: torch.cat(values) for site, values in seen.items()}
    found: list[_Candidate] = []
    for key, dictionary in chosen.items():
        x, y = flat[dictionary.site_in], flat[dictionary.site_out]
        mean = y.mean(0)
        beside = _beside(model, dictionary, fit, x, y, seed) if baselines else {}
        found += [
            _Candidate(key, kind, d, mean, Sums.empty(d.d_dict, d.d_out))
            for kind, d in {OWN: dictionary, **beside}.items()
        ]
    return found


def _beside(
    model: Any, dictionary: Dictionary, fit: Sequence[Contexts], x: Tensor, y: Tensor, seed: int
) -> dict[str, FeedForward]:
    """The baselines of a dictionary: its sites and width, and as many features a token."""
    values = _read(model, fit[0], [dictionary.site_in])[dictionary.site_in]
    active = (dictionary.encode(values) != 0).sum(-1)[torch.from_numpy(fit[0].mask)]
    k = max(1, round(float(active.float().mean())))
    k = min(k, dictionary.d_dict)
    same = dictionary.site_in == dictionary.site_out
    places = (dictionary.site_in, None if same else y, dictionary.site_out)
    width = dictionary.d_dict
    return {
        "PCA": pca(x.cpu(), min(k, y.shape[1]), *places),
        "random": random_directions(x.cpu(), width, k, *places, seed=seed),
        "frozen decoder": frozen_decoder(x.cpu(), width, k, *places, seed=seed),
    }


def _measure(model: Any, candidates: Sequence[_Candidate], part: Contexts, losses: bool) -> None:
    sites = {s for c in candidates for s in (c.dictionary.site_in, c.dictionary.site_out)}
    values = _read(model, part, sorted(sites, key=lambda site: site.order))
    mask = torch.from_numpy(part.mask)
    clean = _clean(model, part) if losses else None
    ablated: dict[Site, dict[str, Tensor]] = {}
    for c in candidates:
        d = c.dictionary
        x, y = values[d.site_in], values[d.site_out]
        written = torch.empty_like(y)
        for rows in _rows(d, x):
            features = d.encode(x[rows])
            written[rows] = d.decode(features, x[rows])
            inside = mask[rows]
            c.sums.add(part.documents[rows][part.mask[rows]], features[inside], written[rows][inside], y[rows][inside])
        if clean is None:
            continue
        if d.site_out not in ablated:
            zero, mean = torch.zeros_like(y), c.mean.expand_as(y)
            ablated[d.site_out] = {
                f"{name}_{how}": loss
                for how, new in (("zero", zero), ("mean", mean))
                for name, loss in _spliced(model, part, d.site_out, new, mask, clean).items()
            }
        own = _spliced(model, part, d.site_out, written, mask, clean)
        terms = {**clean.terms, **ablated[d.site_out], **{f"{name}_sae": loss for name, loss in own.items()}}
        c.sums.add_losses(clean.documents, {name: terms[name] for name in LOSS_COLUMNS})


def _rows(dictionary: Dictionary, x: Tensor) -> Iterator[slice]:
    """Contexts at a time, so that the dense activations stay small."""
    step = max(1, _BLOCK // (x.shape[1] * dictionary.d_dict))
    return (slice(first, first + step) for first in range(0, len(x), step))


@dataclass(frozen=True, eq=False)
class _Clean:
    """The model as it is: log-probabilities where the loss is taken, and whose documents these tokens are of."""

    log_p: Tensor
    where: Tensor
    targets: Tensor
    documents: np.ndarray[Any, Any]
    terms: dict[str, Tensor]


def _clean(model: Any, part: Contexts) -> _Clean:
    # A token counts if it is in the mask and the next one is text.
    where = torch.from_numpy(part.mask[:, :-1] & (part.documents[:, 1:] >= 0))
    targets = torch.from_numpy(part.ids[:, 1:])[where]
    log_p = _log_p(model.trace(torch.from_numpy(part.ids)).logits, where)
    ce = -log_p.gather(1, targets.to(log_p.device)[:, None])[:, 0]
    documents = part.documents[:, :-1][where.numpy()]
    return _Clean(log_p, where, targets, documents, {"n_loss": torch.ones_like(ce), "ce": ce})


def _log_p(logits: Tensor, where: Tensor) -> Tensor:
    return logits[:, :-1][where.to(logits.device)].float().log_softmax(-1)


def _spliced(model: Any, part: Contexts, site: Site, new: Tensor, mask: Tensor, clean: _Clean) -> dict[str, Tensor]:
    """Cross-entropy and KL, for each token that counts, with `new` in the place of the site's value."""
    write = partial(_replace, new=new, mask=mask)
    trace = model.trace(torch.from_numpy(part.ids), (), {site: write})
    log_q = _log_p(trace.logits, clean.where)
    ce = -log_q.gather(1, clean.targets.to(log_q.device)[:, None])[:, 0]
    kl = (clean.log_p.exp() * (clean.log_p - log_q)).sum(-1)
    return {"ce": ce, "kl": kl}


def _replace(value: Tensor, values: Any, offset: int, *, new: Tensor, mask: Tensor) -> Tensor:
    """`new` at the tokens that count; the others keep their value."""
    return torch.where(mask[..., None].to(value.device), new.to(value.device, value.dtype), value)


def neighbours(dictionary: Dictionary) -> np.ndarray[Any, Any]:
    """`[n]` greatest cosine of each decoder row with another one; rows of norm 0 are left out."""
    rows = dictionary.directions.flatten(1)
    norms = rows.norm(dim=1)
    rows = rows[norms > 0] / norms[norms > 0, None]
    step = max(1, _BLOCK // max(len(rows), 1))
    best = []
    for first in range(0, len(rows), step):
        cosine = rows[first : first + step] @ rows.T
        here = torch.arange(len(cosine), device=rows.device)
        cosine[here, here + first] = -1.0
        best.append(cosine.max(1).values)
    return torch.cat(best).cpu().numpy() if len(rows) > 1 else np.zeros(0)
