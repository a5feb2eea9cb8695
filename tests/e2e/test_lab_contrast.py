"""A contrast in a real JupyterLab: a flagged confound, prompts typed, features made an edit, a probe, a bottleneck."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.notebook import Notebook, opened_notebook
from tests.e2e.test_accessible import violations

SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import saewidgets as sw
scope = sw.demo()
names = ("Mira", "Tom", "Ida", "Leo", "Nora", "Max", "Otto", "Ruth")
cats = [f"{{n}} saw a black cat by the old mill." for n in names]
boats = [f"{{n}} saw a red boat." for n in names]
view = sw.Contrast(scope, cats, boats, dictionary="resid_post.0@small", controls=2)
steering = sw.Steering(scope, "Mira saw a", n_seeds=1, n_controls=1, max_new_tokens=2)
both = sw.link(view, steering, share=["edits"])
view
"""
RANDOM = """
[drawn] = sw.causes.random_like(scope, "resid_post.0@small", [*cats, *boats], n=1, seed=9)
other = sw.Scope(scope.model, {"resid_post.0@small": drawn}, name="random")
sw.Contrast(other, cats, boats, dictionary="resid_post.0@small")
"""


@pytest.fixture(scope="module")
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook with a contrast linked to a steering view; closed with its kernel."""
    with opened_notebook(server, browser, "contrast.ipynb", SETUP, RANDOM) as opened:
        yield opened


def settled(view: Locator) -> None:
    expect(view).to_have_attribute("data-busy", "false")


def test_a_confound_is_flagged_until_the_prompts_are_made_alike(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    flags = view.get_by_role("list", name="Confounds").locator(".flag")
    expect(flags.first).to_contain_text("Look out, token count: alone it tells the sets apart, AUROC 1.00")
    expect(view.locator(".apart b.flag").first).to_contain_text("follows")
    assert violations(notebook.page, ".saewidgets") == []
    shown = view.locator(".apart tbody .id").all_text_contents()
    assert shown == notebook.python("view.to_frame()['feature'].head(12).tolist()")
    numbers = notebook.python("[f'{x:.2f}' for x in view.to_frame()['auroc'].head(12)]")
    cells = view.locator(".apart tbody tr td:nth-child(3)").all_text_contents()
    assert [cell.split()[0] for cell in cells] == numbers

    box = view.get_by_role("textbox", name="positive prompts, one a line")
    box.fill("\n".join(f"{name} saw a black cat." for name in ("Mira", "Tom", "Ida", "Leo", "Nora", "Max")))
    expect(view.locator(".confounds li").first).to_contain_text("it does not tell the sets apart")
    settled(view)
    assert notebook.python("len(view.payload.positive), view.payload.flagged") == (6, [])
    expect(view.get_by_role("region", name="positive prompts")).to_contain_text("6 prompts")


def test_a_selection_becomes_an_edit_of_linked_views_and_a_probe(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    rows = notebook.python("[f.id for f in view.payload.features if f.auroc > 0.5][:2]")
    for row in rows:
        view.get_by_role("checkbox", name=f"choose {row}", exact=True).check()
    settled(view)
    view.get_by_role("button", name="Edit", exact=True).click()
    expect(view.locator(".made .card")).to_contain_text(f"sw.clamp('{rows[0]}'")
    settled(view)
    assert notebook.python("[str(e.target) for e in view.edits]") == rows
    assert notebook.python("steering.wait(60), steering.edits == view.edits") == (True, True)
    assert notebook.python("str(view.edits)").strip("()") in view.locator(".made .card").inner_text().strip("[]") + ","

    view.get_by_role("button", name="Probe", exact=True).click()
    expect(view.locator(".probes tbody tr")).to_have_count(6)
    settled(view)
    told = notebook.python("[(p.inputs, f'{p.accuracy:.2f}') for p in view.payload.probes]")
    for line, (inputs, accuracy) in zip(view.locator(".probes tbody tr").all_text_contents(), told, strict=True):
        assert line.startswith(inputs) and accuracy in line
    view.get_by_role("button", name="Undo").click()
    expect(view.locator(".made .card")).to_be_visible()
    settled(view)
    assert notebook.python("view.tool") == "edit"


def test_a_concept_is_set_while_the_model_runs(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    view.get_by_role("button", name="Concept bottleneck").click()
    scores = view.get_by_role("region", name="Concept scores").locator("tbody tr")
    expect(scores).to_have_count(14)
    settled(view)
    expect(view.get_by_role("slider", name="Accuracy by corrected concepts")).to_be_visible()
    view.get_by_role("button", name="Tom saw a black cat.").click()
    settled(view)
    slider = view.get_by_role("slider", name="Concept positive")
    slider.focus()
    notebook.page.keyboard.press("Home")
    effect = view.get_by_role("region", name="Intervention")
    expect(effect).to_contain_text("answer: positive → negative")
    settled(view)
    assert notebook.python("dict(view.corrected), view.example") == ({"positive": 0.0}, 1)
    after = notebook.python("[f'{x:.2f}' for x in view.payload.bottleneck.correction.after]")
    assert effect.locator(".prow .num:nth-child(4)").all_text_contents() == after
    expect(effect).to_contain_text(re.compile(r"random features and directions up to \d"))
    assert violations(notebook.page, ".saewidgets") == []


def test_with_a_random_dictionary_it_says_that_nothing_beats_the_control(notebook: Notebook) -> None:
    notebook.run_cell(1)
    view = notebook.cell(1).locator(".saewidgets")
    expect(view.locator(".said b")).to_contain_text("Nothing beats the control")


def test_the_page_shows_what_was_made(notebook: Notebook, browser: Browser) -> None:
    page_file = notebook.server.folder / "contrast.html"
    notebook.python(f"view.to_html({str(page_file)!r}).name")
    watch = Watch()
    with new_page(browser, watch) as page:
        page.goto(page_file.as_uri())
        view = page.locator(".saewidgets")
        expect(view.get_by_role("region", name="Intervention")).to_contain_text("answer: positive → negative")
        view.get_by_role("button", name="mean in negative").click()
        expect(view.get_by_role("columnheader", name="mean in negative")).to_have_attribute("aria-sort", "descending")
        expect(view.get_by_role("button", name="Probe", exact=True)).to_be_disabled()
        assert violations(page, ".saewidgets") == []
    assert (watch.errors, watch.outside()) == ([], [])
