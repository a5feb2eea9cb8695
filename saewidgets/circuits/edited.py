"""The edits of the model that a graph is of: their writes, and what becomes of the features they set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.errors import CircuitError
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.features import DictionaryStep, final_features
from saewidgets.interventions.references import References
from saewidgets.interventions.targets import Head
from saewidgets.interventions.writes import SiteWrite, check_positions, make_writes
from saewidgets.model import Trace, TracedModel
from saewidgets.sites import Site

# Behind a norm an edit would change what is read there and nowhere else.
_REFUSED = ("mlp_in", "final")
_SETS = ("ablate", "clamp", "patch")


@dataclass(frozen=True, eq=False)
class Edited:
    """Edits on one prompt.

    Args:
        edits: In order.
        writes: Site -> write.
    """

    edits: tuple[Edit, ...] = ()
    writes: Mapping[Site, SiteWrite] = field(default_factory=dict)

    @classmethod
    def of(
        cls, edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary], model: TracedModel, length: int
    ) -> Edited:
        """The writes of some edits.

        Raises:
            EditError, FeatureError: An edit does not fit.
            CircuitError: An edit behind a norm.
        """
        check_positions(edits, length)
        writes = make_writes(tuple(edits), dictionaries, model, length)
        for site in writes:
            if site.stream in _REFUSED:
                raise CircuitError(f"An edit at {site} cannot be put into a graph.", "Edit the stream before the norm.")
        return cls(tuple(edits), writes)

    @property
    def reads(self) -> set[Site]:
        """Sites whose values the writes need."""
        return {*self.writes, *(site for write in self.writes.values() for site in write.reads)}

    def gains(self, heads: int, tokens: int) -> dict[int, Tensor]:
        """Layer -> `[heads, tokens]` that edits multiply the output of each head by; what else they do is held."""
        found: dict[int, Tensor] = {}
        for edit in self.edits:
            head = edit.target
            if not isinstance(head, Head) or edit.source is not None or edit.kind not in ("ablate", "scale"):
                continue
            gain = found.setdefault(head.layer, torch.ones(heads, tokens))
            rows = References().rows(edit, tokens, 0)
            gain[head.index, rows] *= edit.value
        return found

    def features(self, trace: Trace) -> dict[str, Tensor]:
        """Key -> `[T, d_dict]` activations of each edited dictionary, as they end up."""
        found = {}
        for site, write in self.writes.items():
            value: Tensor = trace.before[site]
            for step in write.steps:
                if isinstance(step, DictionaryStep):
                    found[step.key] = self.after(step, step.source(value, trace.values), value)[0]
                value = step(value, trace.values, 0)
        return found

    @torch.no_grad()
    def split(self, key: str, dictionary: Dictionary, trace: Trace) -> tuple[Tensor, Tensor, Tensor]:
        """What the edited run has at an autoencoder: the value `[T, d]`, `[T, d_dict]` activations, the error."""
        x = trace.values[dictionary.site_in][0].float()
        features = self.features(trace).get(key)
        features = dictionary.encode(x) if features is None else features
        return x, features, x - dictionary.decode(features, x)

    @staticmethod
    def after(step: DictionaryStep, source: Tensor, value: Tensor) -> Tensor:
        """`[..., T, d_dict]` activations under the edits on one dictionary."""
        return final_features(step.dictionary, step.edits, source.float(), value.float(), 0, step.references)

    def step(self, key: str) -> tuple[Site, DictionaryStep] | None:
        """The step of one dictionary, and where it is made."""
        for site, write in self.writes.items():
            for step in write.steps:
                if isinstance(step, DictionaryStep) and step.key == key:
                    return site, step
        return None

    def held(self, key: str, tokens: int, width: int) -> Tensor:
        """`[T, d_dict]` bool: features that an edit sets, whatever comes to them."""
        mask = torch.zeros(tokens, width, dtype=torch.bool)
        found = self.step(key)
        for edit in found[1].edits if found else ():
            if edit.kind in _SETS and edit.feature is not None:
                assert found is not None
                mask[found[1].references.rows(edit, tokens, 0), edit.feature.index] = True
        return mask
