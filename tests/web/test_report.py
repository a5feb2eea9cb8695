"""A report as it is read: every view in it works without a kernel and without a network."""

import re

import pandas as pd
import pytest
from playwright.sync_api import expect

import saewidgets as sw
from tests.payload_factory import make_payload
from tests.view_factory import make_dashboard, make_table
from tests.web.conftest import Open
from tests.web.test_look import violations

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_views_of_a_report_are_live(open_page: Open, theme: str) -> None:
    frame = pd.DataFrame({"x": range(3)})
    parts = ["# One\n\ntext", make_payload(), "## Two", make_dashboard(), make_table(60), (frame, "Numbers")]
    page = open_page(str(sw.report(parts, title="Several", theme=theme)))
    views = page.locator("[data-saewidgets] .saewidgets")
    expect(views).to_have_count(3)
    # Two views have parts of the same name, as two widgets in a notebook do: no rule of WCAG, but of good practice.
    assert [fault for fault in violations(page) if not fault.startswith("landmark-unique")] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    heat = views.first
    expect(heat.locator("[data-strip]")).to_be_visible()
    choice = heat.get_by_role("radio", name="error", exact=True).first
    choice.click()
    expect(choice).to_have_attribute("aria-checked", "true")
    table = views.nth(2)
    table.get_by_role("textbox").fill("German")
    expect(table.locator(".fits")).to_contain_text("of 60 rows")
    expect(views.nth(1).locator("h2")).to_contain_text("someone is about to receive")


def test_a_narrow_report(open_page: Open) -> None:
    page = open_page(str(sw.report(["text", make_payload(), make_dashboard()])), viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator("figcaption").first).to_contain_text(re.compile("seed 0"))
