"""Patch map -> payload: the blocks of the view, as far as they are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from saewidgets.causes.patching import PatchMap
from saewidgets.causes.question import NAMES, Question
from saewidgets.explain.targets import Asked
from saewidgets.payloads import Context, PatchBlock, PatchMapPayload, PatchPath, PatchRegion
from saewidgets.runs.tokens import payload_tokens

if TYPE_CHECKING:
    from saewidgets.causes.paths import PathEffect
    from saewidgets.scope import Scope

# What the view shows -> kinds of cells.
KINDS_OF = {"streams": ("resid", "attention", "mlp"), "heads": ("heads",), "features": ("features",)}


def map_payload(
    found: PatchMap, question: Question, show: str, regions: Mapping[str, Sequence[int]], prompts: tuple[str, str]
) -> PatchMapPayload:
    """What a `PatchMap` widget draws of a map that may still be growing.

    Args:
        found: The map so far.
        question: What it answers.
        show: `"streams"`, `"heads"` or `"features"`.
        regions: Name -> token positions.
        prompts: Clean and corrupted, as they were typed; where there is noise it lies where they differ.
    """
    model = question.scope.model
    tokens, corrupt = (payload_tokens(model.tokenizer, model.tokenize(text)) for text in prompts)
    blocks = _blocks(question.scope, found.frame, show, len(tokens))
    complete = {b.kind for b in blocks if b.band is not None} == set(KINDS_OF[show])
    noise = question.pairs[0].clean_ids == question.pairs[0].corrupt_ids
    return PatchMapPayload(
        prompts[0], prompts[1], tokens, corrupt, blocks, found.target, found.low, found.high, context_of(question),
        show, "noise" if noise else "swap", question.conditions.prompts, sum(int(b.measured.sum()) for b in blocks),
        question.conditions.controls, found.verdict if complete else "",
        regions=tuple(PatchRegion(name, np.asarray(places, np.uint32)) for name, places in regions.items()),
    )  # fmt: skip


def _blocks(scope: Scope, frame: pd.DataFrame, show: str, length: int) -> tuple[PatchBlock, ...]:
    if show == "heads":
        groups: list[tuple[str, pd.DataFrame]] = [(f"layer {layer}", part) for layer, part in frame.groupby("layer")]
    elif show == "features":
        key = str(frame["node"].iloc[0]).rpartition("/")[0] if len(frame) else "features"
        groups = [(key, frame)]
    else:
        groups = [(NAMES[kind], frame[frame["kind"] == kind]) for kind in dict.fromkeys(frame["kind"])]
    # Cells of one kind share their band, wherever they are drawn.
    bands = {kind: _band(part) for kind, part in frame.groupby("kind")}
    return tuple(_block(scope, name, part, bands[part["kind"].iloc[0]], length) for name, part in groups if len(part))


def _band(part: pd.DataFrame) -> float | None:
    if not part["controlled"].all():
        return None
    ends = [part["control_low"].abs().max(), part["control_high"].abs().max(), part["random_dictionary"].max()]
    return float(max(ends))


def _block(scope: Scope, name: str, part: pd.DataFrame, band: float | None, length: int) -> PatchBlock:
    kind, nodes = str(part["kind"].iloc[0]), list(dict.fromkeys(part["node"]))
    columns = part["node"].map({node: i for i, node in enumerate(nodes)})

    def table(cells: Any) -> np.ndarray[Any, Any]:
        found = np.zeros((length, len(nodes)), np.float32)
        found[part["position"], columns] = cells
        return found

    low, high, measured = table(part["control_low"]), table(part["control_high"]), table(1).astype(np.uint8)
    labels = tuple(scope.label(node) for node in nodes) if kind == "features" else ()
    short = tuple(node.rpartition("/")[2] if kind == "features" else node.rpartition(".")[2] for node in nodes)
    return PatchBlock(name, kind, short, tuple(nodes), table(part["restored"]), measured, low, high, band, labels)


def context_of(question: Question) -> Context:
    """The foot: model, dictionary, conditions."""
    from saewidgets import __version__

    scope, key, conditions = question.scope, question.key, question.conditions
    dictionary = "" if key is None else f"{scope.dictionaries[key].describe()} at {key}"
    return Context(
        f"{scope.name} · {scope.model.n_layers} layers", dictionary, conditions.error, conditions.propagation,
        conditions.seed, version=__version__,
    )  # fmt: skip


def path_payload(found: PathEffect, sender: tuple[str, int], receiver: tuple[str, int]) -> PatchPath:
    """What the view shows of a path."""
    return PatchPath(
        *sender, *receiver, found.restored, found.control_low, found.control_high, found.conditions.propagation
    )  # fmt: skip


def answers_of(scope: Scope, clean: str, corrupt: str, position: int) -> Asked:
    """The target nobody named: the likeliest token of the clean prompt, minus that of the corrupted one."""
    tops: list[int] = []
    for text in (clean, corrupt):
        logits = scope.model.trace(scope.model.tokenize(text)).logits
        assert logits is not None
        if -logits.shape[1] <= position < logits.shape[1]:
            tops.append(int(logits[0, position].argmax()))
    return tuple(tops) if len(set(tops)) == 2 else None


def with_context(payload: PatchMapPayload, **changes: Any) -> PatchMapPayload:
    """The payload with another foot."""
    return replace(payload, context=replace(payload.context, **changes))
