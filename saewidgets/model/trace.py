"""What goes into a traced forward pass and what comes out: `Write` and `Trace`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from saewidgets.sites import Site

Write = Callable[[Tensor, Mapping[Site, Tensor], int], Tensor]
"""`(value, values, offset) -> new value`.

`value` is `[batch, tokens, d]` at the site (`[batch, heads, queries, keys]` at a pattern), `values` what this pass
has read so far by site, `offset` the position in the prompt of the first token in this pass (above 0 when a prefix
came from the cache). The result has the shape of `value`; it may be `value` itself, which leaves the model untouched.
`value` must not be changed in place.
"""


@dataclass(frozen=True)
class Trace:
    """One forward pass, seen at the sites that were asked for.

    Args:
        values: Site -> `[batch, tokens, d]` after the write there, over the whole prompt.
        before: The same before the write; the same tensor object where nothing was written.
        logits: `[batch, tokens, vocab]`, or `None` when they were not asked for.
        ids: Token ids, `[batch, tokens]`.
        reused: How many tokens came from the prefix cache.
        scales: Normalisation -> `[batch, tokens, 1]` what it multiplied by, where it was asked for.

    Example:
        >>> import saewidgets as sw
        >>> model = sw.demo().model
        >>> trace = model.trace(model.tokenize("Mira saw Tom"), ["resid_post.2"])
        >>> trace.values[model.site("resid_post.2")].shape[-1] == model.d_model
        True
    """

    values: Mapping[Site, Tensor] = field(repr=False)
    before: Mapping[Site, Tensor] = field(repr=False)
    logits: Tensor | None = field(repr=False)
    ids: Tensor
    reused: int = 0
    scales: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
