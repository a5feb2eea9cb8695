"""`Diary`: every step in a set of widgets as one line of code; replay, script, notebook."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saewidgets.errors import WidgetError, shorten
from saewidgets.widgets import diary_files as files
from saewidgets.widgets.diary_log import DiaryLog
from saewidgets.widgets.diary_steps import ASKED, Step, Values, is_burst, line, state_of, watched, words
from saewidgets.widgets.diary_views import difference, named, put, scope_of, snapshot
from saewidgets.widgets.jobs import GUARD
from saewidgets.widgets.link import Link, links_of, origin

# Seconds within which key strokes, arrow keys and places of a slider are one step.
BURST = 1.5


@dataclass(frozen=True, slots=True)
class _Last:
    """The step that a next change may go on with."""

    view: str
    before: Values
    names: frozenset[str]
    at: float
    revision: int


class Diary(DiaryLog):
    """What was done in some widgets, step by step; each step is a line of code and the state it led to.

    A burst (typing, moving a slider, walking over tokens) is one step, and so is what a link passes on. Undo and redo
    are steps like others: they lead to a state.

    Args:
        *views: Widgets, or links of widgets.
        burst: Seconds within which changes of the same thing are one step.
        on_step: Called with the diary when a step was added or changed.

    Raises:
        WidgetError: No widget, or a closed one.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as heatmap:
        ...     diary = sw.Diary(heatmap)
        ...     heatmap.edits = [sw.ablate(heatmap.features[0])]
        ...     done = heatmap.wait(60)
        ...     heatmap.selection = 2
        >>> diary.steps[1].code
        'heatmap.selection = 2'
    """

    def __init__(self, *views: Any, burst: float = BURST, on_step: Callable[[Diary], object] | None = None) -> None:
        found = [one for view in views for one in (view.views if isinstance(view, Link) else (view,))]
        self._views = named(list({id(view): view for view in found}.values()))
        if any(view._view == "explorer" for view in self._views.values()):
            raise WidgetError("An explorer keeps a diary of its own.", "Use ex.diary.")
        self._burst, self._on_step, self._paused = burst, on_step, False
        with GUARD:
            self._begun = files.begun(self._views, links_of(list(self._views.values())))
            self._seen: dict[str, Values] = {name: snapshot(view) for name, view in self._views.items()}
            self._start = state_of(next(iter(self._views)), dict(self._seen))
            self._steps: list[Step] = []
            self._last: _Last | None = None
            # View -> its revision when something was asked of it: what its next picture brings is no step of its own.
            self._asked: dict[str, int] = {}
            for view in self._views.values():
                view.observe(self._changed, list(watched(view)))

    # -- for people ----------------------------------------------------------------------------------------------------

    def replay(self, upto: int | None = None, views: Sequence[Any] | Mapping[str, Any] | None = None) -> None:
        """Put the views into the state after a step, and wait for them. In the diary's own views, that is a new step.

        Args:
            upto: Number of the step; 0 for the start, `None` for the last.
            views: Other widgets of the same kinds, in the same order or by name; `None` for the diary's own.

        Raises:
            WidgetError: No such step, or other widgets.
        """
        number = len(self) if upto is None else upto
        state = self.state(number)
        given = self._views if views is None else dict(views) if isinstance(views, Mapping) else named(list(views))
        if list(given) != list(state.views):
            raise WidgetError(f"Views {shorten(list(given))}.", f"This diary is of {', '.join(state.views)}.")
        own = views is None
        self._paused = own
        try:
            for name, view in given.items():
                put(view, state.views[name])
        finally:
            self._paused = False
            if own:
                self._went_back(f"back to step {number}" if number else "back to the start")

    @classmethod
    def open(cls, path: str | Path) -> Diary:
        """Read what `save` wrote. The diary has no views: give some to `replay`.

        Raises:
            WidgetError: It cannot be read, or is no diary.
        """
        diary = cls.__new__(cls)
        diary._views, diary._seen, diary._asked, diary._last = {}, {}, {}, None
        diary._burst, diary._on_step, diary._paused = BURST, None, False
        diary._begun, diary._start, steps = files.load(Path(path))
        diary._steps = list(steps)
        return diary

    def close(self) -> None:
        """Stop recording; the steps stay."""
        with GUARD:
            for view in self._views.values():
                if not view.closed:
                    view.unobserve(self._changed, list(watched(view)))
            self._on_step = None

    # -- recording: always with GUARD held, for notifications are ------------------------------------------------------

    def _changed(self, change: Any) -> None:
        view = self._name(change.owner)
        if view is None or self._paused:
            return
        if self._is_asked(view, change.name) and not change.owner._is_setting:
            self._asked[view] = change.owner._revision
        # What a link passes on is its source's doing, which may not have told us yet.
        source, trait = origin() or (change.owner, change.name)
        actor = self._name(source)
        if actor is None:
            source, actor, trait = change.owner, view, change.name
        if source._is_setting:
            self._pictured(actor, self._is_asked(actor, trait))
        else:
            self._note(actor)

    def _is_asked(self, view: str, trait: str) -> bool:
        return trait in ASKED.get(self._kind(view), ("", ()))[1]

    def _pictured(self, view: str, is_asked: bool) -> None:
        """A picture came, and with it this value."""
        revision = self._views[view]._revision
        if is_asked and revision > self._asked.get(view, -2) + 1 and not self._follows(view):
            self._note(view, revision)
            return
        # It goes with what was asked before: no step; unless it was refused, which undoes that one.
        last, now = self._last, snapshot(self._views[view])
        if last is not None and last.view == view and self._steps and all(now[n] == last.before[n] for n in last.names):
            self._steps.pop()
            self._last = None
        self._refresh()

    def _follows(self, view: str) -> bool:
        """Whether the view only opened what another one looks at (`dashboard.follow(heatmap)`)."""
        if not getattr(self._views[view], "_followed", None):
            return False
        now = getattr(self._views[view], "feature", "")
        return any(now in (v.get("fill"), v.get("feature")) for n, v in self._seen.items() if n != view)

    def _went_back(self, said: str) -> None:
        """Add the step that a replay is, if it changed anything."""
        with GUARD:
            every = {n: difference(self._seen[n], snapshot(v)) for n, v in self._views.items()}
            code = "; ".join(line(n, self._kind(n), one) for n, one in every.items() if one)
            self._last = None
            if code:
                self._add(next(iter(self._views)), said, code)

    def _note(self, view: str, revision: int = -1) -> None:
        """Add a step of a view, or let the last one grow, if anything changed in it."""
        before, after, at = self._seen[view], snapshot(self._views[view]), time.monotonic()
        changed = difference(before, after)
        if not changed:
            self._refresh()
            return
        last, names = self._last, frozenset(changed)
        if last is not None and self._goes_on(last, view, changed, revision, at):
            self._steps.pop()
            before, names = last.before, names | last.names
            changed = {name: after[name] for name in after if name in names and after[name] != before[name]}
        # What came back to where it was is no step, and nothing goes on with it.
        self._last = _Last(view, before, names, at, revision) if changed else None
        if changed:
            self._add(view, words(self._kind(view), before, after, changed), line(view, self._kind(view), changed))
        else:
            self._refresh()

    def _goes_on(self, last: _Last, view: str, changed: Values, revision: int, at: float) -> bool:
        """Whether a change belongs to the last step: of one picture, of one burst, or a lane and its choice."""
        if last.view != view or not self._steps or self._steps[-1].view != view:
            return False
        if revision >= 0 and last.revision == revision:
            return True
        if at - last.at > self._burst:
            return False
        if last.names | set(changed) == {"features", "fill"}:
            return True
        old = self._seen[view]
        return last.names == set(changed) and all(is_burst(name, old[name], new) for name, new in changed.items())

    def _add(self, view: str, said: str, code: str) -> None:
        self._seen = {name: snapshot(one) for name, one in self._views.items()}
        self._steps.append(Step(len(self._steps) + 1, view, said, code, state_of(view, dict(self._seen))))
        if self._on_step is not None:
            self._on_step(self)

    def _refresh(self) -> None:
        """What a step led to includes what came after it without another."""
        seen = {name: snapshot(view) for name, view in self._views.items()}
        if seen == self._seen and self._steps:
            return
        self._seen = seen
        if self._steps:
            last = self._steps[-1]
            self._steps[-1] = replace(last, state=state_of(last.view, dict(seen)))
        else:
            self._start = state_of(next(iter(self._views)), dict(seen))
        if self._on_step is not None:
            self._on_step(self)

    def _scope(self) -> Any:
        return next((found for view in self._views.values() if (found := scope_of(view)) is not None), None)

    def _kind(self, name: str) -> str:
        return str(self._views[name]._view)

    def _name(self, view: Any) -> str | None:
        return next((name for name, one in self._views.items() if one is view), None)
