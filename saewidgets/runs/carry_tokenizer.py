"""A byte-level BPE tokenizer as plain data that JavaScript can follow; any other is refused by name."""

from __future__ import annotations

import json
import re
from typing import Any

from saewidgets.errors import FigureError, shorten

_TODO = "A page computes with byte-level BPE tokenizers only; export it without live=True."
# GPT-2's, which a ByteLevel pre-tokenizer uses when it brings its own.
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# Pieces of a regular expression that mean the same in JavaScript, or what they are called there.
_PIECES = re.compile(
    r"(?P<space>\\[sS])|(?P<folded>\(\?i:[A-Za-z'|]+\))|\\p\{(?:L|N|M|Lu|Ll|Lt|Lm|Lo|P|S)\}|\\[rnt\\/.+*?()\[\]{}|^$]"
    r"|\(\?[:!]|[^\\]",
    re.DOTALL,
)


def tokenizer_data(tokenizer: Any, bos: int | None) -> dict[str, Any]:
    """What a page needs to tokenize as this tokenizer does.

    Args:
        tokenizer: A Hugging Face tokenizer.
        bos: Put first when the tokenizer did not; `None` to take what it returns.

    Returns:
        Plain JSON.

    Raises:
        FigureError: It is no byte-level BPE tokenizer, or does something to the text that a page cannot.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise FigureError(f"The tokenizer is a {type(tokenizer).__name__}.", _TODO)
    data = json.loads(backend.to_str())
    model = data["model"]
    _need(model.get("type") == "BPE", f"The tokenizer's model is {shorten(model.get('type'))}.")
    for name in ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        _need(not model.get(name), f"The tokenizer has {name} = {shorten(model.get(name))}.")
    _need(data["normalizer"] is None, f"The tokenizer normalises text: {_kind(data['normalizer'])}.")
    patterns, space = _splits(data["pre_tokenizer"])
    first, last = _frame(data["post_processor"])
    added = [(entry["id"], entry["content"]) for entry in data["added_tokens"] if _plain(entry)]
    return {
        "names": [name or "" for name in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))],
        "merges": [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]],
        "whole": bool(model.get("ignore_merges")),
        "patterns": [javascript(pattern) for pattern in patterns],
        "space": space,
        "added": added,
        "special": sorted(set(tokenizer.all_special_ids)),
        "first": first,
        "last": last,
        "bos": tokenizer.bos_token_id,
        "prepend": bos,
    }


def javascript(pattern: str) -> str:
    r"""A pattern of the tokenizers library as JavaScript with the `u` flag understands it.

    White space there is Unicode's, which `\s` of JavaScript is not quite.

    Raises:
        FigureError: It uses something that may mean another thing there.

    Example:
        >>> javascript(r" ?\p{L}+|\s+(?!\S)")
        ' ?\\p{L}+|\\p{White_Space}+(?!\\P{White_Space})'
    """
    result, place = [], 0
    while place < len(pattern):
        piece = _PIECES.match(pattern, place)
        if piece is None:
            raise FigureError(f"The tokenizer splits at {shorten(pattern)}.", _TODO)
        text = piece[0]
        if piece["space"]:
            text = r"\p{White_Space}" if text == r"\s" else r"\P{White_Space}"
        elif piece["folded"]:
            text = "(?:" + re.sub("[A-Za-z]", lambda c: f"[{c[0].lower()}{c[0].upper()}]", text[4:])
        result.append(text)
        place = piece.end()
    return "".join(result)


def _need(fits: bool, what: str) -> None:
    if not fits:
        raise FigureError(what, _TODO)


def _kind(part: Any) -> str:
    return shorten(part.get("type") if isinstance(part, dict) else part)


def _parts(part: Any, name: str) -> list[Any]:
    """The members of a sequence, or the one part there is."""
    if part is None:
        return []
    members: list[Any] = part[name] if part["type"] == "Sequence" else [part]
    return members


def _plain(entry: dict[str, Any]) -> bool:
    for flag in ("single_word", "lstrip", "rstrip"):
        _need(not entry[flag], f"The token {shorten(entry['content'])} has {flag} set.")
    return True


def _splits(pre_tokenizer: Any) -> tuple[list[str], bool]:
    """Patterns in order, and whether a space is put before the text."""
    patterns, parts = [], _parts(pre_tokenizer, "pretokenizers")
    _need(bool(parts) and parts[-1]["type"] == "ByteLevel", f"The tokenizer splits by {_kind(pre_tokenizer)}.")
    for part in parts[:-1]:
        pattern = part.get("pattern", {}).get("Regex")
        plain = part["type"] == "Split" and part["behavior"] == "Isolated" and not part["invert"]
        _need(plain and pattern is not None, f"The tokenizer splits by {_kind(part)}.")
        patterns.append(pattern)
    last = parts[-1]
    return patterns + ([_GPT2] if last["use_regex"] else []), bool(last["add_prefix_space"])


def _frame(post_processor: Any) -> tuple[list[int], list[int]]:
    """Ids put before and after the text."""
    first: list[int] = []
    last: list[int] = []
    for part in _parts(post_processor, "processors"):
        if part["type"] == "ByteLevel":
            continue
        _need(part["type"] == "TemplateProcessing", f"The tokenizer frames a text by {_kind(part)}.")
        side = first
        for item in part["single"]:
            if "Sequence" in item:
                side = last
            else:
                side += part["special_tokens"][item["SpecialToken"]["id"]]["ids"]
    return first, last
