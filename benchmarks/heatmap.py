"""The heatmap beside CircuitsVis: bytes put into a notebook, and times in a browser at 1k, 10k and 100k tokens.

Run with `python benchmarks/heatmap.py`. Bytes are those of the cell's output as JSON, which is what a saved notebook
holds. First paint runs from the call that draws (code loaded, data in memory) to the end of the paint; hover from the
time stamp of a real pointer event to the end of the paint; recolour from the click, for CircuitsVis from a second
`render` with other values, as it has no switch. All three wait for the next frame, so about 16 ms are the floor,
measured on an empty page. CircuitsVis is measured offline, with its own code inline, as it does without a network.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as TookTooLong

sys.path.insert(0, str(Path(__file__).parents[1]))

import saewidgets as sw
from saewidgets.payloads import HeatmapPayload
from saewidgets.widgets.carrier import bundle
from tests.browser import chromium_path
from tests.payload_factory import make_payload
from tests.web.host import live_page

try:
    from circuitsvis.tokens import colored_tokens
except ImportError:
    colored_tokens = None

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 15
# A first paint that takes longer than this is not waited for, seconds.
GIVE_UP = 90
# Goals at 100,000 tokens, ms.
GOALS = {"first paint": 150, "hover": 16, "recolour": 50}

# `paint(t0)` resolves to the time from t0 to the end of the next paint.
HELPERS = """
window.paint = (from) => new Promise((done) => {
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - from)));
});
window.hovers = [];
addEventListener("pointermove", (event) => paint(event.timeStamp).then((ms) => hovers.push(ms)), true);
"""
RECOLOUR = """async () => {
  const root = document.querySelector('.saewidgets').shadowRoot;
  const all = [...root.querySelectorAll('[aria-label=Fill] button')];
  const next = all.find((button) => button.getAttribute('aria-checked') === 'false');
  const from = performance.now();
  next.click();
  return await paint(from);
}"""


def peer_html(payload: HeatmapPayload) -> str:
    """What CircuitsVis puts into a notebook without a network."""
    return str(colored_tokens(list(payload.tokens.text), payload.features[0].values).local_src)


def output_bytes(payload: HeatmapPayload, n: int) -> tuple[int, int]:
    """Bytes of the outputs of `n` heatmaps, and of the widget state if the notebook is told to save it."""
    widgets = [sw.TokenHeatmap(payload, bundle="carrier") for _ in range(n)]
    outputs = sum(len(json.dumps(widget._repr_mimebundle_()[0]).encode()) for widget in widgets)
    # Binary traits are saved as base64; the code is on one hidden model.
    state = sum(-(-len(widget._payload) // 3) * 4 + len(widget._esm) for widget in widgets)
    for widget in widgets:
        widget.close()
    return outputs, state + len(json.dumps(bundle()))


def bytes_table() -> None:
    """Print the bytes at 10k tokens."""
    payload = make_payload(10_000, 1, edits=False)
    for n in (1, 10):
        ours, state = output_bytes(payload, n)
        line = f"{n:>2} of 10k tokens: output {ours:>10,} B, with saved state and bundle {ours + state:>10,} B"
        if colored_tokens is not None:
            theirs = n * len(json.dumps({"text/html": peer_html(payload)}).encode())
            line += (
                f", CircuitsVis {theirs:>11,} B: 1/{theirs / ours:.0f} and 1/{theirs / (ours + state):.1f} (goal 1/20)"
            )
        print(line, flush=True)


def hover(page: Page, y: float) -> float:
    """Median of pointer moves over the text."""
    for step in range(ROUNDS):
        page.mouse.move(120 + 37 * step, y + 28 * (step % 4))
        page.wait_for_timeout(60)
    times: list[float] = page.evaluate("hovers")
    return statistics.median(times[1:])


def ours(browser: Browser, folder: Path, n: int) -> dict[str, float]:
    """Median times of our view."""
    payload = make_payload(n, 3, edits=False)
    paints, page = [], None
    for _ in range(3 if n > 50_000 else 5):
        if page:
            page.close()
        page = open_page(browser, folder, live_page(payload))
        page.wait_for_function("host.painted", timeout=120_000)
        paints.append(page.evaluate("host.painted"))
    assert page is not None
    # Idle work (the text enters the accessibility tree block by block) is done before pointing, as for a reader.
    page.wait_for_function("!document.querySelector('.saewidgets').shadowRoot.querySelector('.cv')", timeout=120_000)
    box: Any = page.locator(".longbox").bounding_box()
    result = {"first paint": statistics.median(paints), "hover": hover(page, box["y"] + 40)}
    result["recolour"] = statistics.median(page.evaluate(RECOLOUR) for _ in range(ROUNDS))
    page.close()
    return result


def peer(browser: Browser, folder: Path, n: int) -> dict[str, float]:
    """Times of CircuitsVis; empty where it was given up."""
    markup = peer_html(make_payload(n, 1, edits=False))
    head, call, props = markup.rpartition("CircuitsVis.render(")
    timed = "window.call = () => {" + call + props.replace("</script>", "}; const from = performance.now(); call(); ")
    timed += "paint(from).then((ms) => { window.painted = ms });</script>"
    page = open_page(browser, folder, "<!doctype html><meta charset=utf-8><body>" + head + timed)
    try:
        page.wait_for_function("window.painted", timeout=GIVE_UP * 1000)
    except TookTooLong:
        return {}
    result = {"first paint": page.evaluate("painted"), "hover": hover(page, 60)}
    again = "async () => { const from = performance.now(); call(); return await paint(from); }"
    result["recolour"] = statistics.median(page.evaluate(again) for _ in range(3))
    page.close()
    return result


def said(row: dict[str, float], what: str) -> str:
    return f"{row[what]:7.0f} ms" if row else f"given up after {GIVE_UP} s"


def open_page(browser: Browser, folder: Path, markup: str) -> Page:
    path = folder / "page.html"
    path.write_text(markup, "utf-8")
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    page.set_default_timeout(300_000)
    page.add_init_script(HELPERS)
    page.goto(path.as_uri())
    return page


def floor(browser: Browser, folder: Path) -> float:
    """Hover on a page with one paragraph."""
    page = open_page(browser, folder, "<!doctype html><p>nothing")
    result = hover(page, 40)
    page.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    arguments = parser.parse_args()
    if colored_tokens is None:
        print("CircuitsVis is not installed (pip install circuitsvis): ours alone.")
    bytes_table()
    with sync_playwright() as play, tempfile.TemporaryDirectory() as name:
        browser = play.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        folder = Path(name)
        print(f"floor of a pointer event to paint: {floor(browser, folder):.0f} ms")
        for n in arguments.sizes:
            rows = {"ours": ours(browser, folder, n)}
            if colored_tokens is not None:
                rows["CircuitsVis"] = peer(browser, folder, n)
            for what, goal in GOALS.items():
                line = f"{n:>7,} tokens, {what:11}: " + ", ".join(
                    f"{who} {said(row, what)}" for who, row in rows.items()
                )
                if rows.get("CircuitsVis"):
                    line += f", ratio {rows['ours'][what] / rows['CircuitsVis'][what]:.2f}"
                print(line + (f" (goal {goal} ms)" if n == 100_000 else ""), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
