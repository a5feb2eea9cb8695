"""The tour notebook in a real JupyterLab: a person types, ablates, undoes, reloads, and sees what is computed."""

from itertools import pairwise

from playwright.sync_api import expect

from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Tour
from tests.e2e.oracle import PROMPT, ROUNDING, assert_shows, expected

# Passes of the model, and when the kernel was asked for a picture: on a busy machine not when the keys were pressed.
COUNT = """
import time
_passes, _asked = [], []
_hook = scope.model.module.register_forward_pre_hook(lambda *_: _passes.append(1))
_pace = view._runner._pace
_ask = _pace.ask
_pace.ask = lambda now: (_asked.append(now), _ask(now))[1]
"""


def letters(words: list[str]) -> str:
    """The text without its spaces: how a space is drawn depends on where it stands in its token."""
    return "".join(words).replace(" ", "").replace("·", "")


def test_the_tour_runs(tour: Tour) -> None:
    saved = tour.notebook.save()
    code = [cell for cell in saved.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code if cell.execution_count is None] == []
    assert [out for cell in code for out in cell.outputs if out.output_type == "error"] == []
    tour.heatmap().drawn()
    expect(tour.notebook.page.locator(".saewidgets")).to_have_count(2)


def test_typing_changes_tokens_colours_and_predictions(tour: Tour, view: Heatmap) -> None:
    words, colours, rows = view.words(), view.colours(), view.predictions()
    assert_shows(rows, expected(tour.notebook, PROMPT))
    view.edit()
    view.type(" Mira because the")
    view.settled()
    prompt = PROMPT + " Mira because the"
    assert tour.notebook.python("view.prompt") == prompt
    assert letters(view.words()[len(words) :]) == "Mirabecausethe"
    assert len(view.colours()) > len(colours)
    assert len(set(view.colours())) > 1
    assert view.predictions() != rows
    assert_shows(view.predictions(), expected(tour.notebook, prompt))


def test_editing_an_early_word_changes_what_follows(tour: Tour, view: Heatmap) -> None:
    before, rows = view.colours(), view.predictions()
    view.edit()
    view.page.keyboard.press("Control+Home")
    view.type("George and ")
    view.settled()
    prompt = "George and " + PROMPT
    assert tour.notebook.python("view.prompt") == prompt
    # The feature that colours fires on names.
    assert view.colours()[1] != before[1]
    # Predictions are those after the caret.
    view.page.keyboard.press("Control+End")
    expect(view.next_token.get_by_role("heading")).to_contain_text("to")
    assert_shows(view.predictions(), expected(tour.notebook, prompt))
    assert view.predictions() != rows


def test_ablating_the_strongest_feature_shows_what_scope_run_computes(tour: Tour, view: Heatmap) -> None:
    rows = view.predictions()
    view.ablate("a")
    view.settled()
    truth = expected(tour.notebook, PROMPT, "[sw.ablate(view.features[0])]")
    assert_shows(view.predictions(), truth)
    assert abs(view.divergence() - truth.divergence) < ROUNDING
    assert view.predictions() != rows
    expect(view.after).to_be_visible()


def test_ablating_the_feature_of_the_tour_changes_what_comes_next(tour: Tour, view: Heatmap) -> None:
    prompt, feature = tour.notebook.python(
        "(_stop['prompt'], _stop['feature'])", "from saewidgets.demo.load import tour\n_stop = tour()[0]"
    )
    assert prompt == PROMPT
    first = view.predictions()[0]
    letter = "abcdefgh"[tour.notebook.python("len(view.features)")]
    view.add(feature)
    view.chip(letter).wait_for()
    view.ablate(letter)
    view.settled()
    truth = expected(tour.notebook, PROMPT, f"[sw.ablate({feature!r})]")
    assert_shows(view.predictions(), truth)
    assert abs(view.divergence() - truth.divergence) < ROUNDING
    assert truth.divergence > 1
    row = next(row for row in view.predictions() if row.word == first.word)
    assert row.before == first.probability
    assert row.probability < first.probability / 2


def test_a_slider_scales(tour: Tour, view: Heatmap) -> None:
    slider = view.chip("a").get_by_role("slider")
    slider.focus()
    for _ in range(10):
        view.page.keyboard.press("ArrowLeft")
    view.settled()
    assert tour.notebook.python("[(e.kind, round(e.value, 6)) for e in view.edits]") == [("scale", 0.5)]
    assert_shows(view.predictions(), expected(tour.notebook, PROMPT, "[sw.scale(view.features[0], 0.5)]"))


def test_a_burst_of_100_keys_ends_in_the_state_of_the_last(tour: Tour, view: Heatmap) -> None:
    tour.notebook.python("0", COUNT)
    view.edit()
    text = " the pond and Mira and Tom were happy" * 3
    view.page.keyboard.type(text[:100], delay=50)
    view.settled()
    assert tour.notebook.python("view.prompt") == PROMPT + text[:100]
    assert letters(view.words()).endswith(letters([text[:100]]))
    assert_shows(view.predictions(), expected(tour.notebook, PROMPT + text[:100]))
    passes, asked = tour.notebook.python("(len(_passes), _asked)", "_hook.remove()")
    # Two a picture, at a glance and whole: of the first key, once a second, on both sides of a pause, of the last key.
    pauses = sum(later - earlier > 0.05 for earlier, later in pairwise(asked))
    assert 0 < passes <= 2 * (2 + pauses + (asked[-1] - asked[0]))


def test_an_over_long_prompt_says_so_and_keeps_the_picture(tour: Tour, view: Heatmap) -> None:
    words, rows = view.words(), view.predictions()
    view.edit()
    view.page.keyboard.insert_text(" the red lantern" * 2000)
    expect(view.alert).to_contain_text("token")
    view.settled()
    assert tour.notebook.python("view.prompt") == PROMPT
    assert view.predictions() == rows
    view.page.keyboard.press("Escape")
    expect(view.editor).not_to_be_focused()
    assert view.words() == words
    view.edit()
    view.type(" Mira")
    view.settled()
    expect(view.alert).to_have_count(0)
    assert tour.notebook.python("view.prompt") == PROMPT + " Mira"


def test_undo_and_redo_by_keyboard(tour: Tour, view: Heatmap) -> None:
    rows = view.predictions()
    view.ablate("a")
    view.settled()
    ablated = view.predictions()
    view.tokens.focus()
    view.page.keyboard.press("Control+z")
    expect(view.after).to_have_count(0)
    view.settled()
    assert tour.notebook.python("view.edits") == ()
    assert view.predictions() == rows
    view.page.keyboard.press("Control+Shift+z")
    expect(view.after).to_be_visible()
    view.settled()
    assert tour.notebook.python("len(view.edits)") == 1
    assert view.predictions() == ablated


def test_the_site_switch_shows_another_dictionary(tour: Tour, view: Heatmap) -> None:
    for layer in (0, 3):
        view.layer(layer)
        expect(view.strongest).to_contain_text(f"resid_post.{layer}")
        top = tour.notebook.python(
            f"scope.run(prompt).top(position=-1, n=1, dictionary='resid_post.{layer}')['feature'].iloc[0]"
        )
        expect(view.strongest.locator(".tfr").first).to_contain_text(top.rpartition("/")[2])
    assert tour.notebook.python("view.site") == "resid_post.3"


def test_search_by_number_and_by_words(tour: Tour, view: Heatmap) -> None:
    before = view.letters()
    view.tokens.focus()
    view.page.keyboard.press("/")
    expect(view.search).to_be_focused()
    view.type("17")
    expect(view.hits.first).to_contain_text("/17")
    view.page.keyboard.press("Enter")
    expect(view.features.locator(".mx")).to_have_count(len(before) + 1)
    view.settled()
    assert tour.notebook.python("view.features[-1].endswith('/17')")
    word = tour.notebook.python("next(iter(scope.labels.values())).split()[0]")
    view.search.fill(word)
    expect(view.hits.filter(has_text=word).first).to_be_visible()


def test_the_pointer_shows_a_value_and_moves_nothing(view: Heatmap) -> None:
    boxes = [view.token(i).bounding_box() for i in range(4)]
    view.token(3).hover()
    expect(view.host.locator(".tip")).to_contain_text("token 3")
    assert [view.token(i).bounding_box() for i in range(4)] == boxes


def test_the_theme_of_jupyterlab_is_followed(tour: Tour, view: Heatmap) -> None:
    ink = "(e) => getComputedStyle(e).color"
    light = view.root.evaluate(ink)
    try:
        tour.notebook.theme("Dark")
        expect(view.root).to_have_class("sw dark")
        assert view.root.evaluate(ink) != light
    finally:
        tour.notebook.theme("Light")
    expect(view.root).to_have_class("sw")
    assert view.root.evaluate(ink) == light


def test_two_views_of_one_widget_agree(tour: Tour, view: Heatmap) -> None:
    tour.notebook.select(tour.view_cell)
    tour.notebook.command("notebook:create-output-view")
    panel = view.page.locator(".jp-LinkedOutputView")
    second = Heatmap(panel).drawn()
    try:
        second.ablate("a")
        second.settled()
        expect(view.after).to_be_visible()
        view.settled()
        assert view.predictions() == second.predictions()
    finally:
        tour.notebook.command("application:close")
    expect(panel).to_have_count(0)


def test_a_reload_with_the_kernel_alive_shows_the_picture_again(tour: Tour, view: Heatmap) -> None:
    view.ablate("a")
    view.settled()
    rows, words = view.predictions(), view.words()
    tour.notebook.save()
    tour.notebook.open()
    again = tour.heatmap().drawn()
    assert again.words() == words
    assert again.predictions() == rows
    again.edit()
    again.type(" the")
    again.settled()
    assert tour.notebook.python("view.prompt") == PROMPT + " the"


def test_a_kernel_restart_says_so_and_keeps_the_picture(tour: Tour, view: Heatmap) -> None:
    words, rows = view.words(), view.predictions()
    tour.notebook.restart_kernel()
    view.edit()
    view.type(" the")
    expect(view.status).to_contain_text("kernel", timeout=40_000)
    view.page.keyboard.press("Escape")
    assert view.words() == words
    assert view.predictions() == rows
    tour.notebook.run_all()
    fresh = tour.heatmap().drawn()
    fresh.edit()
    fresh.type(" the")
    fresh.settled()
    assert tour.notebook.python("view.prompt") == PROMPT + " the"


def test_no_request_left_the_machine(tour: Tour) -> None:
    assert len(tour.watch.requests) > 20, "the log is empty"
    assert tour.watch.outside() == []


def test_the_console_shows_no_error(tour: Tour) -> None:
    assert tour.watch.errors == []
