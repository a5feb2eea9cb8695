"""The page of a comparison: one selection, marks where the tokens differ, numbers of the selected pair, one focus."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.view_factory import make_compare
from tests.web.conftest import Open
from tests.web.host import saved_page

pytestmark = pytest.mark.browser


def side(page: Page, letter: str) -> Locator:
    return page.get_by_role("region", name=f"Side {letter}")


def test_selection_numbers_and_marks(open_page: Open) -> None:
    payload = make_compare()
    page = open_page(saved_page(payload))
    a, b = side(page, "A"), side(page, "B")
    assert payload.predictions is not None and payload.predictions.after is not None
    for token in (3, 8):
        a.locator(".strip .t").nth(token).click()
        expect(b.locator(".strip .t.sel").first).to_have_text(a.locator(".strip .t.sel").first.inner_text())
        rows = page.get_by_role("region", name="Next token").locator(".prow")
        for k in range(6):
            word = payload.predictions.vocabulary[int(payload.predictions.token[token, k])].strip()
            one, other = (float(m[token, k]) for m in (payload.predictions.before, payload.predictions.after))
            expect(rows.nth(k).locator(".tk")).to_have_text(word)
            assert rows.nth(k).locator(".num").all_inner_texts()[:2] == [f"{one:.2f}", f"{other:.2f}"]
        start, end = payload.features.indptr[token : token + 2].tolist()
        expect(page.locator(".tfr")).to_have_count(end - start)
        ids = page.locator(".tfr .id").all_inner_texts()
        assert ids == [str(i) for i in payload.features.left[start:end].tolist()]
    b.locator(".strip .t").nth(5).click()
    expect(a.locator(".strip .t.sel").first).to_have_text(b.locator(".strip .t.sel").first.inner_text())
    differ = [i for i, same in enumerate(payload.same.tolist()) if not same]
    for one in (a, b):
        shown = one.locator(".strip").first.locator(".t")
        marked = [i for i in range(shown.count()) if "differs" in (shown.nth(i).get_attribute("class") or "")]
        assert marked == differ
    page.keyboard.press("b")
    for one in (a, b):
        expect(one.locator(".fillbar").get_by_role("radio", name="b", exact=True)).to_be_checked()


def test_two_dictionaries_keep_their_own_features(open_page: Open) -> None:
    page = open_page(saved_page(make_compare(-1, match="cosine", site_b="resid_post.2@small", note="Two.")))
    a, b = side(page, "A"), side(page, "B")
    expect(b.locator(".fillbar").get_by_role("radio", name="c", exact=True)).to_be_checked()
    a.locator(".strip .t").nth(3).click()
    page.keyboard.press("b")
    expect(a.locator(".fillbar").get_by_role("radio", name="b", exact=True)).to_be_checked()
    expect(b.locator(".fillbar").get_by_role("radio", name="c", exact=True)).to_be_checked()
    expect(page.locator(".note")).to_have_text("Two.")


def test_a_page_without_its_sides_says_so(open_page: Open) -> None:
    page = open_page(saved_page(make_compare(inside=False)))
    expect(page.get_by_role("alert")).to_contain_text("The two heatmaps did not arrive.")
    expect(page.locator(".prow")).to_have_count(6)
