"""`Limits`: how much of each feature an atlas keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields

from saewidgets.errors import AtlasError, shorten


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept of each feature, whatever the corpus.

    Args:
        top: Examples of greatest magnitude, at most one a document.
        random: Examples drawn uniformly from all tokens the feature is active at.
        interval: Examples drawn uniformly from each octave of magnitude.
        tokens: Token ids it fires on most often.
        shared: Tokens, the same for all dictionaries, whose features are kept for co-activation.
    """

    top: int = 24
    random: int = 12
    interval: int = 3
    tokens: int = 32
    shared: int = 4096

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or not 1 <= value <= 100_000:
                raise AtlasError(f"{field.name} = {shorten(value)}.", "Keep 1 to 100000 of each feature.")
