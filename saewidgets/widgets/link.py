"""Widgets that follow each other: one prompt, one feature, one token, one set of edits in several views."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from saewidgets.errors import SaewidgetsError, WidgetError, shorten
from saewidgets.widgets import checks
from saewidgets.widgets.jobs import GUARD

# What can be shared: word -> the traits that hold it, the first that a widget has.
WORDS = {
    "prompt": ("prompt", "text"),
    "edits": ("edits",),
    "features": ("features", "chosen"),
    "feature": ("fill", "feature"),
    "token": ("selection", "position"),
}


# The traits that are being passed on, each with its widget, the innermost last; under GUARD.
_SOURCES: list[tuple[Any, str]] = []


class Link:
    """What `link` made. It ends when a widget is closed, or with `unlink`.

    Args:
        views: The widgets.
        words: What they share.
    """

    def __init__(self, views: Sequence[Any], words: Sequence[str]) -> None:
        self.views, self.words = tuple(views), tuple(words)
        self._ends: list[Any] = []
        for view in self.views:
            view.links = (*view.links, self)
        for word in self.words:
            for view in self.views:
                trait = trait_of(view, word)
                if trait is not None:
                    handler = partial(self._changed, word)
                    view.observe(handler, trait)
                    self._ends.append(partial(view.unobserve, handler, trait))
            first = next(view for view in self.views if trait_of(view, word) is not None)
            self._tell(word, first, getattr(first, str(trait_of(first, word))))

    def unlink(self) -> None:
        """Let the widgets go their own ways again."""
        for end in self._ends:
            end()
        self._ends.clear()
        for view in self.views:
            view.links = tuple(link for link in view.links if link is not self)

    def _changed(self, word: str, change: Any) -> None:
        self._tell(word, change.owner, change.new)

    def _tell(self, word: str, source: Any, value: Any) -> None:
        # "", and the fills that are no feature: "error" and "surprise"; a dashboard's -1 is whichever token is last.
        if source.closed or (word == "feature" and "/" not in str(value)) or (word == "token" and value == -1):
            return
        with GUARD:
            _SOURCES.append((source, str(trait_of(source, word))))
            try:
                self._pass(word, source, value)
            finally:
                _SOURCES.pop()

    def _pass(self, word: str, source: Any, value: Any) -> None:
        for view in self.views:
            if view is source or view.closed:
                continue
            try:
                set_word(view, word, value)
            except SaewidgetsError as error:
                # Said where it is wrong: the view that was touched goes on.
                view.last_error, view.error = error, checks.describe(error)

    def __repr__(self) -> str:
        return f"Link({', '.join(type(view).__name__ for view in self.views)}; {', '.join(self.words)})"


def link(*views: Any, share: Sequence[str] | None = None) -> Link:
    """Let widgets follow each other, in both directions.

    Args:
        views: Two or more. The others take over what the first shows.
        share: What they share, of `"prompt"`, `"edits"`, `"features"` (the lettered ones), `"feature"` (the one that is
            looked at) and `"token"`; all that at least two of them have by default.

    Returns:
        The link; `link.unlink()` ends it.

    Raises:
        WidgetError: Fewer than two live widgets, an unknown word, or one that only one of them has.

    Example:
        >>> import saewidgets as sw
        >>> scope, text = sw.demo(), "Mira saw a red boat."
        >>> with sw.TokenHeatmap(scope, text) as heatmap:
        ...     with sw.FeatureDashboard(scope, heatmap.features[0], text=text) as view:
        ...         both = sw.link(heatmap, view)
        ...         heatmap.prompt = "Tom has a key."
        ...         view.wait(60), view.text
        (True, 'Tom has a key.')
    """
    if len(views) < 2 or not all(hasattr(type(view), "payload") and hasattr(view, "observe") for view in views):
        raise WidgetError(f"A link of {len(views)} widgets.", "Give two or more: sw.link(heatmap, dashboard).")
    for view in views:
        if view.closed:
            raise WidgetError(f"This {type(view).__name__} is closed.", "Make a new one.")
    common = [word for word in WORDS if sum(trait_of(view, word) is not None for view in views) > 1]
    words = common if share is None else list(share)
    for word in words:
        if word not in WORDS:
            raise WidgetError(f"Widgets cannot share {shorten(word)}.", f"Use some of {', '.join(WORDS)}.")
        if word not in common:
            todo = f"They can share {', '.join(common) or 'nothing'}."
            raise WidgetError(f"Only one of these widgets has {word}.", todo)
    if not words:
        raise WidgetError("These widgets have nothing in common.", "Link a heatmap with a dashboard, a table, a graph.")
    return Link(views, words)


def links_of(views: Sequence[Any]) -> list[Link]:
    """The links that hold between two or more of these widgets."""
    place = {id(view): i for i, view in enumerate(views)}
    held = list(dict.fromkeys(link for view in views for link in view.links))
    return [link for link in held if sum(id(view) in place for view in link.views) > 1]


def origin() -> tuple[Any, str] | None:
    """The widget and its trait whose change is being passed on by a link, `None` where none is."""
    return _SOURCES[0] if _SOURCES else None


def trait_of(view: Any, word: str) -> str | None:
    """The trait of a widget that holds a word; one that only the widget may set is none."""
    traits = view.traits()
    return next((name for name in WORDS[word] if name in traits and not traits[name].read_only), None)


def set_word(view: Any, word: str, value: Any) -> None:
    """Set a word in a widget that has it; nothing happens where it is so already."""
    trait = trait_of(view, word)
    if trait is None or getattr(view, trait) == value:
        return
    if word == "feature" and trait == "fill" and value not in view.features:
        # A heatmap is filled by a feature that it draws.
        view.features = (*view.features, value)
    # A conversation is a prompt of a steering view alone.
    if word == "prompt" and (not isinstance(value, str) or not value):
        return
    setattr(view, trait, value)
