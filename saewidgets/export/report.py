"""Text, figures, tables and live views in one HTML file that works offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from saewidgets import disk
from saewidgets.errors import FigureError, shorten
from saewidgets.export.caption import caption
from saewidgets.export.page import bundle, policy_of
from saewidgets.figures.palette import palette
from saewidgets.figures.views import view_of
from saewidgets.payloads import encode
from saewidgets.payloads.codec import kind_of

THEMES = ("auto", "light", "dark")
# Rows of a table that a page shows; a person who wants more wants the data.
MAX_ROWS = 200
STATIC_BYTES = 9_000

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{parts}
</main>
<script type="application/json" id="saewidgets-options">{options}</script>
<script type="module">{code}</script>
</body>
</html>
"""
_STYLE = """
:root {{ color-scheme: {scheme}; --paper: {paper}; --ink: {ink}; --quiet: {quiet}; --rule: {rule}; --wash: {wash}; }}
{dark}
body {{ margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.55 Georgia, "Noto Serif", serif; }}
main {{ max-width: 46rem; margin: 0 auto; padding: 2rem 1rem 4rem; }}
h1, h2, h3 {{ font-family: system-ui, "Noto Sans", sans-serif; line-height: 1.25; margin: 2em 0 .6em; }}
h1 {{ margin-top: .4em; }}
pre, code {{ font-family: ui-monospace, "Noto Sans Mono", monospace; font-size: .88em; }}
pre {{ background: var(--wash); padding: .8em 1em; overflow-x: auto; border-radius: 4px; }}
a {{ color: inherit; }}
blockquote {{ margin: 1em 0; padding-left: 1em; border-left: 3px solid var(--rule); }}
figure {{ margin: 2rem 0; }}
@media (min-width: 64rem) {{ figure.wide {{ margin-left: -7rem; margin-right: -7rem; }} }}
figure img {{ max-width: 100%; height: auto; background: #fff; }}
figcaption {{ color: var(--quiet); font: 14px/1.45 system-ui, "Noto Sans", sans-serif; margin-top: .6em; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font: 14px/1.4 system-ui, "Noto Sans", sans-serif; }}
th, td {{ padding: .3em .8em .3em 0; text-align: left; border-bottom: 1px solid var(--rule); }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
"""


def report(
    parts: Sequence[Any], path: str | Path | None = None, *, title: str = "Report", theme: str = "auto",
    language: str = "en", link: bool | None = None,
) -> str | Path:  # fmt: skip
    """One HTML file: Markdown, live views, figures and tables, with no way to the network.

    Args:
        parts: In order, each a text (Markdown, HTML in it is shown as text), a widget or a payload (drawn live, as in
            its exported page), a matplotlib figure, a `DataFrame`, or a pair of one of the last three and its caption.
            Views without a caption get one made from their numbers; see `saewidgets.export.caption`.
        path: Where to write it; `None` returns the text.
        title: Of the page.
        theme: `"auto"` follows the reader's system, `"light"` and `"dark"` do not.
        language: Of the text, for screen readers: `"en"`, `"de-CH"`.
        link: Whether the views of the page follow each other in token and feature, in the page itself; `None`: those
            that `saewidgets.link` linked, in what they share.

    Returns:
        The page, or the path written.

    Raises:
        FigureError: A part is none of these, an option is unknown, or the front end was not built.
        DiskError: The file cannot be written.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     page = sw.report(["# A boat", "What the model sees:", view], title="A boat")
        >>> page.startswith("<!doctype html>"), "<h1>A boat</h1>" in page
        (True, True)
    """
    if theme not in THEMES:
        raise FigureError(f"Unknown theme {shorten(theme)}.", f"Use one of {', '.join(THEMES)}.")
    if isinstance(parts, str) or not isinstance(parts, Sequence):
        raise FigureError(f"A report of a {type(parts).__name__}.", "Give a list of parts.")
    links = _links(parts, link)
    made = [_part(part, theme, links[i]) for i, part in enumerate(parts)]
    code = bundle("report")
    page = _PAGE.format(
        policy=policy_of(code),
        language=escape(str(language)[:20]),
        title=escape(str(title)),
        style=_style(theme),
        parts="\n".join(made),
        options=json.dumps({"theme": theme}),
        code=code,
    )
    return page if path is None else disk.write_bytes(path, page.encode("utf-8", "replace"))


# What views can share without a kernel.
_SHARED = ("token", "feature")


def _links(parts: Sequence[Any], link: bool | None) -> list[str]:
    """For each part the links that it is in: "token-0 feature-0"."""
    if link is not None:
        return [" ".join(f"{word}-0" for word in _SHARED) if link else ""] * len(parts)
    views = [part[0] if isinstance(part, tuple) and part else part for part in parts]
    held = list(dict.fromkeys(one for view in views for one in getattr(view, "links", ())))
    return [
        " ".join(
            f"{word}-{i}"
            for i, one in enumerate(held)
            if any(view is v for v in one.views)
            for word in _SHARED
            if word in one.words
        )
        for view in views
    ]


def _part(part: Any, theme: str, links: str) -> str:
    """One part as HTML."""
    words = None
    if isinstance(part, tuple) and len(part) == 2 and isinstance(part[1], str):
        part, words = part
    if isinstance(part, str):
        return _markdown(part)
    payload = getattr(part, "payload", part)
    if hasattr(payload, "context"):
        return _view(payload, caption(payload) if words is None else words, links)
    if hasattr(part, "savefig"):
        return _image(part, words or "")
    if hasattr(part, "to_html") and hasattr(part, "columns"):
        return _table(part, words or "")
    raise FigureError(
        f"A part that is a {type(part).__name__}.", "Give text, a view, a payload, a matplotlib figure or a DataFrame."
    )


def _markdown(text: str) -> str:
    from markdown_it import MarkdownIt

    # CommonMark with tables; HTML is data, and images would be asked for from elsewhere.
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    return str(reader.render(text))


def _view(payload: Any, words: str, links: str) -> str:
    view = view_of(payload)
    link = f' data-link="{links}"' if links else ""
    return (
        f'<figure class="wide" aria-label="{escape(view.alt_text(payload))}">'
        f'<div data-saewidgets="{kind_of(payload)}"{link}>{view.fallback(payload, STATIC_BYTES)}</div>'
        f'<script type="application/x-saewidgets">{base64.b64encode(encode(payload)).decode()}</script>'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )


def _image(figure: Any, words: str) -> str:
    from io import BytesIO

    out = BytesIO()
    figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    source = base64.b64encode(out.getvalue()).decode()
    picture = f'<img alt="{escape(words or "Figure")}" src="data:image/svg+xml;base64,{source}">'
    return f"<figure>{picture}<figcaption>{escape(words)}</figcaption></figure>"


def _table(frame: Any, words: str) -> str:
    shown = frame.head(MAX_ROWS)
    named = [str(name) for name in shown.columns]
    corner = f'<th scope="col">{escape(str(shown.index.name))}</th>' if shown.index.name else "<td></td>"
    head = corner + "".join(f'<th scope="col">{escape(name)}</th>' for name in named)
    rows = []
    for label, *values in shown.itertuples():
        cells = "".join(_cell(value) for value in values)
        rows.append(f'<tr><th scope="row">{escape(str(label))}</th>{cells}</tr>')
    left_out = f" First {MAX_ROWS} of {len(frame)} rows." if len(frame) > MAX_ROWS else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    foot = f"<figcaption>{escape(words + left_out)}</figcaption>" if words + left_out else ""
    named_box = f'<div class="table" tabindex="0" role="region" aria-label="{escape(words or "Table")}">'
    return f"<figure>{named_box}{table}</div>{foot}</figure>"


def _cell(value: Any) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"<td{' class=n' if is_number else ''}>{escape(text)}</td>"


def _style(theme: str) -> str:
    light, dark = (_variables(name) for name in ("light", "dark"))
    own = dark if theme == "dark" else light
    night = "".join(f"--{name}: {value}; " for name, value in dark.items())
    return _STYLE.format(
        scheme={"auto": "light dark"}.get(theme, theme),
        dark=f"@media (prefers-color-scheme: dark) {{ :root {{ {night} }} }}" if theme == "auto" else "",
        **own,
    )


def _variables(theme: str) -> dict[str, str]:
    look = palette(theme)
    names = {"paper": "paper", "ink": "ink", "quiet": "ink3", "rule": "rule", "wash": "wash"}
    return {name: look[key] for name, key in names.items()}
