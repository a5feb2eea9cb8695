"""Sphinx with myst-nb: a notebook as a page of documentation, opened from its file."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.e2e.harness import Watch
from tests.e2e.oracle import Expected
from tests.e2e.static import assert_picture, opened, publish

CONFIG = """
extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # no script from a CDN for widgets that have no kernel
"""
# The picture goes before the view, so that the notebook may keep its views.
PICTURE_FIRST = 'nb_mime_priority_overrides = [("html", "text/html", 1)]\n'


def build(folder: Path, config: str, builder: str = "html") -> Path:
    """A site of one notebook, strictly; the folder it lies in."""
    (folder / "conf.py").write_text(config, encoding="utf-8")
    out = folder.parent / builder
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", builder, str(folder), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize(
    ("kind", "config"),
    [("cleaned", CONFIG), ("without state", CONFIG + PICTURE_FIRST), ("with state", CONFIG + PICTURE_FIRST)],
    ids=["cleaned", "without state", "with state"],
)
def test_a_page_shows_the_picture(
    kind: str, config: str, executed: nbformat.NotebookNode, browser: Browser, truth: Expected, tmp_path: Path
) -> None:
    publish(executed, tmp_path / "site", kind)
    watch = Watch()
    with opened(browser, build(tmp_path / "site", config) / "index.html", watch) as page:
        outputs = page.locator(".cell_output")
        expect(outputs).to_have_count(2)
        assert_picture(outputs.first, truth)
        expect(outputs.last).to_contain_text("Promotes")
    assert watch.outside() == []
    assert watch.errors == []


def test_without_the_setting_the_view_hides_the_picture(
    executed: nbformat.NotebookNode, browser: Browser, tmp_path: Path
) -> None:
    publish(executed, tmp_path / "site", "with state")
    with opened(browser, build(tmp_path / "site", CONFIG) / "index.html", Watch()) as page:
        expect(page.locator(".cell_output").first).not_to_contain_text("Next token")


def test_latex_takes_the_image(executed: nbformat.NotebookNode, tmp_path: Path) -> None:
    publish(executed, tmp_path / "site", "without state")
    out = build(tmp_path / "site", CONFIG, "latex")
    pictures = sorted(out.glob("*.png"))
    source = "".join(path.read_text(encoding="utf-8") for path in out.glob("*.tex"))
    assert len(pictures) == 2
    for path in pictures:
        assert f"{{{path.stem}}}.png" in source
        with Image.open(path) as image:
            assert image.size[0] >= 400
