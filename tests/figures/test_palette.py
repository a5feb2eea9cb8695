"""Colours: one source, steps of equal parts, text readable on every fill in both themes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from saewidgets.errors import FigureError
from saewidgets.figures import palette as colors
from saewidgets.figures.palette import Ink, letter, palette, step

SOURCE = Path(colors.__file__).with_name("palette.json")


def luminance(color: str) -> float:
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def inks(theme: str) -> list[Ink]:
    look = palette(theme)
    return [*look.features, *look.activation, *(ink for ramp in look.fills for ink in ramp)]


def test_contrast_control() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#888888") < 4.5


@pytest.mark.parametrize("theme", colors.THEMES)
def test_text_is_readable_on_every_fill(theme: str) -> None:
    look = palette(theme)
    assert len(inks(theme)) == 8 + 7 + 8 * 7
    assert min(contrast(ink.fill, ink.text) for ink in inks(theme)) >= 4.5
    for name in ("ink", "ink2", "ink3", "raises", "lowers", "error"):
        assert contrast(look[name], look["paper"]) >= 4.5, name
    assert min(contrast(ink.fill, look["paper"]) for ink in look.features) >= 3


@pytest.mark.parametrize("theme", colors.THEMES)
def test_steps_rise_in_lightness_alike_in_every_hue(theme: str) -> None:
    ramps = np.array([[luminance(ink.fill) for ink in ramp] for ramp in palette(theme).fills])
    change = np.diff(ramps, axis=1)
    assert (change < 0).all() if theme == "light" else (change > 0).all()
    spread = ramps.max(axis=0) / ramps.min(axis=0)
    assert spread.max() < 1.25  # prints alike in grey


def test_every_colour_is_a_colour() -> None:
    values = re.findall(r'"(#[^"]*)"', SOURCE.read_text())
    assert len(values) > 300
    assert all(re.fullmatch("#[0-9A-F]{6}", value) for value in values)
    assert set(json.loads(SOURCE.read_text())) == set(colors.THEMES)


def test_steps_divide_the_maximum_in_equal_parts() -> None:
    values = np.linspace(0.001, 7.0, 5000)
    steps = [step(v, 7.0) for v in values]
    assert steps == [min(7, int(np.floor(v - 1e-12)) + 1) for v in values]
    assert [step(v, 7.0) for v in (0.0, -3.0, 1e-30, 7.0, 7000.0)] == [0, 0, 1, 7, 7]
    assert step(1.0, 0.0) == 0


def test_letters_and_slots_beyond_eight() -> None:
    assert [letter(n) for n in (0, 7, 8, 25, 26, 53)] == ["a", "h", "i", "z", "a1", "b2"]
    look = palette()
    assert look.chip(8).fill == look["ink2"]
    assert look.ramp(8) == look.ramp(None) == look.activation


def test_unknown_theme() -> None:
    with pytest.raises(FigureError, match="neon"):
        palette("neon")
