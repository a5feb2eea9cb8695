"""Names of dictionaries on the Hugging Face hub, checked before any request."""

from __future__ import annotations

import re
from dataclasses import dataclass

from saewidgets.errors import DictionaryError, shorten

# As the hub allows them; anything else (.., drives, look-alikes) is refused.
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,95}"
_NAME = re.compile(
    rf"hub:(?P<repository>{_PART}/{_PART})"
    r"(?P<folder>(?:/[A-Za-z0-9_](?:[\w=+,-]|\.(?!\.)){0,199}){0,8})/?"
    r"(?:@(?P<revision>[A-Za-z0-9](?:[\w/-]|\.(?!\.)){0,99}))?",
    re.ASCII,
)


@dataclass(frozen=True)
class HubName:
    """A checked name.

    Example:
        >>> HubName.parse("hub:google/gemma-scope-2b-pt-res/layer_20/width_16k@main").folder
        'layer_20/width_16k'
        >>> HubName.parse("hub:owner/../etc")
        Traceback (most recent call last):
        saewidgets.errors.DictionaryError: 'hub:owner/../etc' is no hub path. Write 'hub:owner/repo/folder[@revision]'.
    """

    repository: str
    folder: str = ""
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubName:
        """Read `hub:owner/repo/folder[@revision]`.

        Raises:
            DictionaryError: It is no such name.
        """
        found = _NAME.fullmatch(text) if len(text) <= 600 else None
        parts = found["repository"].split("/") if found else []
        if found is None or any("--" in part or part.endswith((".", "-", ".git")) for part in parts):
            raise DictionaryError(f"{shorten(text)} is no hub path.", "Write 'hub:owner/repo/folder[@revision]'.")
        return cls(found["repository"], found["folder"].strip("/"), found["revision"])
