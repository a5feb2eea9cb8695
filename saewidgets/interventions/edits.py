"""`Edit`: one intervention as a frozen, hashable value. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from saewidgets.errors import EditError, shorten
from saewidgets.interventions.error_term import ErrorTerm
from saewidgets.interventions.targets import (
    Direction,
    Group,
    Head,
    Pattern,
    Target,
    as_positions,
    target_code,
)
from saewidgets.sites import FeatureId, Site

KINDS = ("ablate", "scale", "clamp", "steer", "patch")
SPANS = ("prompt", "generated")
_MAX_SOURCES = 1_000

Positions = tuple[int, ...] | str | None


@dataclass(frozen=True, slots=True)
class Source:
    """Other runs that an edit takes values from.

    Args:
        prompts: Texts or token ids: one for a patch, any number for a mean.
        edits: Made in those runs.
        positions: Where a patch reads; `None` for where it writes.
    """

    prompts: tuple[str | tuple[int, ...], ...]
    edits: tuple[Edit, ...] = ()
    positions: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        prompts: Any = self.prompts
        if isinstance(prompts, str) or not isinstance(prompts, Iterable):
            raise EditError(f"Values from {shorten(prompts)}.", "Give a list of prompts.")
        prompts = tuple(_prompt(prompt) for prompt in prompts)
        if not 0 < len(prompts) <= _MAX_SOURCES:
            raise EditError(f"Values from {len(prompts)} prompts.", f"Give 1 to {_MAX_SOURCES:,}.")
        if not all(isinstance(edit, Edit) for edit in self.edits):
            raise EditError(f"{shorten(self.edits)} in the run that is read.", "Give a list of edits.")
        object.__setattr__(self, "prompts", prompts)
        object.__setattr__(self, "edits", tuple(self.edits))
        object.__setattr__(self, "positions", as_positions(self.positions))


@dataclass(frozen=True, slots=True)
class Edit:
    """An intervention. Make it with `ablate`, `scale`, `clamp`, `steer` or `patch`.

    What has an activation f and a direction d – a feature, or a `Direction` at a site – is changed as
    `x + (f' - f) d` (error kept; Templeton et al. 2024), or for a feature to `decode(f')` (error dropped). A site, a
    head or a pattern is its own activation: `x' = f'`. An error term e is multiplied: `x + (factor - 1) e`.

    Args:
        target: What is edited.
        kind: One of `KINDS`.
        value: Factor of `scale`, activation of `clamp`, strength of `steer`; 0 otherwise.
        positions: Token positions, rising; `None` for all, `"prompt"` or `"generated"` for those.
        error: `"keep"` or `"drop"` the dictionary's error term at these positions.
        relative: For `steer`: strength in units of the activation's norm.
        when_active: For `clamp`: only where f > 0.
        latents: `"edit"`: the latents are edited and decoded. `"re-encode"`: the activation so made is encoded
            again, which under TopK lets the next latent in.
        source: For `patch`, and `ablate` to a mean: the runs that are read.
    """

    target: Target
    kind: str
    value: float = 0.0
    positions: Positions = None
    error: str = "keep"
    relative: bool = False
    when_active: bool = False
    latents: str = "edit"
    source: Source | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EditError(f"Unknown edit {shorten(self.kind)}.", f"Use {', '.join(KINDS)}.")
        if self.error not in ("keep", "drop"):
            raise EditError(f"The error term cannot be {shorten(self.error)}.", "Use error='keep' or 'drop'.")
        if self.latents not in ("edit", "re-encode"):
            raise EditError(f"Latents {shorten(self.latents)}.", "Use latents='edit' or 're-encode'.")
        value = self.value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
            raise EditError(f"{self.kind} by {shorten(value)}.", "The value must be a finite number.")
        object.__setattr__(self, "value", float(value))
        if self.positions not in SPANS:
            object.__setattr__(self, "positions", as_positions(self.positions))
        self._check_target()

    def _check_target(self) -> None:
        target, whole = self.target, isinstance(self.target, Site | Head | Pattern)
        if not isinstance(target, FeatureId | Group | Direction | Site | Head | Pattern | ErrorTerm):
            raise EditError(f"{shorten(target)} cannot be edited.", "Give a feature, a direction, a site or a head.")
        if whole and self.kind in ("clamp", "steer"):
            raise EditError(f"{target} has no single activation to {self.kind}.", "Use sw.Direction(site, vector).")
        if isinstance(target, ErrorTerm) and (self.kind not in ("ablate", "scale") or self.source is not None):
            raise EditError(f"{self.kind} of {target}.", "An error term can be ablated or scaled.")
        if isinstance(target, Site) and target.stream == "attn_pattern":
            raise EditError(f"{target} is a pattern.", f"Write 'pattern.{target.layer}'.")
        if not self.features and (self.error != "keep" or self.latents != "edit"):
            raise EditError(f"{target} has no error term and no latents.", "Only edits of features do.")
        if (self.kind == "patch") != (self.source is not None) and (self.kind != "ablate" or not self.source):
            raise EditError(f"{self.kind} with values {shorten(self.source)}.", "A patch reads them from another run.")
        if self.kind == "ablate" and self.source is not None and isinstance(target, Pattern):
            raise EditError("Patterns of different texts have no mean.", "Ablate to 0, or patch from one run.")
        if self.relative and self.kind != "steer":
            raise EditError(f"{self.kind} relative to the norm.", "Only steering can be.")
        if self.when_active and self.kind != "clamp":
            raise EditError(f"{self.kind} where the feature is active.", "Only a clamp can be made there alone.")

    @property
    def feature(self) -> FeatureId | None:
        """The feature, where exactly one is edited."""
        return self.target if isinstance(self.target, FeatureId) else None

    @property
    def features(self) -> tuple[FeatureId, ...]:
        """Every feature that is edited."""
        if isinstance(self.target, FeatureId):
            return (self.target,)
        return self.target.features if isinstance(self.target, Group) else ()

    def __repr__(self) -> str:
        """The call that makes this edit."""
        arguments = [target_code(self.target)]
        if self.kind == "patch" and self.source is not None:
            arguments.append(repr(_printed(self.source.prompts[0])))
        elif self.kind != "ablate":
            arguments.append(f"{self.value:g}" if float(f"{self.value:g}") == self.value else repr(self.value))
        if self.positions is not None:
            places = self.positions if isinstance(self.positions, str) else list(self.positions)
            arguments.append(f"positions={places!r}")
        if self.error != "keep":
            arguments.append(f"error={self.error!r}")
        if self.relative:
            arguments.append("relative=True")
        if self.when_active:
            arguments.append("when_active=True")
        if self.latents != "edit":
            arguments.append(f"latents={self.latents!r}")
        if self.source is not None and self.kind == "ablate":
            arguments.append(f"mean_over={[_printed(prompt) for prompt in self.source.prompts]!r}")
        if self.source is not None and self.source.positions is not None:
            arguments.append(f"source_positions={list(self.source.positions)}")
        if self.source is not None and self.source.edits:
            arguments.append(f"source_edits={list(self.source.edits)!r}")
        return f"sw.{self.kind}({', '.join(arguments)})"

    @property
    def words(self) -> str:
        """What it does, for a chip: "ablate", "× 1.5", "clamp 8.0", "steer +4.0 at 2 tokens"."""
        text = {
            "ablate": "ablate" + (" to the mean" if self.source else ""),
            "scale": f"× {self.value:.3g}",
            "clamp": f"clamp {self.value:.3g}" + (" when active" if self.when_active else ""),
            "steer": f"steer {self.value:+.3g}" + (" × norm" if self.relative else ""),
            "patch": "patch",
        }[self.kind]
        if self.latents != "edit":
            text += ", re-encoded"
        if self.positions is None:
            return text
        if isinstance(self.positions, str):
            return f"{text} at {self.positions} tokens"
        return f"{text} at {len(self.positions)} token{'' if len(self.positions) == 1 else 's'}"


def _prompt(prompt: Any) -> str | tuple[int, ...]:
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, (bytes, Mapping)) or not isinstance(prompt, Iterable):
        raise EditError(f"{shorten(prompt)} is no prompt.", "Give a text or token ids.")
    ids = tuple(prompt)
    if not ids or not all(hasattr(i, "__index__") and not isinstance(i, bool) for i in ids):
        raise EditError(f"{shorten(prompt)} is no prompt.", "Give a text or token ids.")
    return tuple(int(i) for i in ids)


def _printed(prompt: str | tuple[int, ...]) -> str | list[int]:
    return prompt if isinstance(prompt, str) else list(prompt)
