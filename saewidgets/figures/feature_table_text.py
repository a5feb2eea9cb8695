"""Feature table -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saewidgets.figures import text
from saewidgets.figures.markup import heading, note, row, sheet
from saewidgets.figures.palette import letter, palette
from saewidgets.payloads.feature_table import MATCHES, FeatureTablePayload, Statistic, TableFilter

if TYPE_CHECKING:
    import pandas as pd

# Rows of the static copies and of a figure.
DRAWN = 20


def title(payload: FeatureTablePayload) -> str:
    """Of a page."""
    return f"Features · {text.plain(payload.site, 80)}"


def number(value: float | None, statistic: Statistic) -> str:
    """A statistic of one feature; shares in per cent without the sign, which stands above the column."""
    if value is None:
        return "–"
    if statistic.unit == "share":
        return text.share(value).removesuffix(" %")
    if statistic.unit == "score":
        return text.probability(value)
    if statistic.unit == "count":
        return text.count(round(value))
    if statistic.unit == "match":
        return MATCHES[int(value)] if 0 <= int(value) < len(MATCHES) else ""
    return text.signed(value, 1) if abs(value) >= 1 or value == 0 else text.significant(value, 2)


def above(statistic: Statistic) -> str:
    """What stands above a column."""
    return text.plain(statistic.title, 24) + (" %" if statistic.unit == "share" else "")


def words_of(payload: FeatureTablePayload) -> list[str]:
    """Every condition in words, as a filter that can be taken away."""
    asked = [f"“{text.plain(payload.query, 60)}”"] if payload.query.strip() else []
    asked += [f"fires in “{text.plain(payload.here, 60)}”"] if payload.here.strip() else []
    asked += [f"not in “{text.plain(payload.there, 60)}”"] if payload.there.strip() else []
    return asked + [bounds(payload, found) for found in payload.filters]


def bounds(payload: FeatureTablePayload, found: TableFilter) -> str:
    """A filter in words: "density 0.010 – 0.60 %"."""
    statistic = payload.statistic(found.name)
    low, high = (None if bound is None else number(bound, statistic) for bound in (found.low, found.high))
    name, unit = text.plain(statistic.title, 24), " %" if statistic.unit == "share" else ""
    if low is not None and high is not None:
        return f"{name} {low} – {high}{unit}"
    return f"{name} ≥ {low}{unit}" if low is not None else f"{name} ≤ {high}{unit}" if high is not None else name


def counted(payload: FeatureTablePayload) -> str:
    """How many fit."""
    total = text.count(payload.n_features)
    fits = f"{text.count(payload.n_fit)} of {total} features" if payload.n_fit < payload.n_features else ""
    return fits or f"{total} features"


def slots(payload: FeatureTablePayload) -> dict[str, int]:
    """Place of each chosen feature, by id."""
    return {name: slot for slot, name in enumerate(payload.selection) if name}


def alt_text(payload: FeatureTablePayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a feature table.

    Returns:
        Which dictionary, how many fit, what was asked, how they are sorted, the first of them.
    """
    parts = [f"Table of {counted(payload)} of {text.plain(payload.site, 60)}", *words_of(payload)]
    order = "highest" if payload.descending else "lowest"
    parts.append(f"sorted by {text.plain(payload.statistic(payload.sort).title, 24)}, {order} first")
    rows = payload.rows
    names = [
        text.plain(label, 40) or str(index)
        for label, index in zip(rows.label[:3], rows.index[:3].tolist(), strict=True)
    ]
    parts += [f"beginning with {', '.join(names)}"] if names else []
    return "; ".join(parts) + "."


def fallback(payload: FeatureTablePayload, max_bytes: int = 9_000) -> str:
    """The table as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    columns = [payload.statistic(name) for name in payload.columns[:6]]
    top = [heading(f"{text.plain(payload.site, 60)} · {counted(payload)}")]
    top += [note(" · ".join(words_of(payload)), look)] if words_of(payload) else []
    top += [note(text.plain(payload.note, 200), look)] if payload.note else []
    names = [("feature", 70), ("label", 170), *((above(s), 70) for s in columns), (text.plain(payload.words, 20), 120)]
    rows, chosen = [row(names)], slots(payload)
    places = {s.name: place for place, s in enumerate(payload.statistics)}
    for place in range(min(DRAWN, len(payload.rows.index))):
        index = int(payload.rows.index[place])
        slot = chosen.get(f"{payload.site}/{index}")
        key = f"{letter(slot)} " if slot is not None else ""
        numbers = [(number(payload.rows.value(place, places[s.name]), s), 70) for s in columns]
        words = " ".join(text.plain(word, 16).strip() for word in payload.rows.words_of(place))
        label = text.plain(payload.rows.label[place], 40) or "no label yet"
        rows.append(row([(f"{key}{index}", 70), (label, 170), *numbers, (words, 120)]))
    sources = [payload.context.model, payload.context.dictionaries, payload.source]
    foot = [note(" · ".join(text.plain(part, 60) for part in sources if part), look)]
    return sheet([top, rows, foot], look, max_bytes)


def to_frame(payload: FeatureTablePayload) -> pd.DataFrame:
    """The rows of the payload: `label`, every statistic, `words`, whether each is chosen; indexed by feature."""
    import pandas as pd  # late: it takes longer to import than the figure to draw

    rows, chosen = payload.rows, slots(payload)
    names = [f"{payload.site}/{index}" for index in rows.index.tolist()]
    columns: dict[str, object] = {"label": list(rows.label)}
    for place, statistic in enumerate(payload.statistics):
        columns[statistic.name] = [rows.value(row, place) for row in range(len(names))]
    columns["words"] = [rows.words_of(row) for row in range(len(names))]
    columns["chosen"] = [name in chosen for name in names]
    frame = pd.DataFrame(columns, index=pd.Index(names, name="feature", dtype=object))
    return frame.astype({statistic.name: float for statistic in payload.statistics})
