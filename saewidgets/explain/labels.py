"""`Label`: what somebody says a feature means, who says so, and on what evidence; kept in a JSON file."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from saewidgets import disk
from saewidgets.errors import FeatureError, LabelError, shorten
from saewidgets.sites import FeatureId

_FORMAT, _VERSION = "saewidgets-labels", 1
_LONGEST, _MOST_LINES = 2_000, 200
# Files larger than this are no list of labels: a million of them take about a quarter.
MAX_BYTES = 1 << 28


@dataclass(frozen=True)
class Label:
    """A label with its origin.

    Args:
        feature: Feature id.
        text: What it means, in words. Control characters become spaces, lone surrogates U+FFFD.
        source: Who said so: "user", "neuronpedia: ...", "suggested by ...".
        evidence: What it rests on, a line each.

    Raises:
        FeatureError: The id is malformed.
        LabelError: The text is empty or too long, or not text.

    Example:
        >>> Label("resid_post.2/17", " months ").text
        'months'
    """

    feature: str
    text: str
    source: str = "user"
    evidence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "feature", str(FeatureId.parse(self.feature)))
        object.__setattr__(self, "text", _clean(self.text, "text"))
        object.__setattr__(self, "source", _clean(self.source, "source"))
        if isinstance(self.evidence, str) or not isinstance(self.evidence, list | tuple):
            raise LabelError(f"The evidence of {self.feature} is {shorten(self.evidence)}.", "Give a list of lines.")
        if len(self.evidence) > _MOST_LINES:
            raise LabelError(f"{len(self.evidence)} lines of evidence.", f"Keep the best {_MOST_LINES}.")
        object.__setattr__(self, "evidence", tuple(_clean(line, "evidence") for line in self.evidence))


def _clean(text: Any, what: str) -> str:
    if not isinstance(text, str):
        raise LabelError(f"The {what} of a label is {shorten(text)}.", "Give text.")
    if len(text) > _LONGEST:
        raise LabelError(f"The {what} of a label has {len(text)} characters.", f"At most {_LONGEST} are kept.")
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    plain = "".join(" " if unicodedata.category(c) == "Cc" else c for c in whole).strip()
    if not plain:
        raise LabelError(f"The {what} of a label is empty.", "Say what it is.")
    return plain


def by_feature(labels: Iterable[Label]) -> dict[str, str]:
    """Feature id -> text, as `Scope(labels=)` takes it; of several labels of a feature the first."""
    found: dict[str, str] = {}
    for label in labels:
        found.setdefault(label.feature, label.text)
    return found


def save_labels(path: str | Path, labels: Iterable[Label]) -> Path:
    """Write labels to a JSON file, whole or not at all.

    Raises:
        DiskError: No such folder, no space, not permitted.
    """
    content = {"format": _FORMAT, "version": _VERSION, "labels": [asdict(label) for label in labels]}
    return disk.write_bytes(path, json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8"))


def load_labels(path: str | Path) -> tuple[Label, ...]:
    """Read what `save_labels` wrote.

    Raises:
        LabelError: No such file, or not one of labels.
    """
    content = parse(read(path), path)
    if not isinstance(content, dict) or content.get("format") != _FORMAT or content.get("version") != _VERSION:
        raise LabelError(f"{_name(path)} is no file of labels.", "Other kinds: read_neuronpedia and read_csv.")
    entries = content.get("labels")
    if not isinstance(entries, list):
        raise LabelError(f"{_name(path)} holds no list of labels.", "The file is damaged.")
    return tuple(_entry(path, number, entry) for number, entry in enumerate(entries))


def _entry(path: str | Path, number: int, entry: Any) -> Label:
    if not isinstance(entry, dict) or not {"feature", "text"} <= entry.keys():
        raise LabelError(f"Label {number} of {_name(path)} is {shorten(entry)}.", "It needs a feature and a text.")
    fields = {name: entry[name] for name in ("feature", "text", "source", "evidence") if name in entry}
    return made(path, number, **fields)


def made(path: str | Path, number: int, **fields: Any) -> Label:
    """A label of a file; what is wrong with it is said with its place.

    Raises:
        LabelError: It is none.
    """
    try:
        return Label(**fields)
    except (LabelError, FeatureError) as error:
        raise LabelError(f"Label {number} of {_name(path)}: {error.what}", error.todo) from None


def read(path: str | Path) -> bytes:
    """The bytes of a file of labels.

    Raises:
        LabelError: There is none, or it is too large.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise LabelError(f"Cannot read {_name(path)}: {reason}.", "Check the path.") from None
    if len(content) > MAX_BYTES:
        raise LabelError(f"{_name(path)} has more than {MAX_BYTES} bytes.", "Split it.")
    return content


def parse(content: bytes | str, path: str | Path) -> Any:
    """The value of a JSON text.

    Raises:
        LabelError: It is none.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise LabelError(f"{_name(path)} is no JSON.", "The file is damaged, or of another kind.") from None


def _name(path: str | Path) -> str:
    return shorten(Path(path).name)
