"""Labels that others wrote: exports of Neuronpedia, and tables."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from saewidgets.errors import LabelError, shorten
from saewidgets.explain.labels import MAX_BYTES, Label, made, parse, read


def read_neuronpedia(path: str | Path, dictionary: str | Mapping[str, str]) -> tuple[Label, ...]:
    """Labels of a Neuronpedia export: a JSON list of explanations, JSON lines (also `.gz`), or one feature's JSON.

    Args:
        path: The file.
        dictionary: Key of the dictionary that the file is about, or layer as the file names it ("6-res-jb") -> key;
            then other layers are left out.

    Returns:
        One label for each explanation that says something; a feature may have several.

    Raises:
        LabelError: No such file or no such export, or it is about several layers and one key was given.
    """
    found, layers = [], set()
    for number, entry in enumerate(_explanations(_unzipped(read(path), path), path)):
        if not isinstance(entry, dict) or not {"index", "description"} <= entry.keys():
            raise LabelError(
                f"Entry {number} of {shorten(Path(path).name)} is {shorten(entry)}.", "It needs index and description."
            )
        layer = entry.get("layer")
        layers.add(str(layer))
        key = dictionary if isinstance(dictionary, str) else dictionary.get(str(layer))
        if key is None or entry["description"] in (None, ""):
            continue
        origin = [str(entry[name]) for name in ("modelId", "layer", "explanationModelName") if entry.get(name)]
        source = f"neuronpedia: {', '.join(origin)}"[:2000] if origin else "neuronpedia"
        found.append(made(path, number, feature=f"{key}/{_index(entry['index'])}", text=entry["description"],
                          source=source))  # fmt: skip
    if isinstance(dictionary, str) and len(layers) > 1:
        raise LabelError(
            f"{shorten(Path(path).name)} is about {len(layers)} layers.",
            "Pass dictionary={'6-res-jb': 'resid_post.5'}.",
        )
    return tuple(found)


def _explanations(content: bytes, path: str | Path) -> Iterator[Any]:
    """Entries of any of the three shapes."""
    lines = content.split(b"\n")
    several = sum(bool(line.strip()) for line in lines) > 1 and content.lstrip()[:1] == b"{"
    if several and lines[0].strip().endswith(b"}"):
        values = [parse(line, path) for line in lines if line.strip()]
    else:
        value = parse(content, path)
        values = value if isinstance(value, list) else [value]
    for value in values:
        inner = value.get("explanations") if isinstance(value, dict) else None
        if isinstance(inner, list):
            for part in inner:
                yield {**value, **part, "explanations": None} if isinstance(part, dict) else part
        else:
            yield value


def _unzipped(content: bytes, path: str | Path) -> bytes:
    """The content itself, unless it is gzip; never more than a file may hold."""
    if content[:2] != b"\x1f\x8b":
        return content
    unzip = zlib.decompressobj(wbits=31)
    try:
        result = unzip.decompress(content, MAX_BYTES + 1)
    except zlib.error:
        raise LabelError(f"{shorten(Path(path).name)} is damaged gzip.", "Download it again.") from None
    if len(result) > MAX_BYTES or not unzip.eof:
        raise LabelError(f"{shorten(Path(path).name)} is torn, or too large when unzipped.", "Unzip and split it.")
    return result


def _index(value: Any) -> str:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e9 else (
        value if isinstance(value, str) and len(value) < 12 else shorten(value)
    )  # fmt: skip


def read_csv(path: str | Path, dictionary: str | None = None) -> tuple[Label, ...]:
    """Labels of a table with a heading: `feature` (or `index` with `dictionary=`), and `label` or `description`.

    Args:
        path: A `.csv` file in UTF-8.
        dictionary: Key of the dictionary, for a column `index`.

    Returns:
        One label a row; rows without text are left out.

    Raises:
        LabelError: No such file or no such table.
    """
    name = shorten(Path(path).name)
    try:
        text = read(path).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{name} is no table in UTF-8 ({shorten(str(error))}).", "Save it as CSV, UTF-8.") from None
    heading = [cell.strip().casefold() for cell in rows[0]] if rows else []
    said = next((heading.index(word) for word in ("label", "description") if word in heading), None)
    whole, index = (heading.index(word) if word in heading else None for word in ("feature", "index"))
    if said is None or (whole is None and (index is None or dictionary is None)):
        raise LabelError(
            f"The heading of {name} is {shorten(', '.join(heading))}.",
            "It needs feature (or index, and dictionary=) and label.",
        )
    found = []
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(heading):
            raise LabelError(f"Row {number} of {name} has {len(row)} cells.", f"The heading has {len(heading)}.")
        if row[said].strip():
            feature = row[whole].strip() if whole is not None else f"{dictionary}/{row[index or 0].strip()}"
            found.append(made(path, number, feature=feature, text=row[said], source=f"table: {Path(path).name}"))
    return tuple(found)
