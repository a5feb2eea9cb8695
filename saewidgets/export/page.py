"""Payload -> one HTML file that works offline: the same front end, the same picture, and no way to the network.

The page holds the static picture, the payload as base64 in an inert element, and the bundle. Its content security
policy allows this one script by its hash and nothing else, so that even a fault of ours could not reach out.
`js/src/page.ts` reads what is written here: `#saewidgets` to draw into, `#saewidgets-payload`, `#saewidgets-options`;
`js/src/engine/page.ts` also `#saewidgets-model` and `#saewidgets-weights`, of a page that computes by itself.
"""

import base64
import hashlib
import json
import re
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from saewidgets.errors import FigureError, shorten
from saewidgets.figures.palette import palette
from saewidgets.figures.views import view_of
from saewidgets.payloads import encode
from saewidgets.payloads.carried import Carried
from saewidgets.payloads.codec import kind_of

OPTIONS = {"theme": ("auto", "light", "dark"), "text_face": ("serif", "mono"), "lanes": ("full", "compact")}
# Each view has a page of its own, so that an exported file carries no other's code.
BUNDLE = "page-{}.js"
STATIC_BYTES = 9_000

# `auto` follows the reader's system until the front end looks closer.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<meta name="description" content="{description}">
<title>{title}</title>
<style>
body {{ margin: 0; padding: 16px; background: {light}; }}
{dark}
</style>
</head>
<body>
<div id="saewidgets">{picture}</div>
<script type="application/x-saewidgets" id="saewidgets-payload">{payload}</script>
<script type="application/json" id="saewidgets-options">{options}</script>
{carried}<script type="module">{bundle}</script>
</body>
</html>
"""

_CARRIED = """<script type="application/json" id="saewidgets-model">{header}</script>
<script type="application/x-saewidgets" id="saewidgets-weights">{weights}</script>
"""


def to_page(
    payload: Any,
    theme: str = "auto",
    text_face: str = "serif",
    lanes: str = "full",
    carried: Carried | None = None,
) -> str:
    """One HTML file with the live picture, for mail, a web site or an archive.

    Args:
        payload: Of any view.
        theme: `"auto"` follows the reader's system, `"light"` and `"dark"` do not.
        text_face: `"serif"`, or `"mono"` for prompts of code.
        lanes: `"full"`, or `"compact"`: lanes on the focused line and dots elsewhere.
        carried: The model inside, for a heatmap that can be edited in the page.

    Returns:
        The whole page; it shows the static picture where scripts do not run.

    Raises:
        FigureError: An option is unknown, or the front end was not built.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     to_page(view.payload).startswith("<!doctype html>")
        True
    """
    options = {"theme": theme, "text_face": text_face, "lanes": lanes}
    for name, value in options.items():
        if value not in OPTIONS[name]:
            raise FigureError(f"Unknown {name} {shorten(value)}.", f"Use one of {', '.join(OPTIONS[name])}.")
    kind = kind_of(payload)
    view, code = view_of(payload), bundle(kind if carried is None else f"{kind}_live")
    dark = f"body {{ background: {palette('dark')['paper']}; }}"
    return _PAGE.format(
        policy=policy_of(code),
        description=escape(view.alt_text(payload)),
        title=escape(view.title(payload)),
        light=palette("light")["paper"],
        dark={"light": "", "dark": dark, "auto": f"@media (prefers-color-scheme: dark) {{ {dark} }}"}[theme],
        picture=_static(payload),
        payload=base64.b64encode(encode(payload)).decode(),
        options=json.dumps(options),
        carried="" if carried is None else _carried(carried),
        bundle=code,
    )


def to_iframe(payload: Any, height: int = 780, theme: str = "auto") -> str:
    """The page in a sandboxed frame, for a cell output: it may run its script, and see nothing of the notebook.

    Args:
        payload: Of any view.
        height: Of the frame in pixels, 50 to 4000.
        theme: As for `to_page`.

    Returns:
        One `iframe` element.

    Raises:
        FigureError: The height is out of range, or what `to_page` raises.
    """
    return _frame(payload, theme, f"width:100%;height:{_pixels(height)}px;border:0px")


def layered(payload: Any, height: int = 780, theme: str = "auto") -> str:
    """The static picture with the live frame over it.

    Where a sanitiser takes the frame away (an untrusted notebook), the picture beneath is what is left.
    Arguments, result and errors as for `to_iframe`.
    """
    cover = "position:absolute;left:0px;top:0px;width:100%;height:100%;border:0px"
    style = f"position:relative;min-height:{_pixels(height)}px"
    return f'<div style="{style}">{_static(payload)}{_frame(payload, theme, cover)}</div>'


def _carried(carried: Carried) -> str:
    # In JSON, "<" is only found in strings, where the escape means the same.
    header = carried.header.replace("<", "\\u003c")
    return _CARRIED.format(header=header, weights=base64.b64encode(carried.weights).decode())


def _static(payload: Any) -> str:
    return view_of(payload).fallback(payload, STATIC_BYTES)


def _pixels(height: int) -> int:
    if not isinstance(height, int) or isinstance(height, bool) or not 50 <= height <= 4000:
        raise FigureError(f"A frame {shorten(height)} px high.", "Use 50 to 4000.")
    return height


def _frame(payload: Any, theme: str, style: str) -> str:
    title, source = escape(view_of(payload).alt_text(payload)), escape(to_page(payload, theme))
    return f'<iframe sandbox="allow-scripts" title="{title}" style="{style}" srcdoc="{source}"></iframe>'


def policy_of(code: str) -> str:
    """A content security policy that allows this one script by its hash, and no way to the network."""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def bundle(kind: str) -> str:
    """The built front end of a view, with nothing in it that could end its element.

    Raises:
        FigureError: It was not built.
    """
    source = files("saewidgets").joinpath("static", BUNDLE.format(kind))
    if not source.is_file():
        raise FigureError("The front end was not built, so there is no page.", "Run `make js` and try again.")
    # In a string or a regular expression, where alone they occur, the escape means the same.
    return re.sub(r"<(?=/script|!--)", r"\\x3c", source.read_text("utf-8"), flags=re.IGNORECASE)
