"""`ErrorTerm`: what a dictionary leaves out, as the target of an edit. No torch here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saewidgets.errors import EditError, FeatureError, shorten
from saewidgets.sites import Site

_NAME = re.compile(r"error\.(\d{1,4})|([a-z_]+(?:\.\d{1,4})?(?:@[A-Za-z0-9_-]{1,40})?)/error")


@dataclass(frozen=True, slots=True)
class ErrorTerm:
    """The error of a dictionary: `x - decode(encode(x))` where it writes.

    Args:
        name: As nodes of graphs are called: `"resid_post.2/error"` by the key of the dictionary, `"error.2"` for the
            transcoder of layer 2.

    Raises:
        EditError: It reads otherwise.

    Example:
        >>> str(ErrorTerm("error.2"))
        'error.2'
    """

    name: str

    def __post_init__(self) -> None:
        if not self.matches(self.name):
            raise EditError(f"{shorten(self.name)} is no error term.", "Write 'error.2' or 'resid_post.2/error'.")

    @staticmethod
    def matches(name: Any) -> bool:
        """Whether a text is the name of one."""
        return isinstance(name, str) and _NAME.fullmatch(name) is not None

    def key(self, dictionaries: Mapping[str, Any]) -> str:
        """Of its dictionary.

        Args:
            dictionaries: The scope's, by key.

        Raises:
            FeatureError: There is none, or several stand for this MLP.
        """
        if not self.name.startswith("error."):
            found = [self.name.removesuffix("/error")]
        else:
            out = Site("mlp_out", int(self.name[len("error.") :]))
            found = [key for key, d in dictionaries.items() if d.site_out == out and d.site_in != out]
        if len(found) != 1 or found[0] not in dictionaries:
            raise FeatureError(
                f"{self} is the error of {len(found) if found[1:] else 'no'} dictionary of this scope.",
                f"Loaded: {', '.join(dictionaries) or 'none'}. scope.intervene_on takes any node of a graph.",
            )
        return found[0]

    def __str__(self) -> str:
        return self.name
