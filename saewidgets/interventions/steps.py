"""Edits without a dictionary, as steps of a write: a direction, a whole site, a head, a pattern."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Protocol

import torch
from torch import Tensor

from saewidgets.errors import EditError
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.references import References, Values, mean_of
from saewidgets.interventions.targets import Direction, Head, Pattern
from saewidgets.sites import Site


class Step(Protocol):
    """One step of a write at a site."""

    @property
    def reads(self) -> Set[Any]:
        """Other sites whose values it needs."""
        ...

    def __call__(self, value: Tensor, values: Values, offset: int) -> Tensor:
        """`value` at the site -> the same under the step."""
        ...


def direct_step(edit: Edit, references: References) -> Step:
    """The step of an edit that is none of features."""
    return DirectionStep(edit, references) if isinstance(edit.target, Direction) else PartStep(edit, references)


class DirectionStep:
    """An edit of the coefficient of a direction: `x' = x + (c' - c) d` with c = x·d / |d|².

    Args:
        edit: Of a `Direction`.
        references: What it takes from elsewhere.
    """

    reads: frozenset[Any] = frozenset()

    def __init__(self, edit: Edit, references: References) -> None:
        assert isinstance(edit.target, Direction)
        self.edit = edit
        self.references = references
        self.site = edit.target.site
        self._vector = torch.tensor(edit.target.vector)
        self._norm = float(self._vector.norm())

    def __call__(self, value: Tensor, values: Values, offset: int) -> Tensor:
        """`[..., tokens, d]` at the site -> the same under the edit."""
        if value.shape[-1] != len(self._vector):
            raise EditError(
                f"{self.edit.target} has {len(self._vector)} numbers.", f"{self.site} is {value.shape[-1]} wide."
            )
        if not self.references.touch([self.edit], value.shape[-2], offset):
            return value
        rows = self.references.rows(self.edit, value.shape[-2], offset)
        d = self._vector.to(value.device)
        x = value[..., rows, :].float()
        change = self._change(x, d, value.shape[-2], offset)[..., None] * d
        if rows == slice(0, value.shape[-2]):
            return (x + change).to(value.dtype)
        result = value.clone()
        result[..., rows, :] = (x + change).to(value.dtype)
        return result

    def _change(self, x: Tensor, d: Tensor, tokens: int, offset: int) -> Tensor:
        """`[..., rows]`: c' - c."""
        edit = self.edit
        if edit.kind == "steer":
            return edit.value * (x.norm(dim=-1) / self._norm if edit.relative else torch.ones_like(x[..., 0]))
        c = x @ d / d.square().sum()
        if edit.kind == "scale":
            return c * (edit.value - 1)
        if edit.source is None:
            return torch.where(c > 0, edit.value - c, 0.0) if edit.when_active else edit.value - c
        runs = [run[self.site].to(d.device).float() @ d / d.square().sum() for run in self.references.runs[edit.source]]
        if edit.kind == "ablate":
            return mean_of([run[..., None] for run in runs])[0] - c
        return runs[0][0, self.references.read(edit, tokens, offset)] - c


class PartStep:
    """An edit of an activation itself: of a whole site, of one head's part of it, or of a pattern.

    Args:
        edit: Of a `Site`, a `Head` or a `Pattern`: `ablate`, `scale` or `patch`.
        references: What it takes from elsewhere.
    """

    reads: frozenset[Any] = frozenset()

    def __init__(self, edit: Edit, references: References) -> None:
        self.edit = edit
        self.references = references
        assert isinstance(edit.target, (Site, Head, Pattern))
        self.site = edit.target if isinstance(edit.target, Site) else edit.target.site

    def __call__(self, value: Tensor, values: Values, offset: int) -> Tensor:
        """`value` at the site -> the same under the edit. Weights of a pattern are not normalised again."""
        tokens = value.shape[-2]
        if not self.references.touch([self.edit], tokens, offset):
            return value
        rows = self.references.rows(self.edit, tokens, offset)
        result = value.clone()
        if not isinstance(self.edit.target, Pattern):
            columns = self._columns(value)
            result[..., rows, columns] = self._new(value[..., rows, columns], columns, tokens, offset)
            return result
        heads = slice(None) if self.edit.target.index is None else [self.edit.target.index]
        # A copy of the edited heads and rows, in which only the chosen keys change.
        part = value[:, heads][:, :, rows]
        chosen = self.edit.target.keys
        keys = slice(None) if chosen is None else [key for key in chosen if key < value.shape[-1]]
        part = part.clone()
        part[..., keys] = self._new_pattern(part[..., keys], heads, keys, tokens, offset)
        rest = result[:, heads]
        rest[:, :, rows] = part
        result[:, heads] = rest
        return result

    def _columns(self, value: Tensor) -> slice:
        if not isinstance(self.edit.target, Head):
            return slice(None)
        width = value.shape[-1] // self.references.n_heads
        return slice(self.edit.target.index * width, (self.edit.target.index + 1) * width)

    def _new(self, old: Tensor, columns: slice, tokens: int, offset: int) -> Tensor:
        edit = self.edit
        if edit.kind == "scale":
            return old * edit.value
        if edit.source is None:
            return torch.zeros_like(old)
        runs = [run[self.site] for run in self.references.runs[edit.source]]
        if edit.kind == "ablate":
            return mean_of(runs)[columns].to(old).expand_as(old)
        return runs[0][0, self.references.read(edit, tokens, offset)][:, columns].to(old).expand_as(old)

    def _new_pattern(self, old: Tensor, heads: Any, keys: Any, tokens: int, offset: int) -> Tensor:
        edit = self.edit
        if edit.kind == "scale":
            return old * edit.value
        if edit.source is None:
            return torch.zeros_like(old)
        other = self.references.runs[edit.source][0][self.site][:, heads][
            :, :, self.references.read(edit, tokens, offset)
        ]
        if isinstance(keys, slice):
            # While text is generated there are more keys than the other run had tokens.
            other = torch.nn.functional.pad(other, (0, old.shape[-1] - other.shape[-1]))
        return other[..., keys].to(old).expand_as(old)
