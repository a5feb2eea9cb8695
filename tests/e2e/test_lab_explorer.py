"""An explorer in a real JupyterLab: one token, one set of edits and one history in all panels, also in its page."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.explorer import PROMPT, check_linked_page, here, save_page, word_after
from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Notebook, write_notebook
from tests.e2e.test_accessible import violations
from tests.e2e.test_lab_circuit import becomes

SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from itertools import islice
import saewidgets as sw
from saewidgets.demo.grammar import documents
scope = sw.demo()
texts = [document.text for document in islice(documents("docs"), 24)]
atlas = scope.sweep(texts, ["resid_post.2"], "atlas", length=96, progress=False)
ex = sw.Explorer(scope, {PROMPT!r}, atlas=atlas, max_new_tokens=6, temperature=0.0)
ex
"""
WITHOUT = """
own = {"resid_post.2": scope.dictionaries["resid_post.2"]}
bare = sw.Scope(scope.model.module, own, tokenizer=scope.model.tokenizer)
other = sw.Explorer(bare, "Mira saw a red boat.", max_new_tokens=4)
other
"""


@pytest.fixture(scope="module")
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook with an explorer; closed with its kernel."""
    path = write_notebook(server.folder / "explorer.ipynb", SETUP, WITHOUT)
    watch = Watch()
    with new_page(browser, watch, viewport={"width": 1500, "height": 1400}) as page:
        opened = Notebook(page, server, path.name).open()
        opened.command("application:toggle-left-area")
        opened.run_cell(0)
        yield opened
        opened.shut_down()
    assert watch.ours() == []
    assert watch.outside() == []


@pytest.fixture
def view(notebook: Notebook) -> Locator:
    return notebook.cell(0).locator(".saewidgets").first


def rest(notebook: Notebook, view: Locator) -> None:
    """Wait until every panel shows what was asked last."""
    expect(view.locator(".ex")).to_have_attribute("data-busy", "false", timeout=60_000)
    assert notebook.python("ex.wait(120)") is True


def test_all_panels_are_there(notebook: Notebook, view: Locator) -> None:
    Heatmap(view.locator("xpath=..")).token(3).wait_for(timeout=60_000)
    for name in ("Circuit", "What it says", "Focused feature", "Diary", "Strongest features", "Next token"):
        expect(view.get_by_role("region", name=name)).to_be_visible(timeout=60_000)
    rest(notebook, view)
    expect(view.locator("[data-graph]")).to_be_visible()
    expect(view.get_by_role("group", name="Base")).to_contain_text(re.compile(r"\w"))
    assert violations(notebook.page, ".jp-Cell:nth-of-type(1) .saewidgets") == []


def test_one_token_in_all_panels(notebook: Notebook, view: Locator) -> None:
    heatmap = Heatmap(view.locator("xpath=.."))
    before = here(view)
    heatmap.token(4).click()
    notebook.page.keyboard.press("Escape")  # a click also opens the editor
    becomes(notebook, "(ex.selection, ex.heatmap.selection)", (4, 4))
    becomes(notebook, "list(ex.diary)", ["ex.select(token=4)"])
    assert word_after(view) == "Tom"
    expect(heatmap.strongest.get_by_role("heading")).to_contain_text("token 4")
    assert here(view) < before
    # A node of the circuit brings its token.
    node = notebook.python("next(n for n in ex.circuit.payload.nodes.id if 'mlp_in' in n and n.endswith('@2'))")
    notebook.python("None", f"ex.circuit.selection = {node!r}")
    view.locator("[data-graph]").focus()
    notebook.page.keyboard.press("ArrowRight")
    chosen = notebook.python("ex.circuit.selection")
    becomes(notebook, "ex.selection", int(chosen.rpartition("@")[2]))
    heatmap.token(14).click()
    notebook.page.keyboard.press("Escape")
    becomes(notebook, "(ex.selection, list(ex.diary))", (14, []))  # back where it began is no step


def test_ablate_and_undo_everywhere(notebook: Notebook, view: Locator) -> None:
    feature = notebook.python("ex.features[0]")
    nodes = notebook.python("ex.circuit.payload.before is None")
    assert nodes is True
    view.get_by_role("button", name=re.compile("Ablate a$")).click()
    becomes(notebook, "[str(e.target) for e in ex.edits]", [feature])
    rest(notebook, view)
    expect(view.locator(".chip").first).to_contain_text("ablated")
    assert notebook.python("(ex.circuit.payload.before is not None, [t.role for t in ex.text.payload.texts])") == (
        True,
        ["base", "steered", "direction", "feature"],
    )
    expect(view.get_by_role("group", name="After the edits")).to_be_visible()
    setup = f"own = scope.generate({PROMPT!r}, ex.edits, max_new_tokens=6, temperature=0.0, seed=0)"
    same = "list(own.token_ids) == ex.text.payload.column('steered').tokens.ids.tolist()"
    assert notebook.python(same, setup) is True
    # The effect stands beside that of the controls, and says how it was measured.
    panel = view.get_by_role("region", name="What it says")
    control = panel.get_by_role("group", name="Control")
    for role, kind in (("direction", "random direction, same norm"), ("feature", "random feature of like density")):
        control.get_by_role("radio", name=role).click()
        expect(control).to_contain_text(kind)
        kl = notebook.python(f"ex.text.payload.column({role!r}).kl")
        expect(control).to_contain_text(f"{kl:.2f} KL")
    expect(panel).to_contain_text("error term kept")
    said = view.get_by_role("group", name="After the edits").locator(".gen").inner_text().replace("‹end›", "")
    assert said.strip() and said.strip() in notebook.python("own.text")
    assert notebook.python("list(ex.diary)")[-1] == f"ex.edit(sw.ablate({feature!r}))"

    view.locator("[data-graph]").focus()
    notebook.page.keyboard.press("Control+z")  # in another panel than the edit was made in
    becomes(notebook, "(ex.edits, ex.heatmap.edits, ex.circuit.edits, ex.text.edits)", ((), (), (), ()))
    rest(notebook, view)
    expect(view.get_by_role("group", name="After the edits")).to_have_count(0)
    view.get_by_role("button", name="Redo").click()
    becomes(notebook, "len(ex.edits)", 1)
    rest(notebook, view)


def test_open_the_feature(notebook: Notebook, view: Locator) -> None:
    panel = view.get_by_role("region", name="Focused feature")
    view.locator(".chip").nth(1).click()
    second = notebook.python("ex.features[1]")
    becomes(notebook, "(ex.feature, ex.heatmap.fill, ex.dashboard.feature)", (second,) * 3)
    expect(panel).to_contain_text(second)
    panel.get_by_role("button", name="Open the dashboard").click()
    expect(panel.get_by_role("region", name="Where it fires")).to_contain_text("tokens", timeout=30_000)
    becomes(notebook, "ex.opened", True)
    panel.get_by_role("button", name="Close the dashboard").click()
    expect(panel.get_by_role("button", name="Open the dashboard")).to_be_visible()


def test_type_in_the_strip(notebook: Notebook, view: Locator) -> None:
    heatmap = Heatmap(view.locator("xpath=.."))
    heatmap.edit()
    heatmap.type(" Mira")
    becomes(notebook, "ex.prompt", PROMPT + " Mira")
    notebook.page.keyboard.press("Escape")
    rest(notebook, view)
    assert notebook.python("(ex.circuit.prompt, ex.text.prompt, ex.circuit.payload.prompt)") == (PROMPT + " Mira",) * 3
    while notebook.python("ex.prompt") != PROMPT:  # a burst of keys is one step, or two on a slow machine
        notebook.python("None", "ex.undo()")
        rest(notebook, view)
    assert notebook.python("(ex.heatmap.payload.prompt, ex.circuit.payload.prompt)") == (PROMPT,) * 2


def test_a_click_goes_back_and_the_diary_is_a_notebook(notebook: Notebook, view: Locator, tmp_path: Path) -> None:
    rest(notebook, view)
    diary = view.get_by_role("region", name="Diary")
    code = notebook.python("list(ex.diary)")
    expect(diary.get_by_role("listitem")).to_have_count(len(code))
    assert diary.get_by_role("listitem").all_inner_texts() == code
    ablated = next(i for i, line in enumerate(code) if line.startswith("ex.edit(sw.ablate("))
    undone = next(i for i, line in enumerate(code) if line == "ex.edit()")
    for line, n in ((undone, 0), (ablated, 1)):
        diary.get_by_role("listitem").nth(line).get_by_role("button").click()
        becomes(notebook, "len(ex.edits)", n)
        rest(notebook, view)
        same = f"values_of(ex) == ex.diary.state({line + 1}).views['ex']"
        assert notebook.python(same, "from saewidgets.widgets.explorer_diary import values_of") is True
    with notebook.page.expect_download(timeout=60_000) as download:
        diary.get_by_role("button", name="Export as notebook").click()
    path = tmp_path / "diary.ipynb"
    download.value.save_as(path)
    assert download.value.suggested_filename == "explorer.ipynb"
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.id.startswith("step-")]
    assert [cell.source.split("\n")[1] for cell in cells] == notebook.python("list(ex.diary)")


def test_resize_and_lecture(notebook: Notebook, view: Locator) -> None:
    line = view.get_by_role("separator", name="Width of the features")
    panel = view.get_by_role("region", name="Strongest features")
    wide = panel.bounding_box()
    line.focus()
    for _ in range(4):
        notebook.page.keyboard.press("ArrowRight")
    becomes(notebook, "round(ex.widths[0], 2)", 0.3)
    wider = panel.bounding_box()
    assert wide and wider and wider["width"] > wide["width"] + 40
    view.get_by_role("radio", name="lecture").click()
    circuit = view.get_by_role("region", name="Circuit")
    expect(circuit).to_be_hidden()
    for _ in range(2):
        view.get_by_role("button", name="Next panel").click()
    expect(circuit).to_be_visible()
    expect(panel).to_be_hidden()
    view.get_by_role("button", name="Next panel").focus()
    notebook.page.keyboard.press("PageUp")
    expect(panel).to_be_visible()
    assert violations(notebook.page, ".jp-Cell:nth-of-type(1) .saewidgets") == []
    view.get_by_role("radio", name="researcher").click()
    expect(circuit).to_be_visible()


def test_compare_in_the_same_cell(notebook: Notebook, view: Locator) -> None:
    rest(notebook, view)
    view.get_by_role("radio", name="compare").click()
    becomes(notebook, "ex.preset", "compare")
    side_a, side_b = (view.get_by_role("region", name=f"Side {letter}") for letter in "AB")
    expect(side_a.locator(".t").nth(14)).to_be_visible(timeout=60_000)
    assert notebook.python("ex.wait(120)") is True
    expect(side_b).to_contain_text("ablate")
    expect(view.get_by_role("region", name="Circuit")).to_have_count(0)
    kl = notebook.python("float(ex.comparison.payload.predictions.kl[ex.comparison.pair])")
    expect(view.locator(".kl b").first).to_have_text(f"{kl:.2f}")
    expect(view.locator(".compare")).to_contain_text("control: the edits of B on 8 random features")
    side_a.locator(".t").nth(4).click()
    notebook.page.keyboard.press("Escape")
    becomes(notebook, "(ex.selection, ex.comparison.left.selection)", (4, 4))
    # A second text in side A: what differs is marked in both.
    notebook.python("None", f"ex.comparison.left.prompt = {PROMPT.replace('pond', 'mill')!r}")
    assert notebook.python("ex.wait(120)") is True
    expect(side_b.locator(".t.differs")).to_have_text(["pond", "pond"])  # before and after its edit
    expect(side_a.locator(".t.differs")).to_have_text(["mill"])
    assert notebook.python("ex.prompt") == PROMPT
    assert violations(notebook.page, ".jp-Cell:nth-of-type(1) .saewidgets") == []
    view.get_by_role("radio", name="researcher").click()
    expect(view.get_by_role("region", name="Circuit")).to_be_visible()
    side_a.wait_for(state="detached")
    Heatmap(view.locator("xpath=..")).token(14).click()
    notebook.page.keyboard.press("Escape")


def test_the_page_is_linked_without_a_kernel(
    notebook: Notebook, view: Locator, browser: Browser, tmp_path: Path
) -> None:
    rest(notebook, view)
    path = save_page(notebook.page, view, tmp_path / "explorer.html")
    check_linked_page(browser, path, notebook.python("list(ex.features)"))


def test_what_is_missing_is_said_in_its_panel(notebook: Notebook) -> None:
    notebook.run_cell(1)
    view = notebook.cell(1).locator(".saewidgets").first
    circuit = view.get_by_role("region", name="Circuit")
    expect(circuit.get_by_role("alert")).to_contain_text("transcoder", timeout=60_000)
    expect(view.get_by_role("region", name="Focused feature")).to_contain_text("No atlas", timeout=30_000)
    expect(view.get_by_role("group", name="Base")).to_contain_text(re.compile(r"\w"), timeout=30_000)
    expect(view.get_by_role("region", name="Next token")).to_be_visible()
    assert notebook.python("other.heatmap.error") is None
    assert violations(notebook.page, ".jp-Cell:nth-of-type(2) .saewidgets") == []
