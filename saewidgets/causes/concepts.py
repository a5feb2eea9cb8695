"""A concept bottleneck on features, and interventions through it (SparseCBM, Tan et al. 2312.15033).

A concept is read from a few features, `c = σ(w · f[S] + b)`; the answer from the concepts alone, `y = softmax(W c)`. To
correct a concept while the model runs, its features are moved by `Δf = (logit(c') - logit(c)) w / |w|²`, which is added
where the dictionary writes. That last step is a proposal of ours: the paper updates pruning masks instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.causes.concept import Concept, fit_concept, sigmoid
from saewidgets.causes.concept_page import bottleneck_page
from saewidgets.causes.controls import first_token
from saewidgets.causes.pooled import pool_texts
from saewidgets.causes.shown import Shown, foot
from saewidgets.causes.source import replayable
from saewidgets.causes.sparse_linear import sparse_softmax
from saewidgets.errors import CorpusError, EditError, shorten
from saewidgets.explain.bootstrap import interval
from saewidgets.explain.contexts import Texts, as_rows
from saewidgets.interventions import Edit, steer
from saewidgets.payloads.causal_report import CausalReport

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
_MARGIN = 1e-4


@dataclass(frozen=True, eq=False)
class ConceptBottleneck(Shown):
    """Concepts read from features, and an answer read from the concepts.

    Args:
        scope: The model and its dictionaries.
        key: The dictionary.
        pool: `"mean"` over the tokens of a text, or its `"last"` one.
        concepts: K of them.
        classes: The answers.
        weights: `[K, classes]` of the concepts' scores.
        bias: `[classes]`.
        held: Held-out texts: their concept scores, true concepts, true answers (as class numbers) and activations.
        baseline: Accuracy on them of a dense probe on the activations, and of the commonest answer.
        held_out: Which of the texts they are.
        source: The call that made it.
    """

    scope: Scope
    key: str
    pool: str
    concepts: tuple[Concept, ...]
    classes: tuple[str, ...]
    weights: Array
    bias: Array
    held: tuple[Array, Array, Array]
    baseline: tuple[float, float]
    held_out: tuple[int, ...] = ()
    source: str = ""

    def scores(self, texts: Texts, edits: Sequence[Edit] = ()) -> pd.DataFrame:
        """The concepts' scores on texts, 0 to 1, one column a concept; under edits if there are any."""
        rows = as_rows(self.scope, texts)
        if edits:
            runs = [self.scope.run_ids(ids, edits=edits, sites=[self.key]) for ids in rows]
            features = np.stack([self._pool(run.features[self.key].to_dense(), run.token_ids) for run in runs])
        else:
            features = pool_texts(self.scope, [self.scope.dictionaries[self.key]], rows, self.pool).features[0]
        return pd.DataFrame({c.name: sigmoid(c.logit(features)) for c in self.concepts})

    def predict(self, scores: pd.DataFrame | Array) -> list[str]:
        """The answer for concept scores, as they were read or as someone set them."""
        found = np.asarray(scores, np.float64) @ self.weights + self.bias
        return [self.classes[i] for i in found.argmax(1)]

    def to_frame(self) -> pd.DataFrame:
        """One row a concept and feature: concept, feature, label, weight."""
        rows = []
        for concept in self.concepts:
            for i, weight in zip(concept.index.tolist(), concept.weights.tolist(), strict=True):
                feature = f"{self.key}/{i}"
                rows.append((concept.name, feature, self.scope.label(feature), weight))
        return pd.DataFrame(rows, columns=["concept", "feature", "label", "weight"])

    def metrics(self, seed: int = 0) -> pd.DataFrame:
        """Accuracy on held-out texts, with 95 % bootstrap intervals.

        Returns:
            Columns measure, accuracy, low, high, texts: each concept; the answer; the answer from concepts shuffled
            over the texts (the leak test: near the commonest answer, or something else gets through); a dense probe
            on the activations; the commonest answer.
        """
        scores, truth, answer = self.held
        right = [((scores[:, k] > 0.5) == (truth[:, k] > 0.5)) for k in range(len(self.concepts))]
        names = [f"concept {c.name}" for c in self.concepts]
        shuffled = scores[np.random.default_rng(seed).permutation(len(scores))]
        right += [self._answers(scores) == answer, self._answers(shuffled) == answer]
        found = [interval([r.astype(float).tolist()], seed=seed) for r in right]
        rows: list[tuple[Any, ...]] = [
            (name, i.value, i.low, i.high)
            for name, i in zip([*names, "answer", "shuffled concepts"], found, strict=True)
        ]
        rows += [
            ("dense probe", self.baseline[0], np.nan, np.nan),
            ("commonest answer", self.baseline[1], np.nan, np.nan),
        ]
        return pd.DataFrame(rows, columns=["measure", "accuracy", "low", "high"]).assign(texts=len(answer))

    @property
    def page(self) -> CausalReport:
        """What a notebook shows of it: accuracies, the leak test, the curve of corrected concepts."""
        names = ", ".join(concept.name for concept in self.concepts)
        return bottleneck_page(names, self.metrics(), self.curve(), foot(self.scope, self.key, self.source))

    def curve(self, seed: int = 0) -> pd.DataFrame:
        """Accuracy of the answer when n concepts are set to what they truly are (Koh et al. 2007.04612).

        Returns:
            Columns corrected, accuracy (mean over all choices of n concepts and held-out texts), low, high (95 %
            bootstrap interval over texts), control (as many concepts set to those of another random text), texts.
        """
        scores, truth, answer = self.held
        other = truth[np.random.default_rng(seed).permutation(len(truth))]
        rows = []
        for n in range(len(self.concepts) + 1):
            right, control = [], []
            for chosen in combinations(range(len(self.concepts)), n):
                fixed, wrong = scores.copy(), scores.copy()
                fixed[:, chosen], wrong[:, chosen] = truth[:, chosen], other[:, chosen]
                right.append(self._answers(fixed) == answer)
                control.append(self._answers(wrong) == answer)
            mean = interval([np.mean(right, axis=0).tolist()], seed=seed)
            rows.append((n, mean.value, mean.low, mean.high, float(np.mean(control)), len(answer)))
        return pd.DataFrame(rows, columns=["corrected", "accuracy", "low", "high", "control", "texts"])

    def intervene(self, text: str, concept: str, value: float) -> tuple[Edit, ...]:
        """Edits that set a concept while the model runs: pass them to `scope.run` or `scope.generate`.

        Each feature of the concept is steered, so that the concept's logit becomes that of `value`. Where the text has
        a begin-of-sequence token, that one is left alone.

        Args:
            text: The prompt.
            concept: Its name.
            value: The score wanted, from 0 to 1; the ends are kept 1e-4 away.

        Returns:
            One edit a feature.

        Raises:
            EditError: No such concept, or a value outside 0 to 1.
        """
        found = {c.name: c for c in self.concepts}.get(concept)
        if found is None:
            raise EditError(f"No concept {shorten(concept)}.", f"There are {', '.join(c.name for c in self.concepts)}.")
        if not 0 <= value <= 1:
            raise EditError(f"A concept of {shorten(value)}.", "Its score lies between 0 and 1.")
        [ids] = as_rows(self.scope, text)
        pooled = pool_texts(self.scope, [self.scope.dictionaries[self.key]], [ids], self.pool).features[0]
        wanted = float(np.clip(value, _MARGIN, 1 - _MARGIN))
        gap = np.log(wanted / (1 - wanted)) - float(found.logit(pooled)[0])
        step = gap * found.weights / (found.weights**2).sum()
        first = first_token(self.scope, ids)
        places = [len(ids) - 1] if self.pool == "last" else list(range(first, len(ids)))
        return tuple(
            steer(f"{self.key}/{i}", float(s), positions=places)
            for i, s in zip(found.index.tolist(), step, strict=True)
        )

    def _answers(self, scores: Array) -> Array:
        return (scores @ self.weights + self.bias).argmax(1)

    def _pool(self, dense: Tensor, ids: Sequence[int]) -> Array:
        first = first_token(self.scope, ids)
        return (dense[-1] if self.pool == "last" else dense[first:].mean(0)).numpy()


@replayable
def concept_bottleneck(
    scope: Scope, texts: Texts, concepts: Mapping[str, Sequence[bool]], answers: Sequence[str],
    dictionary: str | None = None, *, features: int = 8, pool: str = "mean", l1: float = 1e-3, test: float = 0.3,
    seed: int = 0, only: Sequence[int] | None = None,
) -> ConceptBottleneck:  # fmt: skip
    """Build a concept bottleneck from labelled texts.

    The features of a concept are those that the L1 path of a logistic regression keeps; the answer is fitted to the
    true concepts, so that nothing but the concepts can get through.

    Args:
        scope: A model with its dictionaries.
        texts: n of them.
        concepts: Name -> n booleans.
        answers: n names of classes.
        dictionary: Key; the scope's default one if None.
        features: Greatest number of features a concept.
        pool: `"mean"` over the tokens of a text, or its `"last"` one.
        l1: Penalty on the weights from concepts to answers.
        test: Share of the texts of each answer held out.
        seed: Of the split.
        only: Indices of the features that concepts may be read from.

    Returns:
        The bottleneck.

    Raises:
        CorpusError: Lengths differ, or a part of the texts lacks a value of a concept or an answer.

    Example:
        >>> import saewidgets as sw
        >>> who = ("Mira", "Tom", "Ida", "Leo", "Nora", "Max", "Otto", "Ruth")
        >>> texts = [f"{name} saw a {what}." for name in who for what in ("red cat", "red boat", "old cat", "old boat")]
        >>> truth = {"cat": ["cat" in text for text in texts], "red": ["red" in text for text in texts]}
        >>> answers = ["yes" if "red cat" in text else "no" for text in texts]
        >>> made = concept_bottleneck(sw.demo(), texts, truth, answers, "resid_post.0@small")
        >>> float(made.curve()["accuracy"].iloc[-1])
        1.0
    """
    if pool not in ("mean", "last"):
        raise EditError(f"Pool {shorten(pool)}.", "Use pool='mean' or pool='last'.")
    key = scope.default_site if dictionary is None else scope.key(dictionary)
    rows, names = as_rows(scope, texts), list(concepts)
    lengths = {len(rows), len(answers), *(len(concepts[name]) for name in names)}
    if len(lengths) != 1 or not names:
        raise CorpusError(f"Texts, concepts and answers of lengths {sorted(lengths)}.", "Give one of each a text.")
    classes = sorted(set(answers))
    truth = np.stack([np.asarray(concepts[name], bool) for name in names], 1)
    label = np.array([classes.index(answer) for answer in answers])
    held, train = _split(label, test, seed)
    _check(truth, label, train, held, names)
    pooled = pool_texts(scope, [scope.dictionaries[key]], rows, pool)
    x = pooled.features[0] if only is None else _only(pooled.features[0], only)
    found = tuple(fit_concept(n, x[train], truth[train, k], features) for k, n in enumerate(names))
    scores = np.stack([sigmoid(c.logit(pooled.features[0])) for c in found], 1)
    y = torch.from_numpy(label)
    weights, bias = sparse_softmax(torch.from_numpy(truth[train].astype(float)), y[train], len(classes), l1, 3000)
    dense = _dense(pooled.channels, y, train, held, len(classes))
    commonest = float((label[held] == np.bincount(label[train]).argmax()).mean())
    parts = (scores[held], truth[held].astype(float), label[held])
    arrays = (weights.numpy(), bias.numpy())
    kept = tuple(held.tolist())
    return ConceptBottleneck(scope, key, pool, found, tuple(classes), *arrays, parts, (dense, commonest), kept)


def _split(label: Array, test: float, seed: int) -> tuple[Array, Array]:
    """Texts held out and texts to fit to, of each answer the same share."""
    order = np.random.default_rng(seed).permutation(len(label))
    parts = [order[label[order] == answer] for answer in np.unique(label)]
    n = [round(len(part) * test) for part in parts]
    held = np.concatenate([part[:k] for part, k in zip(parts, n, strict=True)])
    return held, np.setdiff1d(order, held)


def _only(features: Array, index: Sequence[int]) -> Array:
    """The features with all others at 0, where nothing can be read."""
    kept = np.zeros_like(features)
    kept[:, list(index)] = features[:, list(index)]
    return kept


def _check(truth: Array, label: Array, train: Array, held: Array, names: Sequence[str]) -> None:
    for part in (train, held):
        for k, name in enumerate(names):
            if not 0 < truth[part, k].sum() < len(part):
                raise CorpusError(f"A part of the texts has one value of {shorten(name)} only.", "Give more texts.")
        if set(label[part]) != set(label):
            raise CorpusError("A part of the texts lacks an answer.", "Give more texts.")


def _dense(channels: Array, y: Tensor, train: Array, held: Array, classes: int) -> float:
    """Accuracy of a softmax probe on whole activations: what the bottleneck gives up."""
    x = torch.from_numpy(channels).double()
    x = (x - x[train].mean(0)) / x[train].std(0).clamp_min(1e-9)
    weights, bias = sparse_softmax(x[train], y[train], classes, 1e-3)
    return float(((x[held] @ weights + bias).argmax(1) == y[held]).double().mean())
