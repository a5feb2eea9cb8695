"""What a diary watches in each widget, and how a change reads: in words, and as one line of Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saewidgets.widgets.asked import dragged

# View -> its name in code, and the traits that ask something of the model. The others only turn the picture.
ASKED: dict[str, tuple[str, tuple[str, ...]]] = {
    "heatmap": ("heatmap", ("prompt", "features", "edits", "error_term")),
    "feature_dashboard": ("dashboard", ("feature", "text", "scale", "steer")),
    "circuit": ("graph", ("prompt", "targets", "edits", "base")),
    "feature_table": ("table", ("site", "query", "here", "there", "filters", "sort", "descending")),
    "steering": (
        "steering",
        ("edits", "prompt", "mode", "place", "seed", "temperature", "max_new_tokens", "frozen", "target"),
    ),
    "explorer": ("ex", ()),
    "patch_map": ("patches", ("clean", "corrupt", "show", "corruption", "propagation", "error_term")),
}
# What scrolls is no step.
UNSEEN = ("top",)
# Views in which a feature is opened by a call.
OPENS = ("circuit", "feature_table")
# Changes of these within a burst are one step, and so are those of an edit's number.
BURSTS = (
    "prompt text query here there base clean corrupt label selection position cell top scale steer keep_nodes "
    "keep_edges filters seed temperature max_new_tokens"
).split()

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """What the views showed after a step.

    Args:
        prompt: The text of the view that was touched.
        edits: What was done to the model.
        features: The chosen ones.
        feature: The one that is looked at, "" for none.
        token: The selected position, -1 for none.
        views: Name of a view -> its traits.
    """

    prompt: str
    edits: tuple[Any, ...]
    features: tuple[str, ...]
    feature: str
    token: int
    views: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done.

    Args:
        number: From 1.
        view: Name of the view in which it was done.
        words: What was done.
        code: One line of Python that does it again.
        state: What it led to.
    """

    number: int
    view: str
    words: str
    code: str
    state: State


def watched(view: Any) -> tuple[str, ...]:
    """Traits of a widget that a person changes."""
    asked = ASKED.get(view._view, ("", ()))[1]
    opened = ("feature",) if view._view in OPENS else ()
    return tuple(dict.fromkeys([*asked, *(n for n in view._front_traits if n not in UNSEEN), *_label(view), *opened]))


def _label(view: Any) -> tuple[str, ...]:
    return ("label",) if view._view == "feature_dashboard" else ()


def state_of(view: str, seen: Mapping[str, Values]) -> State:
    """The state that these traits are, with the words of one view before those of the others."""
    order = [seen[view], *(values for name, values in seen.items() if name != view)]

    def first(*names: str, default: Any) -> Any:
        return next((values[n] for values in order for n in names if n in values), default)

    prompt = first("prompt", "text", "clean", default="")
    token = first("position", default=-1)
    token = next((v["selection"] for v in order if isinstance(v.get("selection"), int)), token)
    focus = [str(v[n]) for v in order for n in ("fill", "feature") if "/" in str(v.get(n, ""))]
    chosen = tuple(name for name in first("features", "chosen", default=()) if name)
    return State(
        prompt=prompt if isinstance(prompt, str) else str(prompt[0]),
        edits=tuple(first("edits", default=())),
        features=chosen or tuple(focus[:1]),
        feature=focus[0] if focus else "",
        token=token,
        views=seen,
    )


def is_burst(name: str, old: Any, new: Any) -> bool:
    """Whether a change goes on with one of a moment ago: more keys, another place of the same slider."""
    if name != "edits":
        return name in BURSTS
    return bool([*map(dragged, old)] == [*map(dragged, new)])


def line(view: str, kind: str, changed: Mapping[str, Any]) -> str:
    """Python that sets traits of a view; what turns a picture waits for the picture.

    Example:
        >>> line("heatmap", "heatmap", {"prompt": "A boat.", "selection": 2})
        "heatmap.prompt = 'A boat.'; heatmap.wait(); heatmap.selection = 2"
    """
    asked = [name for name in changed if name in ASKED.get(kind, ("", ()))[1]]
    shown = [name for name in changed if name not in asked]
    said = [[_assignment(view, kind, name, changed[name]) for name in names] for names in (asked, shown)]
    # A heatmap takes a feature that it was just given as its fill.
    wait = [f"{view}.wait()"] if asked and shown and shown != ["fill"] else []
    return "; ".join([*said[0], *wait, *said[1]])


def _assignment(view: str, kind: str, name: str, value: Any) -> str:
    if name == "feature" and kind in OPENS:
        return f"{view}.open_feature({value!r})" if value else f"{view}.back()"
    if name == "marks":
        value = {key: made for key, made in value.items() if made}
    elif name == "chosen":
        name, value = "selection", [feature for feature in value if feature]
    elif name == "filters":
        value = {statistic: (low, high) for statistic, low, high in value}
    elif isinstance(value, tuple):
        value = list(value)  # edits print as the calls that make them
    return f"{view}.{name} = {value!r}"


def words(kind: str, before: Values, after: Values, changed: Mapping[str, Any]) -> str:
    """What changed, for people."""
    return ", ".join(_words(kind, name, before.get(name), after[name]) for name in changed)


def _words(kind: str, name: str, old: Any, new: Any) -> str:
    if name in ("features", "chosen"):
        more, fewer = ([one for one in a if one and one not in b] for a, b in ((new, old), (old, new)))
        said = [f"choose {one}" for one in more] + [f"remove {one}" for one in fewer]
        return ", ".join(said) or "order the features"
    if name == "edits":
        return _edits(old, new)
    if name == "fill":
        return f"look at {new}"
    if name in ("selection", "position") and isinstance(new, int):
        return f"select token {new}" if new >= 0 else "select the last token"
    if name == "feature":
        return f"open {new}" if new else "close the feature"
    if name == "marks":
        return _marks(old, new)
    if name == "pinned":
        return _marks({"pinned": old, "groups": []}, {"pinned": new, "groups": []})
    if name in ("prompt", "text", "clean", "corrupt"):
        return "edit the text" if name in ("prompt", "text") else f"edit the {name} text"
    if name == "seed" and kind == "steering":
        return f"write again with seed {new}"
    return f"set {name.replace('_', ' ')} to {new!r}"


def _edits(old: Any, new: Any) -> str:
    said = [f"{edit.words} {edit.target}" for edit in new if edit not in old]
    if said:
        return ", ".join(said)
    gone = [f"undo {edit.words} {edit.target}" for edit in old if edit not in new]
    return ", ".join(gone) if new or len(gone) < 2 else "undo all edits"


def _marks(old: Any, new: Any) -> str:
    more, fewer = ([n for n in a["pinned"] if n not in b["pinned"]] for a, b in ((new, old), (old, new)))
    said = [f"pin {node}" for node in more] + [f"unpin {node}" for node in fewer]
    said += [f"group as {one['label']}" for one in new["groups"] if one not in old["groups"]]
    return ", ".join(said) or "arrange the graph"
