"""The vocabulary beside an atlas: bytes and name of every token, so that text is shown without a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from saewidgets import disk
from saewidgets.atlas.tables import to_parquet
from saewidgets.errors import AtlasError, shorten

if TYPE_CHECKING:
    from saewidgets.model import TracedModel

_NAME = "vocabulary.parquet"
_ROWS = 8192


def write_vocabulary(folder: Path, model: TracedModel) -> None:
    """Write it, unless it is there or the model has no tokenizer."""
    from saewidgets.runs.tokens import token_bytes

    if model.tokenizer is None or (folder / _NAME).is_file():
        return
    ids = list(range(len(model.tokenizer)))
    names = model.tokenizer.convert_ids_to_tokens(ids)
    table = pa.table(
        {
            "bytes": pa.array(token_bytes(model.tokenizer, ids), pa.binary()),
            "name": pa.array([_text(name) for name in names], pa.string()),
        }
    )
    disk.write_bytes(folder / _NAME, to_parquet(table, _ROWS))


def _text(name: Any) -> str:
    return "" if name is None else str(name).encode("utf-8", "replace").decode("utf-8")


class Vocabulary:
    """Tokens as text.

    Args:
        folder: Of an atlas.
    """

    def __init__(self, folder: Path) -> None:
        try:
            table = pq.read_table(folder / _NAME) if (folder / _NAME).is_file() else None
        except (pa.ArrowException, OSError) as error:
            raise AtlasError(f"{_NAME} cannot be read ({shorten(str(error))}).", "Remove it and sweep again.") from None
        self._bytes: list[bytes | None] = [] if table is None else table.column("bytes").to_pylist()
        self._names: list[str] = [] if table is None else table.column("name").to_pylist()

    def __len__(self) -> int:
        return len(self._names)

    def strings(self, ids: Sequence[int]) -> tuple[str, ...]:
        """One string an id; bytes that are no character become U+FFFD, and "‹id›" is shown for an unknown one."""
        return tuple(self._string(i) for i in ids)

    @cached_property
    def special(self) -> frozenset[str]:
        """Names of the special tokens: bos and the like."""
        return frozenset(name for name, raw in zip(self._names, self._bytes, strict=True) if raw is None)

    def _string(self, index: int) -> str:
        if not 0 <= index < len(self._names):
            return f"‹{index}›"
        raw = self._bytes[index]
        return self._names[index] if raw is None else raw.decode("utf-8", "replace")
