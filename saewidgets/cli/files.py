"""`saewidgets export` and `clean`: files in, files out, without a model and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saewidgets.errors import FigureError, shorten

SUFFIXES = (".html", ".svg", ".pdf", ".png", ".csv")


def run_export(figure: str, outputs: Sequence[str], style: str | None, columns: int, greyscale: bool) -> int:
    """Write a saved view as page, figures and table; with no file named, print its caption."""
    import saewidgets as sw
    from saewidgets.figures.style import FigureStyle

    unknown = [name for name in outputs if Path(name).suffix not in SUFFIXES]
    if unknown:
        raise FigureError(f"Cannot write {shorten(unknown[0])}.", f"Let it end in {', '.join(SUFFIXES)}.")
    look = sw.figure_style(style, columns=columns, greyscale=greyscale) if style or greyscale else FigureStyle()
    with sw.open(figure) as view:
        for name in outputs:
            print(f"Wrote {_write(view, Path(name), look)}.")
        if not outputs:
            print(sw.caption(view))
    return 0


def _write(view: Any, path: Path, look: Any) -> Path:
    from saewidgets.disk import write_bytes

    if path.suffix == ".html":
        return Path(view.to_html(path))
    if path.suffix == ".csv":
        return write_bytes(path, view.to_frame().to_csv(index=False).encode())
    return Path(getattr(view, f"to_{path.suffix[1:]}")(path, style=look))


def run_clean(notebooks: Sequence[str], repair: bool) -> int:
    """Clean notebooks in place."""
    from saewidgets.export.notebook import clean

    for notebook in notebooks:
        print(clean(notebook, repair=repair))
    return 0
