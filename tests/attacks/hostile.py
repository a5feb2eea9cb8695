"""Text that tries to be more than text, and a payload with it in every slot.

The strings are in `tests/hostile.json`, for the front end's tests as well. `FIRING` strings run `fired()` when a
careless page takes them for markup: the positive controls count on it.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from saewidgets.payloads import HeatmapPayload, Predictions, Tokens
from saewidgets.payloads.heatmap import SPECIAL
from tests.payload_factory import make_payload

_SOURCE = json.loads(Path(__file__).parents[1].joinpath("hostile.json").read_text("ascii"))
FIRING: list[str] = _SOURCE["firing"]
# The long ones are not worth a place in the file.
QUIET: list[str] = [*_SOURCE["quiet"], "a" + "\u0301" * 100_000, "x" * 10_000, "W" * 200]
STRINGS = FIRING + QUIET


def hostile_payload(strings: list[str], edits: bool = True) -> HeatmapPayload:
    """A payload that holds the strings as tokens, and the first of them in every other slot."""
    first = strings[0]
    base = make_payload(texts=strings, edits=edits)
    kind = np.zeros(len(strings), np.uint8)
    kind[len(strings) // 2] = SPECIAL if len(strings) > 2 else 0
    shown = base.predictions
    vocabulary = tuple((strings * 5)[:5])
    return replace(
        base,
        prompt=first,
        tokens=Tokens(tuple(strings), base.tokens.ids, kind),
        sites=tuple(replace(site, key=first, architecture=first) for site in base.sites),
        site=first,
        fill=first,
        features=tuple(replace(f, id=first, label=(strings * 4)[n], edit=first) for n, f in enumerate(base.features)),
        predictions=Predictions(shown.positions, vocabulary, shown.token, shown.before, shown.after, shown.kl),
        labels=tuple(replace(label, id=first, label=first) for label in base.labels),
        context=replace(
            base.context, model=first, dictionaries=first, error=first, propagation=first, version=first, code=first
        ),
    )
