"""The colours of `palette.json`, the one source that the front end reads too.

Fills have seven steps of equal lightness, so that values compare across features and survive a grey print.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from saewidgets.errors import FigureError, shorten

THEMES = ("light", "dark")
STEPS = 7


@dataclass(frozen=True, slots=True)
class Ink:
    """A surface and the text colour that is readable on it, as `#RRGGBB`."""

    fill: str
    text: str


@dataclass(frozen=True, slots=True)
class Palette:
    """All colours of one theme.

    Args:
        neutral: Paper, inks, rules, band and effect colours by name.
        features: Chip colour of slots a to h.
        fills: Seven activation fills for each of these slots.
        activation: Seven fills for what belongs to no feature (error share, surprise).
        effects: Eleven fills of effects from -1 to 1, the sixth for none.
    """

    neutral: dict[str, str]
    features: tuple[Ink, ...]
    fills: tuple[tuple[Ink, ...], ...]
    activation: tuple[Ink, ...]
    effects: tuple[Ink, ...]

    def effect(self, value: float) -> Ink:
        """Fill of an effect; what is beyond -1 or 1 has the colour of the end."""
        return self.effects[round(5 * max(-1.0, min(1.0, value))) + 5]

    def __getitem__(self, name: str) -> str:
        return self.neutral[name]

    def chip(self, slot: int) -> Ink:
        """Colour of a feature's marks; past the eighth slot it is a grey ink, told apart by its letter."""
        return self.features[slot] if slot < len(self.features) else Ink(self["ink2"], self["paper"])

    def ramp(self, slot: int | None) -> tuple[Ink, ...]:
        """Seven fills of a feature's slot, of any later slot, or (`None`) of no feature."""
        return self.fills[slot] if slot is not None and slot < len(self.fills) else self.activation


@cache
def palette(theme: str = "light") -> Palette:
    """The palette of a theme.

    Raises:
        FigureError: The theme is neither light nor dark.

    Example:
        >>> palette("light").chip(0).fill
        '#DD6A12'
    """
    if theme not in THEMES:
        raise FigureError(f"Unknown theme {shorten(theme)}.", "Use 'light' or 'dark'.")
    raw = json.loads(files("saewidgets.figures").joinpath("palette.json").read_text("utf-8"))[theme]
    return Palette(
        neutral=raw["neutral"],
        features=tuple(Ink(f["color"], f["on"]) for f in raw["feature"]),
        fills=tuple(tuple(map(Ink, f["fill"], f["text"])) for f in raw["feature"]),
        activation=tuple(Ink(step["fill"], step["text"]) for step in raw["activation"]),
        effects=tuple(Ink(step["fill"], step["text"]) for step in raw["effect"]),
    )


def step(value: float, maximum: float) -> int:
    """Step of a fill: 0 for no fill, else 1 to 7 in equal parts of the maximum.

    Example:
        >>> step(0.0, 7.5), step(0.1, 7.5), step(7.5, 7.5)
        (0, 1, 7)
    """
    if value <= 0 or maximum <= 0:
        return 0
    return max(1, min(STEPS, math.ceil(STEPS * value / maximum)))


def letter(slot: int) -> str:
    """Letter of a slot: a to z, then a1, b1, ...

    Example:
        >>> letter(0), letter(7), letter(27)
        ('a', 'h', 'b1')
    """
    return chr(ord("a") + slot % 26) + (str(slot // 26) if slot >= 26 else "")
