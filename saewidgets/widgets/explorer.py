"""`Explorer`: strip, features, circuit, predictions, a feature's dashboard and texts as one instrument."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from saewidgets.errors import WidgetError
from saewidgets.payloads import ExplorerPayload
from saewidgets.payloads.explorer import WIDTHS
from saewidgets.sites import FeatureId
from saewidgets.widgets import asked
from saewidgets.widgets.asked import comment
from saewidgets.widgets.base import BaseWidget
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.circuit_request import node_ids
from saewidgets.widgets.explorer_diary import ExplorerDiary
from saewidgets.widgets.explorer_output import Leaving
from saewidgets.widgets.explorer_request import VIEW, Shared, edit_call
from saewidgets.widgets.explorer_shared import SHARED, Sharing
from saewidgets.widgets.explorer_verbs import Acting
from saewidgets.widgets.heatmap import TokenHeatmap
from saewidgets.widgets.history import History
from saewidgets.widgets.link import Link, link
from saewidgets.widgets.output import Code

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope


class Explorer(Acting, Leaving, Sharing, BaseWidget):
    """One prompt in linked panels: strip, features, circuit, predictions, a feature's dashboard, texts, a diary.

    One token, one set of edits, one letter a feature and one history hold in all panels. The strip is there at once;
    circuit and texts follow in the background, and an error in one panel is that panel's. The panels are widgets of
    their own: `heatmap`, `circuit`, `text`, `dashboard`. `prompt`, `features`, `edits` and `selection` can be set.

    Args:
        source: A scope, or an `ExplorerPayload` for a view without a model.
        prompt: The text; needed with a scope.
        atlas: Where features find their examples.
        features: Feature ids by letter; `None` for the three strongest at the last token.
        site: Key of the dictionary in view.
        edits: What is done to features: `sw.ablate(...)`, `sw.scale(...)`.
        pinned: Ids of nodes of the circuit.
        selection: Selected token position; `None` for the last.
        feature: The focused feature; `None` for the first lettered one.
        opened: Whether its whole dashboard is in view.
        preset: `"researcher"`; `"lecture"`: large type, one panel at a time; `"compare"`: beside another text, or the
            same one without edits (`ex.comparison.left`).
        side: What the strip shows of an edit: `"before"`, `"after"`, `"both"`.
        widths: Shares of the width: features, predictions, focused feature.
        seed: Of the texts and the controls.
        temperature: Of the texts.
        max_new_tokens: Of a text.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the first picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: The strip cannot be made; the message says why.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> with sw.Explorer(sw.demo(), "Mira saw a red boat.", max_new_tokens=4) as ex:
        ...     ex.select(token=3)
        ...     ex.add("resid_post.2/17")
        ...     ex.edit(sw.ablate("resid_post.2/17"))
        ...     ex.wait(120), ex.diary[0], ex.undo_depth
        (True, 'ex.select(token=3)', 2)
    """

    _view = traitlets.Unicode("explorer", read_only=True).tag(sync=True)
    prompt = Checked("", asked.CHECKS["prompt"])
    features = Checked((), asked.CHECKS["features"])
    edits = Checked((), asked.CHECKS["edits"])
    selection = Checked(0, asked.CHECKS["selection"])
    feature = Checked("", VIEW["feature"]).tag(sync=True)
    opened = Checked(False, VIEW["opened"]).tag(sync=True)
    preset = Checked("researcher", VIEW["preset"]).tag(sync=True)
    side = Checked("after", VIEW["side"]).tag(sync=True)
    widths = Checked(list(WIDTHS), VIEW["widths"]).tag(sync=True)
    # Name of a panel -> the model of its widget.
    _panels = traitlets.Dict({}).tag(sync=True)

    _front_traits: ClassVar[tuple[str, ...]] = tuple(VIEW)
    _messages: ClassVar[dict[str, str]] = {
        "begin": "_on_begin", "undo": "_on_undo", "redo": "_on_redo", "cancel": "_on_cancel", "save": "_on_save",
        "back": "_on_back", "payload": "_on_payload", "bundle": "_on_bundle",
    }  # fmt: skip

    def __init__(
        self,
        source: Scope | ExplorerPayload,
        prompt: str | None = None,
        *,
        atlas: Atlas | None = None,
        features: Sequence[str] | None = None,
        site: str | None = None,
        edits: Sequence[Edit] = (),
        pinned: Sequence[str] = (),
        selection: int | None = None,
        feature: str | FeatureId | None = None,
        opened: bool | None = None,
        preset: str | None = None,
        side: str | None = None,
        widths: Sequence[float] | None = None,
        seed: int = 0,
        temperature: float = 1.0,
        max_new_tokens: int = 24,
        theme: str = "auto",
        height: int = 900,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(Explorer, unknown)
        self._links: list[Link] = []
        self._notes: dict[str, str] = {}
        self._scope: Scope | None = None
        self._atlas: Atlas | None = None
        self._stepping = self._following = self._begun = False
        given = {"feature": feature and str(feature), "opened": opened, "preset": preset, "side": side,
                 "widths": widths and list(widths)}  # fmt: skip
        view: dict[str, Any] = {name: VIEW[name](name, value) for name, value in given.items() if value is not None}
        look: dict[str, Any] = {"theme": theme, "height": height, "bundle": bundle}
        if isinstance(source, ExplorerPayload):
            if prompt is not None or features is not None or edits:
                raise WidgetError("A payload has its prompt and features already.", "Give a scope to choose them.")
            payload = self._viewed(source, view)
            self.diary = ExplorerDiary(lines=payload.diary)
            super().__init__(payload, None, traits=_traits(payload), **look)
            return
        self._scope, self._atlas = source, atlas
        self._texts = {"seed": seed, "temperature": temperature, "max_new_tokens": max_new_tokens}
        self._pinned = node_ids("pinned", list(pinned))
        self.heatmap = TokenHeatmap(source, prompt, features, site=site, edits=edits, selection=selection, theme=theme,
                                    bundle=bundle)  # fmt: skip
        shown = self.heatmap
        focus = view.setdefault("feature", next(filter(None, shown.features), ""))
        shared = Shared(shown.prompt, shown.features, shown.edits, self._pinned)
        self.history = History((shared,))
        self._recorded_at, self._drag = float("-inf"), ""
        context = shown.payload.context
        payload = self._viewed(ExplorerPayload(shown.prompt, (), replace(context, code=self._call(shared))), view)
        own = {name: getattr(shown, name) for name in (*SHARED, "selection")}
        super().__init__(payload, None, traits={"live": True, **own, **_traits(payload)}, **look)
        self.diary = ExplorerDiary(self)
        if focus in shown.features:
            shown.set_trait("fill", focus)
        shown._leader = self
        self._panels = {"heatmap": f"anywidget:{shown.model_id}"}
        self._links.append(link(self, shown, share=[*SHARED, "token"]))
        self._make()
        self._follow()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until all panels are up to date; `False` when `timeout` seconds were not enough."""
        self._begin()
        end = None if timeout is None else time.monotonic() + timeout
        for _ in range(3):  # what one panel finds moves the others
            for panel in (super(), *self._all()):
                if not panel.wait(None if end is None else max(0.0, end - time.monotonic())):
                    return False
        return True

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        self._begin()

    def _viewed(self, payload: ExplorerPayload, view: dict[str, Any]) -> ExplorerPayload:
        fields: dict[str, Any] = {name: tuple(v) if name == "widths" else v for name, v in view.items()}
        return replace(payload, **fields)

    def _traits_of(self, payload: ExplorerPayload, request: Any) -> dict[str, Any]:
        return _traits(payload)

    def _front_value(self, name: str, value: Any) -> Any:
        value = VIEW[name](name, value)
        return self._known(value) if name == "feature" and value and self._scope is not None else value

    def _release(self) -> None:
        for one in self._links:
            one.unlink()
        for panel in self._all():
            panel._leader = None
            panel.close()
        self._links, self._scope, self._atlas = [], None, None

    def code(self) -> Code:
        """Python that makes this view again: version, scope, prompt, features, edits, pins, selection.

        Returns:
            The text; at the end of a cell it prints as it is.
        """
        context = self._picture.context
        if self._scope is None:
            return Code(context.code)
        head = f"import saewidgets as sw  # {context.version}\n"
        where = f"# scope: {comment(context.model)}, {comment(context.dictionaries)}; seed {self._texts['seed']}\n"
        return Code(f"{head}{where}ex = {self._call(self._state())}{self._beside()}")

    def _beside(self) -> str:
        """Lines that make side A of the comparison in view what it is."""
        view = self.comparison
        if view is None or not view.in_view or not view.is_own:
            return ""
        from saewidgets.interventions import to_code

        lines = [f"ex.comparison.left.prompt = {view.left.prompt!r}"]
        lines += [f"ex.comparison.left.edits = {to_code(view.left.edits)}"] if view.left.edits else []
        return "".join(f"\n{line}" for line in lines)

    def _call(self, state: Shared) -> str:
        parts = ["scope", repr(state.prompt)]
        parts += ["atlas=atlas"] if self._atlas is not None else []
        parts.append(f"features={[name for name in state.features if name]!r}")
        if state.edits:
            parts.append(f"edits=[{edit_call(state.edits).removeprefix('ex.edit(').removesuffix(')')}]")
        parts += [f"pinned={list(state.pinned)!r}"] if state.pinned else []
        parts.append(f"site={self.heatmap.site!r}")
        parts.append(f"selection={self.heatmap.selection}")
        for name, default in (("feature", ""), ("opened", False), ("preset", "researcher"), ("side", "after")):
            value = getattr(self, name)
            parts += [f"{name}={value!r}"] if value != default else []
        defaults = {"seed": 0, "temperature": 1.0, "max_new_tokens": 24}
        parts += [f"{name}={value!r}" for name, value in self._texts.items() if value != defaults[name]]
        return f"sw.Explorer({', '.join(parts)})"

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        text = self._picture.prompt
        shown = text if len(text) <= 40 else text[:39] + "…"
        return f"Explorer({shown!r})"


def _traits(payload: ExplorerPayload) -> dict[str, Any]:
    values = {name: getattr(payload, name) for name in VIEW}
    return {**values, "widths": list(payload.widths)}
