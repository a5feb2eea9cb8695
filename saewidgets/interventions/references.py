"""What edits refer to beyond the pass they are made in: where the prompt ends, and values of other runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.errors import EditError
from saewidgets.interventions.edits import Edit, Source
from saewidgets.interventions.error_term import ErrorTerm
from saewidgets.interventions.targets import Direction, Head, Pattern
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.model import TracedModel

Values = Mapping[Site, Tensor]


@dataclass(frozen=True)
class References:
    """What the edits of one pass need to know.

    Args:
        length: Tokens of the prompt; what comes after is generated. `None`: everything is prompt.
        runs: Source -> the values of each of its prompts by site, `[1, tokens, d]`.
        n_heads: Attention heads a block; 0 where no edit needs it.
    """

    length: int | None = None
    runs: Mapping[Source, Sequence[Values]] = field(default_factory=dict)
    n_heads: int = 0

    def rows(self, edit: Edit, tokens: int, offset: int) -> slice | list[int]:
        """Which of the `tokens` of a pass an edit touches, where the first of them has position `offset`."""
        end = offset + tokens if self.length is None else self.length
        if isinstance(edit.positions, tuple):
            return [p - offset for p in edit.positions if 0 <= p - offset < tokens]
        if edit.positions == "generated":
            return slice(min(max(end - offset, 0), tokens), tokens)
        # Another run has no generated tokens.
        if edit.positions == "prompt" or edit.kind == "patch":
            return slice(0, min(max(end - offset, 0), tokens))
        return slice(0, tokens)

    def touch(self, edits: Sequence[Edit], tokens: int, offset: int) -> bool:
        """Whether any edit touches a token of a pass."""
        rows = [self.rows(edit, tokens, offset) for edit in edits]
        return any(r.stop > r.start if isinstance(r, slice) else bool(r) for r in rows)

    def read(self, edit: Edit, tokens: int, offset: int) -> list[int]:
        """The positions of the other run from which a patch takes the rows of `rows`."""
        assert edit.source is not None
        if isinstance(edit.positions, tuple) and edit.source.positions is not None:
            pairs = zip(edit.positions, edit.source.positions, strict=True)
            return [read for written, read in pairs if 0 <= written - offset < tokens]
        rows = self.rows(edit, tokens, offset)
        return [row + offset for row in (range(tokens)[rows] if isinstance(rows, slice) else rows)]


def keys_of(edit: Edit, dictionaries: Mapping[str, Dictionary]) -> tuple[str, ...]:
    """Keys of the dictionaries whose features or error term an edit changes, each once."""
    if isinstance(edit.target, ErrorTerm):
        return (edit.target.key(dictionaries),)
    return tuple(dict.fromkeys(feature.dictionary for feature in edit.features))


def sites_of(edit: Edit, dictionaries: Mapping[str, Dictionary]) -> set[Site]:
    """Where an edit reads and writes."""
    target = edit.target
    if isinstance(target, (Direction, Head, Pattern)):
        return {target.site}
    if isinstance(target, Site):
        return {target}
    used = [dictionaries[key] for key in keys_of(edit, dictionaries)]
    return {site for dictionary in used for site in (dictionary.site_in, dictionary.site_out)}


def resolve(
    edits: Sequence[Edit],
    dictionaries: Mapping[str, Dictionary],
    model: TracedModel | None = None,
    length: int | None = None,
) -> References:
    """Run what the edits take values from.

    Args:
        edits: All edits of a pass.
        dictionaries: The scope's.
        model: The model; needed by edits of heads, patterns, and those with a source.
        length: Tokens of the prompt.

    Returns:
        Their references.

    Raises:
        EditError: There is no model, a source is too short, or a head is not there.
    """
    needy = [edit for edit in edits if edit.source is not None or isinstance(edit.target, (Head, Pattern))]
    if not needy:
        return References(length)
    if model is None:
        raise EditError(f"{needy[0]!r} needs the model.", "Make it with scope.run(prompt, edits).")
    for edit in needy:
        index = edit.target.index if isinstance(edit.target, (Head, Pattern)) else None
        if index is not None and index >= model.n_heads:
            raise EditError(f"There is no head {edit.target}.", f"This model has {model.n_heads} heads a block.")
    wanted: dict[Source, set[Site]] = {}
    for edit in needy:
        if edit.source is not None:
            wanted.setdefault(edit.source, set()).update(sites_of(edit, dictionaries))
    runs = {source: _run(source, sites, dictionaries, model) for source, sites in wanted.items()}
    for edit in needy:
        if edit.kind == "patch" and edit.source is not None:
            _check_fits(edit, next(iter(runs[edit.source][0].values())).shape[-2], length)
    return References(length, runs, model.n_heads)


def _run(
    source: Source, sites: set[Site], dictionaries: Mapping[str, Dictionary], model: TracedModel
) -> tuple[Values, ...]:
    from saewidgets.interventions.writes import check_positions, first_position, make_writes

    found = []
    for prompt in source.prompts:
        ids = model.tokenize(prompt) if isinstance(prompt, str) else prompt
        check_positions(source.edits, len(ids))
        writes = make_writes(source.edits, dictionaries, model, len(ids))
        read = sites | {site for write in writes.values() for site in write.reads}
        # Nothing is kept of a run under edits: its values are all that is asked of it.
        trace = model.trace(ids, read, writes, logits=False, first_edit=first_position(source.edits))
        found.append({site: trace.values[site] for site in sites})
    return tuple(found)


def _check_fits(edit: Edit, tokens: int, length: int | None) -> None:
    read = edit.source.positions if edit.source and edit.source.positions is not None else edit.positions
    if isinstance(read, tuple):
        if read[-1] >= tokens:
            raise EditError(f"Position {read[-1]} of a run of {tokens} tokens.", "Give source_positions= inside it.")
    if (not isinstance(read, tuple) or isinstance(edit.target, Pattern)) and length not in (None, tokens):
        raise EditError(
            f"A patch from {tokens} tokens into {length}.", "Give positions=, or a prompt of as many tokens."
        )


def mean_of(parts: Sequence[Tensor]) -> Tensor:
    """`[d]`: the mean over all tokens of some `[1, tokens, d]` but each one's first, if it has others."""
    rows = [part[0, 1:] if part.shape[1] > 1 else part[0] for part in parts]
    return torch.cat(rows).float().mean(0)
