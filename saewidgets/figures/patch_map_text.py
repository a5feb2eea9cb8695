"""Patch map payload -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from saewidgets.figures import text
from saewidgets.figures.markup import SERIF, grey, heading, note, row, sheet, span
from saewidgets.figures.palette import Palette, palette
from saewidgets.payloads.patch_map import PatchBlock, PatchDetail, PatchMapPayload, PatchPath

if TYPE_CHECKING:
    import pandas as pd

_TRAVEL = {"free": "free propagation", "frozen_attention": "frozen attention", "direct": "direct effect"}
_LISTED = 12


def title(payload: PatchMapPayload) -> str:
    """Of a page."""
    return f"Patch map · {text.plain(payload.target, 60)}"


def place(block: PatchBlock, column: int) -> str:
    """A place in words: "attention, layer 2"."""
    if block.kind == "heads":
        return text.plain(block.nodes[column].replace(".", " ", 1), 40)
    if block.kind == "features":
        label = f" {block.labels[column]}" if block.labels and block.labels[column] else ""
        return text.plain(f"{block.nodes[column]}{label}", 80)
    return f"{text.plain(block.name, 40)}, layer {text.plain(block.columns[column], 12)}"


def cell_words(payload: PatchMapPayload, block: PatchBlock, column: int, position: int) -> str:
    """A cell in words: "attention, layer 2, at to"."""
    return f"{place(block, column)}, at {text.name(payload.tokens, position).strip()}"


def strongest(payload: PatchMapPayload) -> list[tuple[PatchBlock, int, int]]:
    """The cells beyond every control, by falling absolute value: block, column, position."""
    found = [
        (abs(float(block.values[t, c])), i, int(c), int(t))
        for i, block in enumerate(payload.blocks)
        for t, c in np.argwhere(block.beyond())
    ]
    return [(payload.blocks[i], c, t) for _, i, c, t in sorted(found, key=lambda cell: -cell[0])]


def conditions(payload: PatchMapPayload) -> str:
    """Under what the numbers hold."""
    context = payload.context
    prompts = "1 prompt" if payload.n_prompts == 1 else f"{text.count(payload.n_prompts)} prompts"
    travel = _TRAVEL.get(context.propagation, text.plain(context.propagation, 40))
    return f"{travel}, error {text.plain(context.error, 20)}, {prompts}, seed {context.seed}"


def band_words(payload: PatchMapPayload) -> str:
    """What stands beside the numbers."""
    bands = [block.band for block in payload.blocks if block.band is not None]
    if not bands or len(bands) < len(payload.blocks):
        return "the controls are not measured yet"
    return (
        f"control: random directions and positions, {payload.controls} of each, at most ± {max(bands):.2f}; "
        "within it nothing is printed"
    )


def scale_words(payload: PatchMapPayload) -> str:
    """What the colours mean."""
    low, high = text.signed(payload.low, 1), text.signed(payload.high, 1, plus=True)
    return f"restored share of {text.plain(payload.target, 60)}; 0 = corrupt run ({low}), 1 = clean run ({high})"


def alt_text(payload: PatchMapPayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a patch map.

    Returns:
        What is restored, the strongest cells with their numbers, the verdict.
    """
    parts = [f"Share of {text.plain(payload.target, 60)} restored by patching {text.count(payload.n_patches)} cells"]
    best = [f"{cell_words(payload, *cell)} {_value(*cell)}" for cell in strongest(payload)[:3]]
    parts += [f"most by {'; '.join(best)}"] if best else []
    parts += [text.plain(payload.verdict, 200).rstrip(".")] if payload.verdict else []
    return "; ".join([*parts, conditions(payload)]) + "."


def _value(block: PatchBlock, column: int, position: int) -> str:
    return text.signed(float(block.values[position, column]), 2)


def fallback(payload: PatchMapPayload, max_bytes: int = 9_000) -> str:
    """The map as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    texts = [("clean", payload.clean), ("corrupt", payload.corrupt)]
    top = [heading(text.plain(payload.verdict, 300) or "still being measured")]
    top += [f"<div>{span(n, grey(look))} {span(text.plain(t, 600), f'font-family:{SERIF}')}</div>" for n, t in texts]
    top += [note(words, look) for words in (scale_words(payload), band_words(payload), conditions(payload))]
    chosen = payload.detail(payload.cell)
    parts = [top, _cell(payload, chosen) if chosen else [], _paths(payload)]
    parts += [_block(payload, block, look) for block in payload.blocks]
    context = payload.context
    sources = " · ".join(text.plain(part, 60) for part in (context.model, context.dictionaries) if part)
    return sheet([*parts, [note(sources, look)]], look, max_bytes)


def _block(payload: PatchMapPayload, block: PatchBlock, look: Palette) -> list[str]:
    """Rows that hold a number, as a small table of colours."""
    name, beyond = text.plain(block.name, 40), block.beyond()
    places = np.flatnonzero(beyond.any(1)).tolist()
    band = "control not measured yet" if block.band is None else f"control ± {block.band:.2f}"
    if not places:
        return [heading(name), note(f"nothing beyond the band, {band}", look)]
    used = np.flatnonzero(beyond.any(0)).tolist()[:_LISTED]
    rows = [heading(f"{name} · {band}"), row([("", 90), *((text.plain(block.columns[c], 8), 44) for c in used)])]
    for t in places:
        cells = [span(text.name(payload.tokens, t), f"display:inline-block;min-width:90px;font-family:{SERIF}")]
        for c in used:
            value = float(block.values[t, c])
            ink = look.effect(value)
            style = f"display:inline-block;min-width:44px;background-color:{ink.fill};color:{ink.text}"
            shown = text.signed(value, 2) if beyond[t, c] else ""
            cells.append(span(shown, style if shown else "display:inline-block;min-width:44px"))
        rows.append(f"<div>{' '.join(cells)}</div>")
    return rows


def _cell(payload: PatchMapPayload, detail: PatchDetail) -> list[str]:
    where = payload.where(f"{detail.node}:{detail.position}")
    name = cell_words(payload, *where) if where else text.plain(detail.node, 40)
    control = f"its control {text.signed(detail.low, 2)} to {text.signed(detail.high, 2)}"
    rows = [heading(f"{name}: {text.signed(detail.restored, 2)} restored, {control}")]
    for k, word in enumerate(detail.words):
        before, after = float(detail.before[k]), float(detail.after[k])
        band = text.interval(float(detail.before_low[k]), float(detail.before_high[k]))
        numbers = f"{text.probability(before)} {text.ARROW} {text.probability(after)}"
        rows.append(row([(text.plain(word, 30).strip(), 90), (numbers, 110), (f"control {band}", 110)]))
    if detail.part_values is not None and detail.parts:
        heads = zip(detail.parts, detail.part_values.tolist(), strict=True)
        listed = ", ".join(f"{text.plain(name, 20)} {text.signed(value, 2)}" for name, value in heads)
        rows.append(f"<div>{escape(f'By head: {listed} (control ± {detail.part_band:.2f})')}</div>")
    return rows


def path_words(payload: PatchMapPayload, path: PatchPath) -> str:
    """A path in words, with what it restores."""
    ends = []
    for node, position in ((path.sender, path.sender_position), (path.receiver, path.receiver_position)):
        where = payload.where(f"{node}:{position}")
        ends.append(
            "the prediction" if position < 0 else cell_words(payload, *where) if where else text.plain(node, 40)
        )
    control = f"control {text.signed(path.low, 2)} to {text.signed(path.high, 2)}"
    travel = text.plain(path.propagation.replace("_", " "), 60)
    return f"{ends[0]} {text.ARROW} {ends[1]}: {text.signed(path.restored, 2)} restored, {control}, {travel}"


def _paths(payload: PatchMapPayload) -> list[str]:
    return [f"<div>{escape(path_words(payload, path))}</div>" for path in payload.paths[-1:]]


def to_frame(payload: PatchMapPayload) -> pd.DataFrame:
    """The cells as a table, one row each that was measured.

    Columns: `kind`, `node`, `position`, `token`, `restored`, `control_low`, `control_high` (of the cell), `band` (the
    greatest control of its kind; missing until it is there), `beats_control`, `error`, `propagation`, `prompts`. Tokens
    are data and stay as they are: a cell may begin with `=` or `+`, so quote it before a spreadsheet opens it.
    """
    import pandas as pd  # late: it takes longer to import than the figure to draw

    names = ["kind", "node", "position", "token", "restored", "control_low", "control_high", "band", "beats_control"]
    rows = []
    for block in payload.blocks:
        beyond = block.beyond()
        for t, c in np.argwhere(block.measured == 1).tolist():
            numbers = [float(table[t, c]) for table in (block.values, block.low, block.high)]
            band = float("nan") if block.band is None else block.band
            rows.append((block.kind, block.nodes[c], t, payload.tokens.text[t], *numbers, band, bool(beyond[t, c])))
    context = payload.context
    return pd.DataFrame(rows, columns=names).assign(
        error=context.error, propagation=context.propagation, prompts=payload.n_prompts
    )
