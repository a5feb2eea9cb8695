"""VS Code and Colab cannot run here; our module is loaded as they load it."""

import base64
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from saewidgets.payloads import encode
from tests.e2e.heatmap import Heatmap
from tests.payload_factory import make_payload
from tests.view_factory import make_dashboard
from tests.web.conftest import Open
from tests.web.loaders import frames, loader_page, output

pytestmark = pytest.mark.browser

VIEW = ".saewidgets .foot"
KINDS = {"vscode-light": False, "vscode-dark": True, "vscode-high-contrast": True, "vscode-high-contrast-light": False}


# -------------------------------------------------------------------------------------------------------------- VS Code


@pytest.mark.parametrize("delivery", ["carrier", "inline"])
@pytest.mark.parametrize("how", ["blob:", "data:"])
def test_vscode_loads_the_module_under_its_policy(open_page: Open, how: str, delivery: str) -> None:
    page = open_page(loader_page([output(make_payload(), delivery), output(make_dashboard(), delivery)], how=how))
    expect(page.locator(".saewidgets")).to_have_count(2)
    view = Heatmap(page.locator("body")).drawn()
    assert view.words()[:2] == ["‹bos›", "When"]
    view.edit()
    view.type(" Mira")
    expect(view.tokens).to_contain_text("Mira")
    page.wait_for_function("outputs[0].sent.some(({ type }) => type === 'run')")


@pytest.mark.parametrize("kind", KINDS)
def test_vscode_says_whether_it_is_dark(open_page: Open, kind: str) -> None:
    page = open_page(loader_page([output(make_payload())], body=f'class="{kind}" data-vscode-theme-kind="{kind}"'))
    sheet = page.locator(".sw")
    papers = {False: "rgb(255, 255, 255)", True: "rgb(22, 24, 27)"}
    # VS Code paints the output of a widget white, whatever the theme: the view brings its own paper.
    expect(sheet).to_have_css("background-color", papers[KINDS[kind]])
    other = next(name for name, dark in KINDS.items() if dark != KINDS[kind])
    page.evaluate("(kind) => document.body.setAttribute('data-vscode-theme-kind', kind)", other)
    expect(sheet).to_have_css("background-color", papers[not KINDS[kind]])


# ---------------------------------------------------------------------------------------------------------------- Colab


@pytest.mark.parametrize("carrier", ["reachable", "gone", "silent"])
def test_colab_each_output_has_a_frame_and_a_manager(open_page: Open, carrier: str) -> None:
    outputs = (make_payload(), make_payload(n_tokens=40), make_dashboard())
    pages = [loader_page([output(payload)], carrier=carrier, html='theme="dark"') for payload in outputs]
    page = open_page(frames(pages), wait="iframe")
    for number in range(3):
        frame = page.frame_locator(f"iframe[title='output {number}']")
        expect(frame.locator(VIEW).first).to_be_visible()
        expect(frame.locator(".sw")).to_have_class("sw dark")
    tokens = page.frame_locator("iframe[title='output 1']").get_by_role("listbox", name="Tokens of the prompt")
    expect(tokens.locator(".t")).to_have_count(40)


@pytest.mark.parametrize("carrier", ["reachable", "gone", "silent"])
def test_colab_several_managers_share_one_evaluation(open_page: Open, carrier: str) -> None:
    payload = make_payload()
    page = open_page(
        loader_page([output(payload), output(make_payload(n_tokens=40)), output(payload)], carrier=carrier)
    )
    expect(page.locator(".saewidgets")).to_have_count(3)
    files = "globalThis[Symbol.for('saewidgets')].files.size"
    assert page.evaluate(files) == 2
    page.wait_for_timeout(1_000)  # longer than the patience with a carrier
    asked = page.evaluate("outputs.map(({ sent }) => sent.filter(({ type }) => type === 'bundle').length)")
    assert asked == ([0, 0, 0] if carrier == "reachable" else [2, 0, 0])


def test_what_views_share_comes_once(open_page: Open) -> None:
    outputs = [output(make_payload()), output(make_dashboard()), output(make_payload()), output(make_dashboard())]
    page = open_page(loader_page(outputs, carrier="gone"))
    expect(page.locator(f"{VIEW} >> visible=true")).to_have_count(4)
    asked = page.evaluate("outputs.map(({ sent }) => sent.filter(({ type }) => type === 'bundle').length)")
    assert asked == [2, 1, 0, 0]
    # One copy of what both import: a style sheet of the first is the very one of the second.
    shared = """() => {
      const [a, b] = [...document.querySelectorAll(".saewidgets")];
      return a.shadowRoot.adoptedStyleSheets.at(-1) === b.shadowRoot.adoptedStyleSheets.at(-1);
    }"""
    assert page.evaluate(shared)
    assert page.evaluate("globalThis[Symbol.for('saewidgets')].files.size") == 3


def test_colab_a_later_cell_reaches_the_view_before(open_page: Open) -> None:
    payload = make_payload()
    page = open_page(loader_page([output(payload), output(payload)]))
    views = [Heatmap(page.locator("body"), index).drawn() for index in range(2)]
    words = views[1].words()
    raw = base64.b64encode(encode(replace(payload, selection=3))).decode()
    page.evaluate("(raw) => outputs[0].model.update({ _payload: raw, _revision: 2, selection: 3 })", raw)
    expect(views[0].tokens.locator(".t.sel")).to_have_text("and")
    expect(views[1].tokens.locator(".t.sel")).not_to_have_text("and")
    page.evaluate("outputs[0].end()")
    expect(page.locator(".saewidgets")).to_have_count(1)
    assert Heatmap(page.locator("body")).words() == words
