"""Pages that load widgets as VS Code and Colab do: a manager for each output, our module from a `blob:` or `data:`."""

import base64
import json
from collections.abc import Sequence
from html import escape
from typing import Any

from saewidgets.payloads import encode
from saewidgets.payloads.codec import kind_of
from saewidgets.widgets.base import in_state
from saewidgets.widgets.carrier import HEATMAP, SHARED, VIEWS, answer, bundle, file_hash, files, shim
from tests.web.host import live_traits

# What VS Code's notebook webview allows when `notebook.experimental.enableCsp` is on, and `blob:` or `data:` besides:
# without one of these two no widget of anywidget could be imported at all. No network, no font, no worker.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval' {how}; "
    "style-src 'unsafe-inline'; img-src data:"
)

_PAGE = """<!doctype html><html lang="en" {html}><head><meta charset="utf-8"><title>host</title>
<meta http-equiv="Content-Security-Policy" content="{policy}">
<style>.cell-output-ipywidget-background {{ background: white !important }}</style></head>
<body {body}>
<script type="module">
const settings = {settings};
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const fired = (target, event, ...args) => [...(target.get(event) ?? [])].forEach((listener) => listener(...args));

/** A model as a manager has it, with `kernel` behind. */
function makeModel(traits, kernel) {{
  const values = new Map(Object.entries(traits)), listeners = new Map();
  if (traits._payload) values.set("_payload", new DataView(bytes(traits._payload).buffer));
  return {{
    get: (name) => values.get(name),
    set(name, value) {{ values.set(name, value); fired(listeners, `change:${{name}}`); }},
    save_changes() {{}},
    send(message) {{ kernel(message, (reply, ...buffers) => fired(listeners, "msg:custom", reply, buffers)); }},
    on(event, listener) {{ listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)); }},
    off(event, listener) {{ listeners.get(event)?.delete(listener); }},
    update(traits) {{
      for (const [name, value] of Object.entries(traits)) {{
        values.set(name, name === "_payload" ? new DataView(bytes(value).buffer) : value);
      }}
      for (const name of Object.keys(traits)) fired(listeners, `change:${{name}}`);
    }},
  }};
}}

/** anywidget's way to a module. */
async function load(esm) {{
  const url = settings.how === "data:"
    ? `data:text/javascript;charset=utf-8,${{encodeURIComponent(esm)}}`
    : URL.createObjectURL(new Blob([esm], {{ type: "text/javascript" }}));
  const module = await import(url);
  if (settings.how === "blob:") URL.revokeObjectURL(url);
  return typeof module.default === "function" ? module.default() : module.default;
}}

const text = (code) => new TextDecoder().decode(bytes(code));
globalThis.outputs = [];
for (const traits of settings.outputs) {{
  const sent = [];
  const model = makeModel(traits, (message, reply) => {{
    sent.push(message);
    if (message.type === "bundle") {{
      const buffer = new DataView(bytes(settings.code[message.hash]).buffer);
      setTimeout(() => reply({{ type: "bundle", hash: message.hash }}, buffer));
    }}
  }});
  const host = {{
    getModel: (ref) => settings.carrier === "reachable" && settings.code[ref.slice(10)]
      ? Promise.resolve(makeModel({{ code: text(settings.code[ref.slice(10)]), hash: ref.slice(10) }}, () => {{}}))
      : settings.carrier === "silent" ? new Promise(() => {{}}) : Promise.reject(new Error("no such model")),
  }};
  const el = document.createElement("div");
  el.className = "cell-output-ipywidget-background";
  document.body.append(el);
  const ended = new AbortController();
  const widget = await load(traits._esm);
  await widget.render({{ model, el, host, signal: ended.signal }});
  outputs.push({{ model, sent, end: () => ended.abort() }});
}}
</script></body></html>"""


def output(payload: Any, delivery: str = "carrier", **traits: Any) -> dict[str, Any]:
    """The state of one widget as the kernel sends it; `delivery` is `"carrier"` or `"inline"`."""
    hashes = [file_hash(name) for name in files(kind_of(payload))]
    code = (
        {"_esm": shim(), "_bundle": " ".join(hashes), "_carrier": " ".join(f"anywidget:{each}" for each in hashes)}
        if delivery == "carrier"
        else {"_esm": bundle(), "_bundle": "", "_carrier": None}
    )
    raw = base64.b64encode(in_state(encode(payload))).decode()
    return {**live_traits(payload), **code, "_payload": raw, **traits}


def loader_page(
    outputs: Sequence[dict[str, Any]], *, how: str = "blob:", carrier: str = "reachable", html: str = "", body: str = ""
) -> str:
    """A page of outputs.

    Args:
        outputs: Their widgets, from `output`.
        how: `"blob:"` or `"data:"`.
        carrier: What a manager does when it is asked for the carrier: it is `"reachable"`, it is `"gone"`, or the
            manager is `"silent"`.
        html: Attributes of the page.
        body: Attributes of its body.
    """
    settings = {
        "outputs": outputs, "how": how, "carrier": carrier,
        "code": {
            each: base64.b64encode(answer({"hash": each})[1]).decode()
            for each in map(file_hash, (SHARED, HEATMAP, VIEWS))
        },
    }  # fmt: skip
    # The shim makes a blob of what the carrier has, wherever it came from itself.
    policy = POLICY.format(how="blob:" if how == "blob:" else "blob: data:")
    return _PAGE.format(html=html, body=body, policy=policy, settings=json.dumps(settings).replace("<", "\\u003c"))


def frames(pages: Sequence[str]) -> str:
    """A notebook page with a frame of its own origin for each output, as Colab has."""
    tags = "".join(
        f'<iframe title="output {i}" sandbox="allow-scripts" srcdoc="{escape(page)}" width="900" height="600"></iframe>'
        for i, page in enumerate(pages)
    )
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>notebook</title><body>{tags}</body></html>'
