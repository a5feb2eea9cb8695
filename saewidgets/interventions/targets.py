"""What an edit is done to: features, a group of them, a raw direction, a site, a head, an attention pattern.

All are frozen and hashable, print as the code that makes them, and go to JSON and back. No torch here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from saewidgets.errors import EditError, SaewidgetsError, shorten
from saewidgets.interventions.error_term import ErrorTerm
from saewidgets.sites import FeatureId, Site

_MAX_GROUP = 10_000
_MAX_WIDTH = 1_000_000
_MAX_INDEX = 100_000
_INSIDE = re.compile(r"(head|pattern)\.(\d{1,4})(?:\.(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class Group:
    """Features that are edited as one: each of them, in order.

    Args:
        features: Their ids, each once; of one dictionary or several.
        name: Shown instead of the list.

    Raises:
        EditError: Empty, too many, or one twice.
        FeatureError: An id is malformed.

    Example:
        >>> Group(["resid_post.2/17", "resid_post.2/40"], name="boats")
        sw.Group(['resid_post.2/17', 'resid_post.2/40'], name='boats')
    """

    features: tuple[FeatureId, ...]
    name: str = ""

    def __post_init__(self) -> None:
        given: Any = self.features
        if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
            raise EditError(f"A group of {shorten(given)}.", "Give a list of feature ids.")
        features = tuple(FeatureId.parse(feature) for feature in given)
        if not 0 < len(features) <= _MAX_GROUP or len(set(features)) < len(features):
            raise EditError(f"A group of {len(features)} features.", f"Give 1 to {_MAX_GROUP:,}, each once.")
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "name", _name(self.name))

    def __str__(self) -> str:
        return self.name or f"{len(self.features)} features"

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"sw.Group({[str(feature) for feature in self.features]}{name})"


@dataclass(frozen=True, slots=True)
class Direction:
    """A vector at a site. Its activation there is the coefficient `c = x·d / |d|²`: `x = c d + the rest`.

    Args:
        site: Where it is read and written, `"resid_post.2"`.
        data: The vector: numbers, an array, a tensor, or the text form `"f32:..."`; kept as float32.
        name: Shown instead of the numbers.

    Raises:
        EditError: Not a finite vector, or 0.
        SiteError: No such site.

    Example:
        >>> direction = Direction("resid_post.2", [3.0, 4.0], name="a line")
        >>> direction.vector
        array([3., 4.], dtype=float32)
        >>> direction
        sw.Direction('resid_post.2', 'f32:AABAQAAAgEA=', name='a line')
    """

    site: Site
    data: Any = field(repr=False)
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "site", Site.parse(self.site))
        object.__setattr__(self, "data", _as_bytes(self.data))
        object.__setattr__(self, "name", _name(self.name))

    @property
    def vector(self) -> np.ndarray[Any, Any]:
        """`[d]` float32, read-only."""
        return np.frombuffer(self.data, "<f4")

    @property
    def text(self) -> str:
        """Its numbers as text, exactly."""
        return "f32:" + base64.b64encode(self.data).decode()

    def __str__(self) -> str:
        return self.name or f"direction at {self.site}"

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"sw.Direction({str(self.site)!r}, {self.text!r}{name})"


@dataclass(frozen=True, slots=True)
class Head:
    """What one attention head reads out: its part of `attn_z`, before the output projection.

    Args:
        layer: Block, from 0.
        index: Head, from 0.

    Example:
        >>> Head(1, 3), str(Head(1, 3))
        (sw.Head(1, 3), 'head.1.3')
    """

    layer: int
    index: int

    def __post_init__(self) -> None:
        _whole("layer", self.layer)
        _whole("head", self.index)

    @property
    def site(self) -> Site:
        """Where it is."""
        return Site("attn_z", self.layer)

    def __str__(self) -> str:
        return f"head.{self.layer}.{self.index}"

    def __repr__(self) -> str:
        return f"sw.Head({self.layer}, {self.index})"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Attention weights, from the tokens that ask (the positions of the edit) to the tokens that are read.

    Args:
        layer: Block, from 0.
        index: Head, from 0; `None` for all heads of the block.
        keys: Positions of the tokens that are read; `None` for all.

    Example:
        >>> Pattern(1, 3, keys=[0, 4])
        sw.Pattern(1, 3, keys=[0, 4])
    """

    layer: int
    index: int | None = None
    keys: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _whole("layer", self.layer)
        if self.index is not None:
            _whole("head", self.index)
        object.__setattr__(self, "keys", as_positions(self.keys))

    @property
    def site(self) -> Site:
        """Where it is."""
        return Site("attn_pattern", self.layer)

    def __str__(self) -> str:
        return f"pattern.{self.layer}" + ("" if self.index is None else f".{self.index}")

    def __repr__(self) -> str:
        index = "" if self.index is None else f", {self.index}"
        return f"sw.Pattern({self.layer}{index}{'' if self.keys is None else f', keys={list(self.keys)}'})"


Target: TypeAlias = FeatureId | Group | Direction | Site | Head | Pattern | ErrorTerm


def as_target(target: Any) -> Target:
    """What a person means by the first argument of an edit.

    Args:
        target: `"resid_post.2/17"` a feature, a list of those, `"resid_post.2"` a site, `"head.1.3"`, `"pattern.1.3"`,
            `"resid_post.2/error"` or `"error.2"` an error term, or an object of this module.

    Raises:
        EditError, FeatureError, SiteError: It is none of these.
    """
    if isinstance(target, FeatureId | Group | Direction | Site | Head | Pattern | ErrorTerm):
        return target
    if isinstance(target, (list, tuple, set, frozenset)):
        return Group(tuple(sorted(target)) if isinstance(target, (set, frozenset)) else tuple(target))
    if isinstance(target, str):
        inside = _INSIDE.fullmatch(target)
        if inside and (inside[1] == "pattern" or inside[3]):
            index = None if inside[3] is None else int(inside[3])
            return Pattern(int(inside[2]), index) if inside[1] == "pattern" else Head(int(inside[2]), index or 0)
        if ErrorTerm.matches(target):
            return ErrorTerm(target)
        if "/" not in target:
            return Site.parse(target)
    return FeatureId.parse(target)


def target_code(target: Target) -> str:
    """Python that makes a target, as the first argument of an edit."""
    if isinstance(target, (FeatureId, Site, Head, ErrorTerm)) or (isinstance(target, Pattern) and target.keys is None):
        return repr(str(target))
    if isinstance(target, Group) and not target.name:
        return str([str(feature) for feature in target.features])
    return repr(target)


def target_json(target: Target) -> Any:
    """A target as plain JSON: text, or a mapping where text does not hold it."""
    if isinstance(target, Group):
        return {"features": [str(feature) for feature in target.features], "name": target.name}
    if isinstance(target, Direction):
        return {"site": str(target.site), "direction": target.text, "name": target.name}
    if isinstance(target, Pattern) and target.keys is not None:
        return {"pattern": str(target), "keys": list(target.keys)}
    return str(target)


def target_from_json(item: Any) -> Target:
    """Read what `target_json` wrote, or what a stranger claims it did.

    Raises:
        EditError, FeatureError, SiteError: It is no target.
    """
    if isinstance(item, Mapping):
        if "features" in item:
            return Group(item["features"], item.get("name", ""))
        if {"site", "direction"} <= item.keys():
            return Direction(item["site"], item["direction"], item.get("name", ""))
        if {"pattern", "keys"} <= item.keys():
            pattern = as_target(item["pattern"])
            if isinstance(pattern, Pattern):
                return Pattern(pattern.layer, pattern.index, item["keys"])
        raise EditError(f"{shorten(dict(item))} is no target of an edit.", "Give a feature, a site or a head.")
    if not isinstance(item, str):
        raise EditError(f"{shorten(item)} is no target of an edit.", "Give a feature, a site or a head.")
    return as_target(item)


def as_positions(positions: Any) -> tuple[int, ...] | None:
    """Token positions, rising and each once.

    Raises:
        EditError: None given, or something else.
    """
    if positions is None:
        return None
    if isinstance(positions, int):
        positions = (positions,)
    if isinstance(positions, (str, bytes, Mapping)) or not isinstance(positions, Iterable):
        raise EditError(f"Positions {shorten(positions)}.", "Give token positions from 0, or None for all.")
    values = tuple(positions)
    for value in values:
        if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= int(value) <= 10_000_000:
            raise EditError(f"Position {shorten(value)}.", "Token positions are whole numbers from 0.")
    if not values:
        raise EditError("An edit at no position.", "Give token positions, or None for all.")
    return tuple(sorted({int(value) for value in values}))


def _as_bytes(data: Any) -> bytes:
    try:
        if isinstance(data, str):
            data = base64.b64decode(data.removeprefix("f32:"), validate=True)
        if isinstance(data, bytes):
            values = np.frombuffer(data, "<f4")
        else:
            data = data.detach().float().cpu() if hasattr(data, "detach") else data
            values = np.asarray(data, "<f4")
    except (ValueError, TypeError, OverflowError, binascii.Error, SaewidgetsError):
        raise EditError(f"{shorten(data)} is no vector.", "Give numbers, an array or a tensor.") from None
    if values.ndim != 1 or not 0 < len(values) <= _MAX_WIDTH or not np.isfinite(values).all() or not values.any():
        raise EditError(f"A direction of shape {values.shape}.", "Give one vector of finite numbers that is not 0.")
    return values.tobytes()


def _name(name: Any) -> str:
    if not isinstance(name, str) or len(name) > 200:
        raise EditError(f"The name {shorten(name)}.", "Give a text of at most 200 characters.")
    return name


def _whole(what: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_INDEX:
        raise EditError(f"The {what} {shorten(value)}.", "Layers and heads are whole numbers from 0.")
