"""`Card`: what a loader found, and where it found it."""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """One convention of a dictionary.

    Args:
        question: What was asked, e.g. "input norm".
        answer: What holds, e.g. "none".
        where: File and key it was read from, the argument that said so, or "assumed: ..." with the reason.
    """

    question: str
    answer: str
    where: str


@dataclass(frozen=True)
class Card:
    """The load card: format, architecture, conventions and the evidence for each.

    Args:
        format: Name of the file format; "memory" for one made in memory.
        source: File, folder or hub path as given.
        findings: The six conventions (sites, bias, activation, threshold, input norm, decoder norm) and what else the
            format leaves open.
        warnings: Sentences a user should read before trusting a number.
        paths: Files that were read.

    Example:
        >>> print(Card("memory", findings=(Finding("input norm", "none", "given"),)))
        format      memory
        input norm  none (given)
    """

    format: str = "memory"
    source: str = ""
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()

    @cached_property
    def hashes(self) -> dict[str, str]:
        """File name -> SHA-256, computed when first asked."""
        return {path.name: _sha256(path) for path in self.paths}

    def lines(self) -> list[tuple[str, str, str]]:
        """Rows of (question, answer, where)."""
        rows = [("format", self.format, "")]
        rows += [("source", self.source, "")] if self.source else []
        rows += [(f.question, f.answer, f.where) for f in self.findings]
        rows += [("file", name, f"sha256 {digest[:16]}") for name, digest in self.hashes.items()]
        return rows + [("warning", text, "") for text in self.warnings]

    def __str__(self) -> str:
        rows = [tuple(map(_plain, row)) for row in self.lines()]
        width = max(len(question) for question, _, _ in rows)
        return "\n".join(f"{q:<{width}}  {answer}{f' ({where})' if where else ''}" for q, answer, where in rows)

    def to_html(self, title: str = "") -> str:
        """A table without script, link or style sheet, every cell escaped; its colours are those of the page.

        Args:
            title: A line above it.
        """
        rows = "".join(map(_row, self.lines()))
        caption = f"<caption style='{_CELL};caption-side:top;font-weight:600'>{_cell(title)}</caption>" if title else ""
        return f"<table style='border-collapse:collapse;font-size:13px;line-height:18px'>{caption}{rows}</table>"

    def _repr_html_(self) -> str:
        return self.to_html()


_CELL = "text-align:left;vertical-align:top;white-space:normal;overflow-wrap:anywhere;padding:3px 16px 3px 0"


def _row(row: tuple[str, str, str]) -> str:
    """One line of the table; what a reader must not miss is bold: warnings, and what nobody said but us."""
    question, answer, where = row
    strong = "font-weight:600" if question == "warning" else "font-weight:400"
    light = "font-weight:600" if where.startswith("assumed") else "opacity:.75"
    answered = f"<td style='{_CELL};{strong}'{'' if where else ' colspan=2'}>{_cell(answer)}</td>"
    found = f"<td style='{_CELL};{light}'>{_cell(where)}</td>" if where else ""
    name = f"<th scope=row style='{_CELL};font-weight:400;opacity:.75;white-space:nowrap'>{_cell(question)}</th>"
    return f"<tr style='background:none;border-top:1px solid #8883'>{name}{answered}{found}</tr>"


def _cell(text: str) -> str:
    return html.escape(_plain(text))


def _plain(text: str) -> str:
    """One line of what a file said: line breaks, control and direction marks stand as their escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # a name that no file can have is a ValueError
        return "not readable now"
