"""Text as it may be drawn: tokens in runs, labels on one line, numbers as the visual language writes them.

Token text is hostile: control and direction marks are drawn by name, piles of combining marks are cut, and what no
font at hand can draw is named by its code point. So a run handed to a renderer is harmless and visible.
"""

import math
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from saewidgets.payloads.heatmap import CONTINUATION, PLAIN, SPECIAL, SPLIT, Tokens
from saewidgets.payloads.marks import NEWLINE, SPACE, TAB, pieces

# A token longer than this is cut: it would be wider than a column.
MAX_TOKEN = 64
MINUS, THIN, ELLIPSIS, ARROW = "\u2212", "\u202f", "…", "→"

Covers = Callable[[str], bool]


def everything(character: str) -> bool:
    """A font that has every character: for HTML and SVG, where the reader's own fonts draw."""
    return True


@dataclass(frozen=True, slots=True)
class Run:
    """Characters drawn in one manner.

    Args:
        text: What is drawn.
        kind: `"text"` as it is, `"sign"` a grey sign for a space, `"mark"` a name in a frame, `"hex"` a raw byte.
    """

    text: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A token ready to be placed.

    Args:
        runs: Its runs, in order.
        gap: Whether a space stands before it; the gap is never filled.
        breaks: Whether a line ends after it.
        joined: Whether it continues the character of the token before it.
    """

    runs: tuple[Run, ...]
    gap: bool = False
    breaks: bool = False
    joined: bool = False

    @property
    def text(self) -> str:
        """All runs in a row, marks in frames."""
        return "".join(f"‹{run.text}›" if run.kind == "mark" else run.text for run in self.runs)


def _character(character: str, covers: Covers) -> Run:
    if character == "\n":
        return Run(NEWLINE, "sign")
    if character == "\t":
        return Run(TAB, "sign")
    if character.isspace():
        return Run(SPACE, "sign")
    # Cc, Cf, Cn, Co, Cs: nothing to see, and XML refuses some of them.
    if unicodedata.category(character)[0] == "C" or not covers(character):
        return Run(f"U+{ord(character):04X}", "mark")
    return Run(character)


def runs(text: str, covers: Covers = everything, limit: int = MAX_TOKEN) -> tuple[Run, ...]:
    """Runs of a text.

    Args:
        text: Any text.
        covers: Says whether a font at hand has a character.
        limit: Characters and marks kept; a longer text ends in "…".

    Returns:
        Runs whose text is printable, at least one.

    Example:
        >>> [(run.text, run.kind) for run in runs("a b")]
        [('a', 'text'), ('·', 'sign'), ('b', 'text')]
    """
    result: list[Run] = []
    count = 0
    for run in _singles(text, covers):
        count += 1
        if count > limit:
            result.append(Run(ELLIPSIS, "sign"))
            break
        if result and run.kind != "mark" and result[-1].kind == run.kind:
            result[-1] = Run(result[-1].text + run.text, run.kind)
        else:
            result.append(run)
    return tuple(result) or (Run("empty", "mark"),)


def _singles(text: str, covers: Covers) -> Iterator[Run]:
    """One run a character; the text is cut first, far above the limit, so that 10^6 characters cost nothing."""
    for part, is_mark in pieces(text[:4096]):
        if is_mark:
            yield Run(part, "mark")
        else:
            yield from (_character(character, covers) for character in part)


def special(text: str) -> str:
    """Name of a special token without the brackets its tokenizer puts around it.

    Example:
        >>> special("<|begin_of_text|>"), special("[CLS]")
        ('begin_of_text', 'CLS')
    """
    return text.strip("<>|[] ") or text


def drawn(tokens: Tokens, covers: Covers = everything, limit: int | None = None) -> list[Drawn]:
    """The first tokens of a prompt, ready to be placed.

    Args:
        tokens: The tokens.
        covers: Says whether a font at hand has a character.
        limit: How many tokens, `None` for all.

    Returns:
        One `Drawn` for each token.
    """
    result, byte = [], 0
    for text, kind in zip(tokens.text[:limit], tokens.kind[:limit].tolist(), strict=True):
        piece = ""
        if kind in (SPLIT, CONTINUATION):
            piece, byte = tokens.pieces[byte], byte + 1
        result.append(_token(text, kind, piece, covers))
    return result


def name(tokens: Tokens, position: int, covers: Covers = everything) -> str:
    """One token on one line, as a name for it; a character cut into bytes is named by its first token."""
    piece = ""
    if tokens.kind[position] in (SPLIT, CONTINUATION):
        piece = tokens.pieces[int((tokens.kind[:position] >= SPLIT).sum())]
    return plain(_token(tokens.text[position], int(tokens.kind[position]), piece, covers).text, 30)


def _token(text: str, kind: int, piece: str, covers: Covers) -> Drawn:
    if kind == SPECIAL:
        return Drawn((Run(plain(special(text), 24, covers), "mark"),))
    if kind == CONTINUATION:
        return Drawn((Run(plain(piece, 24), "hex"),), joined=True)
    gap = text.startswith(" ") and len(text) > 1
    body = runs(text[1:] if gap else text, covers)
    if kind == SPLIT:
        return Drawn((*body, Run(plain(piece, 24), "hex")), gap)
    return Drawn(body, gap, kind == PLAIN and "\n" in text)


def plain(text: str, limit: int = 80, covers: Covers = everything) -> str:
    r"""One harmless line of a label, an id or a name: marks named in frames, spaces kept, cut with "…".

    Example:
        >>> plain("colour\u202e word")
        'colour‹RLO› word'
    """
    line = ""
    for run in _singles(text, covers):
        part = f"‹{run.text}›" if run.kind == "mark" else " " if run.kind == "sign" else run.text
        if len(line) + len(part) > limit:
            return line[: limit - 1] + ELLIPSIS
        line += part
    return line


def activation(value: float) -> str:
    """An activation: one decimal, a plain 0 for none.

    Example:
        >>> activation(6.25), activation(0.0), activation(-1.5)
        ('6.2', '0', '−1.5')
    """
    return "0" if value == 0 else signed(value, 1)


def signed(value: float, decimals: int, plus: bool = False) -> str:
    """A number with a true minus; `plus` also marks the positive, zero stays bare.

    Example:
        >>> signed(-0.42, 2), signed(0.342, 2, plus=True)
        ('−0.42', '+0.34')
    """
    text = f"{abs(value):.{decimals}f}"
    zero = not text.strip("0.")
    return text if zero else (MINUS if value < 0 else "+" if plus else "") + text


def probability(value: float) -> str:
    """A probability, a score or a KL divergence: two decimals."""
    return signed(value, 2)


# Half of the last decimal that a probability is written with.
UNSEEN = 0.005


def change(value: float) -> str:
    """A change of a probability: two decimals and always a sign."""
    return signed(value, 2, plus=True)


def count(value: int) -> str:
    r"""A count: thousands apart by a thin space that breaks no line.

    Example:
        >>> count(12480)
        '12\u202f480'
    """
    return f"{value:,}".replace(",", THIN)


def interval(low: float, high: float) -> str:
    """A range of two-decimal numbers, one number when they print alike."""
    return probability(low) if probability(low) == probability(high) else f"{probability(low)}–{probability(high)}"


def significant(value: float, digits: int = 3) -> str:
    """Three significant digits, at most three decimals; else a power of ten.

    Example:
        >>> significant(0.1234), significant(-12.34), significant(1234.0), significant(0.0)
        ('0.123', '−12.3', '1\u202f234', '0')
    """
    size = abs(value)
    if size == 0:
        return "0"
    if 10**digits <= size < 1e9:
        return (MINUS if value < 0 else "") + count(round(size))
    if size < 1e-4 or size >= 1e9:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    # Two digits of a small number are enough: "0.0047".
    decimals = (2 if size < 0.01 else digits) - 1 - math.floor(math.log10(size))
    return signed(value, min(8 if size < 0.01 else 3, max(0, decimals)))


def share(value: float) -> str:
    """A share in per cent with two significant digits.

    Example:
        >>> share(0.000018), share(0.0059), share(0.1234), share(1.0)
        ('0.0018 %', '0.59 %', '12 %', '100 %')
    """
    percent = value * 100
    return f"{count(round(percent)) if 99.5 <= percent < 1000 else significant(float(f'{percent:.2g}'), 2)} %"


def quantity(value: float, unit: str) -> str:
    """A number of the unit that a payload names."""
    return f"{significant(value * 100)} %" if unit == "share" else significant(value)


def duration(seconds: float) -> str:
    """A time: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = min(6_000_000, round(seconds / 60))
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
