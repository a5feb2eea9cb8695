"""The load card in a notebook: every word of a file is text, nothing else; and it reads in light and dark."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from saewidgets.dictionaries import Card, FeedForward, Finding, load_dictionary
from saewidgets.dictionaries.activation import Activation
from saewidgets.sites import Site

STRINGS = json.loads((Path(__file__).parents[1] / "hostile.json").read_text("utf-8"))
HOSTILE = [text for texts in STRINGS.values() for text in texts] if isinstance(STRINGS, dict) else STRINGS
OURS = {"table", "caption", "tr", "th", "td"}
SITE = Site.parse("resid_post.1")


class Tags(HTMLParser):
    """Collects elements, attributes and text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.text: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def card(text: str) -> Card:
    """A card on which a stranger wrote everything."""
    return Card(text, text, (Finding(text, text, text),), (text,), (Path("no-such-folder") / text,))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_and_file_names_are_text(text: str) -> None:
    shown = card(text)
    seen = Tags(shown.to_html(f"A card of {text}"))
    assert seen.tags == OURS
    assert seen.names <= {"style", "scope", "colspan"}
    assert all(c.isprintable() for c in "".join(seen.text))
    # One line a row: no file name can pretend to be another finding.
    assert len(str(shown).split("\n")) == len(shown.lines())
    assert all(line.isprintable() for line in str(shown).split("\n"))


def test_control_an_unescaped_cell_is_seen() -> None:
    assert Tags("<table><td><img src=x onerror=a()></td></table>").tags == {"table", "td", "img"}
    assert "onerror" in Tags("<img src=x onerror=a()>").names


def test_a_loaded_dictionary_shows_what_it_is_and_its_card(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(*shape, generator=generator) for shape in ((8, 4), (4, 8))]
    made = FeedForward(weights[1], weights[0], torch.zeros(8), torch.zeros(4), Activation("relu"), SITE, SITE)
    path = tmp_path / "<b>bold & 'quoted'.safetensors"
    made.save(path)
    loaded = load_dictionary(path)
    words = "|".join(Tags(loaded._repr_html_()).text)
    assert repr(loaded) in words
    assert "8 features" in words
    assert "authors' scale" in words
    assert "<b>bold & 'quoted'.safetensors" in words
    assert re.search("sha256 [0-9a-f]{16}", words)
    assert "<b>" not in loaded._repr_html_()


def test_colours_are_those_of_the_page_and_what_matters_is_bold() -> None:
    findings = (Finding("input norm", "none", "assumed: not strict"), Finding("bias", "none", "cfg.json: bias"))
    shown = Card("npz", findings=findings, warnings=("Read this.",)).to_html()
    assert re.findall(r"#[0-9a-f]{3,8}|rgb|(?<![-\w])color:|background:(?!none)", shown) == ["#8883"] * 4
    bold = re.findall(r"font-weight:600'[^>]*>([^<]*)<", shown)
    assert bold == ["assumed: not strict", "Read this."]
