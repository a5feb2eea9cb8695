"""What `diary.compare` gives: two states beside each other, with table, figure, page and code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saewidgets.errors import WidgetError
from saewidgets.payloads import ComparePayload, encode
from saewidgets.widgets.asked import with_view
from saewidgets.widgets.output import Code, Outputs

if TYPE_CHECKING:
    import pandas as pd

    from saewidgets.scope import Scope
    from saewidgets.widgets.diary_steps import State


@dataclass(frozen=True, eq=False)
class Compared:
    """Two states of a diary, both run: next tokens, KL both ways, features that differ, with the control of the edits.

    Args:
        payload: What `sw.Compare` draws; `sw.Compare(compared.payload)` is the view of it.
    """

    payload: ComparePayload

    def to_frame(self) -> pd.DataFrame:
        """One row a pair of tokens, as of `Compare`."""
        from saewidgets.figures.compare_text import to_frame

        return to_frame(self.payload)

    def code(self) -> Code:
        """Python that compares them again."""
        return Code(f"import saewidgets as sw  # {self.payload.context.version}\n{self.payload.context.code}")

    def to_html(self, path: str | Path | None = None) -> str | Path:
        """One offline page. Arguments, result and errors as of a widget."""
        return Outputs.to_html(self, path)  # type: ignore[arg-type]

    def to_svg(self, path: str | Path | None = None) -> str | Path:
        """The figure as SVG. Arguments, result and errors as of a widget."""
        from saewidgets.figures.compare import FILES
        from saewidgets.widgets.output import written

        svg: str | Path = written(path, FILES.to_svg(self.payload))
        return svg

    def _repr_html_(self) -> str:
        """The static picture; nothing in it runs or loads anything."""
        from saewidgets.figures.compare_text import fallback

        return fallback(self.payload)

    def __repr__(self) -> str:
        """What differs, in one sentence."""
        from saewidgets.figures.compare_text import alt_text

        return alt_text(self.payload)


def compare_states(scope: Scope | None, a: State, b: State, seed: int) -> Compared:
    """Run two states of a diary and compare them at their selected tokens.

    Args:
        scope: The model and its dictionaries.
        a: One state.
        b: The other.
        seed: Of the control.

    Raises:
        WidgetError: There is no scope.
        SaewidgetsError: A state cannot be run.
    """
    if scope is None:
        raise WidgetError("This diary has no model.", "Give one: diary.compare(i, j, scope=scope).")
    from saewidgets.causes.compare import Side, compare_payload
    from saewidgets.runs.heatmap import HeatmapRequest, heatmap_payload, with_error_term

    sides, pictures = [], []
    for state in (a, b):
        own = next((values for values in state.views.values() if "error_term" in values), {})
        edits = with_error_term(state.edits, own.get("error_term", "kept"))
        key = scope.key(own["site"]) if own.get("site") else scope.default_site
        sides.append(Side(scope, state.prompt, edits, key))
        request = HeatmapRequest(
            state.prompt, state.features, state.edits, own.get("error_term", "kept"), key, state.feature, state.token
        )
        pictures.append(heatmap_payload(scope, request, control=bool(edits)))
    found = compare_payload(sides[0], sides[1], seed=seed)
    # In view is the token that the first state selects, or the second; the last pair where neither stands in one.
    for tokens, picture in ((found.left_token, pictures[0]), (found.right_token, pictures[1])):
        at = np.flatnonzero(tokens == picture.selection)
        if len(at):
            if len(tokens) > len(found.predictions.positions if found.predictions else tokens):
                found = compare_payload(sides[0], sides[1], int(at[0]), seed=seed)
            found = replace(found, pair=int(at[0]))
            break
    pair = int(found.left_token[found.pair]), int(found.right_token[found.pair])
    left, right = (
        np.frombuffer(encode(with_view(picture, "selection", at)), np.uint8)
        for picture, at in zip(pictures, pair, strict=True)
    )
    return Compared(replace(found, left=left, right=right))
