"""The parts of a heatmap figure below its strip: legend, chosen features, next token, foot."""

import re
from dataclasses import dataclass

from saewidgets.figures import fonts, text
from saewidgets.figures.palette import letter
from saewidgets.figures.pen import NOTE, Pen
from saewidgets.figures.reading import chosen, fills, peaks, prediction_row
from saewidgets.figures.scene import Box, Label
from saewidgets.payloads.heatmap import ChosenFeature, HeatmapPayload
from saewidgets.payloads.marks import SPACE

TEXT = 8.0
ROW = 13.0
MAX_ROWS = 16


@dataclass(frozen=True, slots=True)
class Panel(Pen):
    """Draws parts of one payload on a sheet; every method takes its left, right and top and returns its bottom.

    Args:
        scene, palette, covers: As for a `Pen`.
        payload: What is shown.
    """

    payload: HeatmapPayload

    def legend(self, left: float, right: float, top: float) -> float:
        """What fill, lanes and marks mean, in one grey line that wraps."""
        x, y = left, top + NOTE
        maximum = fills(self.payload, after=False)[1]
        feature = chosen(self.payload)
        if maximum > 0:
            name = f"{letter(feature.slot)}, activation" if feature else _FILLS.get(self.payload.fill, "")
            x = self.say(x, y, f"fill: {name} 0") + 3
            for ink in self.palette.ramp(feature.slot if feature else None):
                self.box(x, y - 5.6, 8, 6.2, ink.fill, "ramp")
                x += 8
            x = self.say(x + 3, y, text.signed(maximum, 1)) + 12
        for words in self._marks():
            if x > left and x + fonts.width(words, NOTE) > right:
                x, y = left, y + 10
            x = self.say(x, y, words) + 12
        return y + 2

    def _marks(self) -> list[str]:
        letters = " ".join(letter(f.slot) for f in self.payload.features[:MAX_ROWS])
        marks = [f"lanes {letters}: bar height, each to its own maximum"] if letters else []
        if any(f.after is not None for f in self.payload.features):
            marks += ["hollow: removed by the edit", "dot: token changed"]
        return marks

    def features(self, left: float, right: float, top: float) -> float:
        """One row a chosen feature: letter, label, id, edit, value at the selected token."""
        payload, y = self.payload, top + NOTE
        if not payload.features:
            return top
        x = self.say(left, y, "Features", "ink", bold=True)
        edits = f" · {payload.n_edits} edit{'s' * (payload.n_edits != 1)}" if payload.n_edits else ""
        self.say(x, y, f"{edits} · activation at the strongest token")
        for feature in payload.features[:MAX_ROWS]:
            y += ROW
            self._feature(feature, left, right, y)
        if len(payload.features) > MAX_ROWS:
            y += ROW
            self.say(left, y, f"and {len(payload.features) - MAX_ROWS} more")
        return y + 3

    def _feature(self, feature: ChosenFeature, left: float, right: float, y: float) -> None:
        chip = self.palette.chip(feature.slot)
        hollow = feature.scale == 0
        edge = chip.fill if hollow else ""
        self.scene.boxes.append(
            Box(left, y - 7.2, 9, 9, self.palette["paper"] if hollow else chip.fill, edge, 0.8, 1.5, "chip")
        )
        on = self.palette["ink"] if hollow else chip.text
        self.scene.labels.append(Label(left + 4.5, y - 0.4, letter(feature.slot), NOTE, on, bold=True, anchor="center"))
        end = self._value(feature, right, y)
        if feature.edit:
            words = re.sub(r"^x (?=\d)", "× ", text.plain(feature.edit, 40, self.covers))
            column = right - 48 if right - left > 240 else right  # edits stand in a column where there is room
            end = self.say(min(end - 8, column), y, words, "ink", anchor="right")
        room = end - 10 - (left + 14)
        name = text.plain(feature.id, 60, self.covers)
        label = text.plain(feature.label, 120, self.covers)
        space = fonts.width(name, 6.0, "mono") + 5 if label else 0.0
        if label and space > room * 0.6:
            space = 0.0
        words = fonts.fit(label or name, room - space, NOTE, "sans" if label else "mono")
        x = self.say(left + 14, y, words, "ink", face="sans" if label else "mono")
        if space:
            self.say(x + 5, y, name, "ink3", size=6.0, face="mono")

    def _value(self, feature: ChosenFeature, right: float, y: float) -> float:
        """The feature's activation, before → after, at the token where it is greatest; at the right edge."""
        top = peaks(feature)
        before = text.activation(float(feature.values[top].max(initial=0)))
        after = before if feature.after is None else text.activation(float(feature.after[top].max(initial=0)))
        if before == after:
            return self.say(right, y, before, "ink2", anchor="right")
        x = self.say(right, y, after, "ink", bold=True, anchor="right")
        return self.say(x - 2, y, f"{before} {text.ARROW}", "ink3", anchor="right")

    def predictions(self, left: float, right: float, top: float, covers: text.Covers) -> float:
        """The next token after the selected one: bar after, tick before, grey band control; then KL."""
        payload, y = self.payload, top + NOTE
        row = prediction_row(payload)
        if row is None:
            return top
        shown = payload.predictions
        after = shown.after[row] if shown.after is not None else None
        x = self.say(left, y, "Next token after ", "ink", bold=True)
        name = text.name(payload.tokens, int(shown.positions[row]), covers)
        x = self.say(x, y, name, "ink", size=TEXT, face="serif")
        self.say(x, y, " · bar: after, tick: before" if after is not None else " · probability")
        words = [text.runs(shown.vocabulary[int(i)], covers, 24) for i in shown.token[row]]
        names = ["".join(f"‹{r.text}›" if r.kind == "mark" else r.text for r in _unspaced(runs)) for runs in words]
        start = left + min(max((fonts.width(n, TEXT, "serif") for n in names), default=0), (right - left) * 0.3) + 8
        numbers = 74.0 if after is not None else 24.0
        bars = Bars(start, right - numbers - start, _greatest(payload, row))
        for column, word in enumerate(names):
            y += ROW
            self.say(left, y, fonts.fit(word, start - left - 6, TEXT, "serif"), "ink", size=TEXT, face="serif")
            self._prediction(row, column, bars, right, y)
        return self._control(row, left, right, y)

    def _prediction(self, row: int, column: int, bars: "Bars", right: float, y: float) -> None:
        shown, control = self.payload.predictions, self.payload.control
        before = float(shown.before[row, column])
        after = float(shown.after[row, column]) if shown.after is not None else before
        inside = False
        if control is not None:
            low, high = float(control.low[row, column]), float(control.high[row, column])
            inside = low <= after <= high
            width = max(1.5, bars.at(high) - bars.at(low))
            self.box(bars.at(low), y - 7.6, width, 10.4, self.palette["band"], "band")
        self.box(bars.start, y - 4.6, bars.at(after) - bars.start, 4.4, self.palette["ink2"], "bar")
        if shown.after is None:
            self.say(right, y, text.probability(before), "ink", anchor="right")
            return
        self.box(bars.at(before) - 0.5, y - 7.2, 1.0, 9.6, self.palette["ink"], "tick")
        delta = after - before
        # What is written as 0.00 has no direction.
        unmoved = inside or abs(delta) < text.UNSEEN
        color = "ink3" if unmoved else "raises" if delta > 0 else "lowers"
        self.say(right, y, text.change(delta), color, anchor="right")
        self.say(right - 26, y, text.probability(after), "ink3" if inside else "ink", not inside, "right")
        self.say(right - 50, y, text.probability(before), anchor="right")

    def _control(self, row: int, left: float, right: float, y: float) -> float:
        shown, control = self.payload.predictions, self.payload.control
        if control is not None:
            y += ROW - 1
            self.box(left, y - 5.6, 12, 6.4, self.palette["band"], "band")
            self.say(left + 16, y, f"control: {control.n} random features, same edit")
        if shown.kl is None:
            return y + 3
        y += ROW + 1
        kl = float(shown.kl[row])
        inside = control is not None and kl <= float(control.kl_features[row, 1])
        x = self.say(left, y, text.probability(kl), "ink3" if inside else "ink", not inside, size=9.0)
        x = self.say(x, y, " nats KL")
        if control is not None:
            features, directions = (
                text.interval(*map(float, k[row])) for k in (control.kl_features, control.kl_directions)
            )
            words = f"control {features}, random directions {directions}"
            if x + 10 + fonts.width(words, NOTE) > right:
                x, y = left - 10, y + 10
            self.say(x + 10, y, words)
        return y + 3

    def sources(self, left: float, right: float, top: float) -> float:
        """Model, dictionaries, error policy, propagation, seed."""
        context = self.payload.context
        parts = [context.model, context.dictionaries]
        if self.payload.n_edits:
            parts += [f"error term {context.error}", f"{context.propagation} propagation", f"seed {context.seed}"]
        return self.foot(left, right, top, parts)


@dataclass(frozen=True, slots=True)
class Bars:
    """The scale of the predictions: `room` points from `start` on stand for `greatest`."""

    start: float
    room: float
    greatest: float

    def at(self, probability: float) -> float:
        """Where a probability ends; what is out of range ends at the edge."""
        return self.start + self.room * min(1.0, max(0.0, probability / self.greatest))


def _greatest(payload: HeatmapPayload, row: int) -> float:
    """A little more than the greatest probability drawn at a position."""
    shown, control = payload.predictions, payload.control
    drawn = [
        shown.before,
        *([] if shown.after is None else [shown.after]),
        *([] if control is None else [control.high]),
    ]
    return 1.04 * max(1e-9, *(float(table[row].max(initial=0)) for table in drawn))


_FILLS = {"error": "error, share of the norm", "surprise": "surprise, nats"}


def _unspaced(runs: tuple[text.Run, ...]) -> tuple[text.Run, ...]:
    """Runs of a predicted token without the dot of its leading space."""
    first = runs[0]
    if first.kind == "sign" and first.text == SPACE and len(runs) > 1:
        return runs[1:]
    return runs
