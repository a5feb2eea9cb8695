"""`DictionaryReport`: how good one dictionary is, beside its baselines, and which of its features are odd."""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets

from saewidgets.widgets import checks
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.reports import report_of
from saewidgets.widgets.shown import ShownWidget


class DictionaryReport(ShownWidget):
    """Fidelity, sparsity, densities, dead and dense features of one dictionary; a click on a feature selects it.

    Args:
        report: A report of `saewidgets.evaluate`, or a `DictionaryReportPayload`.
        dictionary: Which one, where the report has several.
        feature: Id of the selected feature, "" for none.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: It is no report, or does not have this dictionary.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> from saewidgets.payloads import Estimate, Measure
        >>> from saewidgets.payloads.reporting import report_payload
        >>> fvu = Measure("FVU", "Fidelity", Estimate(0.1))
        >>> payload = report_payload("resid_post.2", "topk", [fvu], density=[0.0, 0.02], neighbours=[0.4, 0.1])
        >>> with sw.DictionaryReport(payload) as view:
        ...     view.payload.n_dead
        1
    """

    _view = traitlets.Unicode("dictionary_report", read_only=True).tag(sync=True)
    feature = Checked("", checks.word).tag(sync=True)

    _front_traits: ClassVar[tuple[str, ...]] = ("feature",)
    _view_checks: ClassVar[dict[str, checks.Check]] = {"feature": checks.word}

    def __init__(
        self,
        report: Any,
        dictionary: str | None = None,
        *,
        feature: str | None = None,
        theme: str = "auto",
        height: int = 360,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(DictionaryReport, unknown)
        payload = report_of(report, dictionary)
        super().__init__(payload, theme=theme, height=height, bundle=bundle, view={"feature": feature})

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        return f"DictionaryReport({self._picture.name!r}, {len(self._picture.measures)} measures)"
