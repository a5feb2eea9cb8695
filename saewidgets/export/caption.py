"""What stands under a figure in a paper: what it shows, and what was measured, made from the payload."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from saewidgets.errors import FigureError, shorten
from saewidgets.figures import text
from saewidgets.figures.views import view_of

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "\u2009": r"\,", "\u202f": r"\,", "\u2212": "$-$", "\u2192": r"$\to$", "\u00d7": r"$\times$",
}  # fmt: skip
_MARKDOWN = "\\`*_{}[]()<>#+-.!|$"


def caption(view: Any) -> str:
    """What a view shows and where its numbers come from, in sentences.

    Args:
        view: A widget or a payload.

    Returns:
        What is seen, then model, dictionaries, error term, propagation, seed and version.

    Raises:
        PayloadError: It is neither.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     words = caption(view)
        >>> "Mira saw a red boat" in words, "seed 0" in words
        (True, True)
    """
    payload = getattr(view, "payload", view)
    about, found = view_of(payload), getattr(payload, "context", None)
    parts = [about.alt_text(payload)]
    if found is not None:
        source = getattr(payload, "source", "")
        measured = [found.model, found.dictionaries, source if isinstance(source, str) else "",
                    f"error term {found.error}", f"{found.propagation} propagation", f"seed {found.seed}",
                    f"saewidgets {found.version}" if found.version else ""]  # fmt: skip
        parts.append("; ".join(text.plain(part, 160) for part in measured if part))
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part)


def snippet(view: Any, path: str, form: str = "latex", label: str = "") -> str:
    r"""What puts a saved figure into a paper or a page, caption and alt text included.

    Args:
        view: A widget or a payload.
        path: Of the figure, as the document names it.
        form: `"latex"` or `"markdown"`.
        label: Of the figure in LaTeX; the file's name by default.

    Returns:
        The source.

    Raises:
        FigureError: Another form.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     print(snippet(view, "boat.pdf").splitlines()[2])
          \includegraphics[width=\linewidth]{boat.pdf}
    """
    payload = getattr(view, "payload", view)
    said = view_of(payload).alt_text(payload)
    if form == "markdown":
        return f"![{_escaped(said, 'markdown')}](<{path}>)\n\n*{_escaped(caption(payload), 'markdown')}*\n"
    if form != "latex":
        raise FigureError(f"A snippet in {shorten(form)}.", "Use 'latex' or 'markdown'.")
    return "\n".join([
        r"\begin{figure}",
        r"  \centering",
        rf"  \includegraphics[width=\linewidth]{{{path}}}",
        rf"  \caption{{{_escaped(caption(payload), 'latex')}}}",
        rf"  \label{{fig:{label or PurePath(path).stem}}}",
        r"\end{figure}",
        "",
    ])  # fmt: skip


def _escaped(words: str, form: str) -> str:
    if form == "latex":
        return "".join(_LATEX.get(character, character) for character in words)
    return "".join(f"\\{character}" if character in _MARKDOWN else character for character in words)
