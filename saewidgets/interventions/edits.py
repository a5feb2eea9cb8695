"""`ablate`, `scale`, `clamp`, `steer`: what to do with one feature, as frozen hashable values. No torch here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saewidgets.errors import EditError, shorten
from saewidgets.sites import FeatureId

KINDS = ("ablate", "scale", "clamp", "steer")
_MAX_EDITS = 1_000
_MAX_POSITION = 10_000_000


@dataclass(frozen=True, slots=True)
class Edit:
    """An intervention on one feature. Make it with `ablate`, `scale`, `clamp` or `steer`.

    With f the feature's activation and d its decoder direction, the activation x at the dictionary's `site_out`
    becomes `x + (f' - f) d` (error kept; Templeton et al. 2024), or `decode(f')` (error dropped).

    Args:
        feature: Which one.
        kind: One of `KINDS`.
        value: Factor of `scale`, activation of `clamp`, strength of `steer`; 0 for `ablate`.
        positions: Token positions, rising; `None` for all.
        error: `"keep"` or `"drop"` the dictionary's error term at these positions.
        relative: For `steer`: strength in units of the activation's norm.
    """

    feature: FeatureId
    kind: str
    value: float = 0.0
    positions: tuple[int, ...] | None = None
    error: str = "keep"
    relative: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EditError(f"Unknown edit {shorten(self.kind)}.", f"Use {', '.join(KINDS)}.")
        if self.error not in ("keep", "drop"):
            raise EditError(f"The error term cannot be {shorten(self.error)}.", "Use error='keep' or 'drop'.")
        value = self.value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
            raise EditError(f"{self.kind} by {shorten(value)}.", "The value must be a finite number.")
        object.__setattr__(self, "value", float(value))
        object.__setattr__(self, "positions", _positions(self.positions))

    def __repr__(self) -> str:
        """The call that makes this edit."""
        arguments = [repr(str(self.feature))]
        if self.kind != "ablate":
            arguments.append(f"{self.value:g}" if float(f"{self.value:g}") == self.value else repr(self.value))
        if self.positions is not None:
            arguments.append(f"positions={list(self.positions)}")
        if self.error != "keep":
            arguments.append(f"error={self.error!r}")
        if self.relative:
            arguments.append("relative=True")
        return f"sw.{self.kind}({', '.join(arguments)})"

    @property
    def words(self) -> str:
        """What it does, for a chip: "ablate", "× 1.5", "clamp 8.0", "steer +4.0 at 2 tokens"."""
        text = {
            "ablate": "ablate",
            "scale": f"× {self.value:.3g}",
            "clamp": f"clamp {self.value:.3g}",
            "steer": f"steer {self.value:+.3g}" + (" × norm" if self.relative else ""),
        }[self.kind]
        if self.positions is None:
            return text
        return f"{text} at {len(self.positions)} token{'' if len(self.positions) == 1 else 's'}"


def _positions(positions: Any) -> tuple[int, ...] | None:
    if positions is None:
        return None
    if isinstance(positions, int):
        positions = (positions,)
    if isinstance(positions, (str, bytes, Mapping)) or not isinstance(positions, Iterable):
        raise EditError(f"Positions {shorten(positions)}.", "Give token positions from 0, or None for all.")
    values = tuple(positions)
    for value in values:
        if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= int(value) <= _MAX_POSITION:
            raise EditError(f"Position {shorten(value)}.", "Token positions are whole numbers from 0.")
    if not values:
        raise EditError("An edit at no position.", "Give token positions, or None for all.")
    return tuple(sorted({int(value) for value in values}))


def ablate(feature: str | FeatureId, positions: Any = None, error: str = "keep") -> Edit:
    """Set a feature to zero: f' = 0.

    Args:
        feature: `"resid_post.2/17"`.
        positions: Token positions; `None` for all.
        error: `"keep"` or `"drop"` the dictionary's error term.

    Returns:
        The edit.

    Raises:
        FeatureError: The id is malformed.
        EditError: An argument is out of range.

    Example:
        >>> ablate("resid_post.2/17", positions=[3])
        sw.ablate('resid_post.2/17', positions=[3])
    """
    return Edit(FeatureId.parse(feature), "ablate", 0.0, positions, error)


def scale(feature: str | FeatureId, factor: float, positions: Any = None, error: str = "keep") -> Edit:
    """Multiply a feature: f' = factor f. Arguments and errors as in `ablate`.

    Example:
        >>> scale("resid_post.2/17", 2)
        sw.scale('resid_post.2/17', 2)
    """
    return Edit(FeatureId.parse(feature), "scale", factor, positions, error)


def clamp(feature: str | FeatureId, value: float, positions: Any = None, error: str = "keep") -> Edit:
    """Set a feature to a value, whether active or not: f' = value. Arguments and errors as in `ablate`.

    Example:
        >>> clamp("resid_post.2/17", 8.0)
        sw.clamp('resid_post.2/17', 8)
    """
    return Edit(FeatureId.parse(feature), "clamp", value, positions, error)


def steer(
    feature: str | FeatureId, strength: float, positions: Any = None, error: str = "keep", relative: bool = False
) -> Edit:
    """Add to a feature: `f' = f + strength`, or with `relative` `x' = x + strength |x| d / |d|`.

    Args:
        feature: `"resid_post.2/17"`.
        strength: In units of activation, or of the norm of x (additive steering, Templeton et al. 2024).
        positions: Token positions; `None` for all.
        error: `"keep"` or `"drop"` the dictionary's error term.
        relative: Measure the strength in norms of the activation at `site_out`.

    Returns:
        The edit.

    Example:
        >>> steer("resid_post.2/17", 0.5, relative=True)
        sw.steer('resid_post.2/17', 0.5, relative=True)
    """
    return Edit(FeatureId.parse(feature), "steer", strength, positions, error, bool(relative))


def to_json(edits: Sequence[Edit]) -> list[dict[str, Any]]:
    """Edits as plain JSON, the form the front end sends and shows."""
    return [
        {
            "kind": edit.kind,
            "feature": str(edit.feature),
            "value": edit.value,
            "positions": None if edit.positions is None else list(edit.positions),
            "error": edit.error,
            "relative": edit.relative,
        }
        for edit in edits
    ]


def from_json(items: Any) -> tuple[Edit, ...]:
    """Read what `to_json` wrote, or what a stranger claims it did.

    Raises:
        EditError: Not a list of edits, or too many.
        FeatureError: A feature id is malformed.
    """
    if not isinstance(items, (list, tuple)) or len(items) > _MAX_EDITS:
        raise EditError(f"Edits are {shorten(items)}.", f"They must be a list of at most {_MAX_EDITS}.")
    edits = []
    for item in items:
        if isinstance(item, Edit):
            edits.append(item)
            continue
        if not isinstance(item, Mapping) or not {"kind", "feature"} <= item.keys():
            raise EditError(f"{shorten(item)} is no edit.", "It needs 'kind' and 'feature'.")
        value = item.get("value")
        edits.append(
            Edit(
                FeatureId.parse(item["feature"]),
                item["kind"],
                0.0 if value is None or item["kind"] == "ablate" else value,
                item.get("positions"),
                item.get("error", "keep"),
                item.get("relative") is True,
            )
        )
    return tuple(edits)


def to_code(edits: Sequence[Edit]) -> str:
    """Python that makes the edits: `[sw.ablate('resid_post.2/17')]`."""
    return "[" + ", ".join(map(repr, edits)) + "]"


def is_multiple(edit: Edit) -> float | None:
    """Factor of an edit that a slider can show (ablate is 0), `None` for any other edit."""
    if edit.positions is not None or edit.kind not in ("ablate", "scale"):
        return None
    return 0.0 if edit.kind == "ablate" else edit.value if math.isfinite(edit.value) else None
