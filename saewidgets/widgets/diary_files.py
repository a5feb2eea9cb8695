"""A diary as a script, as a notebook and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from saewidgets.errors import SaewidgetsError, WidgetError, shorten
from saewidgets.widgets.asked import comment
from saewidgets.widgets.diary_steps import ASKED, State, Step, state_of
from saewidgets.widgets.diary_views import scope_of
from saewidgets.widgets.link import Link

FORMAT = 1
MAX_BYTES = 50_000_000
DEMO = "saewidgets-demo"


@dataclass(frozen=True, slots=True)
class Begun:
    """How the views were made, as code.

    Args:
        version: Of saewidgets.
        names: Of the views.
        kinds: What they are, in the same order.
        made: Python that makes each.
        links: Python that links them.
        scopes: Of each view, which scope it asks: an index into `models`, -1 for none.
        models: Name of the model of each scope.
    """

    version: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    made: tuple[str, ...]
    links: tuple[str, ...]
    scopes: tuple[int, ...]
    models: tuple[str, ...]


def begun(views: Mapping[str, Any], links: Sequence[Link]) -> Begun:
    """How these widgets can be made again."""
    from saewidgets import __version__

    scopes: list[Any] = []
    place = []
    for view in views.values():
        scope = scope_of(view)
        if scope is not None and not any(scope is one for one in scopes):
            scopes.append(scope)
        place.append(next((i for i, one in enumerate(scopes) if one is scope), -1))
    made = [_call(view.code(), _scope_name(i)) for view, i in zip(views.values(), place, strict=True)]
    name_of = {id(view): name for name, view in views.items()}
    linked = []
    for link in links:
        inside = [name_of[id(view)] for view in link.views if id(view) in name_of]
        linked.append(f"sw.link({', '.join(inside)}, share={list(link.words)!r})")
    return Begun(
        __version__, tuple(views), tuple(view._view for view in views.values()), tuple(made), tuple(linked),
        tuple(place), tuple(str(scope.name) for scope in scopes),
    )  # fmt: skip


def _call(code: str, scope: str) -> str:
    """The call in what `.code()` of a widget prints."""
    call = "\n".join(row for row in str(code).splitlines() if row and not row.startswith(("#", "import ")))
    return call.removeprefix("ex = ").replace("(scope,", f"({scope},", 1)


def _scope_name(index: int) -> str:
    return "scope" if index <= 0 else f"scope_{index + 1}"


def script(begun: Begun, steps: Sequence[Step], scope: str) -> str:
    """Python that does it all again."""
    return "\n\n".join("\n".join(cell) for cell in _cells(begun, steps, scope, waits="")) + "\n"


def _cells(begun: Begun, steps: Sequence[Step], scope: str, waits: str) -> list[list[str]]:
    """The script in parts: the scope, the views, each step."""
    top = [f"import saewidgets as sw  # {comment(begun.version)}"]
    for i, model in enumerate(begun.models):
        name = _scope_name(i)
        if i == 0 and scope:
            top.append(f"{name} = {scope}")
        elif model == DEMO:
            top.append(f"{name} = sw.demo()")
        else:
            top.append(f"# {name}: {comment(model)}; make it here: {name} = sw.Scope(model, dictionaries)")
    if any("atlas=atlas" in call for call in begun.made):
        top.append("atlas = None  # for examples: atlas = sw.Atlas.open(folder)")
    views = [f"{name} = {call}" for name, call in zip(begun.names, begun.made, strict=True)]
    views += [f"link{'' if i == 0 else f'_{i + 1}'} = {call}" for i, call in enumerate(begun.links)]
    # What a link passes on is waited for as well, before the next step builds on it.
    wait = "; ".join(f"{name}.wait()" for name in begun.names)
    views.append(f"{wait}{waits}")
    asked = dict(zip(begun.names, begun.kinds, strict=True))
    cells = [top, views]
    for step in steps:
        code = [f"# {step.number}: {comment(step.words)}", step.code]
        if _asks(step, asked[step.view]):
            code.append(f"{wait}{waits}")
        cells.append(code)
    return cells


def _asks(step: Step, kind: str) -> bool:
    """Whether a step needs a new picture: of its own view, or of one that is linked."""
    if kind == "explorer":
        return True
    names = (*ASKED.get(kind, ("", ()))[1], "fill", "feature", "chosen", "selection")
    return any(f".{name}" in step.code for name in names)


def notebook(begun: Begun, steps: Sequence[Step], scope: str) -> bytes:
    """An `.ipynb`: a heading, the scope, the views, a cell a step, the views again."""
    top, views, *rest = _cells(begun, steps, scope, waits=";")
    cells = [_markdown("heading", f"# A diary of {len(steps)} steps")]
    cells += [_code("scope", top), _code("views", [*views, *_shown(begun)])]
    cells += [_code(f"step-{step.number}", cell) for step, cell in zip(steps, rest, strict=True)]
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    made = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return (json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass")


def _shown(begun: Begun) -> list[str]:
    return [f"display({', '.join(begun.names)})"]


def _markdown(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": [text]}


def _code(name: str, rows: Sequence[str]) -> dict[str, Any]:
    source = [row + "\n" for row in rows[:-1]] + [rows[-1]]
    return {
        "cell_type": "code", "id": name, "metadata": {}, "execution_count": None, "outputs": [], "source": source,
    }  # fmt: skip


def dump(begun: Begun, start: State, steps: Sequence[Step]) -> bytes:
    """The diary as JSON.

    Raises:
        WidgetError: A value has no JSON: a circuit's target that is no token.
    """
    rows = [
        {"view": s.view, "words": s.words, "code": s.code, "state": _values_json(s.state)} for s in steps
    ]  # fmt: skip
    made = {"saewidgets_diary": FORMAT, "begun": asdict(begun), "start": _values_json(start), "steps": rows}
    try:
        return json.dumps(made, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
    except TypeError as error:
        raise WidgetError(f"This diary has no JSON ({error}).", "Targets must be tokens; save its code().") from None


def _values_json(state: State) -> dict[str, Any]:
    from saewidgets.interventions import to_json  # late: it brings torch

    return {
        name: {key: to_json(value) if key == "edits" else value for key, value in values.items()}
        for name, values in state.views.items()
    }


def load(path: Path) -> tuple[Begun, State, tuple[Step, ...]]:
    """Read what `dump` made.

    Raises:
        WidgetError: It is none.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WidgetError(f"{shorten(path.name)} is too large.", f"A diary has at most {MAX_BYTES} bytes.")
        data = json.loads(path.read_bytes())
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data["begun"].items()}
        views = Begun(**fields)
        if data["saewidgets_diary"] != FORMAT or not views.names or len(set(map(len, (
            views.names, views.kinds, views.made, views.scopes)))) != 1:  # fmt: skip
            raise ValueError("another format")
        every = [*views.names, *views.kinds, *views.made, *views.links, *views.models, views.version]
        if not all(isinstance(word, str) for word in every) or not all(isinstance(i, int) for i in views.scopes):
            raise ValueError("another format")
        start = _state(views.names[0], data["start"], views.names)
        steps = tuple(
            Step(i, _text(row["view"]), _text(row["words"]), _text(row["code"]),
                 _state(row["view"], row["state"], views.names))
            for i, row in enumerate(data["steps"], 1)
        )  # fmt: skip
    except WidgetError:
        raise
    except OSError as error:
        raise WidgetError(f"{shorten(str(path))} cannot be read ({error.strerror}).", "Name a saved diary.") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, SaewidgetsError) as error:
        what = f"{shorten(path.name)} is no diary ({shorten(str(error))})."
        raise WidgetError(what, "Give a file that diary.save wrote.") from None
    return views, start, steps


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def _state(view: str, values: Any, names: Sequence[str]) -> State:
    if list(values) != list(names) or view not in names:
        raise ValueError("other views")
    from saewidgets.interventions import from_json  # late: it brings torch

    seen = {
        name: {k: from_json(v) if k == "edits" else _frozen(v) for k, v in values[name].items()} for name in names
    }  # fmt: skip
    return state_of(view, seen)


def _frozen(value: Any) -> Any:
    """Lists as tuples, as the traits of a view have them; what is in a mapping stays."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
