"""The same file in Notebook 7."""

from playwright.sync_api import Browser

from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.notebook import Notebook, Tour, write_notebook
from tests.e2e.oracle import PROMPT, assert_shows, expected


def test_notebook_7_edits_live_and_reloads(server: Server, browser: Browser) -> None:
    cells = ("import saewidgets as sw\n\nscope = sw.demo()", f"view = sw.TokenHeatmap(scope, {PROMPT!r})\nview")
    write_notebook(server.folder / "seven.ipynb", *cells)
    watch = Watch()
    with new_page(browser, watch) as page:
        tour = Tour(Notebook(page, server, "seven.ipynb", app="notebook").open(), watch)
        tour.notebook.run_all()
        view = tour.heatmap().drawn()
        view.edit()
        view.type(" Mira")
        view.settled()
        assert tour.notebook.python("view.prompt") == PROMPT + " Mira"
        view.ablate("a")
        view.settled()
        truth = expected(tour.notebook, PROMPT + " Mira", "[sw.ablate(view.features[0])]")
        assert_shows(view.predictions(), truth)
        rows = view.predictions()
        tour.notebook.save()
        tour.notebook.open()
        assert tour.heatmap().drawn().predictions() == rows
    assert watch.outside() == []
    assert watch.ours() == []
