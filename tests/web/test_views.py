"""Training, frontier and report as they are seen: charts read by pointer and key, clicks, pages, no overflow."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from saewidgets.payloads import ChatMessage, CircuitMarks, decode
from tests.attacks.hostile import STRINGS, hostile_views
from tests.circuit_factory import make_circuit
from tests.view_factory import (
    make_compare,
    make_contrast,
    make_dashboard,
    make_dead,
    make_explorer,
    make_frontier,
    make_nothing,
    make_patch_map,
    make_report,
    make_steering,
    make_training,
    written,
)  # fmt: skip
from tests.web.conftest import Open
from tests.web.host import FRAMES, darken, live_page, saved_page, show
from tests.web.test_hostile import ELEMENTS
from tests.web.test_look import violations

pytestmark = pytest.mark.browser

VIEWS: dict[str, Any] = {
    "training": make_training(),
    "training at step 0": make_training(0, features=(), phase="ready"),
    "failed": make_training(phase="failed"),
    "frontier": make_frontier(),
    "frontier with a report": make_frontier(selected="topk, L0 24"),
    "frontier of none": make_frontier(0, reports=False),
    "report": make_report(feature="resid_post.2/9"),
    "dashboard": make_dashboard(),
    "dashboard without a text": make_dashboard(False, live_note="No model.", written_note="No model."),
    "dashboard of a dead feature": make_dead(),
    "steering": make_steering(),
    "steering with three columns": make_steering(roles=("base", "steered", "direction", "feature")),
    "steering while it writes": make_steering(
        phase="writing",
        doses=None,
        verdict="",
        texts=tuple(written(role, measured=False) for role in ("base", "steered")),
    ),
    "steering with nothing": make_steering(sliders=(), texts=(), doses=None, verdict="", kept=()),
    "explorer": make_explorer(),
    "explorer in a lecture": make_explorer(preset="lecture", opened=True),
    "explorer that compares": make_explorer(preset="compare"),
    "explorer of nothing": make_explorer(panels=(), dashboards=(), diary=(), feature=""),
    "patch map": make_patch_map(),
    "comparison": make_compare(),
    "comparison of two dictionaries": make_compare(-1, match="cosine", site_b="resid_post.2@small", note="Two."),
    "comparison without numbers": make_compare(-1, predictions=None, kl_back=None, match="none", note="None."),
    "patch map that grows": make_patch_map(False),
    "patch map of nothing": make_nothing(),
    "contrast": make_contrast(),
    "contrast with an edit": make_contrast(tool="edit"),
    "contrast of nothing": make_contrast(False, tool="probe"),
    "circuit": make_circuit(),
    "circuit of two graphs": make_circuit(side="both"),
    "circuit of many layers": make_circuit(400, 3_000, 30, before=False, live=False, marks=CircuitMarks()),
    "circuit without nodes": make_circuit(0, 0, before=False, live=False),
}
# Elements of these views, besides those of the heatmap.
OURS = {
    "b", "br", "button", "canvas", "circle", "dd", "details", "div", "dl", "dt", "fieldset", "g", "h2", "h3", "i",
    "input", "kbd", "label", "li", "line", "ol", "option", "p", "path", "rect", "s", "section", "select", "span",
    "style", "summary", "svg", "table", "tbody", "td", "text", "textarea", "th", "thead", "title", "tr", "tspan", "u",
    "ul",
}  # fmt: skip
BASES = {"style"}
SHUT = ":is(.shelf, .fold) > button[aria-expanded=false]:visible, details:not([open]) > summary:visible"


@pytest.mark.parametrize("payload", VIEWS.values(), ids=VIEWS)
def test_axe_and_overflow(open_page: Open, payload: Any) -> None:
    page = open_page(live_page(payload), viewport={"width": 1000, "height": 900}, reduced_motion="reduce")
    assert violations(page) == []
    darken(page)
    for width in (640, 360, 1000):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(FRAMES)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        # The last first: one that was opened is no longer counted.
        for shut in reversed(page.locator(SHUT).all()):
            shut.click()
        page.evaluate(FRAMES)
        assert violations(page) == [], width
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def test_axe_with_an_error(open_page: Open) -> None:
    error = {"what": "The loss is nan at step 300.", "todo": "Lower learning_rate."}
    page = open_page(live_page(make_training(phase="failed"), error=error))
    expect(page.get_by_role("alert")).to_contain_text("The loss is nan at step 300. Lower learning_rate.")
    assert violations(page) == []
    drained = page.locator(".drained")
    assert drained.evaluate("(e) => getComputedStyle(e).filter") == "grayscale(1)"
    expect(drained.locator(".plot").first).to_be_visible()


# ------------------------------------------------------------------------------------------------------------- training


def sent(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate("host.sent.map(({ at, id, ...rest }) => rest)")
    return found


def test_buttons_ask_python(open_page: Open) -> None:
    page = open_page(live_page(make_training()))
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Lower: denser").click()
    page.get_by_role("button", name="Raise: sparser").click()
    field = page.get_by_role("textbox", name="Sparsity coefficient")
    field.fill("1,5")
    field.press("Enter")
    field.fill("nonsense")
    field.press("Enter")
    field.fill("7")
    field.press("Escape")
    page.get_by_role("button", name="Stop").click()
    expect(field).to_have_value("5")
    ask = {"type": "train"}
    assert sent(page) == [
        {**ask, "action": "pause"},
        {**ask, "action": "sparsity", "value": 4},
        {**ask, "action": "sparsity", "value": 6.25},
        {**ask, "action": "sparsity", "value": 1.5},
        {**ask, "action": "stop"},
    ]
    page.evaluate("host.reply({ type: 'error', id: host.sent.at(-1).id, what: 'No.', todo: 'Wait.' })")
    expect(page.get_by_role("alert")).to_contain_text("No. Wait.")


@pytest.mark.parametrize(
    ("phase", "buttons"),
    [
        ("ready", {"Start": True, "Stop": False}),
        ("running", {"Pause": True, "Stop": True}),
        ("paused", {"Resume": True, "Stop": True}),
        ("stopped", {"Go on": True, "Stop": False}),
        ("finished", {"Pause": False, "Stop": False}),
    ],
)
def test_buttons_follow_the_phase(open_page: Open, phase: str, buttons: dict[str, bool]) -> None:
    page = open_page(live_page(make_training(phase=phase)))
    shown = page.locator(".buttons .btn")
    assert {b.inner_text(): b.is_enabled() for b in shown.all()} == buttons
    page = open_page(live_page(make_training(phase=phase), live=False))
    assert all(not b.is_enabled() for b in page.locator(".buttons .btn").all())
    expect(page.locator(".foot")).to_contain_text("A saved picture")


def test_a_counted_sparsity_steps_in_whole_numbers(open_page: Open) -> None:
    page = open_page(live_page(make_training(counted=True, sparsity=32.0)))
    page.get_by_role("button", name="Lower: sparser").click()
    page.get_by_role("button", name="Raise: denser").click()
    assert [message["value"] for message in sent(page)] == [28, 36]


def test_a_chart_is_read_by_pointer_and_keys(open_page: Open) -> None:
    payload = make_training()
    page = open_page(live_page(payload))
    plots = page.get_by_role("slider")
    expect(plots).to_have_count(5)
    loss = plots.first
    expect(loss).to_have_attribute("aria-label", re.compile("^Loss: from 4[0-9.]+ to .* in 1\u202f200 steps$"))
    loss.focus()
    page.keyboard.press("Home")
    words = loss.get_attribute("aria-valuetext")
    first = {curve.name: float(curve.values[0]) for curve in payload.charts["loss"]}
    assert words is not None
    assert words.startswith(f"step 20: loss {first['loss']:.1f}, error {first['error']:.1f}, sparsity")
    # All charts are read at the same step.
    expect(plots.nth(1)).to_have_attribute("aria-valuenow", "0")
    expect(page.locator(".cursor")).to_have_count(4)
    page.keyboard.press("ArrowRight")
    expect(loss).to_have_attribute("aria-valuenow", "1")
    page.keyboard.press("Escape")
    expect(page.locator(".cursor")).to_have_count(0)
    axis = plots.nth(1).locator(".axis").bounding_box()
    assert axis is not None
    # The axis goes to 4 000 steps, of which 1 200 are done.
    page.mouse.move(axis["x"] + axis["width"] * 600 / 4000, axis["y"] - 60)
    expect(page.locator(".charthead").nth(1)).to_contain_text(re.compile("step (600|620)"))
    page.mouse.move(0, 0)
    expect(page.locator(".charthead").nth(1)).not_to_contain_text("step")
    density = plots.last
    density.focus()
    page.keyboard.press("Home")
    expect(density).to_have_attribute("aria-valuetext", "0.0010 % to 0.0018 %: 0")


def test_hover_moves_nothing(open_page: Open) -> None:
    page = open_page(live_page(make_training()))
    boxes = """[...document.querySelector('.saewidgets').shadowRoot.querySelectorAll('.plot, .bar0, section, .foot')]
        .map((e) => JSON.stringify(e.getBoundingClientRect())).join()"""
    before = page.evaluate(boxes)
    page.get_by_role("slider").nth(1).hover()
    expect(page.locator(".cursor").first).to_be_attached()
    assert page.evaluate(boxes) == before


def test_the_curve_follows_python(open_page: Open) -> None:
    import base64

    from saewidgets.payloads import encode

    page = open_page(live_page(make_training(10)))
    curve = page.locator(".plot .curve.l0").first
    before = curve.get_attribute("d")
    longer = base64.b64encode(encode(make_training(40))).decode()
    page.evaluate("(p) => host.set({ _payload: p, _revision: 2 })", longer)
    expect(curve).not_to_have_attribute("d", str(before))
    assert str(curve.get_attribute("d")).count("L") == 39
    page.get_by_role("radio", name="linear").click()
    assert page.evaluate("host.value('scale')") == "linear"
    expect(page.locator(".charthead").first).not_to_contain_text("log")


# ------------------------------------------------------------------------------------------------------------- frontier


def test_a_click_and_enter_open_a_report(open_page: Open) -> None:
    payload = make_frontier()
    page = open_page(live_page(payload))
    expect(page.locator(".scatter .mark-own")).to_have_count(12)
    expect(page.locator(".scatter .mark-own:not(.behind)")).to_have_count(4)
    expect(page.get_by_role("region", name="Report")).to_have_count(0)
    plot = page.get_by_role("slider").first
    plot.focus()
    page.keyboard.press("Home")
    expect(plot).to_have_attribute("aria-valuetext", "topk, L0 6: L0 6.00, FVU 0.420 [0.395, 0.445]")
    page.keyboard.press("Enter")
    report = page.get_by_role("region", name="Report")
    expect(report.get_by_role("heading", level=2)).to_have_text("topk, L0 6")
    assert page.evaluate("host.value('selected')") == "topk, L0 6"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(report.get_by_role("heading", level=2)).to_have_text("jumprelu, L0 7")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(report).to_have_count(0)
    mark = page.locator(".scatter .mark-own").nth(3).bounding_box()
    assert mark is not None
    page.mouse.click(mark["x"] + mark["width"] / 2 + 2, mark["y"] + mark["height"] / 2)
    expect(report).to_be_visible()
    expect(page.locator(".points tr.on")).to_have_count(1)
    report.locator(".listed button").first.click()
    assert "/" in page.evaluate("host.value('feature')")
    page.get_by_role("button", name="Close the report").click()
    assert page.evaluate("host.value('selected')") == ""


def test_the_table_says_the_same(open_page: Open) -> None:
    payload = make_frontier()
    page = open_page(live_page(payload))
    rows = page.locator(".points tbody tr")
    expect(rows).to_have_count(len(payload.points))
    row = rows.first
    expect(row).to_contain_text("topk, L0 6")
    expect(row).to_contain_text("on the frontier")
    expect(row).to_contain_text("0.420 [0.395, 0.445]")
    row.get_by_role("button").click()
    expect(page.get_by_role("region", name="Report")).to_be_visible()
    page.get_by_role("radio", name="CE recovered").click()
    assert page.evaluate("host.value('y')") == "CE"
    expect(page.locator(".charthead").first).to_contain_text("top left is better")
    page.get_by_role("radio", name="linear").click()
    assert page.evaluate("host.value('x')") == "linear"


# --------------------------------------------------------------------------------------------------------------- report


def test_a_report_says_its_definitions_and_takes_clicks(open_page: Open) -> None:
    page = open_page(live_page(make_report()))
    measures = page.get_by_role("region", name="Measures")
    row = measures.get_by_role("row", name=re.compile("^FVU"))
    expect(row).to_contain_text("0.120")
    expect(row).to_contain_text("[0.116, 0.124]")
    row.hover()
    expect(measures.locator(".reading-line")).to_contain_text("FVU sum |x - x'|² / sum |x - mean(x)|²")
    page.get_by_role("button", name="Definitions").click()
    expect(page.locator(".definitions dt")).to_have_count(8)
    page.get_by_role("button", name="Load card").click()
    expect(page.locator(".card")).to_contain_text("no assumption was made")
    dense = page.get_by_role("region", name=re.compile("dense"))
    feature = dense.get_by_role("button").first
    feature.click()
    expect(feature).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("host.value('feature')") == "resid_post.2/406"
    more = dense.get_by_role("button", name=re.compile("show 21 more"))
    more.click()
    expect(dense.locator("li")).to_have_count(33)


# ------------------------------------------------------------------------------------------------------------ dashboard


def test_an_example_says_its_effect_when_the_pointer_rests(open_page: Open) -> None:
    payload = make_dashboard()
    page = open_page(live_page(payload))
    row = page.locator(".passage").first
    token = row.locator(".peak .pt")
    before = token.get_attribute("title") or ""
    assert "at position" in before
    assert "nats" not in before
    row.hover()
    page.wait_for_function("host.sent.some((m) => m.type === 'effect')")
    asked = [m for m in sent(page) if m["type"] == "effect"]
    group = payload.groups[0]
    assert asked == [{"type": "effect", "context": int(group.contexts[0]), "position": int(group.positions[0])}]
    peak, n = group.passages[0].peak, len(group.passages[0].text)
    result = {"change": [0.0] * n, "low": [-0.05] * n, "high": [0.02] * n}
    result["change"][peak] = -1.25
    page.evaluate(
        "(result) => host.reply({ type: 'ok', id: host.sent.find((m) => m.type === 'effect').id, result })", result
    )
    expect(token).to_have_attribute("title", re.compile("ablated, the next token −1.25 nats .random features −0.05 to"))
    page.locator(".passage").nth(1).hover()
    page.wait_for_function("host.sent.filter((m) => m.type === 'effect').length === 2")
    row.hover()
    page.wait_for_timeout(300)
    assert len([m for m in sent(page) if m["type"] == "effect"]) == 2, "what is known is not asked again"


def test_the_lower_panels_of_an_explorer_are_a_line_each_where_it_is_narrow(open_page: Open) -> None:
    payload = make_explorer()
    page = open_page(saved_page(payload), viewport={"width": 360, "height": 900})
    circuit, texts = payload.picture("circuit"), payload.picture("text")
    dashboard = next(one.payload for one in payload.dashboards if one.id == payload.feature)
    lines = page.locator(".shelf > button")
    expect(lines).to_have_count(4)
    assert [line.inner_text().split("\n") for line in lines.all()] == [
        ["Circuit", f"{len(circuit.nodes.id)} nodes"],
        ["Focused feature", f"density {dashboard.n_active / dashboard.n_tokens:.2%}".replace("%", " %")],
        ["What it says", f"{texts.column('steered').kl:.2f} nats KL"],
        ["Diary", f"{len(payload.diary)} steps"],
    ]  # fmt: skip
    graph, line = page.locator("[data-graph]"), lines.first
    expect(graph).to_be_hidden()
    expect(line).to_have_attribute("aria-expanded", "false")
    line.focus()
    page.keyboard.press("Enter")
    expect(graph).to_be_visible()
    expect(line).to_have_attribute("aria-expanded", "true")
    assert graph.bounding_box()["width"] > 200, "it was drawn without a width before"  # type: ignore[index]
    assert violations(page) == []
    page.keyboard.press("Enter")
    expect(graph).to_be_hidden()
    page.set_viewport_size({"width": 1000, "height": 900})
    expect(graph).to_be_visible()
    expect(line).to_be_hidden()


def test_a_label_is_judged_blind(open_page: Open) -> None:
    page = open_page(live_page(make_dashboard()))
    page.get_by_role("button", name="Judge it blind").click()
    questions = [{"kind": "detection", "text": "Tom <b>went</b> home"}, {"kind": "fuzzing", "text": "Ada <<gave>> it"}]
    reply = "(r) => host.reply({ type: 'ok', id: host.sent.findLast((m) => m.type === r.of).id, result: r.result })"
    page.evaluate(reply, {"of": "quiz", "result": {"label": "giving", "questions": questions}})
    quiz = page.get_by_role("region", name="Judge it blind")
    expect(quiz).to_contain_text("1 of 2 · said to mean “giving”")
    expect(quiz.locator("blockquote")).to_have_text("Tom <b>went</b> home")
    expect(page.get_by_role("region", name="Where it fires")).to_have_count(0)
    assert violations(page) == []
    page.keyboard.press("y")
    expect(quiz.locator("blockquote")).to_have_text("Ada <<gave>> it")
    quiz.get_by_role("button", name="No").click()
    assert sent(page)[-1] == {"type": "answers", "answers": [True, False]}
    page.evaluate(reply, {"of": "answers", "result": {"scores": [{"name": "detection by you", "value": 0.5, "n": 2}]}})
    expect(quiz).to_contain_text("detection by you 0.50, 2 answers. Guessing gives 0.50.")
    page.get_by_role("button", name="close").click()
    expect(page.get_by_role("region", name="Where it fires")).to_be_visible()


# ---------------------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize("name", ["training", "frontier", "report", "steering"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_saved_page_works_without_a_kernel(open_page: Open, name: str, theme: str) -> None:
    markup = saved_page(VIEWS[name], theme)
    assert len(markup.encode()) <= 260_000
    page = open_page(markup)
    assert violations(page) == []
    plot = page.locator(".plot").first
    plot.focus()
    page.keyboard.press("Home")
    assert plot.get_attribute("aria-valuenow") == "0"
    if name == "training":
        expect(page.locator(".cursor")).to_have_count(4)
        page.get_by_role("radio", name="linear").click()
    elif name == "frontier":
        page.keyboard.press("Enter")
        expect(page.get_by_role("region", name="Report")).to_be_visible()
    elif name == "steering":
        page.get_by_role("radio", name="feature").click()
        expect(page.get_by_role("group", name="Control")).to_contain_text("saw a bell")
        expect(page.get_by_role("textbox", name="Prompt")).to_be_disabled()
        page.get_by_role("button", name="saw the harbour").first.click()
        expect(page.locator(".told .whole")).to_be_visible()
    else:
        button = page.locator(".listed button").last
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Menu").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Save as SAE").click()
    assert download.value.suggested_filename.endswith(".sae")
    kept = decode(Path(download.value.path()).read_bytes())
    turned = {
        "training": ("scale", "linear"),
        "frontier": ("selected", "topk, L0 6"),
        "steering": ("control", "feature"),
    }
    field, value = turned.get(name, ("feature", "resid_post.2/703"))
    assert getattr(kept, field) == value != getattr(VIEWS[name], field), "as its reader left it"


def test_keyboard_help(open_page: Open) -> None:
    for name in ("training", "frontier", "report", "dashboard", "steering", "patch map", "circuit", "contrast"):
        page = open_page(live_page(VIEWS[name]))
        page.get_by_role("slider").first.focus()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Keyboard")).to_have_count(0)


# -------------------------------------------------------------------------------------------------------------- hostile


HOSTILE = {"training": 0, "frontier": 1, "dictionary_report": 2, "feature_dashboard": 3, "steering": 5, "patch_map": 6,
           "circuit": 7, "contrast": 8}  # fmt: skip


def judge(page: Page) -> None:
    page.get_by_role("slider").first.focus()
    page.keyboard.press("Home")
    assert page.evaluate("window.firings") == 0
    assert set(page.evaluate(ELEMENTS)) <= OURS
    assert page.evaluate("Object.keys(Object.prototype).length") == 0


@pytest.mark.parametrize("number", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_shown_and_nothing_happens(open_page: Open, number: int) -> None:
    page = open_page(live_page(hostile_views("said")[number]))
    for fold in page.locator(".fold > button, summary").all():
        fold.click()
    for text in STRINGS[number % 2 :: 2]:
        show(page, hostile_views(text)[number], error={"what": text[:500], "todo": text[:500]})
        judge(page)
    show(page, hostile_views("told")[number])  # control: each of them was drawn
    expect(page.locator(".saewidgets")).to_contain_text("told")
    expect(page.locator(".saewidgets")).not_to_contain_text("said")


def test_hostile_text_in_a_comparison(open_page: Open) -> None:
    """A page each: its two heatmaps are views of their own, which another comparison does not change."""
    for text in STRINGS[::4]:
        page = open_page(live_page(hostile_views(text)[10], error={"what": text[:500], "todo": text[:500]}))
        judge(page)
        page.context.close()


def test_a_payload_of_another_kind_gives_a_sentence(open_page: Open) -> None:
    import base64

    from saewidgets.payloads import encode

    page = open_page(live_page(make_training()))
    raw = encode(make_training())
    damaged = base64.b64encode(raw[:-40]).decode()
    page.evaluate("(p) => host.set({ _payload: p, _revision: 2 })", damaged)
    expect(page.get_by_role("alert")).to_contain_text("damaged or cut short")
    expect(page.locator(".plot").first).to_be_visible()


def test_the_view_lets_go_of_its_model(open_page: Open) -> None:
    for name in ("training", "frontier", "report", "steering", "circuit"):
        page = open_page(live_page(replace(VIEWS[name])))
        assert page.evaluate("host.listeners()") > 0
        page.evaluate("host.end()")
        expect(page.locator(".saewidgets")).to_have_count(0)
        assert page.evaluate("host.listeners()") == 0


# ------------------------------------------------------------------------------------------- conversations, propagation


def test_a_conversation_is_shown_by_role_and_edited_in_place(open_page: Open) -> None:
    chat = (ChatMessage("system", "Be brief."), ChatMessage("user", "They met in"))
    page = open_page(live_page(make_steering(messages=chat, prompt="system: Be brief.\nuser: They met in")))
    rows = page.get_by_role("list", name="Conversation").get_by_role("listitem")
    assert rows.locator("span:first-child").all_text_contents() == ["system", "user", "assistant"]
    box = page.get_by_role("textbox", name="What user says, message 2")
    expect(box).to_have_value("They met in")
    box.fill("They left in")
    prompt = page.evaluate("host.sent.at(-1).state.prompt")
    assert prompt == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "They left in"}]
    assert violations(page) == []


def test_curves_say_how_the_effect_travels_and_can_be_asked_otherwise(open_page: Open) -> None:
    page = open_page(live_page(make_steering(propagation="direct")))
    menu = page.get_by_role("combobox", name="How the effect travels in the curves")
    expect(menu).to_have_value("direct")
    expect(page.get_by_role("region", name="Dose and response")).to_contain_text("of the base text, log")
    menu.select_option("frozen_attention")
    assert page.evaluate("host.sent.at(-1).state.propagation") == "frozen_attention"
    page = open_page(saved_page(make_steering(propagation="direct")))
    expect(page.get_by_role("region", name="Dose and response")).to_contain_text("direct effect, along the base text")
