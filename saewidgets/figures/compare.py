"""Comparison payload -> figure: the two strips, next tokens with tick A and bar B, the features that differ."""

from functools import partial

from saewidgets.figures import fonts, text
from saewidgets.figures.compare_text import alt_text, control_words, differences, kl_words, prediction_row, token_names
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.heatmap import place_strip
from saewidgets.figures.palette import palette
from saewidgets.figures.panels import Bars, Panel
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.scene import Scene
from saewidgets.payloads.compare import ComparePayload

MAX_TOKENS = 200
ROW = 13.0


def scene(payload: ComparePayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a comparison.
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
    y = MARGIN
    covers = text.everything if portable else partial(fonts.covers, "serif")
    for letter, name, side in zip("AB", (payload.name_a, payload.name_b), payload.sides or (None, None), strict=True):
        y += NOTE + 2
        x = pen.say(left, y, letter, "ink", bold=True)
        pen.say(x + 4, y, fonts.fit(pen.plain(name, 200), right - x - 4, NOTE), "ink2")
        y += 5
        if side is not None:
            y = place_strip(sheet, side, theme, text.drawn(side.tokens, covers, MAX_TOKENS), left, right, y)
            y = Panel(sheet, palette(theme), pen.covers, side).legend(left, right, y + 2) + 4
    wide = right - left > 330
    split = left + (right - left) * 0.52 if wide else right
    below = _predictions(pen, payload, left, split - 14 * wide, y + 12)
    y = max(below, _features(pen, payload, split, right, y + 12)) if wide else _features(
        pen, payload, left, right, below + 10)  # fmt: skip
    y = _lines(pen, payload.note, left, right, y + 8) if payload.note else y
    context = payload.context
    sources = [context.model, context.dictionaries, f"error term {context.error}",
               f"{context.propagation} propagation", f"seed {context.seed}"]  # fmt: skip
    sheet.height = pen.foot(left, right, y + 8, sources) + MARGIN
    return sheet


def _predictions(pen: Pen, payload: ComparePayload, left: float, right: float, y: float) -> float:
    names, at, shown = token_names(payload), prediction_row(payload), payload.predictions
    x = pen.say(left, y, "Next token", "ink", bold=True)
    if names is not None:
        word = pen.plain(" | ".join(dict.fromkeys(names)), 60)
        x = pen.say(x, y, f" after {word}", "ink")
    pen.say(x, y, " · tick: A, bar: B")
    if at is None or shown is None or shown.after is None:
        pen.say(left, y + ROW, "No predictions to compare here.")
        return y + ROW
    control = payload.control if payload.controlled == 1 else None
    tables = [shown.before, shown.after, *([] if control is None else [control.high])]
    bars = Bars(left + 60, right - left - 136, 1.04 * max(1e-9, *(float(table[at].max()) for table in tables)))
    for k, index in enumerate(shown.token[at].tolist()[:6]):
        y += ROW
        a, b = float(shown.before[at, k]), float(shown.after[at, k])
        pen.say(left, y, fonts.fit(pen.plain(shown.vocabulary[index].strip(), 40), 54, 8.0, "serif"), "ink", size=8.0,
                face="serif")  # fmt: skip
        inside = control is not None and float(control.low[at, k]) <= b <= float(control.high[at, k])
        if control is not None:
            low, high = bars.at(float(control.low[at, k])), bars.at(float(control.high[at, k]))
            pen.box(low, y - 7.6, max(1.5, high - low), 10.4, pen.palette["band"], "band")
        pen.box(bars.start, y - 4.6, bars.at(b) - bars.start, 4.4, pen.palette["ink2"], "bar")
        pen.box(bars.at(a) - 0.5, y - 7.2, 1.0, 9.6, pen.palette["ink"], "tick")
        unmoved = inside or abs(b - a) < text.UNSEEN
        pen.say(right, y, text.change(b - a), "ink3" if unmoved else "raises" if b > a else "lowers", anchor="right")
        pen.say(right - 26, y, text.probability(b), "ink3" if inside else "ink", not inside, "right")
        pen.say(right - 50, y, text.probability(a), anchor="right")
    for words in (kl_words(payload, at), control_words(payload, at)):
        y = _lines(pen, words, left, right, y + ROW) if words else y
    return y


def _features(pen: Pen, payload: ComparePayload, left: float, right: float, y: float) -> float:
    x = pen.say(left, y, "Features", "ink", bold=True)
    pen.say(x, y, " · tick: A, bar: B · activation A → B")
    rows = differences(payload)
    if not rows:
        none = "Not one by one: two dictionaries." if payload.match == "none" else "No feature differs at this pair."
        pen.say(left, y + ROW, none)
        return y + ROW
    start = left + (right - left) * 0.5
    bars = Bars(start, right - start - 52, 1.04 * max(1e-9, *(max(abs(one.a), abs(one.b)) for one in rows)))
    for one in rows:
        y += ROW
        pen.say(left, y, fonts.fit(pen.plain(one.name, 120), start - left - 6, NOTE), "ink")
        pen.box(bars.start, y - 4.6, bars.at(one.b) - bars.start, 4.4, pen.palette["ink2"], "bar")
        pen.box(bars.at(one.a) - 0.5, y - 7.2, 1.0, 9.6, pen.palette["ink"], "tick")
        x = pen.say(right, y, text.activation(one.b), "ink", True, "right")
        pen.say(x - 2, y, f"{text.activation(one.a)} {text.ARROW}", "ink3", anchor="right")
    return y


def _lines(pen: Pen, words: str, left: float, right: float, y: float) -> float:
    """Grey words in as many lines as they need; returns the last baseline."""
    line = ""
    for word in pen.plain(words, 500).split():
        longer = f"{line} {word}".strip()
        if line and fonts.width(longer, NOTE) > right - left:
            pen.say(left, y, line)
            line, y = word, y + 10
        else:
            line = longer
    pen.say(left, y, fonts.fit(line, right - left, NOTE))
    return y


FILES = Files(scene, alt_text)
