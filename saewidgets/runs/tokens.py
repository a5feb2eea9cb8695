"""From token ids to text that can be drawn: bytes of each token, characters cut into several tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from saewidgets.payloads import Tokens
from saewidgets.payloads.heatmap import CONTINUATION, PLAIN, SPECIAL, SPLIT

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (Radford et al. 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(b): b for b in printable}
    others = (b for b in range(256) if b not in set(printable))
    table.update({chr(256 + n): b for n, b in enumerate(others)})
    return table


def is_byte_level(tokenizer: Any) -> bool:
    """Whether its vocabulary writes bytes as characters (GPT-2, Llama 3, Qwen) and not as text (Llama 2, Gemma)."""
    return any(tokenizer.convert_tokens_to_ids(piece) not in (None, tokenizer.unk_token_id) for piece in ("Ġ", "Ċ"))


def token_bytes(tokenizer: Any, ids: Sequence[int]) -> list[bytes | None]:
    """The bytes each token stands for, `None` for special tokens.

    Args:
        tokenizer: A Hugging Face tokenizer.
        ids: Token ids.

    Returns:
        One entry a token; joined they are the text's UTF-8.
    """
    return [raw for _, raw in _named(tokenizer, ids)]


@lru_cache(maxsize=8)
def _seen(tokenizer: Any) -> dict[int, tuple[str, bytes | None]]:
    """Name and bytes of the ids that were asked for: a tokenizer takes its time, and a text repeats itself."""
    return {}


def _named(tokenizer: Any, ids: Sequence[int]) -> list[tuple[str, bytes | None]]:
    """The tokenizer's name of each id, and its bytes."""
    seen = _seen(tokenizer)
    new = [number for number in set(ids) if number not in seen]
    if new:
        special = set(tokenizer.all_special_ids)
        table = _byte_of_character() if is_byte_level(tokenizer) else None
        for number, name in zip(new, tokenizer.convert_ids_to_tokens(new), strict=True):
            seen[number] = name, None if number in special else _bytes(name, table)
    return [seen[number] for number in ids]


def _bytes(name: str, table: dict[str, int] | None) -> bytes:
    """The bytes of a token that is not special; `table` is there for a byte-level vocabulary."""
    byte = _BYTE.fullmatch(name) if table is None else None
    if byte:
        return bytes([int(byte[1], 16)])
    if table is not None and all(c in table for c in name):
        return bytes(table[c] for c in name)
    return name.replace("▁", " ").encode("utf-8", "replace")


def token_strings(tokenizer: Any, ids: Sequence[int]) -> tuple[str, ...]:
    """The text of each token alone; bytes that are no character become U+FFFD, special tokens their name.

    Example:
        >>> import saewidgets as sw
        >>> model = sw.demo().model
        >>> token_strings(model.tokenizer, model.tokenize("a boat"))[1:]
        ('a', ' boat')
    """
    return tuple(name if raw is None else raw.decode("utf-8", "replace") for name, raw in _named(tokenizer, ids))


def payload_tokens(tokenizer: Any, ids: Sequence[int]) -> Tokens:
    """Tokens as views draw them: a character cut into several tokens stands whole on its first one.

    Args:
        tokenizer: A Hugging Face tokenizer.
        ids: `[T]` token ids.

    Returns:
        The payload's tokens.
    """
    named = _named(tokenizer, ids)
    raw = [piece for _, piece in named]
    text: list[str] = []
    kind: list[int] = []
    pieces: list[str] = []
    position = 0
    while position < len(ids):
        here = raw[position]
        if here is None:
            text.append("bos" if ids[position] == tokenizer.bos_token_id else named[position][0])
            kind.append(SPECIAL)
            position += 1
            continue
        end, whole = _character_group(raw, position)
        if end == position + 1 and whole is not None:
            text.append(whole)
            kind.append(PLAIN)
        else:
            text += [whole if whole is not None else "\ufffd"] + [""] * (end - position - 1)
            kind += [SPLIT] + [CONTINUATION] * (end - position - 1)
            pieces += [(b or b"").hex(" ").upper() for b in raw[position:end]]
        position = end
    return Tokens(tuple(text), np.asarray(ids), np.asarray(kind), tuple(pieces))


def _character_group(raw: Sequence[bytes | None], start: int) -> tuple[int, str | None]:
    """End of the shortest run of tokens from `start` that is whole UTF-8, and its text (`None`: there is none)."""
    joined = b""
    for end in range(start, min(start + 8, len(raw))):
        piece = raw[end]
        if piece is None:
            break
        joined += piece
        try:
            return end + 1, joined.decode("utf-8")
        except UnicodeDecodeError:
            continue
    return start + 1, None
