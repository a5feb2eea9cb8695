# The documentation is built from what is in this repository: no inventory of another project, no font and no script
# from elsewhere. `make docs` treats every warning as an error.
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import saewidgets
from docs.live import write_live

project = "saewidgets"
author = "saewidgets contributors"
copyright = "2026, saewidgets contributors"
release = version = saewidgets.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "saewidgets"
html_static_path = ["_static"]
html_show_sourcelink = False

# An analysis and the widget that shows it are both a `PatchMap`, or a `Contrast`; each is named in full in the docs.
suppress_warnings = ["ref.python"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "code"  # `x` in a docstring is code, as in Markdown

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# The pictures on the pages are our own exports, made anew at every build.
write_live(Path(__file__).parent / "_static")


def fences(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Make the fenced formulas of docstrings, as Markdown writes them, literal blocks."""
    inside, made = False, []
    for line in lines:
        if line.strip() == "```":
            made += [""] if inside else ["::", ""]
            inside = not inside
        else:
            made.append(f"    {line}" if inside else line)
    lines[:] = made


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", fences)
