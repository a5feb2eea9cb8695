"""What leaves a widget: its payload, figures, page, table, file, code, and the static copy beside the live view."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

from saewidgets import disk
from saewidgets.errors import WidgetError, shorten
from saewidgets.figures.style import FigureStyle
from saewidgets.figures.views import view_of
from saewidgets.payloads import HeatmapPayload, encode

# Bytes that the static copy may add to a notebook, PNG in base64: the whole figure of a prompt one reads in one go, or
# the head of a long one.
WHOLE_TOKENS, WHOLE_BUDGET, HEAD_BUDGET = 256, 32_000, 14_000
PLAIN = FigureStyle()


class Code(str):
    """Source text that prints as itself at the end of a cell."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Outputs:
    """Mixed into `BaseWidget`, before anywidget; needs `payload`, `closed`, `_view` and `_display_id`."""

    _view: str

    @property
    def payload(self) -> Any:
        """The last good picture as data."""
        raise NotImplementedError

    @property
    def _figures(self) -> Any:
        return view_of(self.payload).figures

    def to_html(self, path: str | Path | None = None) -> str | Path:
        """One offline page with the live view: hover, feature switching and selection work without a kernel.

        Args:
            path: Where to write it; `None` returns the text.

        Returns:
            The page, or the path written.

        Raises:
            FigureError: The page cannot be made.
            DiskError: The file cannot be written.
        """
        from saewidgets.export.page import to_page

        return written(path, to_page(self.payload))

    def to_svg(self, path: str | Path | None = None, *, style: FigureStyle = PLAIN) -> str | Path:
        """The picture as SVG, with real text.

        Args:
            path: Where to write it; `None` returns the text.
            style: Width and colours, from `saewidgets.figure_style`.

        Returns:
            The document, or the path written. Errors as in `to_html`.
        """
        from saewidgets.figures import draw

        payload = self.payload
        scene = style.scene(self._figures, payload, portable=True)
        return written(path, draw.svg(scene, view_of(payload).alt_text(payload)))

    def to_png(
        self, path: str | Path | None = None, *, dpi: int = 144, style: FigureStyle = PLAIN
    ) -> bytes | Path:  # fmt: skip
        """The picture as PNG.

        Args:
            path: Where to write it; `None` returns the bytes.
            dpi: Pixels per inch, 36 to 1200.
            style: Width and colours, from `saewidgets.figure_style`.

        Returns:
            The bytes, or the path written. Errors as in `to_html`.
        """
        from saewidgets.figures import draw
        from saewidgets.figures.files import check_dpi

        check_dpi(dpi)
        return written(path, draw.png(style.scene(self._figures, self.payload), dpi=dpi))

    def to_pdf(self, path: str | Path | None = None, *, style: FigureStyle = PLAIN) -> bytes | Path:
        """The picture as PDF, with embedded fonts. Arguments, result and errors as in `to_svg`."""
        from saewidgets.figures import draw

        payload = self.payload
        scene = style.scene(self._figures, payload)
        return written(path, draw.pdf(scene, view_of(payload).alt_text(payload)))

    def to_frame(self) -> Any:
        """The numbers behind the picture, a `pandas.DataFrame`: of a heatmap one row a token."""
        return view_of(self.payload).to_frame(self.payload)

    def save(self, path: str | Path) -> Path:
        """Write the view to a file; the suffix says how: .sae .html .svg .png .pdf.

        Args:
            path: A `.sae` file can be opened again by `saewidgets.open`, without the model.

        Returns:
            The path written.

        Raises:
            WidgetError: Unknown suffix.
            DiskError: The file cannot be written.
        """
        path = Path(path)
        return disk.write_bytes(path, self._file(path.suffix.lower().lstrip(".")))

    def _file(self, format: str) -> bytes:
        """Content of a file of this format."""
        if format == "sae":
            return encode(self.payload)
        if format not in ("html", "svg", "png", "pdf"):
            raise WidgetError(f"Unknown file format {shorten(format)}.", "Use .sae, .html, .svg, .png or .pdf.")
        content = getattr(self, f"to_{format}")()
        return content.encode() if isinstance(content, str) else content

    def code(self) -> Code:
        """Python that makes this view again, with seed and version.

        Returns:
            The text; at the end of a cell it prints as it is.
        """
        return Code(self.payload.context.code)

    def static_bundle(self) -> dict[str, str]:
        """The picture for places that run no code: `text/plain`, script-free `text/html`, and `image/png`.

        Together at most `WHOLE_BUDGET` bytes, `HEAD_BUDGET` for a prompt of more than `WHOLE_TOKENS` tokens: both show
        as much as fits.
        """
        return self._static(self.payload)

    def _static(self, payload: Any) -> dict[str, str]:
        is_whole = not isinstance(payload, HeatmapPayload) or len(payload.tokens) <= WHOLE_TOKENS
        budget = WHOLE_BUDGET if is_whole else HEAD_BUDGET
        markup = view_of(payload).fallback(payload, budget * 2 // 5)
        data = {"text/plain": repr(self), "text/html": markup}
        image = view_of(payload).figures.preview(payload, max_bytes=(budget - len(markup.encode())) * 3 // 4 - 2)
        return data if image is None else {**data, "image/png": base64.b64encode(image).decode()}

    def page_bundle(self) -> dict[str, str]:
        """The static bundle with the offline page over its HTML, in a frame that may run scripts and nothing else."""
        from saewidgets.export.page import layered

        return {**self.static_bundle(), "text/html": layered(self.payload)}

    def freeze(self: Any, *, page: bool = False) -> None:
        """Replace the live output by a static one that needs neither kernel nor widget state, and close.

        Args:
            page: Also put the offline page (hover, feature switching) over the picture; some 250 kB.
        """
        data = self.page_bundle() if page else self.static_bundle()
        show(data, {}, self._display_id, update=True)
        self.close()

    def _repr_mimebundle_(self: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live view with the static picture beside it."""
        static: dict[str, Any] = dict(self.static_bundle())
        if self.closed:
            return static, {}
        data, metadata = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        return {**data, **static}, metadata

    def _ipython_display_(self: Any) -> None:
        """Display under an id, so that `freeze` can replace it."""
        data, metadata = self._repr_mimebundle_()
        if not show(data, metadata, self._display_id):
            print(data["text/plain"])


def written(path: str | Path | None, content: Any) -> Any:
    """The content, or the path it was written to."""
    if path is None:
        return content
    return disk.write_bytes(path, content.encode() if isinstance(content, str) else content)


def show(data: dict[str, Any], metadata: dict[str, Any], display_id: str, *, update: bool = False) -> bool:
    """Publish a MIME bundle in IPython under an id by which it can be replaced; `False` outside IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return False
    shell.display_pub.publish(data, metadata, transient={"display_id": display_id}, update=update)
    return True
