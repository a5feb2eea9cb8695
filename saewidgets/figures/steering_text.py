"""Steering payload -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from saewidgets.figures import text
from saewidgets.figures.markup import SERIF, grey, heading, note, row, sheet, span
from saewidgets.figures.palette import Palette, letter, palette, step
from saewidgets.payloads.steering import Doses, SteeringPayload, WrittenText

if TYPE_CHECKING:
    import pandas as pd

NAMES = {
    "base": "Base",
    "steered": "Steered",
    "frozen": "Steered, frozen attention",
    "direction": "Control",
    "feature": "Control",
}
_TOKENS, _KEPT = 60, 12


def title(payload: SteeringPayload) -> str:
    """Of a page."""
    return f"Steering · {text.plain(payload.prompt, 80)}"


def in_view(payload: SteeringPayload) -> list[WrittenText]:
    """The columns that are shown: of the controls the chosen one, or the one there is."""
    controls = [t for t in payload.texts if t.role in ("direction", "feature")]
    chosen = [t for t in controls if t.role == payload.control] or controls[:1]
    return [t for t in payload.texts if t.role not in ("direction", "feature")] + chosen


def numbers(column: WrittenText) -> str:
    """Effect, KL and perplexity of one text, "" before they are measured."""
    if column.perplexity is None:
        return "writing" if not column.finished else ""
    parts = [f"effect {text.signed(column.effect, 3)}"] if column.effect is not None else []
    parts += [f"KL {text.probability(column.kl)}"] if column.kl is not None and column.role != "base" else []
    return " · ".join([*parts, f"perplexity {text.significant(column.perplexity)}"])


TRAVELS = {"free": "free propagation", "frozen_attention": "attention to the prompt frozen",
           "direct": "direct effect along the base text"}  # fmt: skip


def measured_over(doses: Doses, propagation: str) -> str:
    """What stands under the curves: how the effect travels, the control band, prompts, texts, tokens."""
    features = doses.n_controls - doses.n_directions
    parts = [TRAVELS.get(propagation, text.plain(propagation, 30))]
    if doses.n_controls:
        parts.append(f"control band: {text.count(doses.n_directions)} random directions of the same norm, "
                     f"{text.count(features)} random features of like density")  # fmt: skip
    prompts = f"{text.count(doses.n_prompts)} prompt{'' if doses.n_prompts == 1 else 's'}"
    so_far = f" of {text.count(doses.n_planned)}" if doses.n_texts < doses.n_planned else ""
    texts = f"{text.count(doses.n_texts)}{so_far} text{'' if doses.n_texts == 1 else 's'}"
    parts.append(f"{prompts}, {texts} of {text.count(doses.n_tokens)} tokens")
    return "; ".join(parts)


def settings(payload: SteeringPayload) -> str:
    """What stands in the foot: how it was written."""
    where = {"prompt": "on the prompt", "new": "on new tokens", "both": "on prompt and new tokens"}[payload.place]
    return (
        f"{payload.mode}, {where}, seed {payload.seed}, temperature {text.significant(payload.temperature)}, "
        f"error {text.plain(payload.context.error, 20)}, {text.plain(payload.context.propagation, 30)} attention"
    )


def alt_text(payload: SteeringPayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a steering view.

    Returns:
        The prompt, what is steered with, the texts and their numbers, the verdict.
    """
    parts = [f'Texts after "{text.plain(payload.prompt, 80)}"']
    parts += [f"{letter(s.slot)}: {text.plain(s.label or s.id, 60)} at {text.signed(s.value, 1, True)}"
              for s in payload.sliders[:4]]  # fmt: skip
    for column in in_view(payload):
        words = numbers(column)
        parts.append(f'{NAMES[column.role]}: "{text.plain(column.text, 100)}"{f" ({words})" if words else ""}')
    return "; ".join([*parts, *([text.plain(payload.verdict, 160).rstrip(".")] if payload.verdict else [])]) + "."


def fallback(payload: SteeringPayload, max_bytes: int = 9_000) -> str:
    """The picture as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    top = [heading(text.plain(payload.prompt, 200)), note(settings(payload), look)]
    for slider in payload.sliders:
        chip = look.chip(slider.slot)
        key = span(letter(slider.slot), f"background-color:{chip.fill};color:{chip.text};padding:0px 4px")
        words = text.plain(slider.label or slider.id, 60)
        top.append(f"<div>{key}{escape(f' {words} {text.signed(slider.value, 1, True)}')}</div>")
    columns = [_column(payload, column, look) for column in in_view(payload)]
    columns += [[note("bold: differs from base; fill: activation, read without the edit", look)]] if columns else []
    ends = [note(text.plain(payload.verdict, 200), look)] if payload.verdict else []
    curves = []
    if payload.doses is not None:
        curves = [*_curves(payload.doses), note(measured_over(payload.doses, payload.propagation), look)]
    kept = [heading("Kept runs")] if payload.kept else []
    for run in payload.kept[-_KEPT:]:
        cells = [(text.plain(run.note, 40), 90), (f"seed {run.seed}", 60), (text.plain(run.text, 90), 100)]
        kept.append(row(cells))
    sources = [text.plain(part, 60) for part in (payload.context.model, payload.context.dictionaries) if part]
    return sheet([top, *columns, ends, curves, kept, [note(" · ".join(sources), look)]], look, max_bytes)


def _column(payload: SteeringPayload, column: WrittenText, look: Palette) -> list[str]:
    words = [span(text.plain("".join(column.tokens.text[: column.n_prompt]), 200), grey(look))]
    for place in range(column.n_prompt, min(len(column.tokens), column.n_prompt + _TOKENS)):
        token = text.plain(column.tokens.text[place], 24)
        gap, shown = (" ", token.strip()) if token.startswith(" ") else ("", token)
        styles = []
        slot, level = strongest(payload, column, place)
        if level:
            ink = look.ramp(slot)[level - 1]
            styles += [f"background-color:{ink.fill}", f"color:{ink.text}"]
        if column.differs[place]:
            styles.append("font-weight:600")
        words.append(gap + (span(shown, ";".join(styles)) if styles else escape(shown)))
    body = f'<div style="font-family:{SERIF};font-size:15px">{"".join(words)}</div>'
    head = f"{NAMES[column.role]} · {text.plain(column.note, 80)}"
    said = numbers(column)
    return [heading(head), body, *([note(said, look)] if said else [])]


def strongest(payload: SteeringPayload, column: WrittenText, place: int) -> tuple[int, int]:
    """Slot and step of the feature that is nearest to its maximum at a token; step 0 where none is active."""
    best = (0, 0)
    for slider, values in zip(payload.sliders, column.values, strict=True):
        level = step(float(values[place]), slider.maximum)
        if level > best[1]:
            best = (slider.slot, level)
    return best


def _curves(doses: Doses) -> list[str]:
    rows = [heading("Strength, effect, KL from base, perplexity; controls in brackets")]
    for k, strength in enumerate(doses.strengths.tolist()):
        cells = [(text.signed(strength, 1, True), 60)]
        for name in ("effect", "kl", "perplexity"):
            values = getattr(doses, name)[:, k]
            words = text.significant(float(values[0]))
            if doses.n_controls:
                low, high = float(values[1:].min()), float(values[1:].max())
                words += f" [{text.significant(low)}, {text.significant(high)}]"
            cells.append((words, 150))
        rows.append(row(cells))
    return rows


def to_frame(payload: SteeringPayload) -> pd.DataFrame:
    """Texts, kept runs and curves as one table.

    Columns: `part` (`"text"`, `"kept"`, `"curve"`), `who` (which column, or which control), `strength` of the first
    slider that is moved, `note`, `seed`, `temperature`, `effect`, `kl`, `perplexity`, `text`, `error`, `propagation`,
    `prompts`, `texts`. Texts are data and stay as they are: quote them before a spreadsheet opens them.
    """
    import pandas as pd  # late: it takes longer to import than the figure to draw

    context = payload.context
    rows: list[dict[str, Any]] = []

    def add(part: str, who: str, strength: float | None, source: Any, note: str, words: str, **changes: Any) -> None:
        rows.append({
            "part": part, "who": who, "strength": strength, "note": note, "seed": payload.seed,
            "temperature": payload.temperature, "effect": source.effect, "kl": source.kl,
            "perplexity": source.perplexity, "text": words, "error": context.error,
            "propagation": context.propagation, "prompts": 1, "texts": 1, **changes,
        })  # fmt: skip

    for column in payload.texts:
        frozen = {"propagation": "frozen_attention"} if column.role == "frozen" else {}
        strength = 0.0 if column.role == "base" else payload.now
        add("text", column.role, strength, column, column.note, column.text, **frozen)
    for run in payload.kept:
        first = float(run.values[0]) if len(run.values) else None
        add("kept", "steered", first, run, run.note, run.text, seed=run.seed, temperature=run.temperature)
    if payload.doses is not None:
        for who, strength, cell in _cells(payload.doses):
            n = {"prompts": payload.doses.n_prompts, "texts": payload.doses.n_texts}
            add("curve", who, strength, cell, "", "", propagation=payload.propagation, **n)
    columns = ["part", "who", "strength", "note", "seed", "temperature", "effect", "kl", "perplexity", "text", "error",
               "propagation", "prompts", "texts"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


class _Cell:
    """One strength of one row of the curves."""

    __slots__ = ("effect", "kl", "perplexity")

    def __init__(self, doses: Doses, r: int, k: int) -> None:
        self.effect, self.kl = float(doses.effect[r, k]), float(doses.kl[r, k])
        self.perplexity = float(doses.perplexity[r, k])


def _cells(doses: Doses) -> list[tuple[str, float, _Cell]]:
    n = doses.n_directions
    names = ["edit", *(f"direction {i + 1}" for i in range(n))]
    names += [f"feature {i + 1}" for i in range(doses.n_controls - n)]
    strengths = doses.strengths.tolist()
    return [(who, s, _Cell(doses, r, k)) for r, who in enumerate(names) for k, s in enumerate(strengths)]
