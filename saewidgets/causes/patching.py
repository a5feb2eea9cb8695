"""`patch_map`: where a clean run, put into a corrupted one, brings the answer back (Meng et al. 2202.05262)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from saewidgets.causes.controls import N_CONTROLS, Conditions, verdict
from saewidgets.causes.noise import Noise
from saewidgets.causes.pairs import Prompts
from saewidgets.causes.question import Progress, Question, ask
from saewidgets.causes.source import replayable
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import EditError, shorten
from saewidgets.explain.chosen import words
from saewidgets.explain.targets import Asked

if TYPE_CHECKING:
    from saewidgets.scope import Scope


@dataclass(frozen=True, eq=False)
class PatchMap:
    """What putting one cell of the clean run into the corrupted one restores.

    Args:
        frame: See `to_frame`; and `controlled`, whether the controls are there.
        clean, corrupt: `T` tokens of the first pair.
        target: What was measured, in words.
        low, high: The target on the corrupted and on the clean prompts (means).
        conditions: Error policy, propagation, prompts, controls.
        source: The call that made it.
    """

    frame: pd.DataFrame
    clean: tuple[str, ...]
    corrupt: tuple[str, ...]
    target: str
    low: float
    high: float
    conditions: Conditions
    source: str = ""

    def code(self) -> str:
        """Python that makes it again, with seed and versions."""
        return self.source

    def to_frame(self) -> pd.DataFrame:
        """One row a cell.

        Returns:
            Columns kind, node, layer, position, token (of the clean prompt), restored (0: as corrupted, 1: as clean;
            mean over the pairs), control_low and control_high (changes of the same norm in random directions, and the
            same change at random other tokens), random_dictionary (for features: the best cell of the same search in
            any random dictionary), beats_control (above every control of its kind in the map); error, propagation,
            prompts.
        """
        return self.frame.drop(columns="controlled")

    def pivot(self, kind: str = "resid", head: int | None = None) -> pd.DataFrame:
        """Layers by positions of one kind, for a heatmap; of the heads one, or all added up.

        Raises:
            EditError: The map has no such kind.
        """
        rows = self.frame[self.frame["kind"] == kind]
        if rows.empty:
            known = ", ".join(self.frame["kind"].unique())
            raise EditError(f"The map has no {shorten(kind)}.", f"It has {known}.")
        if head is not None:
            rows = rows[rows["node"].str.endswith(f".{head}")]
        return rows.pivot_table(index="layer", columns="position", values="restored", aggfunc="sum")

    def bands(self, regions: Mapping[str, Sequence[int]]) -> pd.DataFrame:
        """The restored effect added up over regions of the prompt, a layer at a time (Qi Liu et al. 2504.07898).

        Args:
            regions: Name -> token positions, as `regions` gives them.

        Returns:
            Columns kind, layer, region, restored; controls added up the same way (control: greatest absolute sum
            of one draw's ends); prompts.
        """
        rows = []
        for (kind, layer), cells in self.frame.groupby(["kind", "layer"], sort=False):
            for name, positions in regions.items():
                part = cells[cells["position"].isin(list(positions))]
                bar = max(abs(part["control_low"].sum()), abs(part["control_high"].sum()))
                rows.append((kind, layer, name, part["restored"].sum(), bar))
        columns = ["kind", "layer", "region", "restored", "control"]
        return pd.DataFrame(rows, columns=columns).assign(**self.conditions.columns())

    @property
    def verdict(self) -> str:
        """One sentence: how many cells beat every control."""
        return verdict(int(self.frame["beats_control"].sum()), len(self.frame), "cells")


@replayable
def patch_map(
    scope: Scope, clean: Prompts, corrupt: Prompts | Noise, target: Asked = None, position: int = -1,
    *, kinds: Sequence[str] = ("resid", "attention", "mlp"), dictionary: str | None = None, top: int = 20,
    controls: int = N_CONTROLS, seed: int = 0, randoms: Sequence[Dictionary] | None = None,
    propagation: str = "free", error: str = "kept",
) -> PatchMap:  # fmt: skip
    """Run the corrupted prompt with one cell at a time taken from the clean run.

    A cell is a layer and a position (and a head) of a stream, or a feature at a position. Its controls are changes of
    the same norm in random directions, and the same change at random other tokens; a feature's, besides, the best cell
    of the same search in random dictionaries.

    Args:
        scope: A model, with dictionaries for features.
        clean: A prompt with the answer, or several of one length.
        corrupt: The same with something changed, of as many tokens; or `Noise` on some tokens of the clean one.
        target: As in `explain.influence`; a difference of two tokens (right, wrong) is the rule.
        position: After which token it is predicted.
        kinds: Any of resid, attention, mlp, heads, features.
        dictionary: Whose features; the scope's default one if None.
        top: How many cells of features, by gradient times difference.
        controls: Draws of each control.
        seed: Of the draws.
        randoms: From `random_like`; by default fitted to these prompts. Only for features.
        propagation: `"free"`: everything after a cell is computed anew; `"frozen_attention"`: but the attention
            patterns, which stay those of the corrupted run; `"direct"`: what the MLPs write and what the normalisations
            divide by stay as well.
        error: `"kept"` or `"dropped"`: the dictionary's error term, in both runs, while its features are patched.
            Nothing else passes through a dictionary.

    Returns:
        The map.

    Raises:
        PromptError: Lengths differ, or the target is the same on both prompts.
        EditError: An unknown kind, propagation or error policy.

    Example:
        >>> import saewidgets as sw
        >>> clean, corrupt = "Today is Monday. Tomorrow will be", "Today is Friday. Tomorrow will be"
        >>> found = patch_map(sw.demo(), clean, corrupt, (" Tuesday", " Saturday"), kinds=["resid"], controls=1)
        >>> bool(found.pivot("resid").iloc[-1, -1] > 0.99)  # the last layer at the last token is the answer
        True
    """
    question = ask(
        scope, clean, corrupt, target, position, kinds=kinds, dictionary=dictionary, top=top, controls=controls,
        seed=seed, randoms=randoms, propagation=propagation, error=error,
    )  # fmt: skip
    *_, found = patch_steps(question)
    return found


def patch_steps(question: Question, progress: Progress | None = None) -> Iterator[PatchMap]:
    """The map as it grows: first what each kind restores, then its controls, kind after kind.

    Until a kind has its controls nothing of it beats them, and its columns of controls hold zeros.

    Args:
        question: What is asked.
        progress: Called with what is done; may raise to stop.

    Yields:
        The map so far.
    """
    frames: list[pd.DataFrame] = []
    for part in question.parts:
        restored = question.restored(part, progress)
        frames.append(part.cells.frame(restored, np.zeros((len(restored), 0)), None))
        yield _map(question, frames)
    for i, part in enumerate(question.parts):
        frames[i] = part.cells.frame(frames[i]["restored"].to_numpy(), *question.control(part, progress))
        yield _map(question, frames)


def _map(question: Question, frames: Sequence[pd.DataFrame]) -> PatchMap:
    """The kinds so far as a map; only cells of features have an error term that may be dropped."""
    pairs, conditions = question.parts[0].pairs, question.conditions
    texts = [words(question.scope, ids) for ids in (pairs[0].clean_ids, pairs[0].corrupt_ids)]
    told = []
    for part, frame in zip(question.parts, frames, strict=False):
        own = conditions if part.cells.kind == "features" else replace(conditions, error="kept")
        told.append(frame.assign(**own.columns()))
    frame = pd.concat(told, ignore_index=True)
    frame.insert(4, "token", [texts[0][p] for p in frame["position"]])
    low, high = float(np.mean([p.low for p in pairs])), float(np.mean([p.high for p in pairs]))
    return PatchMap(frame, texts[0], texts[1], pairs[0].target.name, low, high, conditions)
