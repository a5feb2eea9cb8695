"""From contexts to the activations of every dictionary: one forward up to the last site, a pass at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch

from saewidgets.atlas.sparse import Activations, Tokens
from saewidgets.corpus import Contexts
from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.errors import AtlasError
from saewidgets.model import TracedModel

# Dense numbers made at a time while encoding, and the fewest tokens. Large blocks that come and go beside small ones
# that stay leave gaps in the heap: a process that encoded whole passes grew by twice as much.
_DENSE = 1 << 20
_FEWEST = 256


def gather(
    model: TracedModel,
    dictionaries: Mapping[int, Dictionary],
    shard: Sequence[Contexts],
    each: Callable[[int], None] = lambda n_tokens: None,
) -> tuple[Tokens, dict[int, Activations]]:
    """The tokens of a shard that count, and the activations on them.

    Args:
        model: The model.
        dictionaries: Number -> dictionary.
        shard: Its contexts, a pass at a time.
        each: Called after each pass with the number of its tokens.

    Returns:
        Tokens, and activations by number.

    Raises:
        AtlasError: An activation is not finite.
    """
    tokens: list[Tokens] = []
    active: dict[int, list[Activations]] = {number: [] for number in dictionaries}
    seen = 0
    for contexts in shard:
        tokens.append(_tokens(contexts))
        first = dict.fromkeys(dictionaries, seen)
        for number, sparse in _encode(model, dictionaries, contexts):
            start = first[number]
            token = np.repeat(np.arange(start, start + sparse.n_tokens), np.diff(sparse.indptr.numpy()))
            value = sparse.value.numpy()
            if not np.isfinite(value).all():
                raise AtlasError(
                    f"Activations of {dictionaries[number]} are not finite in contexts from {contexts.first} on.",
                    "Run the model in a wider dtype.",
                )
            active[number].append(Activations(token, sparse.index.numpy(), value))
            first[number] += sparse.n_tokens
        seen += contexts.n_tokens
        each(contexts.n_tokens)
    joined = Tokens.join(tokens)
    # A token of no document (BOS) goes with the one before it, so that documents never fall.
    ordered = dataclasses.replace(joined, document=np.maximum.accumulate(joined.document))
    return ordered, {number: Activations.join(parts) for number, parts in active.items()}


def _tokens(contexts: Contexts) -> Tokens:
    place = np.nonzero(contexts.mask)
    return Tokens(contexts.ids[place], contexts.first + place[0], place[1], contexts.documents[place])


@torch.no_grad()
def _encode(
    model: TracedModel, dictionaries: Mapping[int, Dictionary], contexts: Contexts
) -> Iterator[tuple[int, SparseActivations]]:
    """Number of a dictionary and its features on the next tokens of these contexts, some at a time."""
    ids = torch.as_tensor(contexts.ids)
    sites = list(dict.fromkeys(dictionary.site_in for dictionary in dictionaries.values()))
    # A single prompt would take over prefixes of earlier ones, and its last bits depend on what was run before.
    trace = model.trace(ids if len(ids) > 1 else ids.repeat(2, 1), sites, logits=False)
    mask = torch.as_tensor(contexts.mask, device=model.device)
    for number, dictionary in dictionaries.items():
        x = trace.values[dictionary.site_in][: len(ids)].to(dictionary.device)
        if dictionary.reads_context:
            dense = torch.stack([dictionary.encode(row) for row in x])
            yield number, SparseActivations.from_dense(dense[mask.to(dictionary.device)])
            continue
        x = x[mask.to(dictionary.device)]
        rows = max(_FEWEST, _DENSE // dictionary.d_dict) if x.device.type == "cpu" else max(len(x), 1)
        for part in x.split(rows):
            yield number, dictionary.encode_sparse(part)
