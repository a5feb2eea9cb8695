"""A page that thinks, from a file and without a network: what a reader does in it, beside what torch makes of it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import saewidgets as sw
from saewidgets.payloads import HeatmapPayload, decode
from saewidgets.runs.heatmap import HeatmapRequest, heatmap_payload
from tests.attacks.hostile import STRINGS
from tests.e2e.heatmap import Heatmap
from tests.engine.program import differences
from tests.web.conftest import Open
from tests.web.test_hostile import ELEMENTS, OURS

pytestmark = pytest.mark.browser

PROMPT = "When Mira and Tom came to the pond, Tom gave the red lantern to"
KEYS = ["resid_post.1", "resid_post.2"]
LIMIT = 5_000_000


@pytest.fixture(scope="module")
def small(scope: Any) -> sw.Scope:
    labels = {name: label for name, label in scope.labels.items() if name.rpartition("/")[0] in KEYS}
    return sw.Scope(scope.model, {key: scope.dictionaries[key] for key in KEYS}, labels=labels, name=scope.name)


@pytest.fixture(scope="module")
def features(small: sw.Scope) -> tuple[str, ...]:
    run = small.run(PROMPT)
    return tuple(f"resid_post.2/{i}" for i in run.features["resid_post.2"].strongest(14, 3)[0].tolist())


@pytest.fixture(scope="module")
def markup(small: sw.Scope, features: tuple[str, ...]) -> str:
    with sw.TokenHeatmap(small, PROMPT, features, site="resid_post.2") as view:
        return str(view.to_html(live=KEYS))


@pytest.fixture
def page(open_page: Open, markup: str) -> Page:
    return open_page(markup, viewport={"width": 1000, "height": 1000})


@pytest.fixture
def heatmap(page: Page) -> Heatmap:
    return Heatmap(page.locator("body")).drawn()


def saved(page: Page) -> HeatmapPayload:
    """The picture that the page shows, as its reader can save it."""
    expect(page.locator(".saewidgets")).to_have_attribute("data-busy", "false", timeout=30_000)
    page.get_by_role("button", name="Menu", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Save as SAE").click()
    return decode(Path(download.value.path()).read_bytes())


def same(page: Page, small: sw.Scope, **wanted: Any) -> HeatmapPayload:
    """Check that the page shows what Python would for this request."""
    shown = saved(page)
    request = HeatmapRequest(site=shown.site, fill=shown.fill, selection=shown.selection, **wanted)
    assert differences(heatmap_payload(small, request, control=bool(request.edits)), shown) == []
    return shown


def test_size(markup: str) -> None:
    print(f"\nA live page with two dictionaries: {len(markup.encode()):,} bytes")
    assert len(markup.encode()) <= LIMIT


def test_editing_the_prompt(page: Page, heatmap: Heatmap, small: sw.Scope, features: tuple[str, ...]) -> None:
    heatmap.edit()
    page.keyboard.press("End")
    heatmap.type(" Mira, and Mira")
    shown = same(page, small, prompt=PROMPT + " Mira, and Mira", features=features)
    assert heatmap.words()[-2:] == ["and", "Mira"]
    # The caret is at the end; what was saved was selected when the text was sent.
    expect(heatmap.next_token).to_contain_text(small.run(shown.prompt).predictions(-1, 1)["token"][0].strip())


def test_ablating_steering_undoing(page: Page, heatmap: Heatmap, small: sw.Scope, features: tuple[str, ...]) -> None:
    a, b, _ = features
    request = {"prompt": PROMPT, "features": features}
    page.get_by_role("button", name="Ablate a").click()
    shown = same(page, small, **request, edits=(sw.ablate(a),))
    assert shown.control is not None and shown.control.n == 8
    page.get_by_role("radio", name="b", exact=True).last.click()
    page.get_by_label("Strength").fill("6.5")
    page.get_by_role("button", name="Steer", exact=True).click()
    both = (sw.ablate(a), sw.steer(b, 6.5))
    same(page, small, **request, edits=both)
    page.get_by_role("radio", name="dropped").click()
    same(page, small, **request, edits=both, error_term="dropped")
    page.get_by_role("radio", name="error kept").click()
    expect(page.locator(".saewidgets")).to_have_attribute("data-busy", "false")
    for _ in range(3):  # the error term, twice, and the steering
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".saewidgets")).to_have_attribute("data-busy", "false")
    same(page, small, **request, edits=(sw.ablate(a),))
    page.get_by_role("button", name="Undo").click()
    assert same(page, small, **request).control is None
    page.get_by_role("button", name="Redo").click()
    same(page, small, **request, edits=(sw.ablate(a),))


def test_steering_one_token_and_scaling(page: Page, small: sw.Scope, features: tuple[str, ...]) -> None:
    a, b, _ = features
    page.locator(".saewidgets .t").nth(5).click()
    page.keyboard.press("Escape")
    page.get_by_role("radio", name=re.compile("^token 5")).click()
    page.get_by_label("Strength").fill("-2")
    page.get_by_label("Strength").press("Enter")
    slider = page.get_by_label("Factor of b")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    value = float(slider.input_value())
    assert value > 1
    edits = (sw.steer(a, -2, positions=[5]), sw.scale(b, value))
    same(page, small, prompt=PROMPT, features=features, edits=edits)


def test_searching_and_adding(page: Page, small: sw.Scope, features: tuple[str, ...]) -> None:
    box = page.get_by_placeholder("Add a feature: number or words")
    box.fill("resid_post.1/40")
    box.press("Enter")
    same(page, small, prompt=PROMPT, features=(*features, "resid_post.1/40"))
    name, label = next((n, text) for n, text in small.labels.items() if small.search(text)[0][0] == n)
    box.fill(label)
    option = page.get_by_role("listbox", name="Features found").get_by_role("option").first
    expect(option).to_contain_text(label)
    option.click()
    expect(page.locator(".saewidgets .mx")).to_have_count(5)
    assert saved(page).features[-1].id == name


def test_what_is_refused_is_said_as_python_says_it(page: Page, heatmap: Heatmap, small: sw.Scope) -> None:
    before = saved(page)
    for prompt in ("", "the " * 600):
        heatmap.edit()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(prompt) if prompt else page.keyboard.press("Backspace")
        with pytest.raises(sw.errors.PromptError) as error:
            small.run(prompt)
        expect(page.get_by_role("alert")).to_have_text(f"{error.value.what} {error.value.todo}", timeout=20_000)
        page.keyboard.press("Escape")
        # Where the caret was is where the reader looks.
        assert differences(before, replace(saved(page), selection=before.selection)) == []
    heatmap.edit()
    heatmap.type("!")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_file_opens_where_the_reader_looked_last(page: Page, heatmap: Heatmap) -> None:
    with sw.TokenHeatmap(saved(page)) as shown:
        assert (shown.selection, shown.site) == (len(shown.payload.tokens) - 1, "resid_post.2")
    heatmap.token(3).click()
    page.keyboard.press("Escape")
    before = saved(page)
    assert before.selection == 3, "before any run"
    heatmap.ablate("a")
    heatmap.settled()
    ran = saved(page)
    assert (ran.n_edits, ran.selection) == (1, 3)
    heatmap.token(7).click()
    page.keyboard.press("Escape")
    after = saved(page)
    assert (after.selection, after.n_edits) == (7, 1), "after the run"
    assert (after.predictions.token == ran.predictions.token).all()


def test_other_files_need_python(page: Page) -> None:
    page.get_by_role("button", name="Menu", exact=True).click()
    page.get_by_role("menuitem", name="Save as PDF").click()
    expect(page.get_by_role("alert")).to_contain_text("pdf")


def test_a_burst_of_keys_ends_with_its_last_text(page: Page, heatmap: Heatmap, small: sw.Scope) -> None:
    page.get_by_role("button", name="Ablate a").click()
    heatmap.edit()
    page.keyboard.press("End")
    for letter in " Mira saw a boat.":
        page.keyboard.type(letter)
    shown = saved(page)
    assert shown.prompt == PROMPT + " Mira saw a boat."
    assert shown.control is not None
    assert "".join(heatmap.words()[1:]) == shown.prompt.replace(" ", "")


def test_a_dead_model_leaves_the_picture(open_page: Open, markup: str) -> None:
    """Weights cut short: the saved picture stays, and an edit says what is wrong."""
    start = markup.index('id="saewidgets-weights">')
    end = markup.index("</script>", start)
    page = open_page(markup[: end - 4_000_000] + markup[end:])
    page.get_by_role("button", name="Ablate a").click()
    expect(page.get_by_role("alert")).to_contain_text("outside the page")
    page = open_page(re.sub(r'(id="saewidgets-model">).*?(</script>)', r"\1nonsense\2", markup, flags=re.DOTALL))
    expect(page.locator(".saewidgets .foot")).to_contain_text("A saved picture")


def test_hostile_text_is_text(scope: Any, open_page: Open) -> None:
    """Labels, prompt and words of the tokenizer that would be markup, in the data and typed in."""
    key = "resid_post.1@small"
    names = [f"{key}/{i}" for i in range(len(STRINGS))]
    labels = dict(zip(names, STRINGS, strict=True))
    hostile = sw.Scope(scope.model, {key: scope.dictionaries[key]}, labels=labels, name=STRINGS[0])
    with sw.TokenHeatmap(hostile, "</script><script>fired()</script><!--", names[:8]) as view:
        page = open_page(str(view.to_html(live=True)))
    for text in STRINGS[:12]:
        page.locator(".saewidgets [data-strip]").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        expect(page.locator(".saewidgets")).to_have_attribute("data-busy", "false", timeout=20_000)
        assert page.evaluate("window.firings") == 0
        assert set(page.evaluate(ELEMENTS)) <= OURS


def test_no_way_to_the_network(page: Page) -> None:
    """What a script of the page might try is refused by its policy; the fixture fails for any request that goes out."""
    policy = page.locator("meta[http-equiv]").get_attribute("content") or ""
    assert "default-src 'none'" in policy and "connect-src" not in policy and "unsafe-eval" not in policy
    assert page.evaluate("document.getElementById('saewidgets-weights').type") == "application/x-saewidgets"
    assert json.loads(page.evaluate("document.getElementById('saewidgets-model').textContent"))["version"]


def test_undo_keeps_where_the_reader_looks(page: Page, features: tuple[str, ...]) -> None:
    page.get_by_role("button", name="Ablate a").click()
    expect(page.locator(".saewidgets")).to_have_attribute("data-busy", "false", timeout=20_000)
    page.locator(".saewidgets .t").nth(3).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Undo").click()
    shown = saved(page)
    assert shown.selection == 3 and shown.n_edits == 0
