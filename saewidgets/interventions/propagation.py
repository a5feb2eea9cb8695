"""How the effect of an edit travels on: free, under frozen attention, or direct.

free
: Everything after the edit is computed anew.

frozen_attention
: Attention patterns are those of the run without edits; values, normalisations and MLPs are computed anew.

direct
: Patterns, what the normalisations divide by, and what the MLPs write are those of the run without edits. An edit
  changes what it would change in that run, and the change travels through the residual stream and the value-output
  paths of the heads alone. So the effect is linear in the change, and the effects of several edits add up (up to the
  soft cap that Gemma 2 puts on its logits). It is the direct effect of attribution graphs (Ameisen et al. 2025).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.errors import EditError, shorten
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.error_term import ErrorTerm
from saewidgets.interventions.references import Values
from saewidgets.interventions.writes import SiteWrite
from saewidgets.model import TracedModel, Write
from saewidgets.sites import Site

PROPAGATIONS = ("free", "frozen_attention", "direct")


@dataclass(frozen=True)
class Held:
    """What a run without edits left behind for one with edits.

    Args:
        propagation: One of `PROPAGATIONS`.
        base: Site -> its value in the run without edits; empty when free.
        scales: Normalisation -> what it multiplied by; only when direct.
    """

    propagation: str = "free"
    base: Mapping[Site, Tensor] = field(default_factory=dict)
    scales: Mapping[str, Tensor] = field(default_factory=dict)

    def held(self, writes: Mapping[Site, Write]) -> dict[Site, Write]:
        """Writes that put what is held in place, and then the edits."""
        if self.propagation == "free":
            return dict(writes)
        patterns = {site for site in self.base if site.stream == "attn_pattern"}
        if self.propagation == "frozen_attention":
            return {**writes, **{site: FrozenWrite(self.base[site], writes.get(site)) for site in patterns}}
        frozen = patterns | {site for site in self.base if site.stream == "mlp_out"}
        return {site: DirectWrite(site, self.base, site in frozen, writes.get(site)) for site in {*writes, *frozen}}

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `TracedModel.trace` for the run with edits."""
        return {"scales": self.scales} if self.propagation == "direct" else {}


def hold(model: TracedModel, ids: Sequence[int], propagation: str, writes: Iterable[SiteWrite]) -> Held:
    """Run without edits, as far as a propagation mode needs it.

    Args:
        model: The traced model.
        ids: The prompt.
        propagation: One of `PROPAGATIONS`.
        writes: Of the edits.

    Returns:
        What to hold.

    Raises:
        EditError: No such mode, or this model does not show its patterns.
    """
    return hold_at(model, ids, propagation, {site for write in writes for site in (write.site, *write.reads)})


def hold_at(
    model: TracedModel, ids: Sequence[int], propagation: str, sites: Iterable[Site],
    base: Mapping[Site, Write] | None = None,
) -> Held:  # fmt: skip
    """What `hold` gives, for whoever writes at these sites without edits.

    Args:
        model: The traced model.
        ids: The prompt.
        propagation: One of `PROPAGATIONS`.
        sites: Where something will be written.
        base: Writes that are part of the run all is held at.

    Raises:
        EditError: As `hold`.
    """
    check_propagation(propagation)
    if propagation == "free":
        return Held()
    if not model.patterns():
        raise EditError(f"The attention of {model.name} cannot be frozen.", "Use propagation='free'.")
    if propagation == "frozen_attention":
        return Held(propagation, model.trace(ids, model.patterns(), base, logits=False).values)
    mlps = {site for site in model.sites() if site.stream == "mlp_out"}
    if not mlps:
        raise EditError(f"The MLPs of {model.name} cannot be frozen.", "Name mlp_out in sites=, or use another mode.")
    trace = model.trace(ids, {*model.patterns(), *mlps, *sites}, base, logits=False, scales=True)
    return Held(propagation, trace.values, trace.scales)


def check_propagation(propagation: Any) -> None:
    """Refuse what is no mode.

    Raises:
        EditError: It is none.
    """
    if propagation not in PROPAGATIONS:
        raise EditError(f"Propagation {shorten(propagation)}.", f"Use {', '.join(PROPAGATIONS)}.")


class FrozenWrite:
    """A pattern of the run without edits, and edits on it. Later tokens, which that run had not, are free.

    Args:
        base: `[1, heads, tokens, tokens]`.
        write: Of the edits, or `None`.
    """

    def __init__(self, base: Tensor, write: Write | None) -> None:
        self.base = base
        self.write = write

    def __call__(self, value: Tensor, values: Values, offset: int) -> Tensor:
        """`[batch, heads, queries, keys]` -> the same shape."""
        known = self.base.shape[-1]
        if offset == 0:
            value = value.clone()
            value[..., :known, :known] = self.base.to(value)
            value[..., :known, known:] = 0
        return value if self.write is None else self.write(value, values, offset)


class DirectWrite:
    """What an edit would change in the run without edits, added to the value here.

    Args:
        site: Where.
        base: Site -> value in the run without edits.
        frozen: Whether the site itself is held.
        write: Of the edits, or `None`.
    """

    def __init__(self, site: Site, base: Values, frozen: bool, write: Write | None) -> None:
        self.site = site
        self.base = base
        self.frozen = frozen
        self.write = write

    def __call__(self, value: Tensor, values: Values, offset: int) -> Tensor:
        """`value` at the site -> the same shape."""
        base = self.base[self.site].to(value)
        start = base.expand_as(value) if self.frozen else value
        return start if self.write is None else start + (self.write(base, self.base, offset) - base)


def describe(edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary], propagation: str) -> str:
    """The conditions of a causal number, for the foot of a view.

    Args:
        edits: What was done.
        dictionaries: The scope's.
        propagation: How its effect travelled.

    Returns:
        Such as "free propagation · error term kept · latents edited, not re-encoded (topk)".

    Example:
        >>> from saewidgets.interventions import ablate
        >>> describe([ablate("head.1.3")], {}, "frozen_attention")
        'frozen attention'
    """
    names = {"free": "free propagation", "frozen_attention": "frozen attention", "direct": "direct effect"}
    parts = [names[propagation]]
    features = [edit for edit in edits if edit.features]
    if features:
        errors = {edit.error for edit in features}
        parts.append("error term " + " and ".join({"keep": "kept", "drop": "dropped"}[e] for e in sorted(errors)))
    if any(isinstance(edit.target, ErrorTerm) for edit in edits):
        parts.append("error term edited")
    used = {feature.dictionary: edit for edit in features for feature in edit.features}
    for key, edit in used.items():
        dictionary = dictionaries[key]
        if edit.latents == "re-encode" or not _is_local(dictionary):
            done = "re-encoded after the edit" if edit.latents == "re-encode" else "edited, not re-encoded"
            parts.append(f"latents {done} ({dictionary.describe()})")
    return " · ".join(dict.fromkeys(parts))


def _is_local(dictionary: Dictionary) -> bool:
    """Whether a latent is active or not whatever the others are."""
    words = dictionary.describe().lower()
    return not any(word in words for word in ("topk", "pursuit", "switch", "temporal"))
