"""Text that tries to be more than text, and a payload with it in every slot.

`FIRING` strings run `fired()` when a careless page takes them for markup: the positive controls count on it.
"""

from dataclasses import replace

import numpy as np

from saewidgets.payloads import HeatmapPayload, Predictions, Tokens
from saewidgets.payloads.heatmap import SPECIAL
from tests.payload_factory import make_payload

FIRING = [
    '<img src="nowhere:x" onerror="fired()">',
    '"><img src="nowhere:x" onerror="fired()">',
    "'><svg onload='fired()'></svg>",
    "</span></div><svg/onload=fired()>",
    "<iframe srcdoc=\"<script>parent.fired()</script>\"></iframe>",
    "<details open ontoggle=fired()>x</details>",
    "<style>@keyframes k{}</style><b style=\"animation:k 1ms\" onanimationstart=\"fired()\">x</b>",
    "<input autofocus onfocus=fired()>",
    "<body onload=fired()><video><source onerror=fired()></video>",
    "</title><img src='nowhere:x' onerror='fired()'>",
    "<math><mtext><table><mglyph><style><img src='nowhere:x' onerror='fired()'>",
    "--><img src='nowhere:x' onerror='fired()'><!--",
    "</textarea><svg onload=fired()></svg>",
]  # fmt: skip
QUIET = [
    "<script>fired()</script>",
    "</script><script>fired()</script>",
    "</script><!--<script>",
    "<!--",
    "]]><script>fired()</script>",
    "&lt;script&gt;fired()&lt;/script&gt;",
    "&#x3C;img src=x&#x3E;",
    "javascript:fired()",
    "data:text/html,<script>fired()</script>",
    "http://example.invalid/x.png",
    "//example.invalid/x.js",
    "file:///etc/passwd",
    "/etc/passwd",
    "..\\..\\windows\\system32",
    "@import url(//example.invalid/x.css);",
    "red;background:url(//example.invalid/x)",
    "expression(fired())",
    "</style><script>fired()</script>",
    "1e999px",
    "__proto__",
    "constructor",
    "toString",
    "innerWidth",
    '<button data-commandlinker-command="notebook:run-all-cells">x</button>',
    '<form action="//example.invalid"><input type=submit></form>',
    '<a href="//example.invalid" ping="//example.invalid">x</a>',
    '<meta http-equiv="refresh" content="0;url=//example.invalid">',
    '<base href="//example.invalid/">',
    '<link rel="stylesheet" href="//example.invalid/x.css">',
    "\x1b[31mred\x1b[0m",
    "\x00nul\x00",
    "\u202eevil\u202c",
    "\u2066isolate\u2069\u200f\u200e",
    "\u200b\u200c\u200d\ufeff\u00ad",
    "a" + "\u0301" * 100_000,
    "\ud800",
    "\udc00\ud800",
    "\ufffe\uffff",
    "\U000e0001\U000e0041",
    "ﷺ",
    "שלום עולם",
    "مرحبا",
    "🦊👩‍👩‍👧‍👦🏳️‍🌈",
    "東京都",
    "Ж",
    "$\\frac$",
    "$\\frac{1}{2}$ $x_{",
    "\\input{/etc/passwd}",
    "%s %n {0} {} ${7*7} {{7*7}}",
    "=HYPERLINK(\"//example.invalid\")",
    "+1", "-1", "@SUM(1)",
    "",
    " ",
    "\t\r\n\v\f\u2028\u2029\u0085",
    "x" * 10_000,
    "W" * 200,
    "'\"`\\",
    "[gone 1](javascript:fired())",
    "^]8;;//example.invalid^",
    "'saewidgets serif'",
    "font-family: 'saewidgets sans'",
]  # fmt: skip
STRINGS = FIRING + QUIET


def hostile_payload(strings: list[str], edits: bool = True) -> HeatmapPayload:
    """A payload that holds the strings as tokens, and the first of them in every other slot."""
    first = strings[0]
    base = make_payload(texts=strings, edits=edits)
    kind = np.zeros(len(strings), np.uint8)
    kind[len(strings) // 2] = SPECIAL if len(strings) > 2 else 0
    shown = base.predictions
    vocabulary = tuple((strings * 5)[:5])
    return replace(
        base,
        prompt=first,
        tokens=Tokens(tuple(strings), base.tokens.ids, kind),
        sites=tuple(replace(site, key=first, architecture=first) for site in base.sites),
        site=first,
        fill=first,
        features=tuple(replace(f, id=first, label=(strings * 4)[n], edit=first) for n, f in enumerate(base.features)),
        predictions=Predictions(shown.positions, vocabulary, shown.token, shown.before, shown.after, shown.kl),
        labels=tuple(replace(label, id=first, label=first) for label in base.labels),
        context=replace(
            base.context, model=first, dictionaries=first, error=first, propagation=first, version=first, code=first
        ),
    )
