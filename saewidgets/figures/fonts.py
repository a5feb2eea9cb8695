"""Faces of a figure, how wide text is in them, and which characters they have.

The families of each face share one metric on every system (Liberation = Arial, Times New Roman, Courier New), so that
an SVG with real text keeps its places where it is opened. DejaVu, which matplotlib brings, comes after them.
"""

from functools import cache, lru_cache

from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import LoadFlags

FACES = {
    "sans": ("Liberation Sans", "Arial", "Arimo", "DejaVu Sans"),
    "serif": ("Liberation Serif", "Times New Roman", "Tinos", "DejaVu Serif"),
    "mono": ("Liberation Mono", "Courier New", "Cousine", "DejaVu Sans Mono"),
}
# The same faces for a file that other machines draw, as CSS.
CSS = {
    "sans": "'Liberation Sans',Arial,Helvetica,sans-serif",
    "serif": "'Liberation Serif','Times New Roman',Times,serif",
    "mono": "'Liberation Mono','Courier New',monospace",
}
# For scripts and signs that the faces above lack; used where they are installed.
_OTHERS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Hiragino Sans", "PingFang SC",
    "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS", "Noto Sans Arabic", "Noto Sans Hebrew",
    "Noto Sans Devanagari", "Noto Sans Symbols2", "Noto Emoji", "Segoe UI Symbol", "DejaVu Sans",
)  # fmt: skip
_SCALE = 100


@cache
def installed(face: str, bold: bool = False) -> dict[str, str]:
    """File of each family of a face that this machine has, best first."""
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    names = [name for name in dict.fromkeys((*FACES[face], *_OTHERS)) if name in known]
    weight = "bold" if bold else "normal"
    find = font_manager.fontManager.findfont
    return {name: find(FontProperties(family=[name], weight=weight), fallback_to_default=False) for name in names}


@cache
def _characters(face: str) -> frozenset[int]:
    return frozenset().union(*(font_manager.get_font(path).get_charmap() for path in installed(face).values()))


def covers(face: str, character: str) -> bool:
    """Whether an installed family of the face has the character."""
    return ord(character) in _characters(face)


def properties(face: str, size: float, bold: bool = False) -> FontProperties:
    """Font of a label: the families that this machine has."""
    return FontProperties(family=list(installed(face)), size=size, weight="bold" if bold else "normal")


@lru_cache(maxsize=65536)
def _advance(text: str, face: str, bold: bool) -> float:
    here = "".join(character for character in text if covers(face, character))
    away = len(text) - len(here)  # drawn by a font of the reader's: about one em each
    font = font_manager.get_font(list(installed(face, bold).values()))
    font.set_size(_SCALE, 72)
    font.set_text(here, 0.0, flags=LoadFlags.NO_HINTING)
    return float(font.get_width_height()[0]) / 64 / _SCALE + away


def width(text: str, size: float, face: str = "sans", bold: bool = False) -> float:
    """Width of a text in points.

    Args:
        text: Harmless text (see `figures.text`).
        size: Font size in points.
        face: `"sans"`, `"serif"` or `"mono"`.
        bold: Whether it is drawn in the bold weight.
    """
    return _advance(text, face, bold) * size if text else 0.0


def fit(text: str, room: float, size: float, face: str = "sans", bold: bool = False) -> str:
    """The text, cut with "…" so that it is no wider than `room` points."""
    if width(text, size, face, bold) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + "…", size, face, bold) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""
