"""A dictionary trained in a cell of a real JupyterLab: its curve moves, it is paused, steered and stopped by clicks.

And the frontier beside it: a click on a mark opens the report of that dictionary.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.harness import Server
from tests.e2e.notebook import Notebook, opened_notebook
from tests.e2e.test_accessible import violations

SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import saewidgets as sw
scope = sw.demo()
names, things = ["Mira", "Tom", "Ada", "Ivo"], ["boat", "key", "kite", "lantern", "ball"]
texts = [f"{{a}} gave {{b}} the red {{t}} and went home." for a in names for b in names for t in things] * 40
trainer = sw.make_trainer(
    scope.model, "resid_post.1", texts, "relu", d_dict=64, steps=200_000, batch_size=64, buffer=2048, context=32,
)
monitor = sw.TrainingMonitor(trainer)
monitor
"""
FRONTIER = """
from saewidgets.evaluate import evaluate
report = evaluate(scope, texts[:200], ["resid_post.1@small", "resid_post.1"], contexts=12, length=32, draws=20)
frontier = sw.Frontier(report)
frontier
"""


@pytest.fixture(scope="module")
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook that trains, and one frontier; closed with its kernel."""
    with opened_notebook(server, browser, "training.ipynb", SETUP, FRONTIER) as opened:
        yield opened


def steps(view: Locator) -> int:
    """The step that the view shows."""
    words = view.locator(".status").inner_text()
    return int(words.partition("step ")[2].partition(" of")[0].replace("\u202f", ""))


def test_training_is_seen_and_steered(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    expect(view.locator(".status")).to_contain_text("running · step", timeout=60_000)
    loss = view.locator(".plot .curve.l0").first
    expect(loss).to_have_attribute("d", re.compile("L"))
    first, shown = loss.get_attribute("d"), steps(view)
    expect(loss).not_to_have_attribute("d", str(first))
    assert steps(view) > shown
    # The kernel is free while it trains.
    assert notebook.python("1 + 1") == 2
    assert notebook.python("monitor.payload.phase") == "running"

    view.get_by_role("button", name="Pause").click()
    expect(view.locator(".status")).to_contain_text("paused")
    held = notebook.python("trainer.state.step")
    before = notebook.python("trainer.state.sparsity")
    view.get_by_role("button", name="Lower: denser").click()
    field = view.get_by_role("textbox", name="Sparsity coefficient")
    expect(field).to_have_value("4")
    assert (before, notebook.python("trainer.state.sparsity")) == (5.0, 4.0)
    field.fill("-3")
    field.press("Enter")
    expect(view.get_by_role("alert")).to_contain_text("It is a number from 0.")
    assert notebook.python("trainer.state.sparsity") == 4.0
    assert notebook.python("trainer.state.step") == held
    field.fill("2.5")
    field.press("Enter")
    expect(view.get_by_role("alert")).to_have_count(0)
    expect(field).to_have_value("2.5")
    assert violations(notebook.page, ".saewidgets") == []

    view.get_by_role("button", name="Resume").click()
    expect(view.locator(".status")).to_contain_text("running")
    expect(view.locator(".mark").first).to_be_attached()
    expect(view.locator(".forming").first).to_be_visible()
    plot = view.get_by_role("slider").first
    plot.focus()
    plot.press("Home")
    expect(plot).to_have_attribute("aria-valuetext", re.compile("^step .*: loss .*, error"))

    view.get_by_role("button", name="Stop").click()
    expect(view.locator(".status")).to_contain_text("stopped")
    assert notebook.python("monitor.wait(20)") is True
    assert notebook.python("type(trainer.dictionary()).__name__") == "FeedForward"
    view.get_by_role("button", name="Go on").click()
    expect(view.locator(".status")).to_contain_text("running")
    assert notebook.python("monitor.close() or trainer.state.phase") == "stopped"
    alive = "[t.name for t in __import__('threading').enumerate() if t.name.startswith('saewidgets-')]"
    assert notebook.python(alive) == []


def test_a_click_on_the_frontier_opens_a_report(notebook: Notebook) -> None:
    notebook.run_cell(1)
    view = notebook.cell(1).locator(".saewidgets")
    expect(view.locator(".scatter .mark-own")).to_have_count(2)
    assert notebook.python("len(frontier.payload.points)") == 8
    box = view.locator(".scatter .mark-own").first.bounding_box()
    assert box is not None
    notebook.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    report = view.get_by_role("region", name="Report")
    expect(report).to_be_visible()
    name = notebook.python("frontier.selected")
    assert name in ("resid_post.1@small", "resid_post.1")
    expect(report.get_by_role("heading", level=2)).to_have_text(name)
    expect(report).to_contain_text("frozen decoder")
    assert violations(notebook.page, ".saewidgets") == []
    plot = view.get_by_role("slider").first
    plot.focus()
    for key in ("Home", *["ArrowRight"] * 7):
        plot.press(key)
        if "@small" in str(plot.get_attribute("aria-valuetext")) == ("@small" not in name):
            break
    plot.press("Enter")
    expect(view.locator(".points tr.on")).to_have_count(1)
    feature = report.locator(".listed button").first
    feature.click()
    expect(feature).to_have_attribute("aria-pressed", "true")
    assert "/" in notebook.python("frontier.feature")
    view.get_by_role("button", name="Close the report").click()
    expect(report).to_have_count(0)
    assert notebook.python("frontier.selected") == ""
