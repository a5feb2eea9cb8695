"""Payload of the `PatchMap`: what a clean run restores, put into a corrupted one cell by cell.

Shapes: T tokens, C columns of a block, K predictions, H parts of a cell.
"""

from dataclasses import dataclass

import numpy as np

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import F32, U32, F32x2, U8x2
from saewidgets.payloads.context import Context
from saewidgets.payloads.heatmap import Tokens
from saewidgets.payloads.record import check, same_length

SHOWS = ("streams", "heads", "features")
CORRUPTIONS = ("swap", "noise")
MAX_BLOCKS, MAX_DETAILS = 400, 64


@dataclass(frozen=True, slots=True, eq=False)
class PatchBlock:
    """Columns of the map that belong together.

    Args:
        name: "residual stream", "layer 2", "resid_post.1".
        kind: `"resid"`, `"attention"`, `"mlp"`, `"heads"` or `"features"`.
        columns: `C` short labels: layers, heads, features.
        nodes: `C` places: "attn_out.2", "head.2.1", "resid_post.1/17".
        values: `[T, C]` restored share: 0 as corrupted, 1 as clean.
        measured: `[T, C]` 1 where the cell was measured.
        band: Greatest absolute value of any control of this kind, `None` until they are there.
        low, high: `[T, C]` controls of each cell, zeros until they are there.
        labels: Of features, "" where there is none.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    nodes: tuple[str, ...]
    values: F32x2
    measured: U8x2
    low: F32x2
    high: F32x2
    band: float | None = None
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.columns), "nodes")
        if self.labels:
            same_length(self, len(self.columns), "labels")
        for name in ("values", "measured", "low", "high"):
            if getattr(self, name).shape != (len(self.values), len(self.columns)):
                raise PayloadError(
                    f"PatchBlock.{name} has another shape.", f"It must have {len(self.columns)} columns."
                )
        if self.band is not None and self.band < 0:
            raise PayloadError(f"The band is {self.band}.", "It is an absolute value.")

    def beyond(self) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
        """`[T, C]` whether a cell lies beyond every control; nowhere until they are there."""
        bar = np.inf if self.band is None else self.band
        return np.asarray((np.abs(self.values) > np.float32(bar)) & (self.measured == 1))


@dataclass(frozen=True, slots=True, eq=False)
class PatchDetail:
    """One cell, patched: the predictions before and after, and its parts.

    Args:
        node, position: The cell.
        restored: As in its block.
        low, high: Its own controls.
        words: `K` next tokens, by falling probability in either run.
        before, after: `[K]` probabilities in the corrupted run, and with the cell patched.
        before_low, before_high: `[K]` least and greatest probability under the controls.
        parts: `H` heads of an attention.
        part_values: `[H]` what each restores alone.
        part_band: Greatest absolute value of any of their controls.
    """

    node: str
    position: int
    restored: float
    low: float
    high: float
    words: tuple[str, ...]
    before: F32
    after: F32
    before_low: F32
    before_high: F32
    parts: tuple[str, ...] = ()
    part_values: F32 | None = None
    part_band: float = 0.0

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.words), "before", "after", "before_low", "before_high")
        same_length(self, len(self.parts), "part_values")


@dataclass(frozen=True, slots=True, eq=False)
class PatchPath:
    """What one cell sends another, and nothing else.

    Args:
        sender, sender_position: The cell it starts at.
        receiver, receiver_position: The cell that takes it; "logits" and -1 for the prediction itself.
        restored: As of a cell.
        low, high: Controls.
        propagation: How the change travels.
    """

    sender: str
    sender_position: int
    receiver: str
    receiver_position: int
    restored: float
    low: float
    high: float
    propagation: str = ""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class PatchRegion:
    """A part of the prompt.

    Args:
        name: "query".
        positions: Its tokens.
    """

    name: str
    positions: U32

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class PatchMapPayload:
    """Everything a `PatchMap` draws.

    Args:
        clean, corrupt: The prompts; of several pairs the first.
        tokens, corrupt_tokens: `T` tokens of each.
        blocks: The map.
        target: What is measured, in words.
        low, high: The target in the corrupted and in the clean run.
        show: `"streams"`, `"heads"` or `"features"`.
        corruption: `"swap"`: another prompt; `"noise"`: noise on the embeddings of the tokens in which they differ.
        n_prompts: Pairs that are averaged.
        n_patches: Cells that were measured.
        controls: Draws of each control.
        verdict: One sentence: whether anything beats the controls; "" until they are there.
        cell: The chosen one, "attn_out.2:14"; "" for none.
        details: Cells that were patched live.
        paths: Paths that were patched; the last one is in view.
        regions: Parts of the prompt over which the effect is added up.
        context: The foot.
    """

    clean: str
    corrupt: str
    tokens: Tokens
    corrupt_tokens: Tokens
    blocks: tuple[PatchBlock, ...]
    target: str
    low: float
    high: float
    context: Context
    show: str = "streams"
    corruption: str = "swap"
    n_prompts: int = 1
    n_patches: int = 0
    controls: int = 0
    verdict: str = ""
    cell: str = ""
    details: tuple[PatchDetail, ...] = ()
    paths: tuple[PatchPath, ...] = ()
    regions: tuple[PatchRegion, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        length = len(self.tokens)
        same_length(self, length, "corrupt_tokens")
        if len(self.blocks) > MAX_BLOCKS or len(self.details) > MAX_DETAILS or len(self.paths) > MAX_DETAILS:
            raise PayloadError("The map has too many parts.", f"At most {MAX_BLOCKS} blocks, {MAX_DETAILS} details.")
        for block in self.blocks:
            same_length(block, length, "values")
        for part in self.details:
            if not 0 <= part.position < length:
                raise PayloadError(f"A cell at token {part.position}.", f"There are {length}.")
        for region in self.regions:
            if len(region.positions) and int(region.positions.max()) >= length:
                raise PayloadError(f"{shorten(region.name)} has a token that is not there.", f"There are {length}.")
        for name, options in (("show", SHOWS), ("corruption", CORRUPTIONS)):
            if getattr(self, name) not in options:
                raise PayloadError(f"{name} is {shorten(getattr(self, name))}.", f"Use one of {options}.")

    def where(self, cell: str) -> tuple[PatchBlock, int, int] | None:
        """Block, column and position of a cell; `None` when the map has none such."""
        node, _, place = cell.rpartition(":")
        if not (place.isascii() and place.isdigit()) or len(place) > 9 or int(place) >= len(self.tokens):
            return None
        for block in self.blocks:
            if node in block.nodes:
                return block, block.nodes.index(node), int(place)
        return None

    def detail(self, cell: str) -> PatchDetail | None:
        """What was found when a cell was patched."""
        return next((d for d in self.details if f"{d.node}:{d.position}" == cell), None)

    def changed(self) -> list[int]:
        """Positions at which the prompts differ."""
        pairs = zip(self.tokens.ids.tolist(), self.corrupt_tokens.ids.tolist(), strict=True)
        return [place for place, (one, other) in enumerate(pairs) if one != other]
