"""Pages that host the front end without a kernel: the exported page, and a live widget with a scripted model."""

import base64
import json
from typing import Any

from playwright.sync_api import Page, expect

from saewidgets.export.page import to_page
from saewidgets.payloads import (
    CircuitPayload,
    ExplorerPayload,
    FeatureTablePayload,
    FrontierPayload,
    HeatmapPayload,
    encode,
)
from saewidgets.payloads.codec import kind_of
from saewidgets.widgets.base import in_state
from saewidgets.widgets.carrier import bundle
from saewidgets.widgets.circuit_request import marks_json

# What anywidget gives to `render`, answered by the test: messages are recorded, replies are sent with `reply`.
_HOST = """<!doctype html><html lang="en" {attributes}><meta charset="utf-8"><title>host</title>
<style>body {{ margin: 16px; background: {background} }}</style><main id="el"></main>
<script type="module">
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const listeners = new Map();
const values = new Map(Object.entries({traits}));
values.set("_payload", new DataView(bytes("{payload}").buffer));
const fire = (event, ...args) => [...(listeners.get(event) ?? [])].forEach((listener) => listener(...args));
globalThis.host = {{
  sent: [], saved: 0,
  set(traits) {{
    for (const [name, value] of Object.entries(traits)) {{
      values.set(name, name === "_payload" ? new DataView(bytes(value).buffer) : value);
    }}
    for (const name of Object.keys(traits)) fire(`change:${{name}}`);
  }},
  reply(message, buffers = []) {{ fire("msg:custom", message, buffers.map((b) => new DataView(bytes(b).buffer))); }},
  value: (name) => values.get(name),
  models: new Map(),
  model(ref, traits) {{
    const own = new Map(Object.entries(traits));
    own.set("_payload", new DataView(bytes(traits._payload).buffer));
    host.models.set(ref, {{
      get: (name) => own.get(name), set: (name, value) => own.set(name, value),
      save_changes() {{}}, on() {{}}, off() {{}},
      send(message) {{ host.sent.push({{ ...message, to: ref, at: performance.now() }}); }},
    }});
  }},
  listeners: () => [...listeners.values()].reduce((n, all) => n + all.size, 0),
}};
const model = {{
  get: (name) => values.get(name),
  set(name, value) {{ values.set(name, value); fire(`change:${{name}}`); }},
  save_changes() {{ host.saved++; }},
  send(message) {{ host.sent.push({{ ...message, at: performance.now() }}); }},
  on(event, listener) {{ listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)); }},
  off(event, listener) {{ listeners.get(event)?.delete(listener); }},
}};
const code = new Blob([bytes("{bundle}")], {{ type: "text/javascript" }});
const module = await import(URL.createObjectURL(code));
const ended = new AbortController();
host.end = () => ended.abort();
const start = performance.now();
const others = {{
  getModel: async (ref) => host.models.get(ref) ?? Promise.reject(new Error(`no model ${{ref}}`)),
}};
module.default.render({{ model, el: document.getElementById("el"), signal: ended.signal, host: others }});
host.drawn = performance.now() - start;
requestAnimationFrame(() => setTimeout(() => {{ host.painted = performance.now() - start; }}));
</script>"""


# Run in a page: done when what was asked for is drawn.
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"


def heatmap_traits(payload: HeatmapPayload) -> dict[str, Any]:
    """Traits of a live heatmap."""
    slots = [""] * (max((f.slot for f in payload.features), default=-1) + 1)
    for feature in payload.features:
        slots[feature.slot] = feature.id
    return {
        "prompt": payload.prompt, "features": slots, "edits": [], "error_term": "kept", "site": payload.site,
        "fill": payload.fill, "selection": payload.selection, "text_face": "serif", "lanes": "full",
    }  # fmt: skip


def shown_traits(payload: Any) -> dict[str, Any]:
    """Traits of a view that shows what it has: those fields of the payload that the front end turns."""
    names = ("selected", "feature", "y", "x", "scale")
    found = {name: getattr(payload, name) for name in names if hasattr(payload, name)}
    return {**found, "feature": ""} if isinstance(payload, FrontierPayload) else found


def table_traits(payload: FeatureTablePayload) -> dict[str, Any]:
    """Traits of a live table."""
    return {"chosen": list(payload.selection), "feature": "", "_dashboard": "", "top": 0}


def circuit_traits(payload: CircuitPayload) -> dict[str, Any]:
    """Traits of a live circuit graph."""
    names = ("prompt", "keep_nodes", "keep_edges", "side", "selection")
    own = {name: getattr(payload, name) for name in names}
    return {**own, "marks": marks_json(payload.marks), "targets": [], "edits": [], "feature": "", "_dashboard": ""}


def live_traits(payload: Any, **traits: Any) -> dict[str, Any]:
    """Traits of a fresh live widget, but for `traits`."""
    own = heatmap_traits(payload) if isinstance(payload, HeatmapPayload) else shown_traits(payload)
    own = table_traits(payload) if isinstance(payload, FeatureTablePayload) else own
    own = circuit_traits(payload) if isinstance(payload, CircuitPayload) else own
    # Its panels are widgets of their own; without them it shows what the payload carries.
    own = {"live": False} if isinstance(payload, ExplorerPayload) else own
    return {
        "_view": kind_of(payload), "_revision": 1, "theme": "auto", "height": 360, "error": None, "undo_depth": 0,
        "redo_depth": 0, "live": True, **own, **traits,
    }  # fmt: skip


def live_page(payload: Any, dark: bool = False, **traits: Any) -> str:
    """A page with a live widget; `host` in it is the test's end of the comm.

    Args:
        payload: The first picture.
        dark: Whether the host says that it is dark, as JupyterLab does.
        **traits: Traits that differ from those of a fresh widget.
    """
    values = live_traits(payload, **traits)
    return _HOST.format(
        attributes='data-theme="dark"' if dark else "",
        background="#16181B" if dark else "#fff",
        traits=json.dumps(values).replace("<", "\\u003c"),
        # No kernel is here to be asked for one that is too large for the state.
        payload=base64.b64encode(in_state(encode(payload)) or encode(payload)).decode(),
        bundle=base64.b64encode(bundle().encode()).decode(),
    )


def show(page: Page, payload: Any, error: dict[str, str] | None = None) -> None:
    """Give a live page another picture of its kind, and an error beside it; done when it is drawn.

    What was asked so far is answered first, or the view would keep what it asks for.
    """
    values = {**live_traits(payload), "_payload": base64.b64encode(encode(payload)).decode()}
    page.evaluate(
        """(values) => {
            for (const { id } of host.sent.splice(0)) host.reply({ type: "ok", id, result: null });
            host.set({ ...values, _revision: host.value("_revision") + 1 });
        }""",
        values,
    )
    page.evaluate(FRAMES)
    if error:
        page.evaluate("(error) => host.set({ error })", error)
        page.evaluate(FRAMES)


def darken(page: Page) -> None:
    """Make the host of a live page dark, as JupyterLab does when its theme is changed.

    Open the page with `reduced_motion="reduce"`, or colours take a moment to change.
    """
    page.evaluate("document.documentElement.dataset.theme = 'dark'; document.body.style.background = '#16181B'")
    expect(page.locator(".sw.dark").first).to_be_visible()


def saved_page(payload: Any, theme: str = "light") -> str:
    """The page that `widget.to_html` writes."""
    return to_page(payload, theme)
