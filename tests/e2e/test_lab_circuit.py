"""A circuit graph in a real JupyterLab: grown, pruned, pinned, grouped, named, ablated, edited, exported, imported."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download, Locator, expect

from saewidgets.circuits import AttributionGraph
from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.notebook import Notebook, opened_notebook
from tests.e2e.test_accessible import violations

PROMPT = "When Mira and Tom came to the pond, Tom gave the lantern to"
# No patience: what a large graph does, this one does too.
SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import saewidgets as sw
import saewidgets.widgets.circuit_maker as maker
maker.PATIENCE = maker.PACE = 0.0
scope = sw.demo()
view = sw.CircuitGraph(scope, {PROMPT!r}, targets=" Mira")
seen = [view.payload.covered]
view.observe(lambda change: seen.append(view.payload.covered), "_revision")
view
"""
IMPORT = """
from pathlib import Path
whole = scope.attribute("Mira saw a red boat.", max_features=80).prune(0.9, 0.98)
features = [name for name in whole.columns.ids if "/" in name]
whole = whole.mark(pinned=tuple(features[:2]), groups=(("both", tuple(features[:2])),)).label({features[2]: "<b>x</b>"})
path = Path("of-another-program.json")
path.write_text(whole.to_json("circuit-tracer"))
read = sw.AttributionGraph.from_json(path)
other = sw.CircuitGraph(read)
other
"""


@pytest.fixture(scope="module")
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook with a circuit graph; closed with its kernel."""
    with opened_notebook(
        server, browser, "circuit.ipynb", SETUP, IMPORT, viewport={"width": 1500, "height": 1300}
    ) as opened:
        yield opened


@pytest.fixture
def view(notebook: Notebook) -> Locator:
    return notebook.cell(0).locator(".saewidgets")


def settled(view: Locator) -> None:
    expect(view).to_have_attribute("data-busy", "false", timeout=30_000)


def becomes(notebook: Notebook, expression: str, wanted: object) -> None:
    """What was clicked reaches Python a moment later."""
    for _ in range(50):
        found = notebook.python(expression)
        if found == wanted:
            return
        notebook.page.wait_for_timeout(100)
    assert found == wanted


def drawn(view: Locator) -> tuple[int, int]:
    """Nodes and edges that the picture shows."""
    stage = view.locator("[data-graph]")
    return int(stage.get_attribute("data-nodes") or 0), int(stage.get_attribute("data-edges") or 0)


def pruned(notebook: Notebook) -> tuple[int, int]:
    """What `prune` leaves of the whole graph where the sliders stand."""
    setup = "cut = view.graph.prune(view.keep_nodes, view.keep_edges)"
    found: tuple[int, int] = notebook.python("(len(cut.nodes), cut.adjacency.nnz)", setup)
    return found


def take(view: Locator, words: str) -> None:
    """Find a node and take it into the hand."""
    field = view.get_by_role("combobox", name="Find a node")
    field.fill(words)
    expect(view.get_by_role("option").first).to_be_visible()
    field.press("Enter")
    expect(view.locator("[data-graph]")).to_be_focused()


def test_grow_and_prune(notebook: Notebook, view: Locator) -> None:
    expect(view.locator("[data-graph]")).to_be_visible()
    assert notebook.python("view.wait(60)") is True
    settled(view)
    covered = notebook.python("seen")
    assert len(covered) > 2
    assert covered[0] < covered[-1] == pytest.approx(1)
    assert drawn(view) == pruned(notebook)
    assert violations(notebook.page, ".saewidgets") == []

    before = drawn(view)
    nodes = view.get_by_role("slider", name=re.compile("^Nodes"))
    nodes.focus()
    for _ in range(15):
        notebook.page.keyboard.press("ArrowLeft")
    expect(nodes).to_have_attribute("aria-valuetext", "0.65")
    view.get_by_role("slider", name=re.compile("^Edges")).fill("0.9")
    expect(view.locator("[data-graph]")).not_to_have_attribute("data-nodes", str(before[0]))
    becomes(notebook, "(view.keep_nodes, view.keep_edges)", (0.65, 0.9))
    assert drawn(view) == pruned(notebook)
    assert drawn(view)[0] < before[0]


def test_pin_group_name_and_undo(notebook: Notebook, view: Locator) -> None:
    top = notebook.python(
        "[view.payload.nodes.id[n] for n in order]",
        "order = [n for n in view.payload.now.influence.argsort()[::-1] if view.payload.nodes.kind[n] == 0][:4]",
    )
    keyboard = notebook.page.keyboard
    for name in top[:2]:
        take(view, name)
        keyboard.press("Space")
    becomes(notebook, "view.marks['pinned']", top[:2])
    expect(view.locator(".unit .stripe")).to_have_count(2)

    keyboard.press("Shift+Space")
    take(view, top[0])
    keyboard.press("Shift+Space")
    keyboard.press("g")
    keyboard.type("says a <b>name</b>")
    keyboard.press("Enter")
    expect(view.locator(".unit .stripe")).to_have_count(1)
    groups = "[(g['label'], sorted(g['nodes'])) for g in view.marks['groups']]"
    becomes(notebook, groups, [("says a <b>name</b>", sorted(top[:2]))])
    keyboard.press("Control+z")
    expect(view.locator(".unit .stripe")).to_have_count(2)
    keyboard.press("Control+Shift+z")
    expect(view.locator(".unit .stripe")).to_have_count(1)

    take(view, top[2])
    keyboard.press("l")
    field = view.get_by_role("textbox", name="Name of this node")
    expect(field).to_be_focused()
    field.fill("person's name")
    field.press("Enter")
    expect(view.locator("[data-graph]")).to_be_focused()
    expect(view.locator(".name")).to_have_text("person's name")
    feature = top[2].rpartition("@")[0]
    becomes(notebook, "view.marks['names']", {feature: "person's name"})
    assert "person's name" in notebook.python("view.to_frame()['label'].tolist()")
    keyboard.press("Space")
    expect(view.locator(".unit")).to_contain_text(["person's name"])
    box = view.locator(".unit").filter(has_text="person's name")
    box.focus()
    keyboard.press("ArrowDown")
    becomes(notebook, "list(view.marks['places'])", [top[2]])
    assert violations(notebook.page, ".saewidgets") == []


def test_ablate_a_supernode(notebook: Notebook, view: Locator) -> None:
    group = notebook.python("view.marks['groups'][0]['nodes']")
    take(view, group[0])
    view.get_by_role("button", name="Ablate group").click()
    settled(view)
    assert sorted(notebook.python("list(view.payload.effect.nodes)")) == sorted(group)
    expect(view.locator(".unit .cut")).to_have_count(1)
    expect(view.locator(".dots-plot")).to_be_visible()
    # What the plot shows is what the measurement gives when it is called by itself.
    for mode in ("free", "direct", "frozen attention"):
        view.get_by_role("radio", name=mode).click()
        name = mode.replace(" ", "_")
        setup = (
            f"plain = scope.attribute({PROMPT!r}, ' Mira')\n"
            f"own = scope.intervene_on(plain, {group!r}, propagation={name!r}, seed=0).table.set_index('id')\n"
            "shown = {m.mode: m for m in view.payload.effect.modes}" + f"[{mode!r}]\n"
            "rows = list(view.payload.effect.rows)"
        )
        off = notebook.python("float(abs(own.loc[rows, 'measured'].to_numpy() - shown.measured).max())", setup)
        assert off < 1e-4
        off = notebook.python("float(abs(own.loc[rows, 'low'].to_numpy() - shown.low).max())")
        assert off < 1e-4
        expect(view.locator(".dots-plot")).to_have_attribute("aria-label", re.compile(f"{mode}: "))
    # Old and new, laid over each other.
    view.get_by_role("radio", name="both").click()
    becomes(notebook, "(view.side, (view.payload.nodes.status == 3).any().item())", ("both", True))
    expect(view.locator(".nextwords")).to_contain_text("→")


def test_ablate_an_error(notebook: Notebook, view: Locator) -> None:
    # Beside what is ablated already.
    name = notebook.python(
        "view.payload.nodes.id[best]",
        "best = max((n for n in range(len(view.payload.nodes)) if view.payload.nodes.kind[n] == 1),"
        " key=lambda n: view.payload.now.influence[n])",
    )
    take(view, name)
    before = notebook.python("len(view.edits)")
    view.get_by_role("button", name="Ablate", exact=True).click()
    settled(view)
    called, _, position = name.rpartition("@")
    assert notebook.python("str(view.edits[-1])") == f"sw.ablate('{called}', positions=[{position}])"
    assert name in notebook.python("list(view.payload.effect.nodes)")
    expect(view.get_by_role("region", name="Effect")).to_contain_text("error term edited")
    view.locator("[data-graph]").focus()
    notebook.page.keyboard.press("Control+z")
    settled(view)
    assert notebook.python("len(view.edits)") == before


def test_dashboard_and_full_screen(notebook: Notebook, view: Locator) -> None:
    name = notebook.python("view.marks['groups'][0]['nodes'][0]")
    take(view, name)
    view.get_by_role("button", name="Dashboard", exact=True).click()
    inner = view.get_by_role("region", name="Dashboard")
    expect(inner).to_be_visible(timeout=30_000)
    expect(inner.get_by_role("button", name="Close the dashboard")).to_be_focused()
    expect(inner).to_contain_text(name.rpartition("@")[0])
    assert notebook.python("view.dashboard.feature") == name.rpartition("@")[0]
    inner.get_by_role("button", name="Close the dashboard").click()
    expect(inner).to_have_count(0)
    becomes(notebook, "view.dashboard is None", True)

    graph = view.locator("[data-graph]").element_handle()
    narrow = graph.evaluate("(e) => e.clientWidth")
    grow = view.get_by_role("button", name="Full screen")
    grow.click()
    expect(grow).to_have_attribute("aria-pressed", "true")
    page = notebook.page
    page.wait_for_function("document.fullscreenElement !== null")
    # The browser says that the screen is full before the view has its new size.
    page.wait_for_function("([graph, narrow]) => graph.clientWidth > narrow", arg=[graph, narrow])
    take(view, name)
    page.keyboard.press("ArrowLeft")
    expect(view.locator(".handhead")).to_be_visible()
    assert violations(page, ".saewidgets") == []
    grow.click()
    expect(grow).to_have_attribute("aria-pressed", "false")
    page.wait_for_function("document.fullscreenElement === null")


def test_edit_the_prompt(notebook: Notebook, view: Locator) -> None:
    pinned = notebook.python("view.marks['pinned']")
    field = view.get_by_role("textbox", name="Prompt")
    field.fill("So when Mira and Tom came to the pond, Tom gave the lantern to")
    settled(view)
    assert notebook.python("view.wait(60), view.prompt")[1].startswith("So when Mira")
    # Every pin went with its token.
    shift = notebook.python("len(scope.model.tokenize(view.prompt)) - len(scope.model.tokenize(view.base))")
    moved = [f"{n.rpartition('@')[0]}@{int(n.rpartition('@')[2]) + shift}" for n in pinned]
    now = notebook.python("view.marks['pinned']")
    assert [name.rpartition("@")[0] for name in now] == [name.rpartition("@")[0] for name in moved]
    expect(view.get_by_role("radio", name="before")).to_be_visible()
    assert notebook.python("view.payload.tokens_before != ()") is True
    # Undo: the text, then the ablation.
    view.locator("[data-graph]").focus()
    for _ in range(2):
        notebook.page.keyboard.press("Control+z")
        settled(view)
    assert notebook.python("(view.prompt, view.edits)") == (PROMPT, ())


def saved(view: Locator, name: str) -> Download:
    """What the menu saves under a name."""
    view.get_by_role("button", name="Menu", exact=True).click()
    with view.page.expect_download() as found:
        view.get_by_role("menuitem", name=name).click()
    return found.value


def test_exports_work_without_a_network(notebook: Notebook, view: Locator, browser: Browser, tmp_path: Path) -> None:
    graph = AttributionGraph.from_json(Path(saved(view, "Save as JSON").path()).read_text("utf-8"))
    assert graph.marks.groups[0][0] == "says a <b>name</b>"
    assert len(graph.nodes) == pruned(notebook)[0]

    page_path = tmp_path / "circuit.html"
    saved(view, "Save as HTML").save_as(page_path)
    watch = Watch()
    with new_page(browser, watch) as page:
        page.context.set_offline(True)
        page.goto(page_path.as_uri())
        alone = page.locator(".saewidgets")
        stage = alone.locator("[data-graph]")
        expect(stage).to_be_visible()
        assert drawn(alone) == drawn(view)
        alone.get_by_role("slider", name=re.compile("^Nodes")).fill("0.5")
        expect(stage).not_to_have_attribute("data-nodes", str(drawn(view)[0]))
        stage.focus()
        page.keyboard.press("ArrowDown")
        units = alone.locator(".unit .stripe").count()
        page.keyboard.press("Space")
        expect(alone.locator(".unit")).not_to_have_count(0)
        page.keyboard.press("Control+z")
        expect(alone.locator(".unit .stripe")).to_have_count(units)
        take(alone, notebook.python("view.marks['pinned'][0]"))
        expect(alone.get_by_role("button", name="Dashboard")).to_be_disabled()
        assert violations(page, ".saewidgets") == []
    assert watch.ours() == []
    assert watch.outside() == []


def test_a_file_from_the_menu(notebook: Notebook, view: Locator, tmp_path: Path) -> None:
    good, bad = tmp_path / "other.json", tmp_path / "bad.json"
    text, size = notebook.python(
        "(other.to_json('anthropic'), len(other.columns))",
        "other = scope.attribute('Mira saw a red boat.', max_features=40).prune(0.9, 0.98)",
    )
    good.write_text(text)
    bad.write_text('{"metadata": {}, "nodes": "<b>", "links": []}')
    before, prompt = drawn(view), notebook.python("view.prompt")

    def choose(path: Path) -> None:
        view.get_by_role("button", name="Menu", exact=True).click()
        with notebook.page.expect_file_chooser() as chooser:
            view.get_by_role("menuitem", name="Open a graph file").click()
        chooser.value.set_files(path)

    choose(bad)
    expect(view.get_by_role("alert")).to_contain_text("nodes")
    assert drawn(view) == before
    choose(good)
    expect(view.locator("[data-graph]")).to_have_attribute("data-nodes", str(size))
    expect(view.get_by_role("alert")).to_have_count(0)
    expect(view.get_by_role("textbox", name="Prompt")).to_have_count(0)
    view.get_by_role("button", name="Menu", exact=True).click()
    view.get_by_role("menuitem", name="Close the graph file").click()
    expect(view.get_by_role("textbox", name="Prompt")).to_have_value(prompt)
    expect(view.locator("[data-graph]")).to_have_attribute("data-nodes", str(before[0]))
    assert drawn(view) == before


def test_a_graph_of_another_program(notebook: Notebook) -> None:
    notebook.run_cell(1)
    view = notebook.cell(1).locator(".saewidgets")
    expect(view.locator("[data-graph]")).to_be_visible()
    size = notebook.python("(len(whole.nodes), whole.adjacency.nnz)")
    assert drawn(view) == size
    expect(view.locator(".unit .stripe")).to_have_count(1)
    expect(view.locator(".unit").first).to_be_visible()
    expect(view.locator(".unit").filter(has_text="both")).to_contain_text("2 nodes")
    take(view, "<b>x</b>")
    expect(view.get_by_role("textbox", name="Name of this node")).to_have_value("<b>x</b>")
    expect(view.get_by_role("textbox", name="Prompt")).to_have_count(0)
    assert violations(notebook.page, ".saewidgets") == []
