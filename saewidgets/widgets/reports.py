"""From reports, or plain numbers, to the payloads of `DictionaryReport` and `Frontier`. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from saewidgets.errors import WidgetError, shorten
from saewidgets.payloads import (
    Context,
    DictionaryReportPayload,
    Estimate,
    FrontierPayload,
    FrontierPoint,
    Measure,
    frontier_payload,
)
from saewidgets.payloads.frontier import KINDS


def report_of(report: Any, dictionary: str | None = None) -> DictionaryReportPayload:
    """The payload of a report.

    Args:
        report: A payload, or anything that makes one by `to_payload(dictionary)`.
        dictionary: Which one, where there are several.

    Raises:
        WidgetError: It is no report, or a payload of another dictionary.
    """
    payload = report
    if callable(getattr(report, "to_payload", None)):
        payload = report.to_payload(dictionary)
    if not isinstance(payload, DictionaryReportPayload):
        raise WidgetError(
            f"A report of a {shorten(type(report).__name__)}.", "Give sw.evaluate(...) or a DictionaryReportPayload."
        )
    if payload is report and dictionary not in (None, payload.name):
        raise WidgetError(f"The report is of {shorten(payload.name)}, not {shorten(dictionary)}.", "Leave it out.")
    return payload


def frontier_of(reports: Any, ablation: str = "mean") -> FrontierPayload:
    """The frontier of reports.

    Args:
        reports: A report of several dictionaries; or reports, their payloads and `FrontierPoint`s; in a mapping the
            keys are their names.
        ablation: `"mean"` or `"zero"`: what the recovered cross-entropy is measured against.

    Raises:
        WidgetError: One is no report, or lacks L0 or FVU.
        PayloadError: Two have one name.
    """
    measure = f"CE recovered ({ablation})"
    points: dict[str, FrontierPoint] = {}
    context = Context("", "")
    for name, report in _named(reports):
        found = [report]
        if not isinstance(report, FrontierPoint):
            payload = report_of(report)
            context, found = payload.context, points_of(payload, name, measure)
        for point in found:
            known = points.get(point.name)
            if known is None:
                points[point.name] = point
            elif point.kind == "dictionary":
                raise WidgetError(f"Two reports are called {shorten(point.name)}.", "Name them: {name: report, ...}.")
            elif known.fvu.value != point.fvu.value:  # reports over one corpus share their baselines
                other = f"{point.name}, {found[0].name}"
                points[other] = replace(point, name=other)
    return frontier_payload(list(points.values()), context, ce_name=measure)


def _named(reports: Any) -> Iterator[tuple[str | None, Any]]:
    """Every dictionary's report, with the name it was given."""
    if isinstance(reports, Mapping):
        yield from reports.items()
        return
    for report in [reports] if hasattr(reports, "to_payload") else reports:
        keys = getattr(report, "dictionaries", ())
        if hasattr(report, "to_payload") and len(keys) > 1:
            yield from ((None, report.to_payload(key)) for key in keys)
        else:
            yield None, report


def points_of(
    report: DictionaryReportPayload, name: str | None = None, ce_name: str = "CE recovered (mean)"
) -> list[FrontierPoint]:
    """A dictionary and its baselines as points.

    Args:
        report: With the measures "L0" and "FVU".
        name: Instead of the report's own.
        ce_name: The measure of the recovered cross-entropy, where there is one.

    Raises:
        WidgetError: A measure is missing.
    """
    l0, fvu, ce = (report.measure(measure) for measure in ("L0", "FVU", ce_name))
    if l0 is None or fvu is None:
        raise WidgetError(f"The report of {shorten(report.name)} lacks L0 or FVU.", "Evaluate with both.")
    own = FrontierPoint(
        name or report.name, "dictionary", report.architecture, report.width, l0.estimate, fvu.estimate,
        ce.estimate if ce else None, report,
    )  # fmt: skip
    points = [own]
    for baseline in report.baselines:
        numbers = [_beside(measure, baseline) for measure in (l0, fvu, ce)]
        if numbers[0] is not None and numbers[1] is not None:
            kind = next((kind for kind in KINDS[1:] if baseline.lower().startswith(kind)), None)
            if kind is not None:
                title = f"{baseline}, L0 {numbers[0].value:g}"
                points.append(FrontierPoint(title, kind, kind, report.width, numbers[0], numbers[1], numbers[2]))
    return points


def _beside(measure: Measure | None, baseline: str) -> Estimate | None:
    rows = measure.baselines if measure else ()
    return next((row.estimate for row in rows if row.baseline == baseline), None)
