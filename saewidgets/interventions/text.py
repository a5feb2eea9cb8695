"""Lists of edits as JSON, as code, and backwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from saewidgets.errors import EditError, shorten
from saewidgets.interventions.edits import Edit, Source
from saewidgets.interventions.targets import target_from_json, target_json
from saewidgets.sites import FeatureId

_MAX_EDITS = 1_000
# Runs that are read may have edits that read other runs, and so on.
_MAX_DEPTH = 4


def to_json(edits: Sequence[Edit]) -> list[dict[str, Any]]:
    """Edits as plain JSON, the form the front end sends and shows."""
    return [_edit_json(edit) for edit in edits]


def _edit_json(edit: Edit) -> dict[str, Any]:
    target = {"feature": str(edit.feature)} if edit.feature else {"target": target_json(edit.target)}
    positions = list(edit.positions) if isinstance(edit.positions, tuple) else edit.positions
    item = {
        "kind": edit.kind,
        **target,
        "value": edit.value,
        "positions": positions,
        "error": edit.error,
        "relative": edit.relative,
    }
    if edit.when_active:
        item["when_active"] = True
    if edit.latents != "edit":
        item["latents"] = edit.latents
    if edit.source is not None:
        read = edit.source.positions
        item["source"] = {
            "prompts": [p if isinstance(p, str) else list(p) for p in edit.source.prompts],
            "edits": to_json(edit.source.edits),
            "positions": None if read is None else list(read),
        }
    return item


def from_json(items: Any, depth: int = 0) -> tuple[Edit, ...]:
    """Read what `to_json` wrote, or what a stranger claims it did.

    Args:
        items: A list; edits in it are taken as they are.
        depth: How many runs that are read by others this one is inside of.

    Raises:
        EditError: Not a list of edits, or too many.
        FeatureError, SiteError: A target is malformed.
    """
    if not isinstance(items, (list, tuple)) or len(items) > _MAX_EDITS or depth > _MAX_DEPTH:
        raise EditError(f"Edits are {shorten(items)}.", f"They must be a list of at most {_MAX_EDITS}.")
    return tuple(item if isinstance(item, Edit) else _read(item, depth) for item in items)


def _read(item: Any, depth: int) -> Edit:
    if not isinstance(item, Mapping) or "kind" not in item or not {"feature", "target"} & item.keys():
        raise EditError(f"{shorten(item)} is no edit.", "It needs 'kind' and 'feature' or 'target'.")
    target = FeatureId.parse(item["feature"]) if "feature" in item else target_from_json(item["target"])
    value, source = item.get("value"), item.get("source")
    if source is not None:
        if not isinstance(source, Mapping):
            raise EditError(f"Values from {shorten(source)}.", "A source is a mapping with 'prompts'.")
        source = Source(
            source.get("prompts", ()), from_json(source.get("edits", []), depth + 1), source.get("positions")
        )
    return Edit(
        target,
        item["kind"],
        0.0 if value is None or item["kind"] in ("ablate", "patch") else value,
        item.get("positions"),
        item.get("error", "keep"),
        item.get("relative") is True,
        item.get("when_active") is True,
        item.get("latents", "edit"),
        source,
    )


def to_code(edits: Sequence[Edit]) -> str:
    """Python that makes the edits: `[sw.ablate('resid_post.2/17')]`."""
    return "[" + ", ".join(map(repr, edits)) + "]"


def is_multiple(edit: Edit) -> float | None:
    """Factor of an edit that a slider can show (ablate is 0), `None` for any other edit."""
    if edit.positions is not None or edit.kind not in ("ablate", "scale") or edit.source is not None:
        return None
    return 0.0 if edit.kind == "ablate" else edit.value if math.isfinite(edit.value) else None
