"""`Frontier`: many dictionaries by sparsity and fidelity; a click opens the report of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import traitlets

from saewidgets.payloads import FrontierPayload
from saewidgets.widgets import checks
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.reports import frontier_of
from saewidgets.widgets.shown import ShownWidget

_AXES, _SCALES = checks.one_of("FVU", "CE"), checks.one_of("log", "linear")
_ABLATIONS = checks.one_of("mean", "zero")


class Frontier(ShownWidget):
    """Dictionaries by L0 and FVU (or recovered cross-entropy), with intervals, baselines and the frontier.

    Args:
        reports: A report of `saewidgets.evaluate`, or several; `DictionaryReportPayload`s, `FrontierPoint`s, or a
            `FrontierPayload`. A mapping names them.
        ablation: `"mean"` or `"zero"`: what the recovered cross-entropy is measured against.
        selected: Name of the dictionary whose report is open, "" for none.
        y: `"FVU"`, or `"CE"` for the share of cross-entropy that is recovered.
        x: `"log"` or `"linear"`: the axis of L0.
        on_select: Called with the name, "" for none, whenever another one is selected.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: A report lacks L0 or FVU, or two have one name.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> from saewidgets.payloads import Estimate, FrontierPoint
        >>> def point(k):
        ...     return FrontierPoint(f"k = {k}", "dictionary", "topk", 512, Estimate(k), Estimate(1 / k))
        >>> with sw.Frontier([point(4), point(8)], selected="k = 8") as view:
        ...     view.to_frame().frontier.tolist()
        [True, True]
    """

    _view = traitlets.Unicode("frontier", read_only=True).tag(sync=True)
    selected = Checked("", checks.word).tag(sync=True)
    feature = Checked("", checks.word).tag(sync=True)
    y = Checked("FVU", _AXES).tag(sync=True)
    x = Checked("log", _SCALES).tag(sync=True)

    _front_traits: ClassVar[tuple[str, ...]] = ("selected", "feature", "y", "x")
    _view_checks: ClassVar[dict[str, checks.Check]] = {
        "selected": checks.word, "feature": checks.word, "y": _AXES, "x": _SCALES,
    }  # fmt: skip

    def __init__(
        self,
        reports: Any,
        *,
        ablation: str = "mean",
        selected: str | None = None,
        y: str | None = None,
        x: str | None = None,
        on_select: Callable[[str], object] | None = None,
        theme: str = "auto",
        height: int = 360,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(Frontier, unknown)
        payload = (
            reports if isinstance(reports, FrontierPayload) else frontier_of(reports, _ABLATIONS("ablation", ablation))
        )
        view = {"selected": selected, "y": y, "x": x, "feature": ""}
        super().__init__(payload, theme=theme, height=height, bundle=bundle, view=view)
        if on_select is not None:
            self.observe(lambda change: on_select(change.new), "selected")

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        return f"Frontier({len(self._picture.points)} points)"
