"""Configs that are bombs, programs or nonsense: one typed error each, in no time."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from saewidgets.dictionaries.formats.configs import MAX_DEPTH, MAX_YAML, parse_json, parse_yaml
from saewidgets.dictionaries.formats.files import Files
from saewidgets.errors import DictionaryError
from tests.effort import SECOND, cpu, effort

LAUGHS = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 10)) for i in range(12)
)
JSON = {
    "nothing": b"",
    "half of one": b'{"a": ',
    "not a number": b'{"k": NaN}',
    "infinity": b'{"k": -Infinity}',
    "a float beyond floats": b'{"k": 1e999}',
    "5,000 digits": b'{"k": ' + b"9" * 5_000 + b"}",
    "20 digits": b'{"k": 99999999999999999999}',
    "100,000 levels": b"[" * 100_000,
    "33 levels": b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
    "levels behind text": b'{"a": "]]]]", "b": ' + b"[" * 40 + b"]" * 40 + b"}",
    "a key twice": b'{"k": 1, "k": 2}',
    "a key twice, below": b'{"a": [{"k": 1, "k": 2}]}',
    "half a character": b'{"a": "\\ud800"}',
    "half a character as a key": b'{"\\udfff": 1}',
    "no UTF-8": b'{"a": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "two values": b'{"a": 1} {"a": 2}',
    "a comment": b'{"a": 1} // one',
    "unclosed text": b'{"a": "' + b'\\"' * 400_000,
    "NUL": b'{"a": "\0"}',
}
YAML = {
    "nine laughs": LAUGHS,
    "one reference": b"a: &x [1]\nb: *x\n",
    "itself": b"&a [*a]",
    "an object": b"a: !!python/object/apply:os.system ['true']",
    "a name": b"a: !!python/name:os.system",
    "a tag of its own": b"a: !x 1",
    "binary": b"a: !!binary aGVsbG8=",
    "a set": b"a: !!set {x, y}",
    "not a number": b"k: .nan",
    "infinity": b"k: -.inf",
    "5,000 digits": b"k: " + b"9" * 5_000,
    "20 digits": b"k: 99999999999999999999",
    "hexadecimal beyond 64 bits": b"k: 0xffffffffffffffffff",
    "a key twice": b"k: 1\nk: 2\n",
    "a list as a key": b"? [a]\n: 1\n",
    "30,000 levels": b"[" * 30_000,
    "30,000 levels of blocks": b"- " * 30_000,
    "33 levels": b"[" * 33 + b"]" * 33,
    "too long": b"a: " + b"x" * MAX_YAML,
    "two documents": b"a: 1\n---\na: 2\n",
    "a tab": b"a:\n\t- 1\n",
    "no UTF-8": b"a: \xff",
    "NUL": b"a: \0",
}


@pytest.mark.parametrize("name", JSON)
def test_json(name: str) -> None:
    with pytest.raises(DictionaryError, match=r"config\.json is damaged"):
        parse_json(JSON[name], "config.json")


@pytest.mark.parametrize("name", YAML)
def test_yaml(name: str) -> None:
    with pytest.raises(DictionaryError, match=r"config\.yaml (is damaged|has)"):
        parse_yaml(YAML[name], "config.yaml")


def test_sound_ones_are_read() -> None:
    """Control: what configs hold, and what is only nearly wrong."""
    text = b'{"a": [1, -2.5e3, true, null, "\\u00e9\\ud83d\\ude00 [[[{{{ \\" "], "b": {"k": 999999999999999999}}'
    found = parse_json(text, "x")
    assert found == {"a": [1, -2500.0, True, None, 'é😀 [[[{{{ " '], "b": {"k": 10**18 - 1}}
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse_json(deep, "x") == parse_yaml(deep, "x")
    text = b"a: [1, -2.5, yes, null, 'x']\nb:\n  k: 0x10\n  day: 2024-01-02\n"
    assert parse_yaml(text, "x") == {"a": [1, -2.5, True, None, "x"], "b": {"k": 16, "day": "2024-01-02"}}


def test_other_readers_take_them() -> None:
    """Control: the safe loader of PyYAML follows references; the last of two keys wins."""
    assert len(str(yaml.safe_load(LAUGHS[: LAUGHS.index(b"e: &e")])["d"])) > 10_000
    assert yaml.safe_load(YAML["a key twice"]) == {"k": 2}


@pytest.mark.parametrize(
    "text",
    [
        b"[" * MAX_YAML, b"{" * MAX_YAML, b"- " * (MAX_YAML // 2), b"? " * (MAX_YAML // 2), b"a: " * (MAX_YAML // 3),
        b"&a " * (MAX_YAML // 3), b"!!a " * (MAX_YAML // 4), b"'" * MAX_YAML, b"a,\n" * (MAX_YAML // 3),
        b"[" + b"a," * (MAX_YAML // 2 - 1) + b"]", b"\n".join(b"k%d: 1" % i for i in range(6_000)),
        b"|\n" + b" x\n" * 20_000,
    ],
)  # fmt: skip
def test_the_worst_yaml_is_soon_done_with(text: bytes) -> None:
    def parse() -> None:
        with suppress(DictionaryError):
            parse_yaml(text[:MAX_YAML], "x")

    assert effort(cpu(parse)) < 2 * SECOND


def test_large_configs_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "cfg.json").write_bytes(b" " * ((1 << 20) + 1))
    (tmp_path / "config.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    files = Files(tmp_path, "x")
    with pytest.raises(DictionaryError, match="more than"):
        files.json("cfg.json")
    with pytest.raises(DictionaryError, match="more than"):
        files.yaml("config.yaml")
    (tmp_path / "cfg.json").write_bytes(b"[]")
    with pytest.raises(DictionaryError, match="no mapping"):
        files.json("cfg.json")
    with pytest.raises(DictionaryError, match="Cannot read"):
        files.json("none.json")
    with pytest.raises(DictionaryError):
        files.json("x" * 300)
