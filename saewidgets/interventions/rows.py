"""Several versions of one prompt in one batch: each row has writes of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from saewidgets.model import Write
from saewidgets.sites import Site


class RowWrites:
    """The writes of every row at one site, as one write.

    Args:
        writes: Row -> write, for those that have one here.
    """

    def __init__(self, writes: Mapping[int, Write]) -> None:
        self.writes = writes

    @classmethod
    def of(cls, rows: Sequence[Mapping[Site, Write]]) -> dict[Site, Write]:
        """Writes for `TracedModel.trace` of a batch, row r under `rows[r]`."""
        sites = {site for row in rows for site in row}
        return {site: cls({r: row[site] for r, row in enumerate(rows) if site in row}) for site in sites}

    def __call__(self, value: Tensor, values: Mapping[Site, Tensor], offset: int) -> Tensor:
        """`[batch, tokens, d]` -> the same, each row changed by its own write."""
        result = value.clone()
        for row, write in self.writes.items():
            own = {site: other[row : row + 1] for site, other in values.items()}
            result[row : row + 1] = write(value[row : row + 1], own, offset)
        return result
