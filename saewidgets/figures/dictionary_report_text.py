"""Dictionary report -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saewidgets.figures import text
from saewidgets.figures.markup import heading, note, row, sheet
from saewidgets.figures.palette import palette
from saewidgets.payloads.dictionary_report import DictionaryReportPayload, Estimate, ListedFeature, Measure

if TYPE_CHECKING:
    import pandas as pd

# What the alt text names, where the report has it.
_HEADLINES = ("L0", "FVU", "CE recovered (mean)")


def title(payload: DictionaryReportPayload) -> str:
    """Of a page."""
    return f"Dictionary report · {text.plain(payload.name, 80)}"


def interval(estimate: Estimate, unit: str = "") -> str:
    """Both ends in brackets, "" without an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    by, sign = (100, " %") if unit == "share" else (1, "")
    return f"[{text.significant(estimate.low * by)}, {text.significant(estimate.high * by)}]{sign}"


def beside(measure: Measure, baseline: str) -> Estimate | None:
    """A baseline's number, `None` when it has none."""
    return next((b.estimate for b in measure.baselines if b.baseline == baseline), None)


def alt_text(payload: DictionaryReportPayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a dictionary report.

    Returns:
        Which dictionary, its main numbers with their intervals, dead and dense features.
    """
    what = (
        f"{text.plain(payload.name, 80)}, {text.plain(payload.architecture, 40)}, {text.count(payload.width)} features"
    )
    parts = [f"Report of the dictionary {what}"]
    known = [m for name in _HEADLINES if (m := payload.measure(name)) is not None] or list(payload.measures[:3])
    for measure in known:
        number = f"{text.quantity(measure.estimate.value, measure.unit)} {interval(measure.estimate, measure.unit)}"
        parts.append(f"{text.plain(measure.name, 40)} {number}".strip())
    parts.append(f"{text.count(payload.n_dead)} dead and {text.count(payload.n_dense)} dense features")
    return "; ".join(parts) + "."


def subtitle(payload: DictionaryReportPayload) -> str:
    """Architecture, width and the scale of activations."""
    scale = f"activations in {text.plain(payload.scale, 60)} scale"
    return f"{text.plain(payload.architecture, 40)} · {text.count(payload.width)} features · {scale}"


def fallback(payload: DictionaryReportPayload, max_bytes: int = 9_000) -> str:
    """The report as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    names = [(text.plain(name, 20), 90) for name in payload.baselines[:6]]
    rows = [row([("", 150), ("this", 70), ("95 %", 130), *names])] if payload.measures else []
    for group, measures in payload.groups.items():
        rows.append(heading(text.plain(group, 60)))
        for measure in measures:
            own = measure.estimate
            others = [beside(measure, name) for name in payload.baselines[:6]]
            cells = [(text.quantity(e.value, measure.unit) if e else "–", 90) for e in others]
            number = text.quantity(own.value, measure.unit)
            rows.append(
                row([(text.plain(measure.name, 40), 150), (number, 70), (interval(own, measure.unit), 130), *cells])
            )
    lists = [
        _listed(f"{text.count(payload.n_dead)} dead", payload.dead),
        _listed(f"{text.count(payload.n_dense)} dense (over {text.share(payload.dense_from)})", payload.dense),
    ]
    card = [heading("Load card"), *(note(text.plain(line, 200), look) for line in payload.card.split("\n")[:40])]
    sources = [text.plain(part, 48) for part in (payload.context.model, payload.context.dictionaries) if part]
    top = [heading(text.plain(payload.name, 120)), note(subtitle(payload), look)]
    parts = [top, rows, *lists, card if payload.card else [], [note(" · ".join(sources), look)]]
    return sheet(parts, look, max_bytes)


def _listed(name: str, features: tuple[ListedFeature, ...]) -> list[str]:
    rows = [heading(name)]
    for feature in features[:8]:
        density = text.share(feature.density) if feature.density > 0 else ""
        cells = [
            (text.plain(feature.id, 40), 150),
            (text.plain(feature.label, 40), 160),
            (text.plain(feature.note, 40), 120),
        ]
        rows.append(row([*cells, (density, 60)]))
    return rows


def to_frame(payload: DictionaryReportPayload) -> pd.DataFrame:
    """The measures as a table, one row a number.

    Columns: `dictionary` (the baselines have their rows too), `measure`, `group`, `value`, `low`, `high`, `unit`,
    `definition`, `mask`, `window`.
    """
    import pandas as pd  # late: it takes longer to import than the figure to draw

    rows = []
    for m in payload.measures:
        rest: dict[str, object] = {"unit": m.unit, "definition": m.definition, "mask": m.mask, "window": m.window}
        for name, e in [(payload.name, m.estimate), *((b.baseline, b.estimate) for b in m.baselines)]:
            numbers = {"value": e.value, "low": e.low, "high": e.high}
            rows.append({"dictionary": name, "measure": m.name, "group": m.group, **numbers, **rest})
    columns = ["dictionary", "measure", "group", "value", "low", "high", "unit", "definition", "mask", "window"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"value": float, "low": float, "high": float})
