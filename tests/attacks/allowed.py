"""A strict reader of the fallback HTML: anything but `div`, `span` and known styles is a fault."""

import re
from html.parser import HTMLParser

NUMBER = r"\d{1,4}(?:\.\d{1,2})?(?:px)?"
VALUES = {
    **dict.fromkeys(("color", "background-color"), r"#[0-9A-F]{6}"),
    **dict.fromkeys(("padding", "margin"), rf"{NUMBER}(?: {NUMBER})*"),
    **dict.fromkeys(("font-size", "line-height", "width", "min-width", "height"), NUMBER),
    "font-weight": "600",
    "font-family": "Arial,sans-serif|Georgia,serif",
    "display": "inline-block",
    "white-space": "pre-wrap",
    "border": r"1px solid #[0-9A-F]{6}",
}


class Reader(HTMLParser):
    """Collects faults and the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag not in ("div", "span"):
            self.faults.append(f"element {tag}")
        for name, value in attrs:
            if name != "style":
                self.faults.append(f"attribute {name}")
                continue
            for declaration in (value or "").split(";"):
                key, _, style = declaration.partition(":")
                if key not in VALUES or not re.fullmatch(VALUES[key], style):
                    self.faults.append(f"style {declaration}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.faults.append(f"void element {tag}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"unbalanced {tag}")

    def handle_comment(self, data: str) -> None:
        self.faults.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.faults.append("declaration")

    def unknown_decl(self, data: str) -> None:
        self.faults.append("declaration")

    def handle_pi(self, data: str) -> None:
        self.faults.append("processing instruction")

    def handle_data(self, data: str) -> None:
        self.text += data


def read(markup: str) -> Reader:
    reader = Reader()
    reader.feed(markup)
    reader.close()
    if reader.open:
        reader.faults.append(f"unclosed {reader.open}")
    return reader
