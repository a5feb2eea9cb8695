"""The writes of one batch of interventions on a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saewidgets.circuits.changes import Change
from saewidgets.circuits.parts import Part
from saewidgets.model import Write
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.circuits.experiment import Experiment


class Pass:
    """One batch, a row an intervention.

    Under `"direct"` every activation is that of the prompt; otherwise a feature is set in the run at hand, whatever
    it has become there through interventions before it.

    Args:
        experiment: Model, dictionaries, and the pass without interventions.
        changes: The rows.
        propagation: How effects travel.
        drop: Whether what dictionaries leave out is dropped.
    """

    def __init__(self, experiment: Experiment, changes: Sequence[Change], propagation: str, drop: bool) -> None:
        self.experiment, self.changes, self.drop = experiment, changes, drop
        self.direct, self.frozen = propagation == "direct", propagation == "frozen_attention"
        self._known: dict[str, Tensor] = {}
        self._before: dict[Site, Tensor] = {}
        self._gains = experiment.edited.gains(experiment.model.n_heads, len(experiment.ids))
        self._features: dict[str, Tensor] = {}
        used = [p for p in experiment.parts.values() if drop or any(change.touches(p.key) for change in changes)]
        self._writers: dict[Site, list[Part]] = {}
        for part in used:
            for site in part.sites_out:
                self._writers.setdefault(site, []).append(part)

    def writes(self) -> dict[Site, Write]:
        """For `TracedModel.trace`."""
        e = self.experiment
        sites = {*self._writers, *(site for change in self.changes for site in change.added)}
        if self.direct:
            sites |= e.held
        sites |= {site for site in e.edited.writes if site.stream != "attn_pattern"}
        found: dict[Site, Write] = {site: self._write(site) for site in sites}
        found |= {site: write for site, write in e.edited.writes.items() if site.stream == "attn_pattern"}
        if self.frozen or (self.direct and e.transcoders):
            found |= {site: self._hold(site) for site in e.model.patterns()}
        return found

    def _hold(self, site: Site) -> Write:
        base = self.experiment.base.values[site]
        return lambda value, _values, _offset: base.to(value).expand_as(value)

    def _write(self, site: Site) -> Write:
        e = self.experiment

        def put(value: Tensor, values: Mapping[Site, Tensor], _offset: int) -> Tensor:
            edit = e.edited.writes.get(site)
            self._before[site] = value
            if edit is not None and self.direct:
                gain = self._gain(site, value)
                value = gain * value + (e.base.values[site] - gain * e.base.before[site])
            elif edit is not None:
                value = edit(value, values, 0)
            here = {**values, site: value}
            total = value.float()
            if self.direct and site in e.held:
                total = e.base.values[site].float().expand_as(total) + self._skipped(site, values)
            for part in self._writers.get(site, ()):
                x = (e.base.values if self.direct else here)[part.site_in]
                total = total + e.written(part, site, self._change(part, x), x)
            if self.drop and site in self._writers:
                lost = value.float() - e.explained(site, here, self._features)
                total = total - torch.where(e.ignored[:, None], 0.0, lost)
            for row, change in enumerate(self.changes):
                if site in change.added:
                    total = total.clone()
                    total[row] += change.added[site]
            return total.to(value.dtype)

        return put

    def _change(self, part: Part, x: Tensor) -> Tensor:
        """`[B, T, d_dict]`, computed where the part first writes and kept for later layers."""
        if part.key not in self._known:
            before = self.experiment.features[part.key]
            rows = len(self.changes)
            now = before.expand(rows, -1, -1) if self.direct else self._now(part, x)
            ignored = self.experiment.ignored
            made = [change.of(part.key, row, before, ignored) for change, row in zip(self.changes, now, strict=True)]
            self._known[part.key], self._features[part.key] = torch.stack(made), now
        return self._known[part.key]

    def _gain(self, site: Site, value: Tensor) -> Tensor | float:
        """`[T, d]` that edits multiply the heads by: they pass an effect on as they pass on the rest."""
        gain = self._gains.get(site.layer or 0) if site.stream == "attn_z" else None
        return 1.0 if gain is None else gain.T.repeat_interleave(value.shape[-1] // len(gain), 1).to(value)

    def _now(self, part: Part, x: Tensor) -> Tensor:
        """`[B, T, d_dict]` activations in the run at hand, as the edits of the graph leave them."""
        edited = self.experiment.edited.step(part.key)
        if edited is None:
            return part.encode(x)
        site, step = edited
        source = self._before[site] if part.site_in == site else x
        return self.experiment.edited.after(step, source, self._before[site])

    def _skipped(self, site: Site, values: Mapping[Site, Tensor]) -> Tensor | float:
        """What the skip of the transcoder of a held MLP makes of a change of its input."""
        for part in self.experiment.parts.values():
            if part.skip is not None and part.sites_out[0] == site:
                moved = values[part.site_in].float() - self.experiment.base.values[part.site_in].float()
                return moved @ part.skip
        return 0.0
