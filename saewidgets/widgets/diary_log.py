"""What a diary holds, and what is made of it: code, notebook, table, comparisons, JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from saewidgets import disk
from saewidgets.errors import WidgetError, shorten
from saewidgets.widgets import diary_files as files
from saewidgets.widgets.asked import comment
from saewidgets.widgets.compared import Compared, compare_states
from saewidgets.widgets.diary_steps import State, Step
from saewidgets.widgets.jobs import GUARD
from saewidgets.widgets.output import Code

if TYPE_CHECKING:
    import pandas as pd


class DiaryLog:
    """Steps and the state each led to. `Diary` and `ExplorerDiary` say how they come in."""

    _begun: files.Begun
    _start: State
    _steps: list[Step]

    def _scope(self) -> Any:
        """The scope that the views ask, `None` for none."""
        raise NotImplementedError

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, oldest first."""
        with GUARD:
            return tuple(self._steps)

    @property
    def start(self) -> State:
        """What the views showed before the first step."""
        return self._start

    def __len__(self) -> int:
        return len(self._steps)

    def state(self, number: int) -> State:
        """The state after a step; 0 is the start.

        Raises:
            WidgetError: There is no such step.
        """
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= len(self._steps):
            raise WidgetError(f"There is no step {shorten(number)}.", f"The diary has 0 (the start) to {len(self)}.")
        return self._steps[number - 1].state if number else self._start

    def code(self, scope: str = "") -> Code:
        """A script that does all of it again, from an empty notebook.

        Args:
            scope: Python that makes the scope; by default `sw.demo()` for the embedded model, and for another one a
                comment that says which it was.
        """
        steps = self.steps  # first: there may be none to give
        return Code(files.script(self._begun, steps, scope))

    def compare(self, i: int, j: int, *, scope: Any = None, seed: int = 0) -> Compared:
        """Run the states after two steps and say what is different: next tokens, KL both ways, features.

        Where the text is the same, the control of the edits stands with it: random features of like density, and random
        directions of the same norm.

        Args:
            i: Number of a step, 0 for the start.
            j: Of another.
            scope: The model and its dictionaries; that of the views by default.
            seed: Of the control.

        Returns:
            The comparison, seen from step `i` (A) to step `j` (B), at the token that they select.

        Raises:
            WidgetError: No such step, or no model.
            SaewidgetsError: A state cannot be run.
        """
        return compare_states(scope or self._scope(), self.state(i), self.state(j), seed)

    def to_frame(self) -> pd.DataFrame:
        """One row a step: number, view, words, code, prompt, number of edits, features, token."""
        import pandas as pd

        rows = [
            (s.number, s.view, s.words, s.code, s.state.prompt, len(s.state.edits), s.state.features, s.state.token)
            for s in self.steps
        ]
        return pd.DataFrame(rows, columns=["number", "view", "words", "code", "prompt", "edits", "features", "token"])

    def to_notebook(self, path: str | Path, *, scope: str = "") -> Path:
        """A notebook with a cell a step.

        Args:
            path: An `.ipynb` file.
            scope: As in `code`.

        Raises:
            DiskError: It cannot be written.
        """
        return disk.write_bytes(path, self.notebook(scope))

    def notebook(self, scope: str = "") -> bytes:
        """What `to_notebook` writes."""
        steps = self.steps
        return files.notebook(self._begun, steps, scope)

    def save(self, path: str | Path) -> Path:
        """Write the diary as JSON.

        Raises:
            DiskError: It cannot be written.
            WidgetError: A circuit's target is no token.
        """
        return disk.write_bytes(path, self._json())

    def _json(self) -> bytes:
        steps = self.steps
        return files.dump(self._begun, self._start, steps)

    def __repr__(self) -> str:
        """The steps, a line each."""
        lines = [f"{step.number:>3}  {step.code}  # {comment(step.words)}" for step in self.steps]
        return "\n".join([f"Diary of {', '.join(self._begun.names)}: {len(lines)} steps", *lines])
