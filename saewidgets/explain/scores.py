"""Input and output score (Arad et al. 2505.20063): whether a feature reads what it writes, and writes what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.errors import FeatureError, shorten
from saewidgets.explain.chosen import Chosen, Features, choose
from saewidgets.explain.contexts import Texts, as_rows, batches, encode, per_forward
from saewidgets.explain.targets import token_id
from saewidgets.explain.vocabulary import vocabulary_projection
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]

QUADRANTS = BOTH, INPUT, OUTPUT, NEITHER = "both", "input", "output", "neither"


@dataclass(frozen=True, eq=False)
class Scores:
    """Both scores of n features.

    Args:
        features: `n` feature ids.
        input: `[n]` 0 to 1; NaN for a feature that is active on no context.
        output: `[n]` 0 to 1, after amplifying.
        before: `[n]` the same formula on the model as it is.
    """

    features: tuple[str, ...]
    input: Array
    output: Array
    before: Array

    def to_frame(self, input_from: float = 0.1, output_from: float = 0.01) -> pd.DataFrame:
        """Indexed by feature: input, output, before, quadrant ("both", "input", "output", "neither")."""
        reads, writes = np.nan_to_num(self.input) >= input_from, self.output >= output_from
        quadrant = np.select([reads & writes, reads, writes], [BOTH, INPUT, OUTPUT], NEITHER)
        columns = {"input": self.input, "output": self.output, "before": self.before, "quadrant": quadrant}
        return pd.DataFrame({"feature": self.features, **columns}).set_index("feature")

    def pick(self, quadrant: str, input_from: float = 0.1, output_from: float = 0.01) -> tuple[str, ...]:
        """Features of one quadrant; those of "output" and "both" are the ones to steer with.

        Raises:
            FeatureError: Not the name of a quadrant.
        """
        if quadrant not in QUADRANTS:
            raise FeatureError(f"There is no quadrant {shorten(quadrant)}.", f"Use {', '.join(QUADRANTS)}.")
        frame = self.to_frame(input_from, output_from)
        return tuple(frame.index[frame["quadrant"] == quadrant])


def scores(scope: Scope, features: Features, contexts: Texts, prompts: Texts, k: int = 20) -> Scores:
    """Input score on contexts and output score after prompts, of every feature asked for.

    Args:
        scope: A model with its dictionaries.
        features: One, several of one dictionary, or a dictionary's key for all of it.
        contexts: Texts on which features are active.
        prompts: Neutral beginnings, such as "From my experience,".
        k: Promoted tokens that count.

    Example:
        >>> import saewidgets as sw
        >>> scope, texts = sw.demo(), ["Mira saw a red boat in May.", "Tom had a dog and a lamp."]
        >>> scores(scope, ["resid_post.3/5", "resid_post.3/6"], texts, ["Then Tom"]).to_frame().shape
        (2, 4)
    """
    promoted = vocabulary_projection(scope, features, k).promoted
    chosen = choose(scope, features)
    after, before = _outputs(scope, chosen, [promoted], prompts, 10.0)
    shares = input_share(strongest_tokens(scope, features, contexts), promoted)
    return Scores(chosen.names, shares, after[0], before[0])


def input_score(scope: Scope, features: Features, contexts: Texts, k: int = 20, n: int = 100) -> Array:
    """Share of a feature's top examples whose strongest token is among the `k` tokens it promotes.

    Args:
        scope: A model with its dictionaries.
        features: One, several of one dictionary, or a dictionary's key.
        contexts: Texts, or rows of token ids.
        k: Promoted tokens that count.
        n: Greatest number of examples for each feature, the strongest.

    Returns:
        `[features]`, NaN for one that is active nowhere.
    """
    return input_share(
        strongest_tokens(scope, features, contexts, n), vocabulary_projection(scope, features, k).promoted
    )


def output_score(scope: Scope, features: Features, prompts: Texts, k: int = 20, factor: float = 10.0) -> Array:
    """How likely a feature's promoted tokens become when it is amplified: `(1 - rank / V) p` of the likeliest one.

    At the last token of a prompt the feature gets `factor` times the greatest activation of any feature there, error
    kept. Rank (from 0) and probability are of the next token; the mean over prompts is returned.

    Args:
        scope: A model with its dictionaries.
        features: One, several of one dictionary, or a dictionary's key.
        prompts: Neutral beginnings.
        k: Promoted tokens that count.
        factor: Of the amplification.

    Returns:
        `[features]`.
    """
    promoted = vocabulary_projection(scope, features, k).promoted
    return _outputs(scope, choose(scope, features), [promoted], prompts, factor)[0][0]


def concept_scores(
    scope: Scope,
    features: Features,
    concepts: Mapping[str, Sequence[str | int]],
    prompts: Texts,
    factor: float = 10.0,
) -> pd.DataFrame:
    """The output score with the words of a concept in place of those a feature promotes: which one to steer with.

    Args:
        scope: A model with its dictionaries.
        features: One, several of one dictionary, or a dictionary's key.
        concepts: Name -> tokens (texts, each one token with the space before it, or ids).
        prompts: Neutral beginnings.
        factor: Of the amplification.

    Returns:
        Indexed by feature, one column a concept.

    Raises:
        PromptError: A word is several tokens.

    Example:
        >>> import saewidgets as sw
        >>> found = concept_scores(sw.demo(), "resid_post.2@small", {"months": [" May", " June"]}, ["They met in"])
        >>> found.shape
        (512, 1)
    """
    chosen = choose(scope, features)
    size = scope.model.vocab_size
    wanted = [
        np.tile(np.array([token_id(scope, word, size) for word in words], np.int64), (len(chosen.index), 1))
        for words in concepts.values()
    ]
    after, _ = _outputs(scope, chosen, wanted, prompts, factor)
    index = pd.Index(chosen.names, name="feature")
    return pd.DataFrame(dict(zip(concepts, after, strict=True)), index=index)


def input_share(strongest: Array, promoted: Array) -> Array:
    """The input score from tokens found elsewhere, such as in an atlas.

    Args:
        strongest: `[n, examples]` id of the strongest token of each example, -1 for none.
        promoted: `[n, k]` ids.

    Returns:
        `[n]`, NaN without examples.
    """
    there = strongest >= 0
    hits = np.array([np.isin(line, good) for line, good in zip(strongest, promoted, strict=True)]).reshape(there.shape)
    with np.errstate(invalid="ignore"):
        share: Array = (hits & there).sum(1) / there.sum(1)
    return share


@torch.no_grad()
def strongest_tokens(scope: Scope, features: Features, contexts: Texts, n: int = 100) -> Array:
    """`[features, n]` ids of the tokens on which features are strongest, one a context, strongest first; -1 for none.

    One forward pass and one encoding for all features; only what is active is kept. Special tokens are left out.
    """
    chosen = choose(scope, features)
    special = torch.tensor(getattr(scope.model.tokenizer, "all_special_ids", None) or [], dtype=torch.long)
    parts: list[tuple[Array, ...]] = []
    for part, ids, real in batches(as_rows(scope, contexts)):
        trace = scope.model.trace(ids, [chosen.dictionary.site_in], logits=False)
        counts = real & ~torch.isin(ids, special)
        for i, row, x, good in zip(part, ids, trace.values[chosen.dictionary.site_in], counts, strict=True):
            sparse = chosen.dictionary.encode_sparse(x.detach().to(chosen.dictionary.device))
            entry = good[sparse.rows]
            token = row[sparse.rows[entry]]
            context = np.full(len(token), i)
            parts.append((sparse.index[entry].numpy(), context, sparse.value[entry].numpy(), token.numpy()))
    feature, context, value, token = (np.concatenate(column) for column in zip(*parts, strict=True))
    # The strongest token of each feature in each context; then the strongest contexts of each feature.
    order = np.lexsort((-np.abs(value), context, feature))
    order = order[np.append(True, (np.diff(feature[order]) != 0) | (np.diff(context[order]) != 0))[: len(order)]]
    order = order[np.lexsort((-np.abs(value[order]), feature[order]))]
    feature, token = feature[order], token[order]
    found = np.full((len(chosen.index), n), -1)
    for row_number, i in enumerate(chosen.index.tolist()):
        first, end = np.searchsorted(feature, [i, i + 1])
        top = token[first : min(end, first + n)]
        found[row_number, : len(top)] = top
    return found


@torch.no_grad()
def _outputs(
    scope: Scope, chosen: Chosen, tokens: Sequence[Array], prompts: Texts, factor: float
) -> tuple[Array, Array]:  # fmt: skip
    """`[sets, n]` output scores of several sets of tokens `[n, k]`, amplified and as it is."""
    dictionary, wanted = chosen.dictionary, [torch.from_numpy(ids) for ids in tokens]
    rows, n = as_rows(scope, prompts), len(chosen.index)
    after, before = torch.zeros(2, len(wanted), n, dtype=torch.float64)
    for row in rows:
        base = scope.model.trace(list(row), [dictionary.site_in])
        x = base.values[dictionary.site_in]
        every = torch.arange(dictionary.d_dict)
        greatest = float(encode(dictionary, x if dictionary.reads_context else x[:, -1:], every)[0, -1].max())
        scale = dictionary.scale(x.to(dictionary.device))
        size = factor * greatest * (1.0 if scale is None else float(scale[0, -1]))
        assert base.logits is not None
        for number, ids in enumerate(wanted):
            before[number] += _likeliness(base.logits[0, -1:].cpu().expand(n, -1), ids)
        step = per_forward(len(row), scope.model.vocab_size)
        for start in range(0, n, step):
            index = chosen.index[start : start + step]
            change = size * dictionary.rows(index)
            batch = torch.tensor(row).repeat(len(index), 1)
            trace = scope.model.trace(batch, writes={dictionary.site_out: _AddLast(change)})
            assert trace.logits is not None
            logits = trace.logits[:, -1].cpu()
            for number, ids in enumerate(wanted):
                after[number, start : start + step] += _likeliness(logits, ids[start : start + step])
    return (after / len(rows)).numpy(), (before / len(rows)).numpy()


class _AddLast:
    """A write that adds to the last token, another vector for each row of the batch."""

    def __init__(self, change: Tensor) -> None:
        self.change = change

    def __call__(self, value: Tensor, values: Mapping[Site, Tensor], offset: int) -> Tensor:
        result = value.clone()
        result[:, -1] += self.change.to(value.device, value.dtype)
        return result


def _likeliness(logits: Tensor, wanted: Tensor) -> Tensor:
    """`[n]` of `[n, vocab]` logits and `[n, k]` ids: `(1 - rank / V) p` of the likeliest id."""
    p = logits.double().softmax(1)
    best = p.gather(1, wanted).max(1).values
    rank = (p > best[:, None]).sum(1)
    return (1 - rank / p.shape[1]) * best
