"""`Node`: a place that can be patched: a stream of a layer, an attention head, or a feature."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from saewidgets.causes.rows import Change, add, put
from saewidgets.errors import ModelError, SiteError, shorten
from saewidgets.explain.encoded import encode_prompt
from saewidgets.model import Trace
from saewidgets.sites import FeatureId, Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

_HEAD = re.compile(r"head\.(\d{1,4})\.(\d{1,4})")


@dataclass(frozen=True)
class Node:
    """One place of a model.

    Args:
        name: "resid_post.2", "head.2.3", "resid_post.2/17".
        site: Where it is written.
        reads: Where it is computed from: `site`, or a dictionary's `site_in`.
        columns: Which part of the activation it is.
        feature: The feature, if it is one.
    """

    name: str
    site: Site
    reads: Site
    columns: slice = field(default_factory=lambda: slice(None))
    feature: FeatureId | None = None

    @property
    def layer(self) -> int:
        """Its block."""
        return -1 if self.site.layer is None else self.site.layer

    def change(self, scope: Scope, new: Trace, old: Trace, positions: list[int] | slice, row: int = 0) -> Change:
        """What gives it the value it has in `new`, in a run that is `old` up to here.

        Args:
            scope: For its dictionary.
            new: The run the value is taken from.
            old: The run that is changed.
            positions: At which tokens.
            row: Of `new`.
        """
        if self.feature is None:
            return put(new.values[self.site][row], positions, self.columns)
        moved = self.activation(scope, new, row) - self.activation(scope, old)
        dictionary = scope.dictionaries[self.feature.dictionary]
        scale = dictionary.scale(old.values[self.reads][0])
        step = moved[:, None] * dictionary.rows([self.feature.index])
        delta = step if scale is None else step * scale
        kept = delta.new_zeros(delta.shape)
        kept[positions] = delta[positions]
        return add(kept)

    def activation(self, scope: Scope, trace: Trace, row: int = 0) -> Tensor:
        """`[T]` of a feature."""
        assert self.feature is not None
        dictionary = scope.dictionaries[self.feature.dictionary]
        encoded = encode_prompt(self.feature.dictionary, dictionary, trace, row)
        return encoded.sparse.feature(self.feature.index).to(dictionary.device)


def head_width(scope: Scope) -> tuple[int, int]:
    """Number of attention heads, and the width of one in `attn_z`.

    Raises:
        ModelError: It cannot be told.
    """
    config = scope.model.config
    heads = int(getattr(config, "num_attention_heads", 0) or 0)
    if not heads:
        raise ModelError("The model does not say how many heads it has.", "Patch whole sites instead.")
    width = getattr(config, "head_dim", None) or scope.model.d_model // heads
    return heads, int(width)


def read_node(scope: Scope, name: str) -> Node:
    """Read the name of a node.

    Args:
        scope: A model with its dictionaries.
        name: A site ("attn_out.1"), a head ("head.1.3") or a feature ("resid_post.1/17").

    Raises:
        SiteError, FeatureError: The model or the scope has no such place.
    """
    head = _HEAD.fullmatch(name)
    if head:
        heads, width = head_width(scope)
        layer, index = int(head[1]), int(head[2])
        if index >= heads:
            raise SiteError(f"{shorten(name)}: a block has {heads} heads.", "Count from 0.")
        site = scope.model.site(Site("attn_z", layer))
        return Node(name, site, site, slice(index * width, (index + 1) * width))
    if "/" in name:
        feature = FeatureId.parse(name)
        dictionary = scope.dictionaries[scope.key(feature.dictionary)]
        feature = FeatureId(scope.key(feature.dictionary), feature.index)
        if feature.index >= dictionary.d_dict:
            raise SiteError(f"{name}: this dictionary has {dictionary.d_dict} features.", "Count from 0.")
        return Node(name, dictionary.site_out, dictionary.site_in, feature=feature)
    site = scope.model.site(name)
    return Node(str(site), site, site)
