"""How a result shows itself in a notebook: script-free HTML with its figure, and files of that figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from saewidgets import disk
from saewidgets.payloads import Context
from saewidgets.payloads.causal_report import CausalReport

if TYPE_CHECKING:
    from saewidgets.scope import Scope


class Shown:
    """Mixed into results that have a `page`."""

    __slots__ = ()
    source: str

    @property
    def page(self) -> CausalReport:
        """What is shown, as data."""
        raise NotImplementedError

    def code(self) -> str:
        """Python that makes it again, with seed and versions."""
        return self.source

    def to_svg(self, path: str | Path | None = None) -> str | Path:
        """The figure as SVG.

        Args:
            path: Where to write it; `None` returns the text.

        Returns:
            The text, or the path written.

        Raises:
            DiskError: The file cannot be written.
        """
        return self._file("to_svg", path)

    def to_png(self, path: str | Path | None = None) -> bytes | Path:
        """The figure as PNG. Arguments, result and errors as in `to_svg`."""
        return self._file("to_png", path)

    def to_pdf(self, path: str | Path | None = None) -> bytes | Path:
        """The figure as PDF. Arguments, result and errors as in `to_svg`."""
        return self._file("to_pdf", path)

    def _file(self, name: str, path: str | Path | None) -> Any:
        from saewidgets.figures.causal_report import FILES  # late: it brings matplotlib

        data = getattr(FILES, name)(self.page)
        return data if path is None else disk.write_bytes(Path(path), data.encode() if isinstance(data, str) else data)

    def _repr_html_(self) -> str:
        """Words, checks and numbers, then the figure; nothing in it runs or loads anything."""
        from saewidgets.figures.causal_report_text import fallback

        picture = self._file("to_svg", None).partition("?>")[2].strip()
        return f"{fallback(self.page).removesuffix('</div>')}{picture}</div>"


def foot(scope: Scope | None, key: str, code: str = "") -> Context:
    """Where a result comes from."""
    from saewidgets import __version__

    if scope is None:
        return Context("", key, version=__version__, code=code)
    words = f"{scope.dictionaries[key].describe()} at {key}" if key in scope.dictionaries else key
    return Context(f"{scope.name} · {scope.model.n_layers} layers", words, version=__version__, code=code)
