"""Feature dashboard -> figure: label and meters, the text of one's own, a concordance, histogram, words, neighbours."""

from saewidgets.figures import fonts, text
from saewidgets.figures.axes import Axis, logarithmic, tick_label
from saewidgets.figures.feature_dashboard_text import RELATED, alt_text, bounds, counted, meter_words, shape, typed
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.palette import letter, step
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.plot import AXIS, Plot
from saewidgets.figures.scene import Box, Label, Scene
from saewidgets.payloads.feature_dashboard import FeatureDashboardPayload, LabelMeter, RelatedFeature, Word
from saewidgets.payloads.training import Passage

ROW, TEXT = 12.5, 8.0
# Examples of an interval, and of a group that is alone.
FEW, MANY = 3, 12

Place = tuple[float, float, float]


def scene(
    payload: FeatureDashboardPayload, width_mm: float = 170, theme: str = "light", portable: bool = False
) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a feature dashboard.
        width_mm: Width in millimetres, 60 to 400.
        theme: `"light"` or `"dark"`.
        portable: The reader's fonts will draw the text, so no character is missing.

    Returns:
        The finished scene.

    Raises:
        FigureError: Width or theme is out of range.
    """
    sheet, pen = blank(width_mm, theme, portable)
    left, right = MARGIN, sheet.width - MARGIN
    wide = right - left > 330
    split = left + (right - left) * 0.66 if wide else right
    y = _head(pen, payload, (left, right, MARGIN + 9)) + 6
    bottom = _texts(pen, payload, (left, split, y))
    aside = (split + 16, right, y) if wide else (left, right, bottom + 6)
    bottom = max(bottom, _aside(pen, payload, aside))
    sources = [payload.context.model, payload.context.dictionaries, payload.source, payload.context.version]
    sheet.height = pen.foot(left, right, bottom + 8, sources) + MARGIN
    return sheet


def _head(pen: Pen, payload: FeatureDashboardPayload, place: Place) -> float:
    """Letter, label, id, counts, meters; returns the bottom."""
    left, right, y = place
    chip = pen.palette.chip(payload.slot)
    pen.scene.boxes.append(Box(left, y - 7.6, 10, 10, chip.fill, radius=1.5, part="chip"))
    pen.scene.labels.append(Label(left + 5, y - 0.3, letter(payload.slot), NOTE, chip.text, bold=True, anchor="center"))
    label = pen.plain(payload.label, 200) or "no label yet"
    pen.say(left + 15, y, fonts.fit(label, right - left - 15, 9, bold=True), "ink", bold=True, size=9)
    y += 11
    x = pen.say(left + 15, y, fonts.fit(pen.plain(payload.id, 60), right - left - 15, AXIS, "mono"), size=AXIS,
                face="mono") + 6  # fmt: skip
    parts = " · ".join(part for part in (pen.plain(payload.label_note, 80), counted(payload)) if part)
    if x + fonts.width(parts, NOTE) > right:
        x, y = left + 15, y + 10
    pen.say(x, y, fonts.fit(parts, right - x, NOTE))
    for meter in payload.meters:
        y += ROW
        _meter(pen, meter, (left + 15, right, y))
    return y + 4


def _meter(pen: Pen, meter: LabelMeter, place: Place) -> None:
    """Dot for the label, line for its interval, hollow mark for a random feature."""
    left, right, y = place
    score, random = meter.score, meter.random
    start, end = left + 58, min(right - 78, left + 260)
    pen.say(left, y, pen.plain(meter.name, 20), "ink2")
    pen.say(max(end, start) + 78, y, meter_words(meter), "ink", anchor="right")
    if end - start < 20:
        return

    def at(value: float) -> float:
        return start + min(1.0, max(0.0, value)) * (end - start)

    middle = y - 2.4
    pen.box(start, middle - 0.25, end - start, 0.5, pen.palette["rule"], "track")
    if random is not None:
        edge = pen.palette["control"]
        pen.scene.boxes.append(
            Box(at(random) - 1.5, middle - 3.5, 3, 7, pen.palette["paper"], edge, 0.6, part="random")
        )
    if score.low is not None and score.high is not None:
        width = max(0.6, at(score.high) - at(score.low))
        pen.box(at(score.low), middle - 1.1, width, 2.2, pen.palette["control"], "interval")
    pen.scene.boxes.append(
        Box(at(score.value) - 2.2, middle - 2.2, 4.4, 4.4, pen.palette["ink"], radius=2.2, part="own")
    )


def _texts(pen: Pen, payload: FeatureDashboardPayload, place: Place) -> float:
    """The text of one's own, then the examples."""
    left, right, y = place
    live = payload.live
    if live is not None and live.features:
        feature = live.features[0]
        y += NOTE
        x = pen.say(left, y, "A text of one's own", "ink", bold=True)
        if feature.edit:
            pen.say(x, y, f" · {pen.plain(feature.edit, 30)}")
        y += ROW + 1
        _row(pen, payload, typed(payload), (left, right, y))
        y += 6
    groups = payload.in_view()
    y += NOTE
    x = pen.say(left, y, "Where it fires", "ink", bold=True)
    if payload.fires_on:
        names = ", ".join(f"{pen.plain(w.text, 16).strip()} {text.share(w.value)}" for w in payload.fires_on[:4])
        pen.say(x, y, fonts.fit(f" · {names}", right - x, NOTE))
    if not groups:
        y += ROW
        pen.say(left, y, counted(payload), "ink2")
    for group in groups:
        y += ROW + 1
        share = f"   {text.share(group.share)}" if group.kind == "interval" else ""
        pen.say(left, y, f"{bounds(group)}{share}")
        for passage in group.passages[: MANY if len(groups) == 1 else FEW]:
            y += ROW
            _row(pen, payload, passage, (left, right, y))
    return y + 4


def _row(pen: Pen, payload: FeatureDashboardPayload, passage: Passage, place: Place) -> None:
    """One context, its peak in the middle column."""
    left, right, y = place
    if not passage.text:
        return
    end = right - 24
    middle = left + (end - left) * 0.56
    peak = passage.peak
    value = text.activation(float(passage.values[peak]))
    pen.say(right, y, value, "ink2", anchor="right")
    x = _token(pen, payload, passage, peak, middle, y, end)
    for position in range(peak + 1, len(passage.text)):
        if x < 0:
            break
        x = _token(pen, payload, passage, position, x, y, end)
    x = middle
    for position in range(peak - 1, -1, -1):
        # The gap of a token belongs to the one after it.
        x -= _gap(passage.text[position + 1])
        x -= fonts.width(_word(pen, passage.text[position]), TEXT, "serif")
        if x < left:
            break
        _token(pen, payload, passage, position, x - _gap(passage.text[position]), y, end)


def _gap(token: str) -> float:
    return 2.2 if token.startswith(" ") else 0.6


def _word(pen: Pen, token: str) -> str:
    return pen.plain(token, 24).strip() or "·"


def _token(
    pen: Pen, payload: FeatureDashboardPayload, passage: Passage, position: int, x: float, y: float, end: float
) -> float:
    """A token after its gap; returns where it ends, or -1 when it had no room."""
    x += _gap(passage.text[position])
    word = _word(pen, passage.text[position])
    width = fonts.width(word, TEXT, "serif")
    if x + width > end:
        room = end - x
        if position != passage.peak or room < 8:
            return -1.0
        word = fonts.fit(word, room, TEXT, "serif")
        width = fonts.width(word, TEXT, "serif")
    level = step(float(passage.values[position]), payload.maximum)
    ink = pen.palette.ramp(payload.slot)[level - 1] if level else None
    if ink:
        pen.scene.boxes.append(Box(x - 0.5, y - 7.6, width + 1, 10.4, ink.fill, radius=1, part="fill"))
    color = ink.text if ink else pen.palette["ink"]
    pen.scene.labels.append(Label(x, y, word, TEXT, color, "serif"))
    return x + width


def _aside(pen: Pen, payload: FeatureDashboardPayload, place: Place) -> float:
    left, right, y = place
    if len(payload.histogram.counts):
        y = _strength(pen, payload, place) + 6
    sides = (("Promotes", payload.promoted, "raises"), ("Suppresses", payload.suppressed, "lowers"))
    middle = (left + right) / 2
    most = max((abs(w.value) for _, words, _ in sides for w in words), default=1.0) or 1.0
    tops = [
        _words(pen, name, words, color, most, (a, b, y))
        for (name, words, color), (a, b) in zip(sides, ((left, middle - 5), (middle + 5, right)), strict=True)
        if words
    ]
    y = max(tops, default=y)
    if shape(payload):
        y += 8
        pen.say(left, y, fonts.fit(shape(payload).capitalize(), right - left, NOTE))
        y += 6
    for field, name, unit in RELATED:
        features: tuple[RelatedFeature, ...] = getattr(payload, field)
        if features:
            y = _related(pen, f"{name}", unit, features, (left, right, y))
    return y


def _strength(pen: Pen, payload: FeatureDashboardPayload, place: Place) -> float:
    """Half octaves of activation with a logarithmic count; returns the bottom."""
    left, right, top = place
    x = pen.say(left, top + NOTE, "How strongly", "ink", bold=True)
    pen.say(x, top + NOTE, fonts.fit(f" · density {text.share(payload.density)}, log count", right - x, NOTE))
    counts = payload.histogram.counts.tolist()
    edges = [10.0 ** min(edge, 300.0) for edge in payload.histogram.edges.tolist()]
    x_axis = Axis(edges[0], edges[-1], logarithmic(edges[0], edges[-1]).ticks, log=True)
    most = max(2.0, max(counts) * 1.3)
    ticks = tuple(10.0**n for n in range(20) if 10.0**n <= most)
    y_axis = Axis(0.7, most, ticks[:: max(1, -(-len(ticks) // 4))], log=True)
    plot = Plot(pen, x_axis, y_axis, left + 22, top + 13, right - left - 24, 44)
    plot.frame(tick_label, tick_label)
    color = pen.palette.chip(payload.slot).fill
    for i, count in enumerate(counts):
        if count:
            (x, y), end = plot.at(edges[i], count), plot.at(edges[i + 1], 1)[0]
            y = min(y, plot.bottom - 0.8)
            pen.box(x + 0.25, y, max(0.4, end - x - 0.5), plot.bottom - y, color, "bar")
    return plot.bottom + 12


def _words(pen: Pen, name: str, words: tuple[Word, ...], color: str, most: float, place: Place) -> float:
    left, right, top = place
    y = top + NOTE
    pen.say(left, y, name, "ink", bold=True)
    start = left + (right - left) * 0.45
    for word in words:
        y += ROW
        shown = fonts.fit(_word(pen, word.text), start - left - 4, TEXT, "serif")
        pen.say(left, y, shown, "ink", size=TEXT, face="serif")
        width = (right - 24 - start) * abs(word.value) / most
        pen.box(start, y - 4.6, max(0.5, width), 4.4, pen.palette[color], "bar")
        pen.say(right, y, text.signed(word.value, 1, plus=True), "ink2", anchor="right")
    return y + 4


def _related(pen: Pen, name: str, unit: str, features: tuple[RelatedFeature, ...], place: Place) -> float:
    left, right, top = place
    y = top + NOTE + 4
    x = pen.say(left, y, fonts.fit(name, right - left, NOTE, bold=True), "ink", bold=True)
    if x + fonts.width(f" · {unit}", NOTE) < right:
        pen.say(x, y, f" · {unit}")
    start = left + (right - left) * 0.58
    for feature in features:
        y += ROW - 1
        face = "sans" if feature.label else "mono"
        size = NOTE if feature.label else AXIS
        words = pen.plain(feature.label or feature.id, 80)
        pen.say(left, y, fonts.fit(words, start - left - 4, size, face), "ink", face=face, size=size)
        width = (right - 24 - start) * min(1.0, max(0.0, feature.value))
        pen.box(start, y - 4.6, max(0.5, width), 4.4, pen.palette["ink2"], "bar")
        pen.say(right, y, text.probability(feature.value), "ink2", anchor="right")
    return y + 3


FILES = Files(scene, alt_text)
