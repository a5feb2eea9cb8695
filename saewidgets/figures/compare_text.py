"""Comparison payload -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from saewidgets.figures import text
from saewidgets.figures.markup import SERIF, heading, note, row, sheet, span
from saewidgets.figures.palette import Palette, palette
from saewidgets.payloads.compare import ComparePayload
from saewidgets.payloads.heatmap import HeatmapPayload

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Difference:
    """A feature at the pair in view.

    Args:
        name: Its label or id, and that of its twin in another dictionary.
        a, b: Activation on each side.
    """

    name: str
    a: float
    b: float


def title(payload: ComparePayload) -> str:
    """Of a page."""
    return f"Comparison · {text.plain(payload.name_a, 60)} | {text.plain(payload.name_b, 60)}"


def prediction_row(payload: ComparePayload) -> int | None:
    """Row of the predictions after the pair in view, `None` for none."""
    shown = payload.predictions
    found = [] if shown is None else (shown.positions == payload.pair).nonzero()[0]
    return int(found[0]) if len(found) else None


def differences(payload: ComparePayload, pair: int | None = None) -> list[Difference]:
    """Features at a pair, the one in view by default, the most different first."""
    at, features = payload.pair if pair is None else pair, payload.features
    labels = {one.id: one.label for one in payload.labels}
    found = []
    for i in range(int(features.indptr[at]), int(features.indptr[at + 1])) if len(payload.left_token) else ():
        one, other = f"{payload.site_a}/{features.left[i]}", f"{payload.site_b}/{features.right[i]}"
        name = f"{labels[one]} {features.left[i]}" if one in labels else one
        if payload.match == "cosine":
            name += f" ≈ {other}, cosine {text.probability(float(features.cosine[i]))}"
        found.append(Difference(name, float(features.a[i]), float(features.b[i])))
    return found


def token_names(payload: ComparePayload) -> tuple[str, str] | None:
    """The two tokens in view, `None` where there are none in here."""
    sides = payload.sides
    if sides is None or not len(payload.left_token):
        return None
    tokens = (payload.left_token, payload.right_token)
    places = [(side.tokens, int(own[payload.pair])) for side, own in zip(sides, tokens, strict=True)]
    one, other = (text.name(texts, at) if at < len(texts) else "" for texts, at in places)
    return one, other


def control_words(payload: ComparePayload, at: int) -> str:
    """What the control does at a row of the predictions, "" without one."""
    control = payload.control
    if control is None:
        return ""
    features, directions = (text.interval(*map(float, k[at])) for k in (control.kl_features, control.kl_directions))
    side, way = ("B", "A to B") if payload.controlled else ("A", "B to A")
    return (
        f"control: the edits of {side} on {control.n} random features {features}, in random directions {directions} "
        f"nats KL {way}"
    )


def kl_words(payload: ComparePayload, at: int) -> str:
    """KL both ways at a row of the predictions."""
    shown = payload.predictions
    if shown is None or shown.kl is None or payload.kl_back is None:
        return ""
    there, back = float(shown.kl[at]), float(payload.kl_back[at])
    return f"{text.probability(there)} nats KL from A to B, {text.probability(back)} from B to A"


def alt_text(payload: ComparePayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a comparison.

    Returns:
        The sides, how many tokens stand against each other and are the same, KL both ways, the most different feature.
    """
    n, same = len(payload.left_token), int(payload.same.astype(bool).sum())
    parts = [f"Comparison of A, {text.plain(payload.name_a, 100)}, and B, {text.plain(payload.name_b, 100)}"]
    parts.append(f"{text.count(n)} pair{'s' * (n != 1)} of tokens, {text.count(same)} the same")
    names = token_names(payload)
    if names is not None:
        parts.append(f"at “{names[0]}” and “{names[1]}”")
    at = prediction_row(payload)
    if at is not None:
        parts += [kl_words(payload, at), control_words(payload, at)]
    for one in differences(payload)[:1]:
        parts.append(
            f"most different: {text.plain(one.name, 80)}, {text.activation(one.a)} and {text.activation(one.b)}"
        )
    return "; ".join(part for part in parts if part) + "."


def fallback(payload: ComparePayload, max_bytes: int = 9_000) -> str:
    """The picture as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    sides = payload.sides or (None, None)
    top = []
    for letter, name, side, own in zip(
        "AB", (payload.name_a, payload.name_b), sides, (payload.left_token, payload.right_token), strict=True
    ):
        top.append(heading(f"{letter} · {text.plain(name, 100)}"))
        if side is not None:
            same = {int(token) for token, is_same in zip(own, payload.same, strict=True) if is_same}
            top.append(_words(side, same, look))
    names, at = token_names(payload), prediction_row(payload)
    where = f" at {names[0]} | {names[1]}" if names else ""
    numbers = [heading(f"Next token{where}")] if at is not None else []
    if at is not None and payload.predictions is not None:
        shown = payload.predictions
        numbers.append(row([("", 110), ("A", 60), ("B", 60), ("B − A", 60)]))
        for k, word in enumerate(shown.token[at].tolist()):
            a, b = float(shown.before[at, k]), float(shown.after[at, k]) if shown.after is not None else 0.0
            cells = [text.probability(a), text.probability(b), text.change(b - a)]
            numbers.append(row([(text.plain(shown.vocabulary[word], 30), 110), *((cell, 60) for cell in cells)]))
        numbers += [note(words, look) for words in (kl_words(payload, at), control_words(payload, at)) if words]
    features = [heading(f"Features{where}")]
    features += [
        row([(text.plain(one.name, 80), 260), (text.activation(one.a), 60), (text.activation(one.b), 60)])
        for one in differences(payload)
    ]
    last = [note(text.plain(payload.note, 400), look)] if payload.note else []
    sources = [text.plain(part, 72) for part in (payload.context.model, payload.context.dictionaries) if part]
    return sheet([top, numbers, features, [*last, note(" · ".join(sources), look)]], look, max_bytes)


def _words(side: HeatmapPayload, same: set[int], look: Palette) -> str:
    """A text with those tokens in bold that the other side does not have."""
    parts = []
    for position, token in enumerate(text.drawn(side.tokens, limit=120)):
        shown = "".join(f"‹{r.text}›" if r.kind == "mark" else r.text for r in token.runs)
        word = escape(shown) if position in same else span(shown, "font-weight:600")
        parts.append((" " if token.gap else "") + word)
    return f'<div style="font-family:{SERIF};white-space:pre-wrap">{"".join(parts)}</div>'


def to_frame(payload: ComparePayload) -> pd.DataFrame:
    """The numbers as a table: one row a pair of tokens.

    `a_position`, `b_position`, `same`, `kl_ab` and `kl_ba` (nats), and the most different `feature` with its activation
    `a` and `b`; of a long prompt, numbers stand at the pairs in view alone.
    """
    import pandas as pd  # late: it takes longer to import than the figure to draw

    n = len(payload.left_token)
    columns: dict[str, object] = {
        "a_position": payload.left_token, "b_position": payload.right_token, "same": payload.same.astype(bool)
    }  # fmt: skip
    sides = payload.sides
    if sides is not None:
        for name, side, own in zip("ab", sides, (payload.left_token, payload.right_token), strict=True):
            columns[f"{name}_token"] = [side.tokens.text[i] if i < len(side.tokens) else "" for i in own.tolist()]
    frame = pd.DataFrame(columns)
    shown = payload.predictions
    if shown is not None:
        for name, values in (("kl_ab", shown.kl), ("kl_ba", payload.kl_back)):
            frame[name] = pd.Series(values, index=shown.positions.tolist(), dtype=float).reindex(range(n)).to_numpy()
    tops = [next(iter(differences(payload, pair)), None) for pair in range(n)]
    frame["feature"] = ["" if top is None else top.name for top in tops]
    for name in "ab":
        frame[name] = [float("nan") if top is None else getattr(top, name) for top in tops]
    return frame
