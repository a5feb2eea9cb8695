"""`Manifest`: what an atlas was made of and how, and the shards it is cut into."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from saewidgets.atlas.limits import Limits
from saewidgets.errors import AtlasError, SaewidgetsError, shorten

FORMAT = 1
# Tokens in a shard: the first are small, so that there is something to see at once.
_FIRST, _LAST = 4096, 65_536


@dataclass(frozen=True, slots=True)
class SweptSite:
    """One dictionary of an atlas.

    Args:
        key: Its key in the scope.
        site_in: Where it reads.
        site_out: Where it writes.
        architecture: What it is.
        d_dict: Its width.
        fingerprint: Of its weights.
    """

    key: str
    site_in: str
    site_out: str
    architecture: str
    d_dict: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an atlas was made of. All but `sites` stays as it is.

    Args:
        version: Of saewidgets.
        model: Its name.
        fingerprint: Of its weights.
        length: Tokens in a context.
        skip_first: Whether position 0 of each context is left out.
        per_pass: Contexts in one forward pass: sums of floats depend on it in their last bits.
        limits: How much is kept of each feature.
        sites: The dictionaries.
    """

    version: str
    model: str
    fingerprint: str
    length: int
    skip_first: bool
    per_pass: int
    limits: Limits
    sites: tuple[SweptSite, ...]

    def site(self, key: str) -> int:
        """Number of the dictionary with this key.

        Raises:
            AtlasError: There is none.
        """
        for number, site in enumerate(self.sites):
            if site.key == key:
                return number
        raise AtlasError(f"The atlas has no {shorten(key)}.", f"It has {', '.join(s.key for s in self.sites)}.")

    def contexts(self, shard: int) -> int:
        """Contexts in a whole shard: whole passes, of twice as many tokens each time up to 65,536."""
        tokens = min(_FIRST << min(shard, 8), _LAST)
        return max(1, round(tokens / self.length / self.per_pass)) * self.per_pass

    def first(self, shard: int) -> int:
        """The context a shard begins with."""
        return sum(self.contexts(i) for i in range(shard))

    def to_json(self) -> bytes:
        """As it is written."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Manifest:
        """Read it back.

        Raises:
            AtlasError: It is none, or of a newer version.
        """
        try:
            data: dict[str, Any] = json.loads(raw)
            number = data.pop("format")
            if number != FORMAT:
                raise AtlasError(f"The atlas has format {shorten(number)}; this version reads {FORMAT}.", "Upgrade.")
            data["limits"] = Limits(**data["limits"])
            data["sites"] = tuple(SweptSite(**site) for site in data["sites"])
            made = cls(**data)
            for value, kind in ((made.length, int), (made.per_pass, int), (made.skip_first, bool)):
                if type(value) is not kind:
                    raise TypeError(f"{shorten(value)} is no {kind.__name__}")
            return made
        except SaewidgetsError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            what = f"atlas.json is no manifest of an atlas ({shorten(str(error))})."
            raise AtlasError(what, "Open a folder that a sweep made.") from None
