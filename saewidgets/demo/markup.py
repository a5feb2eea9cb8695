"""Text that carries its own labels: ``mark("colour", "red")`` nests freely inside f-strings and templates.

A marked string holds ``OPEN labels BAR text CLOSE`` with three private-use characters, so that grammar functions
can return
plain strings and still say what every stretch of them means. `parse` takes the marks out and returns the spans.
"""

from __future__ import annotations

import re

OPEN, BAR, CLOSE = "\ue000", "\ue001", "\ue002"
_MARKS = re.compile(f"{OPEN}([^{BAR}]*){BAR}|{CLOSE}")

Span = tuple[int, int, str]


def mark(labels: str, text: str) -> str:
    """Mark `text` with one label or several, separated by commas."""
    return f"{OPEN}{labels}{BAR}{text}{CLOSE}"


def parse(marked: str) -> tuple[str, list[Span]]:
    """Take the marks out of a marked string.

    Args:
        marked: text with nested marks.

    Returns:
        The plain text, and the spans ``(start, end, label)`` in characters of it, in the order of their ends.
    """
    plain: list[str] = []
    spans: list[Span] = []
    stack: list[tuple[int, str]] = []
    length = read = 0
    for match in _MARKS.finditer(marked):
        plain.append(marked[read : match.start()])
        length += len(plain[-1])
        read = match.end()
        if match.group(1) is not None:
            stack.append((length, match.group(1)))
        else:
            start, labels = stack.pop()
            spans += [(start, length, label) for label in labels.split(",")]
    plain.append(marked[read:])
    return "".join(plain), spans


def plain(marked: str) -> str:
    """The text without its marks."""
    return _MARKS.sub("", marked)
