"""The diary of an `Explorer`: it is told each step, and brings the explorer back to any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from saewidgets.errors import WidgetError
from saewidgets.widgets import diary_files as files
from saewidgets.widgets.diary_log import DiaryLog
from saewidgets.widgets.diary_steps import State, Step, Values, state_of, words
from saewidgets.widgets.diary_views import PATIENCE, difference
from saewidgets.widgets.explorer_request import Shared, same_kind, steps
from saewidgets.widgets.jobs import GUARD

NAME = "ex"


class ExplorerDiary(DiaryLog):
    """What was done in an `Explorer`, `ex.diary`: iterates as lines of Python, each with the state it led to.

    Typing a text is one step, and so is moving a slider. Undo, redo and going back are steps like others: their line
    leads to the state. Of an explorer that was opened from a file there are only the lines.

    Args:
        ex: The explorer, `None` for one without a model.
        lines: Its lines then.

    Example:
        >>> import saewidgets as sw
        >>> with sw.Explorer(sw.demo(), "Mira saw a red boat.", max_new_tokens=4) as ex:
        ...     ex.edit(sw.ablate(ex.features[0]))
        ...     ex.select(token=3)
        ...     ex.diary.replay(0)
        ...     len(ex.diary.steps[0].state.edits), len(ex.edits), ex.diary[1]
        (1, 0, 'ex.select(token=3)')
    """

    def __init__(self, ex: Any = None, lines: Sequence[str] = ()) -> None:
        self._ex, self._lines = ex, tuple(lines)
        self._steps: list[Step] = []
        if ex is not None:
            self._begun = files.begun({NAME: ex}, [])
            self._start = state_of(NAME, {NAME: values_of(ex)})

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, oldest first.

        Raises:
            WidgetError: The explorer was opened from a file, which has only their lines.
        """
        self._need_states()
        return super().steps

    def state(self, number: int) -> State:
        """The state after a step; 0 is the start.

        Raises:
            WidgetError: There is no such step, or only its line.
        """
        self._need_states()
        return super().state(number)

    def replay(self, upto: int | None = None, ex: Any = None) -> None:
        """Put the explorer into the state after a step, and wait for it. In its own, that is a new step.

        Args:
            upto: Number of the step; 0 for the start, `None` for the last.
            ex: Another explorer; `None` for its own.

        Raises:
            WidgetError: There is no such step, or the explorer does not follow.
            SaewidgetsError: The state cannot be shown.
        """
        ex = self._ex if ex is None else ex
        go(ex, self.state(len(self) if upto is None else upto).views[NAME])
        if not ex.wait(PATIENCE):
            raise WidgetError("The Explorer does not follow.", "Wait for it, then replay again.")

    def note(self, code: str, again: bool | None = None, after: Values | None = None) -> None:
        """Add a step; for the explorer.

        Args:
            code: What does it again.
            again: Whether the line before is void if it is a like one; `None` where that is so for a text or a token.
            after: What it leads to; by default what the explorer shows.
        """
        if self._steps:
            last = self._steps[-1].code
            alike = same_kind(last, code) if again is None else again and _called(last) == _called(code)
            if alike:
                self._steps.pop()
        before, after = self._seen, values_of(self._ex) if after is None else after
        changed = difference(before, after)
        if changed:  # what came back to where it was is no step
            said = words("explorer", before, after, changed)
            self._steps.append(Step(len(self._steps) + 1, NAME, said, code, state_of(NAME, {NAME: after})))

    def refresh(self) -> None:
        """What a step led to includes what came after it without another; for the explorer."""
        now = state_of(NAME, {NAME: values_of(self._ex)})
        if self._steps:
            last = self._steps[-1]
            self._steps[-1] = Step(last.number, last.view, last.words, last.code, now)
        else:
            self._start = now

    @property
    def _seen(self) -> Values:
        return (self._steps[-1].state if self._steps else self._start).views[NAME]

    def _scope(self) -> Any:
        return None if self._ex is None else self._ex._scope

    def _need_states(self) -> None:
        if self._ex is None:
            raise WidgetError("An explorer from a file has only the lines of its diary.", "Write list(ex.diary).")

    def __iter__(self) -> Iterator[str]:
        return iter([step.code for step in self._steps] if self._ex is not None else self._lines)

    def __len__(self) -> int:
        return len(self._lines) if self._ex is None else len(self._steps)

    def __getitem__(self, at: Any) -> Any:
        return list(self)[at]

    def __repr__(self) -> str:
        """The steps, a line each."""
        return super().__repr__() if self._ex is not None else "\n".join(self)


def values_of(ex: Any) -> dict[str, Any]:
    """What an explorer shows, as values that do not change any more."""
    state: Shared = ex._state()
    return {
        "prompt": state.prompt, "features": state.features, "edits": state.edits, "pinned": state.pinned,
        "selection": ex.selection, "feature": ex.feature, "site": ex.heatmap.site,
        "error_term": ex.heatmap.error_term,
    }  # fmt: skip


def go(ex: Any, values: Values) -> None:
    """Put an explorer into a state; it can be undone. Waits for the strip, not for the other panels.

    Raises:
        SaewidgetsError: It cannot be shown; or it did not come in time.
    """
    ex._need_model()
    state = Shared(*(values[name] for name in ("prompt", "features", "edits", "pinned")))
    with GUARD:
        before, shared = values_of(ex), ex._state()
        line = _line(before, values, steps(shared, state, exact=True))
        ex._restore(state)
        ex.history = ex.history.record(state)
        ex._depths()
        ex.diary.note(line, again=False, after=dict(values))  # what the picture brings belongs to it
        if ex.heatmap.site != values["site"]:
            with ex._quietly():
                ex.heatmap.site = values["site"]
    if not ex.heatmap.wait(PATIENCE):
        raise WidgetError("The Explorer does not follow.", "Wait for it, then go back again.")
    if ex.heatmap.error is not None and state != shared:
        raise ex.heatmap.last_error
    with GUARD:
        with ex._quietly():
            ex.selection = values["selection"]
            ex.feature = values["feature"]
        ex.diary.refresh()
        ex._tell()


def _line(before: Values, after: Values, shared: Iterator[str]) -> str:
    """Python that leads from one state to another."""
    changed = difference(before, after)
    said = [*shared, *([f"ex.heatmap.site = {after['site']!r}"] if "site" in changed else [])]
    looks = [f"ex.select(token={after['selection']})"] if "selection" in changed or "prompt" in changed else []
    looks += [f"ex.select(feature={after['feature']!r})"] if after["feature"] and (said or "feature" in changed) else []
    return "; ".join([*said, *(["ex.wait()"] if said and looks else []), *looks])


def _called(code: str) -> str:
    """What a line calls or sets."""
    return re.split(r"[(=]", code)[0]
