"""Screenshots of the widget in a real JupyterLab, to be looked at: `python -m tests.e2e.shots FOLDER`. Not a test."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page

from tests.browser import chromium_path
from tests.e2e.harness import Watch, chromium, jupyter, new_page
from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Notebook, write_notebook
from tests.e2e.oracle import PROMPT

CELLS = (
    "import saewidgets as sw\nscope = sw.demo()",
    f"sw.TokenHeatmap(scope, {PROMPT!r})",
    f"top = scope.run({PROMPT!r}).top(position=-1, n=4, dictionary=scope.default_site)['feature'].tolist()\n"
    f"sw.TokenHeatmap(scope, {PROMPT!r}, features=top, edits=[sw.ablate(top[0]), sw.scale(top[3], 1.5)])",
    f"sw.TokenHeatmap(scope, {PROMPT!r}, lanes='compact', edits=[sw.ablate(top[0])], features=top)",
    "sw.TokenHeatmap(scope, 'Zeile eins\\n\\tzwei <b>fett</b> \\u202eabc\\u202c 👩‍🚀 漢字 Привет  ende',"
    " text_face='mono')",
)


def shoot(page: Page, notebook: Notebook, folder: Path, name: str) -> None:
    """One picture for every widget."""
    for index in range(1, len(CELLS)):
        view = Heatmap(notebook.cell(index)).drawn()
        page.mouse.move(0, 0)
        view.host.screenshot(path=folder / f"{name}-{index}.png")


def main(folder: Path) -> None:
    """Light, dark, narrow; stale and failed."""
    executable = chromium_path()
    assert executable is not None
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as home, jupyter(Path(home)) as server, chromium(executable) as browser:
        write_notebook(server.folder / "shots.ipynb", *CELLS)
        with new_page(browser, Watch(), viewport={"width": 1500, "height": 1600}) as page:
            notebook = Notebook(page, server, "shots.ipynb").open()
            notebook.command("application:toggle-left-area")
            notebook.run_all()
            shoot(page, notebook, folder, "light")
            page.screenshot(path=folder / "lab-light.png")
            notebook.theme("Dark")
            page.locator(".sw.dark").first.wait_for()
            shoot(page, notebook, folder, "dark")
            notebook.theme("Light")
            view = Heatmap(notebook.cell(1))
            view.edit()
            page.keyboard.insert_text(" the red lantern" * 2000)
            view.alert.wait_for()
            view.settled()
            view.host.screenshot(path=folder / "error.png")
            page.keyboard.press("Escape")
            view.token(3).hover()
            view.host.locator(".tip").wait_for()
            view.host.screenshot(path=folder / "hover.png")
            # Cells lose some 110 px to their margins.
            page.set_viewport_size({"width": 510, "height": 1600})
            page.wait_for_function("() => innerWidth === 510")
            shoot(page, notebook, folder, "narrow")
            page.screenshot(path=folder / "lab-narrow.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
