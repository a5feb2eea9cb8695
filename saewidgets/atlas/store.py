"""`Store`: an atlas on disk. A shard is there when its commit is, and a commit is written last."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from saewidgets import disk
from saewidgets.atlas import tables
from saewidgets.atlas.manifest import Manifest
from saewidgets.atlas.shared import Shared
from saewidgets.atlas.summary import Summary
from saewidgets.corpus import Contexts
from saewidgets.errors import AtlasError, shorten

# Runs a function on some numbers, and gives what it returned.
Spread: TypeAlias = Callable[[Callable[[int], dict[str, list[int]]], Iterable[int]], Iterable[dict[str, list[int]]]]

_MANIFEST = "atlas.json"
# Features of one file of the merged statistics, and merged at a time: it bounds the memory.
BLOCK = 8192
_TOKEN_ROWS = 64
# Rows of a shard that are read at once: it is read a block at a time, and every group of rows costs.
_SHARD_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Commit:
    """That a shard of one dictionary is there.

    Args:
        shard: Its number.
        contexts: Contexts in it.
        n_tokens: Tokens that count.
        corpus: SHA-256 of its text.
        files: Name -> size and CRC-32.
    """

    shard: int
    contexts: int
    n_tokens: int
    corpus: str
    files: dict[str, list[int]]


class Store:
    """A folder with a manifest, the shards of every dictionary, and what they merge to.

    Args:
        folder: The folder.

    Raises:
        AtlasError: It holds no atlas.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = Manifest.from_json(self._read(_MANIFEST, "Name a folder that a sweep made."))

    @classmethod
    def make(cls, folder: Path, manifest: Manifest) -> Store:
        """Write the manifest of a new atlas, or of one that gets another dictionary."""
        disk.make_folder(folder / "tokens")
        for number in range(len(manifest.sites)):
            disk.make_folder(folder / f"site-{number}")
        disk.write_bytes(folder / _MANIFEST, manifest.to_json())
        return cls(folder)

    @staticmethod
    def is_there(folder: Path) -> bool:
        """Whether the folder holds an atlas.

        Raises:
            AtlasError: It holds something else.
        """
        if (folder / _MANIFEST).is_file():
            return True
        if folder.exists() and (not folder.is_dir() or any(_foreign(folder))):
            raise AtlasError(f"{shorten(str(folder))} holds something else.", "Name a new folder for the atlas.")
        return False

    def sweep_temporaries(self) -> None:
        """Remove what a killed sweep left; call it with the lock."""
        for folder in (self.folder, *(path for path in self.folder.iterdir() if path.is_dir())):
            disk.sweep_temporaries(folder, stale=0.0)

    # -- shards --------------------------------------------------------------------------------------------------------

    def commits(self, site: int) -> list[Commit]:
        """The shards of a dictionary that are whole, from the first on."""
        found: list[Commit] = []
        while (commit := self.commit(site, len(found))) is not None:
            found.append(commit)
        return found

    def commit(self, site: int, shard: int) -> Commit | None:
        """That of one shard; `None` when it is not there or its files are not those it names."""
        path = self.folder / f"site-{site}" / f"{shard:06}.json"
        try:
            data = json.loads(path.read_bytes())
            commit = Commit(**data)
            sizes = {name: size for name, (size, _) in commit.files.items()}
            whole = all((self.folder / name).stat().st_size == size for name, size in sizes.items())
            whole = whole and (self.folder / _text_name(shard)).is_file()
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return None
        return commit if whole and commit.shard == shard else None

    def write_shard(self, number: int, shard: Sequence[Contexts], summaries: dict[int, Summary], n_tokens: int) -> None:
        """Write the text of a shard and its summaries, each with its commit."""
        contexts = sum(len(part) for part in shard)
        # Another dictionary may have seen more of this text, never other text: `check_text`.
        known, new = self._known_text(number), _text_columns(shard)
        if known is None or _n_words(known) < _n_words(new):
            disk.write_bytes(self.folder / _text_name(number), tables.to_parquet(_text_table(new), _TOKEN_ROWS))
        for site, summary in summaries.items():
            files: dict[str, list[int]] = {}
            for name, table in (
                ("features", tables.feature_table(summary)),
                ("shared", tables.shared_table(summary.shared)),
            ):
                raw = tables.to_parquet(table, _SHARD_ROWS)
                files |= dict([self._write(f"site-{site}/{number:06}.{name}.parquet", raw)])
            commit = Commit(number, contexts, n_tokens, digest(shard), files)
            disk.write_bytes(
                self.folder / f"site-{site}" / f"{number:06}.json", json.dumps(asdict(commit), indent=1).encode()
            )

    def _write(self, name: str, raw: bytes) -> tuple[str, list[int]]:
        disk.write_bytes(self.folder / name, raw)
        return name, [len(raw), zlib.crc32(raw)]

    # -- what the shards merge to --------------------------------------------------------------------------------------

    def merge(self, site: int, commits: Sequence[Commit], spread: Spread = map) -> None:
        """Write what the shards merge to, a block of features at a time; the list of its files last.

        Args:
            site: The dictionary.
            commits: Its shards.
            spread: As `map`: runs the blocks, here or on a cluster.
        """
        if not commits or self._merged(site, commits) is not None:
            return
        files: dict[str, list[int]] = {}
        for written in spread(partial(self.write_block, site, commits), range(self.n_blocks(site))):
            files |= written
        listed = {"shards": _identity(commits), "files": files}
        disk.write_bytes(self.folder / f"site-{site}" / "merged.json", json.dumps(listed, indent=1).encode())

    def write_block(self, site: int, commits: Sequence[Commit], number: int) -> dict[str, list[int]]:
        """Merge and write some features; the files with their sizes and sums."""
        merged = self.merged_block(site, number, commits)
        made = [(f"features-{number:04}", tables.feature_table(merged))]
        if number == 0:
            made.append(("shared", tables.shared_table(merged.shared)))
        return dict(self._write(f"site-{site}/{name}.parquet", tables.to_parquet(table)) for name, table in made)

    def n_blocks(self, site: int) -> int:
        """Files over which the merged features are spread."""
        return -(-self.manifest.sites[site].d_dict // BLOCK)

    def merged_block(self, site: int, number: int, commits: Sequence[Commit]) -> Summary:
        """Some features merged over these shards; the token sample with the first block."""
        if not commits:
            key = self.manifest.sites[site].key
            raise AtlasError(f"The atlas holds no shard of {shorten(key)} yet.", "Sweep a corpus into it.")
        parts = (self._shard_block(site, number, commit) for commit in commits)
        return Summary.merge(parts, self.manifest.limits)

    def _shard_block(self, site: int, number: int, commit: Commit) -> Summary:
        base = f"site-{site}/{commit.shard:06}"
        features = self._features(f"{base}.features.parquet", commit.files, number * BLOCK)
        shared = self._table(f"{base}.shared.parquet", commit.files) if number == 0 else None
        return tables.summary_of(features, shared)

    def _features(self, name: str, files: dict[str, list[int]], first: int) -> pa.Table:
        """The rows of one block in a shard: only the row groups that hold some are read."""
        with self._parquet(name, files) as file:
            table = file.read_row_groups(_groups(file, first, first + BLOCK), use_threads=False)
        feature = table.column("feature")
        return table.filter(pc.and_(pc.greater_equal(feature, first), pc.less(feature, first + BLOCK)))

    def _merged(self, site: int, commits: Sequence[Commit]) -> dict[str, list[int]] | None:
        """The files of the merge of just these shards, if it is there and whole."""
        try:
            written = json.loads((self.folder / f"site-{site}" / "merged.json").read_bytes())
            if written["shards"] != _identity(commits):
                return None
            files: dict[str, list[int]] = written["files"]
            whole = all((self.folder / name).stat().st_size == size for name, (size, _) in files.items())
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return files if whole else None

    def merged_shared(self, site: int, commits: Sequence[Commit]) -> Shared:
        """The token sample of a merge, without any feature's statistics."""
        files = self._merged(site, commits)
        if files is not None:
            return tables.shared_of(self._table(f"site-{site}/shared.parquet", files))
        parts = [self._table(f"site-{site}/{c.shard:06}.shared.parquet", c.files) for c in commits]
        return Shared.merge([tables.shared_of(part) for part in parts], self.manifest.limits.shared)

    def merged_feature(self, site: int, feature: int, commits: Sequence[Commit]) -> pa.Table:
        """The row of one feature; no rows when it was never active."""
        number = feature // BLOCK
        files = self._merged(site, commits)
        if files is None:
            table = tables.feature_table(self.merged_block(site, number, commits))
        else:
            with self._parquet(f"site-{site}/features-{number:04}.parquet", files, check=False) as file:
                table = file.read_row_groups(_groups(file, feature, feature + 1), use_threads=False)
        return table.filter(pc.equal(table.column("feature"), feature))

    def columns(self, site: int, number: int, commits: Sequence[Commit], names: list[str]) -> pa.Table:
        """Some columns of one block of a merge, `"examples.list.element.context"` for a part of one."""
        files = self._merged(site, commits)
        if files is None:
            table = tables.feature_table(self.merged_block(site, number, commits))
            return tables.projected(table, names)
        with self._parquet(f"site-{site}/features-{number:04}.parquet", files) as file:
            return file.read(columns=names, use_threads=False)

    def rows(self, site: int, features: Sequence[int], commits: Sequence[Commit], names: list[str]) -> pa.Table:
        """Some columns of some features, by block, then feature; those that were never active have no row."""
        files, parts = self._merged(site, commits), []
        wanted = np.unique(np.asarray(features, np.int64))
        for number in np.unique(wanted // BLOCK).tolist():
            inside = wanted[wanted // BLOCK == number]
            if files is None:
                table = tables.projected(tables.feature_table(self.merged_block(site, number, commits)), names)
            else:
                with self._parquet(f"site-{site}/features-{number:04}.parquet", files, check=False) as file:
                    groups = _groups_of(file, inside)
                    table = file.read_row_groups(groups, columns=names, use_threads=False)
            parts.append(table.filter(pc.is_in(table.column("feature"), pa.array(inside, pa.int32()))))
        return pa.concat_tables(parts) if parts else self.columns(site, 0, commits, names).slice(0, 0)

    def check_text(self, number: int, shard: Sequence[Contexts]) -> None:
        """Compare a shard with the text that is there, as far as both go; padding may have become text.

        Raises:
            AtlasError: They differ.
        """
        known, new = self._known_text(number), _text_columns(shard)
        if known is None:
            return
        n = min(len(known["ids"]), len(new["ids"]))
        both = (known["documents"][:n] >= 0) & (new["documents"][:n] >= 0)
        for name, column in new.items():
            if not np.array_equal(column[:n][both], known[name][:n][both]):
                raise AtlasError(
                    f"Shard {number} of the atlas was made from other text.",
                    "Pass the corpus it was made from, or more.",
                )

    def _known_text(self, number: int) -> dict[str, Any] | None:
        """The text of a shard, if it is there."""
        try:
            table = pq.read_table(self.folder / _text_name(number), use_threads=False)
        except (pa.ArrowException, OSError):
            return None
        flat = {name: table.column(name).combine_chunks().flatten().to_numpy() for name in ("ids", "documents")}
        return {name: column.reshape(table.num_rows, -1) for name, column in flat.items()}

    # -- text ----------------------------------------------------------------------------------------------------------

    def context(self, index: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Token ids of one context."""
        return self.contexts([index])[index]

    def contexts(self, indices: Iterable[int]) -> dict[int, np.ndarray[Any, np.dtype[np.int64]]]:
        """Token ids of contexts; each file is opened once, and of it only the row groups that hold some are read."""
        places: dict[int, dict[int, list[tuple[int, int]]]] = {}
        for index in indices:
            shard, row = self._place(index)
            places.setdefault(shard, {}).setdefault(row // _TOKEN_ROWS, []).append((index, row % _TOKEN_ROWS))
        found: dict[int, np.ndarray[Any, np.dtype[np.int64]]] = {}
        for shard, groups in places.items():
            with self._parquet(_text_name(shard), {}, check=False) as file:
                for group, rows in groups.items():
                    ids = file.read_row_group(group, columns=["ids"], use_threads=False).column("ids").chunk(0)
                    table = ids.flatten().to_numpy().reshape(len(ids), -1)
                    found |= {index: table[row].astype(np.int64) for index, row in rows}
        return found

    def shard_ids(self, shard: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """`[contexts, length]` token ids of one shard."""
        with self._parquet(_text_name(shard), {}, check=False) as file:
            ids = file.read(columns=["ids"], use_threads=False).column("ids").combine_chunks()
        result: np.ndarray[Any, np.dtype[np.int64]] = ids.flatten().to_numpy().reshape(len(ids), -1).astype(np.int64)
        return result

    def _place(self, index: int) -> tuple[int, int]:
        """Shard of a context, and its row there."""
        shard = 0
        while index >= self.manifest.contexts(shard):
            index -= self.manifest.contexts(shard)
            shard += 1
        return shard, index

    # -- reading -------------------------------------------------------------------------------------------------------

    def _read(self, name: str, todo: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            what = f"{shorten(str(self.folder))} has no readable {shorten(name)} ({error.strerror})."
            raise AtlasError(what, todo) from None

    def _table(self, name: str, files: dict[str, list[int]]) -> pa.Table:
        with self._parquet(name, files) as file:
            return file.read(use_threads=False)

    def _parquet(self, name: str, files: dict[str, list[int]], check: bool = True) -> pq.ParquetFile:
        """Open a file; with `check`, only if its bytes are those that were committed."""
        todo = "Sweep again: what is damaged is made anew."
        try:
            if not check:
                return pq.ParquetFile(self.folder / name)
            raw = self._read(name, todo)
            if name not in files or [len(raw), zlib.crc32(raw)] != files[name]:
                raise AtlasError(f"{shorten(name)} is not what was written.", todo)
            return pq.ParquetFile(pa.BufferReader(raw))
        except (pa.ArrowException, OSError) as error:
            raise AtlasError(f"{shorten(name)} cannot be read ({shorten(str(error))}).", todo) from None


def _groups(file: pq.ParquetFile, first: int, end: int) -> list[int]:
    """Row groups that hold features from `first` up to `end`; one without rows has no bounds."""
    bounds = [file.metadata.row_group(i).column(0).statistics for i in range(file.num_row_groups)]
    return [i for i, s in enumerate(bounds) if s is not None and s.max >= first and s.min < end]


def _groups_of(file: pq.ParquetFile, features: np.ndarray[Any, Any]) -> list[int]:
    """Row groups that hold some of these rising features."""
    bounds = [file.metadata.row_group(i).column(0).statistics for i in range(file.num_row_groups)]
    found = []
    for i, s in enumerate(bounds):
        if s is not None and np.searchsorted(features, s.min) < np.searchsorted(features, s.max, "right"):
            found.append(i)
    return found


def digest(shard: Sequence[Contexts]) -> str:
    """SHA-256 of the text of a shard: ids, documents and what counts."""
    result = hashlib.sha256()
    for part in shard:
        for column, kind in ((part.ids, "<i8"), (part.documents, "<i8"), (part.mask, "|b1")):
            result.update(np.ascontiguousarray(column, kind).tobytes())
    return result.hexdigest()


def _identity(commits: Sequence[Commit]) -> str:
    """Of the shards that were merged."""
    text = json.dumps([[c.shard, c.corpus, sorted(c.files.items())] for c in commits])
    return hashlib.sha256(text.encode()).hexdigest()


def _text_name(shard: int) -> str:
    return f"tokens/{shard:06}.parquet"


def _text_columns(shard: Sequence[Contexts]) -> dict[str, Any]:
    return {name: np.concatenate([getattr(part, name) for part in shard]) for name in ("ids", "documents")}


def _n_words(columns: dict[str, Any]) -> int:
    """Tokens of documents, without BOS and padding."""
    return int((columns["documents"] >= 0).sum())


def _text_table(columns: dict[str, Any]) -> pa.Table:
    length = columns["ids"].shape[1]
    lists = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(column.ravel().astype(kind)), length)
        for (name, column), kind in zip(columns.items(), (np.int32, np.int64), strict=True)
    }
    return pa.table(lists)


def _foreign(folder: Path) -> list[Path]:
    """What lies in a folder besides what a sweep killed at its start may have left."""
    ours = ("tokens", "lock")
    return [p for p in folder.iterdir() if p.name not in ours and not p.name.startswith(("site-", disk.PREFIX))]
