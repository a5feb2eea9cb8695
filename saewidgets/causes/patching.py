"""`patch_map`: where a clean run, put into a corrupted one, brings the answer back (Meng et al. 2202.05262)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from saewidgets.causes.cells import KINDS, feature_cells, stream_cells
from saewidgets.causes.controls import N_CONTROLS, Conditions, draws, random_like, verdict
from saewidgets.causes.pairs import Prompts, read_pairs
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
        frame: See `to_frame`.
        clean, corrupt: `T` tokens of the first pair.
        target: What was measured, in words.
        low, high: The target on the corrupted and on the clean prompts (means).
        conditions: Error policy, propagation, prompts, controls.
    """

    frame: pd.DataFrame
    clean: tuple[str, ...]
    corrupt: tuple[str, ...]
    target: str
    low: float
    high: float
    conditions: Conditions

    def to_frame(self) -> pd.DataFrame:
        """One row a cell.

        Returns:
            Columns kind, node, layer, position, token (of the clean prompt), restored (0: as corrupted, 1: as clean;
            mean over the pairs), control_low and control_high (changes of the same norm in random directions),
            beats_control (above every control of its kind in the map); error, propagation, prompts.
        """
        return self.frame.copy()

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


def patch_map(
    scope: Scope, clean: Prompts, corrupt: Prompts, target: Asked = None, position: int = -1,
    *, kinds: Sequence[str] = ("resid", "attention", "mlp"), dictionary: str | None = None, top: int = 20,
    controls: int = N_CONTROLS, seed: int = 0, randoms: Sequence[Dictionary] | None = None,
) -> PatchMap:  # fmt: skip
    """Run the corrupted prompt with one cell at a time taken from the clean run.

    A cell is a layer and a position (and a head) of a stream, or a feature at a position. Everything after it is
    computed anew. The control of a cell is a change of the same norm in a random direction; a feature's, besides, the
    best cell of the same search in random dictionaries.

    Args:
        scope: A model, with dictionaries for features.
        clean: A prompt with the answer, or several of one length.
        corrupt: The same with something changed, of as many tokens.
        target: As in `explain.influence`; a difference of two tokens (right, wrong) is the rule.
        position: After which token it is predicted.
        kinds: Any of resid, attention, mlp, heads, features.
        dictionary: Whose features; the scope's default one if None.
        top: How many cells of features, by gradient times difference.
        controls: Draws of each control.
        seed: Of the draws.
        randoms: From `random_like`; by default fitted to these prompts. Only for features.

    Returns:
        The map.

    Raises:
        PromptError: Lengths differ, or the target is the same on both prompts.
        EditError: An unknown kind.

    Example:
        >>> import saewidgets as sw
        >>> clean, corrupt = "Today is Monday. Tomorrow will be", "Today is Friday. Tomorrow will be"
        >>> found = patch_map(sw.demo(), clean, corrupt, (" Tuesday", " Saturday"), kinds=["resid"], controls=1)
        >>> bool(found.pivot("resid").iloc[-1, -1] > 0.99)  # the last layer at the last token is the answer
        True
    """
    unknown = [kind for kind in kinds if kind not in (*KINDS, "features")]
    if unknown or not kinds:
        raise EditError(f"Cells of kind {shorten(unknown)}.", f"Use {', '.join((*KINDS, 'features'))}.")
    sites = [s for s in scope.model.sites() if s.stream in {KINDS.get(kind) for kind in kinds}]
    key = None
    if "features" in kinds:
        key = scope.default_site if dictionary is None else scope.key(dictionary)
        sites += [scope.dictionaries[key].site_in, scope.dictionaries[key].site_out]
    pairs, n = read_pairs(scope, clean, corrupt, target, position, list(dict.fromkeys(sites))), draws(controls)
    parts = [stream_cells(scope, pairs, kind, n, seed) for kind in kinds if kind != "features"]
    if key is not None:
        others = randoms
        if others is None:
            others = random_like(scope, key, [ids for p in pairs for ids in (p.clean_ids, p.corrupt_ids)], n, seed)
        parts.append(feature_cells(pairs, key, scope.dictionaries[key], top, n, seed, others))
    conditions = Conditions(len(pairs), n, seed)
    texts = [words(scope, ids) for ids in (pairs[0].clean_ids, pairs[0].corrupt_ids)]
    frame = pd.concat(parts, ignore_index=True).assign(**conditions.columns())
    frame.insert(4, "token", [texts[0][p] for p in frame["position"]])
    low, high = float(np.mean([p.low for p in pairs])), float(np.mean([p.high for p in pairs]))
    return PatchMap(frame, texts[0], texts[1], pairs[0].target.name, low, high, conditions)
