"""How often the features that edits name are active: what a control's features must have in common with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from saewidgets.interventions import Edit
from saewidgets.runs.control import active_tokens

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.scope import Scope


def densities(
    scope: Scope,
    edits: Sequence[Sequence[Edit]],
    texts: Sequence[Sequence[int]],
    atlas: Atlas | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Tensor]:
    """On how many tokens each feature is active, of the dictionaries that edits name.

    Args:
        scope: A model with its dictionaries.
        edits: Lists of edits.
        texts: Token ids, run where the atlas knows nothing.
        atlas: Looked up first.
        check: Called before each run; raises to stop.

    Returns:
        Key of a dictionary -> `[d_dict]`.
    """
    keys = sorted({feature.dictionary for e in edits for edit in e for feature in edit.features})
    counts = {
        key: torch.from_numpy(np.array(atlas.stats(key)["n_active"])).long()
        for key in keys
        if atlas is not None and key in atlas.sites
    }
    left = [key for key in keys if key not in counts]
    for ids in texts if left else ():
        check()
        run = scope.run_ids(ids, sites=left)
        for key in left:
            counts[key] = counts.get(key, torch.zeros(1, dtype=torch.long)) + active_tokens(run.features[key])
    return counts
