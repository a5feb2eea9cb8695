"""Pages of the documentation as programs: their Python blocks one after the other, what they print beside them."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"```python\n(.*?)```(?:\n\s*```text\n(.*?)```)?", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of a page, the line it begins on, and what stands under it as its output."""

    page: str
    line: int
    code: str
    output: str | None

    def replaced(self, old: str, new: str) -> Block:
        """The block with another text in its code."""
        return replace(self, code=self.code.replace(old, new))

    def run(self, names: dict[str, object]) -> str:
        """Run it; what it printed."""
        printed = io.StringIO()
        # The traceback then names the page and its line.
        code = compile("\n" * self.line + self.code, self.page, "exec")
        with redirect_stdout(printed):
            exec(code, names)
        return printed.getvalue()


def blocks(page: str) -> list[Block]:
    """The Python blocks of a page of `docs/`."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = [(text[: match.start()].count("\n") + 1, *match.groups()) for match in _BLOCK.finditer(text)]
    return [Block(page, line, dedent(code), output) for line, code, output in found]


def same_words(printed: str, shown: str | None) -> bool:
    """Whether a page shows what was printed, up to spaces."""
    return shown is None or printed.split() == shown.split()
