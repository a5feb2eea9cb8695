"""From a trace to a `Run`: encode what the dictionaries read, a block of tokens at a time, and only new tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.features import DictionaryStep, final_features, write_dictionary
from saewidgets.interventions.propagation import Held, hold
from saewidgets.interventions.writes import SiteWrite, check_positions, first_position, group, make_writes
from saewidgets.model import Trace, TracedModel
from saewidgets.runs.recent import shared_prefix
from saewidgets.runs.run import Run, vocabulary_of
from saewidgets.runs.tokens import token_strings
from saewidgets.sites import Site

# Dense pre-activations in flight: 16 M floats, 64 MiB.
_BLOCK = 1 << 24
# Next tokens kept for every position.
N_LIKELY = 8


def sites_to_read(dictionaries: Mapping[str, Dictionary]) -> tuple[Site, ...]:
    """Everything these dictionaries read or reconstruct, in order of the forward pass."""
    return tuple(sorted({s for d in dictionaries.values() for s in (d.site_in, d.site_out)}, key=lambda s: s.order))


def record_run(
    model: TracedModel,
    dictionaries: Mapping[str, Dictionary],
    prompt: str,
    ids: Sequence[int],
    edits: tuple[Edit, ...] = (),
    keys: Sequence[str] | None = None,
    previous: Run | None = None,
    propagation: str = "free",
) -> Run:
    """Trace one prompt and encode it.

    Args:
        model: The traced model.
        dictionaries: The scope's.
        prompt: The text of `ids`.
        ids: Token ids.
        edits: Applied during the pass.
        keys: Dictionaries to encode; `None` for all.
        previous: A run under the same edits that shares a prefix of tokens and has these dictionaries; its rows are
            reused.
        propagation: How the effect of the edits travels, see `saewidgets.interventions.propagation`.

    Returns:
        The run.

    Raises:
        FeatureError, EditError: An edit does not fit.
    """
    check_positions(edits, len(ids))
    wanted = {key: dictionaries[key] for key in (dictionaries if keys is None else keys)}
    edited = {key: dictionaries[key] for key in group(edits, dictionaries)}
    writes = make_writes(edits, dictionaries, model, len(ids))
    read = {*sites_to_read({**wanted, **edited}), *writes} | {s for write in writes.values() for s in write.reads}
    held = hold(model, ids, propagation, writes.values())
    # Equal edits mean equal writes only on the same dictionaries: two scopes may share one model.
    identity = (edits, *edited.values()) if edits else ()
    changes = held.held(writes)
    if propagation != "free" or any(dictionary.reads_context for dictionary in edited.values()):
        # Such writes must see every token: nothing of an earlier pass is reused, nothing of this one kept.
        trace = model.trace(list(ids), read, changes, key=None, first_edit=0, **held.options)
    else:
        trace = model.trace(list(ids), read, changes, key=identity, first_edit=first_position(edits))
    start = min(trace.reused, shared_prefix(previous.token_ids, ids)) if previous is not None else 0
    if any(dictionary.reads_context for dictionary in wanted.values()):
        start = 0
    features: dict[str, SparseActivations] = {}
    errors: dict[str, Tensor] = {}
    norms: dict[str, Tensor] = {}
    sources = _sources(trace, writes, held, start)
    for key, dictionary in wanted.items():
        source, target, mine = (
            sources[key]
            if key in sources
            else (trace.values[dictionary.site_in][0, start:], trace.values[dictionary.site_out][0, start:], None)
        )
        parts = _encode(dictionary, mine, source, target, start)
        if start:
            assert previous is not None
            parts = (
                SparseActivations.join(previous.features[key].head(start), parts[0]),
                torch.cat([previous.errors[key][:start], parts[1]]),
                torch.cat([previous.norms[key][:start], parts[2]]),
            )
        features[key], errors[key], norms[key] = parts
    assert trace.logits is not None
    logits = trace.logits[0].detach().cpu()
    return Run(
        prompt=prompt,
        tokens=token_strings(model.tokenizer, ids),
        token_ids=tuple(ids),
        features=features,
        logits=logits,
        errors=errors,
        norms=norms,
        **_summaries(logits, ids, previous if start else None, start),
        edits=edits,
        vocabulary=vocabulary_of(model.tokenizer),
        propagation=propagation,
    )


def _summaries(logits: Tensor, ids: Sequence[int], previous: Run | None, start: int) -> dict[str, Tensor]:
    """What every view asks of the logits, computed for new tokens only: a vocabulary is wide."""
    new = logits[start:].float()
    normalizer = new.logsumexp(-1)
    greatest, likely = new.topk(min(N_LIKELY, logits.shape[-1]), dim=-1)
    log_likely = greatest - normalizer[:, None]
    if previous is not None:
        normalizer = torch.cat([previous.log_normalizer[:start], normalizer])
        likely = torch.cat([previous.likely[:start], likely])
        log_likely = torch.cat([previous.log_likely[:start], log_likely])
    first = max(start, 1)
    given = logits[first - 1 : -1].float().gather(1, torch.tensor(ids[first:], dtype=torch.long)[:, None])[:, 0]
    head = torch.zeros(1) if previous is None else previous.surprise[:first]
    surprise = torch.cat([head, normalizer[first - 1 : -1] - given])
    return {"log_normalizer": normalizer, "surprise": surprise, "likely": likely, "log_likely": log_likely}


def _sources(
    trace: Trace, writes: Mapping[Site, SiteWrite], held: Held, start: int
) -> dict[str, tuple[Tensor, Tensor, DictionaryStep]]:
    """What each edited dictionary saw: values before its own step, after the steps before it at its site."""
    result: dict[str, tuple[Tensor, Tensor, DictionaryStep]] = {}
    direct = held.propagation == "direct"
    # A direct edit is made in the run without edits.
    values = {site: value[:, start:] for site, value in (held.base if direct else trace.values).items()}
    for site, write in writes.items():
        if not any(isinstance(step, DictionaryStep) for step in write.steps):
            continue
        value = values[site] if direct else trace.before[site][:, start:]
        for step in write.steps:
            if isinstance(step, DictionaryStep):
                result[step.key] = (step.source(value, values)[0], value[0], step)
            value = step(value, values, start)
    return result


def _encode(
    dictionary: Dictionary, step: DictionaryStep | None, source: Tensor, target: Tensor, offset: int
) -> tuple[SparseActivations, Tensor, Tensor]:
    """Features, error norms and target norms of `[tokens, d]`, under the edits on this dictionary."""
    # One that reads the context needs all of it at once.
    block = max(len(source), 1) if dictionary.reads_context else max(1, _BLOCK // dictionary.d_dict)
    parts: list[SparseActivations] = []
    errors, norms = [], []
    for first in range(0, max(len(source), 1), block):
        x = source[first : first + block].detach().to(dictionary.device)
        y = target[first : first + block].detach().to(dictionary.device)
        if step is not None:
            known = step.edits, x, y, offset + first, step.references
            dense = final_features(dictionary, *known)
            y = write_dictionary(dictionary, *known)
            sparse = SparseActivations.from_dense(dense)
        else:
            sparse = dictionary.encode_sparse(x)
        parts.append(sparse)
        y = y.float()
        errors.append((y - decode_sparse(dictionary, sparse, x)).norm(dim=-1).cpu())
        norms.append(y.norm(dim=-1).cpu())
    joined = parts[0]
    for part in parts[1:]:
        joined = SparseActivations.join(joined, part)
    return joined, torch.cat(errors), torch.cat(norms)


def decode_sparse(dictionary: Dictionary, sparse: SparseActivations, x: Tensor) -> Tensor:
    """`[tokens, d_out]` reconstruction of `x` that touches only the rows of active features."""
    device = dictionary.device
    terms = dictionary.rows(sparse.index.to(device)) * sparse.value.to(device)[:, None]
    total = torch.zeros(sparse.n_tokens, dictionary.d_out, device=device, dtype=terms.dtype)
    total.index_add_(0, sparse.rows.to(device), terms)
    scale = dictionary.scale(x)
    return ((total if scale is None else total * scale) + dictionary.offset(x)).float()
