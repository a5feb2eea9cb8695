"""Parts of a prompt, and which tokens are theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from saewidgets.errors import EditError

if TYPE_CHECKING:
    from saewidgets.scope import Scope


def regions(scope: Scope, parts: Mapping[str, str]) -> tuple[str, dict[str, tuple[int, ...]]]:
    """A prompt made of named parts, and which tokens belong to which: for `PatchMap.bands`.

    Args:
        scope: For its tokenizer.
        parts: Name -> text, in order; a token belongs to the part in which it ends.

    Returns:
        The prompt, and name -> token positions.

    Raises:
        EditError: The tokenizer does not say where its tokens lie.

    Example:
        >>> import saewidgets as sw
        >>> prompt, where = regions(sw.demo(), {"fact": "Today is Monday.", "question": " Tomorrow will be"})
        >>> prompt, where["question"]
        ('Today is Monday. Tomorrow will be', (5, 6, 7))
    """
    prompt = "".join(parts.values())
    ids, tokenizer = scope.model.tokenize(prompt), scope.model.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        raise EditError("The tokenizer does not say where its tokens lie.", "Give the positions yourself.")
    spans = tokenizer(prompt, return_offsets_mapping=True)["offset_mapping"]
    spans = [(0, 0)] * (len(ids) - len(spans)) + list(spans)  # a begin-of-sequence token that we put there
    ends = np.cumsum([len(text) for text in parts.values()])
    found: dict[str, list[int]] = {name: [] for name in parts}
    for place, (start, end) in enumerate(spans):
        if end > start:
            found[list(parts)[int(np.searchsorted(ends, end))]].append(place)
    return prompt, {name: tuple(places) for name, places in found.items()}
