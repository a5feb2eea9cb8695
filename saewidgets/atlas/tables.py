"""Summaries as Arrow tables: one row a feature, with its histogram, tokens and examples nested in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from saewidgets.atlas.counts import Counts
from saewidgets.atlas.examples import Examples
from saewidgets.atlas.keys import Array, lengths, starts
from saewidgets.atlas.moments import Moments
from saewidgets.atlas.shared import Shared
from saewidgets.atlas.summary import Summary

# Rows read to get at one: small, so that a dashboard opens at once.
FEATURES_IN_GROUP = 256
_MOMENTS = ("n_active", "total", "squares", "cubes", "fourths", "maximum", "minimum")
MOMENTS = ["feature", *_MOMENTS]
PLACES = ["feature", "examples.list.element.context", "examples.list.element.position"]
_EXAMPLE = ("group", "document", "context", "position", "value")


def feature_table(summary: Summary) -> pa.Table:
    """One row a feature that was active: `feature`, its moments, `histogram`, `tokens`, `examples`."""
    moments, examples = summary.moments, summary.examples
    example = _struct({name: getattr(examples, name) for name in _EXAMPLE})
    example |= {
        name: pa.ListArray.from_arrays(pa.array(examples.begin.astype(np.int32)), pa.array(getattr(examples, name)))
        for name in ("where", "around")
    }
    columns: dict[str, pa.Array] = {"feature": pa.array(moments.feature)}
    columns |= {name: pa.array(getattr(moments, name)) for name in _MOMENTS}
    for name, counts in (("histogram", summary.histogram), ("tokens", summary.tokens)):
        columns[name] = _nested(moments.feature, counts.feature, _struct({"key": counts.key, "count": counts.count}))
    columns["examples"] = _nested(moments.feature, examples.feature, example)
    return pa.table(columns)


def shared_table(shared: Shared) -> pa.Table:
    """One row a token of the sample."""
    begin = pa.array(shared.begin.astype(np.int32))
    ragged = {name: pa.ListArray.from_arrays(begin, pa.array(getattr(shared, name))) for name in ("feature", "value")}
    return pa.table({"context": pa.array(shared.context), "position": pa.array(shared.position), **ragged})


def summary_of(features: pa.Table, shared: pa.Table | None) -> Summary:
    """The summary in tables that `feature_table` and `shared_table` made."""
    features = features.combine_chunks()
    moments = moments_of(features)
    feature = moments.feature
    size, inner = _opened(features, "examples")
    where, around = inner.field("where"), inner.field("around")
    examples = Examples(
        np.repeat(feature, size),
        **{name: _numpy(inner.field(name)) for name in _EXAMPLE},
        begin=_offsets(where),
        where=_numpy(where.flatten()),
        around=_numpy(around.flatten()),
    )
    histogram, tokens = _counts(features, "histogram"), _counts(features, "tokens")
    return Summary(moments, histogram, tokens, examples, shared_of(shared) if shared is not None else _no_tokens())


def shared_of(table: pa.Table) -> Shared:
    """The sample in a table that `shared_table` made."""
    table = table.combine_chunks()
    lists = table.column("feature").chunk(0) if table.num_rows else pa.array([], pa.list_(pa.int32()))
    values = table.column("value").chunk(0).flatten() if table.num_rows else pa.array([], pa.float32())
    return Shared(
        _column(table, "context"), _column(table, "position"), _offsets(lists), _numpy(lists.flatten()), _numpy(values)
    )


def moments_of(table: pa.Table) -> Moments:
    """The moments in the columns `MOMENTS` of such a table."""
    return Moments(_column(table, "feature"), **{name: _column(table, name) for name in _MOMENTS})


def counts_of(table: pa.Table, name: str) -> Counts:
    """The histogram or the tokens in such a table."""
    return _counts(table.combine_chunks(), name)


def places_of(table: pa.Table) -> dict[str, Array]:
    """`feature`, `context` and `position` of every example in a table with the columns `PLACES`."""
    table = table.combine_chunks()
    size, inner = _opened(table, "examples")
    parts = {name: _numpy(inner.field(name)) for name in ("context", "position")}
    return {"feature": np.repeat(_column(table, "feature"), size), **parts}


def projected(table: pa.Table, names: list[str]) -> pa.Table:
    """The columns by which these names begin; what Parquet would read may be less."""
    return table.select(list(dict.fromkeys(name.partition(".")[0] for name in names)))


def to_parquet(table: pa.Table, rows: int = FEATURES_IN_GROUP) -> bytes:
    """A Parquet file; equal tables give equal bytes."""
    sink = pa.BufferOutputStream()
    # Few values repeat, so dictionaries cost time and space; bounds are looked up in the first column only.
    options = {"use_dictionary": False, "write_statistics": table.column_names[:1]}
    pq.write_table(table, sink, row_group_size=rows, compression="zstd", compression_level=1, **options)
    return bytes(memoryview(sink.getvalue()))


def _struct(columns: dict[str, Array]) -> dict[str, pa.Array]:
    return {name: pa.array(column) for name, column in columns.items()}


def _nested(rows: Array, owner: Array, columns: dict[str, pa.Array]) -> pa.ListArray:
    """One list a row: the entries whose `owner` it is; every owner is a row, in the same order."""
    first = starts(owner)
    size = np.zeros(len(rows), np.int64)
    size[np.searchsorted(rows, owner[first])] = lengths(first, len(owner))
    begin = pa.array(np.append(0, np.cumsum(size)).astype(np.int32))
    return pa.ListArray.from_arrays(begin, pa.StructArray.from_arrays(list(columns.values()), list(columns)))


def _counts(table: pa.Table, name: str) -> Counts:
    size, inner = _opened(table, name)
    return Counts(np.repeat(_column(table, "feature"), size), _numpy(inner.field("key")), _numpy(inner.field("count")))


def _opened(table: pa.Table, name: str) -> tuple[Array, Any]:
    """Lengths of the lists of a column, and what is in them."""
    chunks = table.column(name)
    lists = chunks.chunk(0) if chunks.num_chunks else pa.array([], chunks.type)
    return np.diff(_offsets(lists)), lists.flatten()


def _offsets(lists: Any) -> Array:
    offsets = _numpy(lists.offsets).astype(np.int64)
    return offsets - offsets[0] if len(offsets) else np.zeros(1, np.int64)


def _column(table: pa.Table, name: str) -> Array:
    return _numpy(table.column(name))


def _numpy(column: Any) -> Array:
    result: Array = (
        column.to_numpy(zero_copy_only=False) if not isinstance(column, pa.ChunkedArray) else column.to_numpy()
    )
    return result


def _no_tokens() -> Shared:
    empty = np.empty(0, np.int64)
    return Shared(
        empty, empty.astype(np.int32), np.zeros(1, np.int64), empty.astype(np.int32), empty.astype(np.float32)
    )
