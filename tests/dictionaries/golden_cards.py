"""The load cards of all fixtures, one text a format: `python -m tests.dictionaries.golden_cards` writes them anew."""

from __future__ import annotations

import contextlib
from pathlib import Path

from saewidgets.dictionaries import load_dictionary
from tests.dictionaries.fixture_cases import CASES, Case
from tests.dictionaries.formats.hand import FIXTURES

GOLDEN = Path(__file__).parent / "golden"
_HEAD = "== "


def title(fixture: str, case: Case) -> str:
    """The heading of one card."""
    given = "".join(f" {name}={value!r}" for name, value in case.arguments.items())
    return f"{fixture}/{case.place}{given}"


def card(fixture: str, case: Case) -> str:
    """The card as it is now, its source relative to the fixtures."""
    with contextlib.chdir(FIXTURES):
        return str(load_dictionary(Path(fixture, case.place), **case.arguments).card)


def known(format: str) -> dict[str, str]:
    """The written cards of a format, by heading."""
    path = GOLDEN / f"{format}.txt"
    parts = path.read_text("utf-8").split(_HEAD)[1:] if path.exists() else []
    return {part.partition("\n")[0]: part.partition("\n")[2].strip("\n") for part in parts}


def main() -> None:
    """Write them all."""
    cards: dict[str, dict[str, str]] = {}
    for fixture, cases in CASES.items():
        for case in cases:
            cards.setdefault(case.format, {})[title(fixture, case)] = card(fixture, case)
    for format, texts in cards.items():
        body = "\n".join(f"{_HEAD}{heading}\n{text}\n" for heading, text in sorted(texts.items()))
        (GOLDEN / f"{format}.txt").write_text(body, "utf-8")


if __name__ == "__main__":
    main()
