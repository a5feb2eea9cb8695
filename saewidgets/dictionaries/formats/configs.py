"""JSON and YAML from strangers: no depth, number, repetition or reference that a config has no use for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable
from typing import Any

import yaml

from saewidgets.errors import DictionaryError, shorten

MAX_DEPTH = 32
# The YAML reader takes about ten seconds for a megabyte; a config has a few hundred bytes.
MAX_YAML = 1 << 16
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def parse_json(data: bytes, name: str) -> Any:
    """Checked JSON: finite numbers of at most 18 digits, each key once, at most `MAX_DEPTH` deep.

    Args:
        data: UTF-8 text.
        name: For messages.

    Raises:
        DictionaryError: Damaged or crafted.
    """
    try:
        _check_depth(data)
        text = data.decode()
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite, parse_int=_integer
        )
        if "\\u" in text:  # half a character, which could neither be shown nor written
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:
        raise DictionaryError(f"{name} is damaged ({shorten(error)}).", "Get the file again.") from None


def parse_yaml(data: bytes, name: str) -> Any:
    """Checked YAML: plain values only; no reference (so no bomb), no tag, each key once, finite numbers.

    Raises:
        DictionaryError: Damaged, crafted or too large.
    """
    if len(data) > MAX_YAML:
        raise DictionaryError(f"{name} has {len(data)} bytes.", "A config has a few hundred.")
    try:
        return yaml.load(data.decode(), Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError) as error:
        raise DictionaryError(f"{name} is damaged ({shorten(error)}).", "Get the file again.") from None


def _check_depth(data: bytes) -> None:
    depth = 0
    for token in _TOKENS.finditer(data):
        mark = token[0]
        depth += mark in (b"[", b"{")
        depth -= mark in (b"]", b"}")
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number that is not finite")
    return value


def _integer(text: str) -> int:
    if len(text) > 19:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


class _Loader(yaml.SafeLoader):
    """The safe loader without references, repeated keys, or numbers that are none."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("references (*name) are not read")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise ValueError("a key stands twice")
        return mapping

    def construct_number(self, node: Any) -> int | float:
        text = self.construct_scalar(node)
        if len(text) > 32:
            raise ValueError(f"a number of {len(text)} digits")
        integer = node.tag.endswith(":int")
        value = self.construct_yaml_int(node) if integer else self.construct_yaml_float(node)
        if not math.isfinite(value) or (integer and abs(value) >= 1 << 63):
            raise ValueError("a number that is not finite, or too large")
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
# Dates stay text, and nothing else but text, numbers, lists and mappings is read.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)
for _tag in ("binary", "set", "omap", "pairs"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", yaml.SafeLoader.construct_undefined)
