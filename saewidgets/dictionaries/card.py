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
        rows = self.lines()
        width = max(len(question) for question, _, _ in rows)
        return "\n".join(f"{q:<{width}}  {answer}{f' ({where})' if where else ''}" for q, answer, where in rows)

    def _repr_html_(self) -> str:
        """A table without script, link or style sheet; every cell is escaped."""
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(q)}</th><td style='text-align:left'>{html.escape(a)}</td>"
            f"<td style='text-align:left;opacity:.7'>{html.escape(w)}</td></tr>"
            for q, a, w in self.lines()
        )
        return f"<table>{cells}</table>"


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "not readable now"
