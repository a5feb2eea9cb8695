"""Contrast: the features that tell two sets of prompts apart, and whether something simpler does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from saewidgets.causes.chosen_probe import chosen_probe
from saewidgets.causes.concepts import ConceptBottleneck, concept_bottleneck
from saewidgets.causes.confounds import confound_table, covariates
from saewidgets.causes.controls import N_CONTROLS, draws, random_like, verdict
from saewidgets.causes.pooled import Pooled, pool_texts
from saewidgets.causes.separation import N_SHUFFLES, separation_table
from saewidgets.causes.shown import Shown, foot
from saewidgets.causes.source import replayable
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import CorpusError, EditError, FeatureError, shorten
from saewidgets.evaluate.probing import probe
from saewidgets.explain.contexts import Texts, as_rows
from saewidgets.interventions import Edit, ablate, clamp
from saewidgets.payloads.causal_report import CausalBar, CausalCheck, CausalReport
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
# Features that a notebook shows.
_LISTED = 12


@dataclass(frozen=True, eq=False)
class Contrast(Shown):
    """Two sets of texts, feature by feature.

    Args:
        frame: See `to_frame`.
        pooled: Activations of the dictionary, then of the random ones.
        first: `[n]` which texts are of the first set.
        key: The dictionary.
        seed: Of shuffles and splits.
        scope: The model and its dictionaries.
        texts: Token ids of both sets.
        source: The call that made it.
    """

    frame: pd.DataFrame
    pooled: Pooled
    first: Array
    key: str
    seed: int
    scope: Scope
    texts: tuple[tuple[int, ...], ...]
    source: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One row a feature, by falling absolute `AUROC - 0.5`.

        Returns:
            Columns feature, label, auroc (chance that a text of the first set activates it more) with low and high
            (95 % score interval), frequency_first, frequency_second (share of texts where it is active), mean_first,
            mean_second, adjusted_token_count, adjusted_frequency (AUROC without what follows the covariate),
            position_auroc (of where it fires), confound (what explains it, "" for nothing known), shuffled (greatest
            absolute `AUROC - 0.5` of any feature under 100 shuffles of the labels), random_dictionary (greatest
            of any random dictionary), beats_control; first, second (numbers of texts).
        """
        return self.frame.copy()

    def confounds(self) -> pd.DataFrame:
        """Whether length, or how common the tokens are, tells the sets apart: see `confound_table`."""
        return confound_table(covariates(self.pooled), self.first)

    @property
    def verdict(self) -> str:
        """How many features beat every control, and what else tells the sets apart."""
        good = self.frame["beats_control"] & (self.frame["confound"] == "")
        told = verdict(int(self.frame["beats_control"].sum()), len(self.frame), "features")
        table = self.confounds()
        flagged = list(table.loc[table["flagged"], "confound"])
        if not flagged:
            return told
        n = int(good.sum())
        rest = f"{n} {'feature does' if n == 1 else 'features do'} not follow it"
        return f"{told} The sets also differ in {' and '.join(flagged)}: {rest}."

    @property
    def page(self) -> CausalReport:
        """What a notebook shows of it: the first features, and what else tells the sets apart."""
        found = []
        for row in self.frame.head(_LISTED).to_dict("records"):
            far = max(row["shuffled"], row["random_dictionary"])
            note = " ".join(filter(None, (row["label"], row["confound"] and f"follows {row['confound']}")))
            found.append(
                CausalBar(row["feature"], row["auroc"], note, row["low"], row["high"], 0.5 - far, 0.5 + far,
                          bool(row["beats_control"]))
            )  # fmt: skip
        checks = [
            CausalCheck(
                f"confound: {row['confound']}",
                f"alone it tells the sets apart with AUROC {row['auroc']:.2f} [{row['low']:.2f}, {row['high']:.2f}]",
                not row["flagged"],
            )
            for row in self.confounds().to_dict("records")
        ]
        n = len(self.pooled.features) - 1
        conditions = f"no intervention, {int(self.first.sum())} against {int((~self.first).sum())} texts"
        return CausalReport(
            "What tells the two sets apart", self.verdict,
            f"{conditions}, {N_SHUFFLES} shuffles, {n} random dictionaries, seed {self.seed}",
            foot(self.scope, self.key, self.source), "AUROC, 0.5 for no difference; line: 95 %", tuple(found), 0.5,
            checks=tuple(checks),
        )  # fmt: skip

    def features(self, top: int = 3) -> list[str]:
        """The best features that are raised in the first set, those that nothing simpler explains if there are any.

        Args:
            top: How many.
        """
        rows = self.frame[self.frame["auroc"] > 0.5]
        clean = rows[rows["confound"] == ""]
        return list((clean if len(clean) else rows)["feature"].head(top))

    def indices(self, features: Sequence[str]) -> list[int]:
        """Indices of features by their ids.

        Raises:
            FeatureError: One is not active on any of these texts.
        """
        live = set(self.frame["feature"])
        for name in features:
            if name not in live:
                what = f"{shorten(name)} is not active on these texts."
                raise FeatureError(what, "Choose features of the contrast: `.to_frame()` lists them.")
        return [FeatureId.parse(name).index for name in features]

    def edit(self, kind: str = "clamp", top: int = 3, features: Sequence[str] | None = None) -> tuple[Edit, ...]:
        """The contrast as edits: make a text like the first set, or take away what marks it.

        Args:
            kind: `"clamp"`: the features at their mean over the first set's texts; `"ablate"`: at 0.
            top: How many features.
            features: These instead of the best ones.

        Raises:
            EditError: Another kind.
            FeatureError: A feature is not active on any of these texts.
        """
        if kind not in ("clamp", "ablate"):
            raise EditError(f"A contrast cannot {shorten(kind)}.", "Use kind='clamp' or kind='ablate'.")
        means, chosen = self.frame.set_index("feature")["mean_first"], features
        if chosen is not None:
            self.indices(chosen)
        return tuple(
            ablate(name) if kind == "ablate" else clamp(name, float(means[name]))
            for name in (self.features(top) if chosen is None else chosen)
        )

    def probe(self, ks: Sequence[int] = (1, 2, 5), features: Sequence[str] | None = None) -> pd.DataFrame:
        """Probes that tell the sets apart on held-out texts: on k features, on k channels, on k random features.

        Args:
            ks: Numbers of inputs.
            features: These instead of the k best ones: see `chosen_probe` for the table, which has other controls.

        Returns:
            Columns inputs, k, accuracy, index; "random dictionary" is the best of the random ones.

        Raises:
            DictionaryError: Too few texts to hold any out.
            FeatureError: A feature is not active on any of these texts.
        """
        if features is not None:
            return chosen_probe(self.pooled, self.first, self.indices(features), self.seed)
        labels, channels = torch.from_numpy(self.first), torch.from_numpy(self.pooled.channels)
        own, *others = (torch.from_numpy(x) for x in self.pooled.features)
        rows = [(r.inputs, r.k, r.accuracy, r.index) for r in probe(own, channels, labels, ks, seed=self.seed)]
        random = [probe(other, None, labels, ks, seed=self.seed) for other in others]
        for results in zip(*random, strict=True):
            best = max(results, key=lambda r: r.accuracy)
            rows.append(("random dictionary", best.k, best.accuracy, best.index))
        return pd.DataFrame(rows, columns=["inputs", "k", "accuracy", "index"])

    def bottleneck(
        self, name: str = "first set", *, features: int = 8, pool: str = "mean", only: Sequence[str] | None = None,
        concepts: Mapping[str, Sequence[bool]] | None = None, answers: tuple[str, str] = ("first", "second"),
    ) -> ConceptBottleneck:  # fmt: skip
        """The contrast as a concept bottleneck; by default of one concept: whether a text is of the first set.

        Args:
            name: Of that concept.
            features: Greatest number of features a concept is read from.
            pool: `"mean"` over the tokens of a text, or its `"last"` one.
            only: Ids of the features that concepts may be read from.
            concepts: Concepts instead of that one: name -> whether each text has it, those of the first set first.
            answers: What the sets are called.

        Returns:
            The bottleneck; its `intervene` moves a text to the first set or out of it.

        Raises:
            CorpusError: Too few texts to hold any out.
            FeatureError: A feature is not active on any of these texts.
        """
        truth = self.first.tolist()
        return concept_bottleneck(
            self.scope, self.texts, concepts or {name: truth}, [answers[not mine] for mine in truth], self.key,
            features=features, pool=pool, seed=self.seed, only=None if only is None else self.indices(only),
        )  # fmt: skip


@replayable
def contrast(
    scope: Scope, first: Texts, second: Texts, dictionary: str | None = None, *, pool: str = "max",
    controls: int = N_CONTROLS, seed: int = 0, randoms: Sequence[Dictionary] | None = None,
) -> Contrast:  # fmt: skip
    """Which features tell two sets of texts apart.

    A feature beats its controls when its absolute `AUROC - 0.5` is above that of every feature under shuffled labels
    and of every feature of random dictionaries. It is confounded when length, or how common the tokens are, tells the
    sets apart as well and nothing is left of the feature's difference once what follows that is taken out; or when it
    fires at other positions in the two sets.

    Args:
        scope: A model with its dictionaries.
        first: Texts of one set.
        second: Texts of the other.
        dictionary: Key; the scope's default one if None.
        pool: Over the tokens of a text: `"max"`, `"mean"` or the `"last"` one.
        controls: Random dictionaries.
        seed: Of the draws.
        randoms: From `random_like`; by default fitted to these texts.

    Returns:
        The contrast.

    Raises:
        CorpusError: A set with fewer than two texts.
        SiteError: No such dictionary.

    Example:
        >>> import saewidgets as sw
        >>> cats = [f"{name} saw a black cat." for name in ("Mira", "Tom", "Ida", "Leo")]
        >>> boats = [f"{name} saw a red boat." for name in ("Mira", "Tom", "Ida", "Leo")]
        >>> found = contrast(sw.demo(), cats, boats, "resid_post.0@small", controls=1)
        >>> sorted(set(found.to_frame()["auroc"].head(2))), len(found.edit(top=2))
        ([0.0, 1.0], 2)
    """
    return find_contrast(scope, first, second, dictionary, pool, controls, seed, randoms)


def find_contrast(
    scope: Scope, first: Texts, second: Texts, dictionary: str | None, pool: str, controls: int, seed: int,
    randoms: Sequence[Dictionary] | None, check: Callable[[], None] = lambda: None,
) -> Contrast:  # fmt: skip
    """As `contrast`; `check` is called between forward passes and raises to stop."""
    key = scope.default_site if dictionary is None else scope.key(dictionary)
    sets = [as_rows(scope, first), as_rows(scope, second)]
    if min(map(len, sets)) < 2:
        raise CorpusError(f"Sets of {len(sets[0])} and {len(sets[1])} texts.", "Give at least two of each.")
    rows = [*sets[0], *sets[1]]
    mine = np.arange(len(rows)) < len(sets[0])
    others = random_like(scope, key, rows, draws(controls), seed) if randoms is None else tuple(randoms)
    check()
    pooled = pool_texts(scope, [scope.dictionaries[key], *others], rows, pool, check)
    table = separation_table(scope, key, pooled, mine, seed)
    return Contrast(table, pooled, mine, key, seed, scope, tuple(map(tuple, rows)))
