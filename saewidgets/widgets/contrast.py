"""`Contrast`: two sets of prompts, the features that tell them apart, and what can be made of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from saewidgets.errors import WidgetError
from saewidgets.payloads import ContrastPayload
from saewidgets.widgets import checks
from saewidgets.widgets.asked import code_of
from saewidgets.widgets.base import BaseWidget, Step
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.contrast_request import CHECKS, Asked, ContrastRequest
from saewidgets.widgets.contrast_source import ContrastSource
from saewidgets.widgets.history import History
from saewidgets.widgets.jobs import Token
from saewidgets.widgets.output import Code

if TYPE_CHECKING:
    from saewidgets.scope import Scope

_WANTS = tuple(CHECKS)
_UNDONE = ("chosen", "tool", "kind", "example", "corrected")


class Contrast(BaseWidget):
    """Two sets of prompts and the features that tell them apart, with their controls and confounds.

    A selection of features becomes an edit, a probe or a concept bottleneck. `positive`, `negative`, `chosen`, `tool`,
    `kind`, `example`, `corrected` and `feature` can be set from Python too.

    Args:
        source: A scope, or a `ContrastPayload` for a view without a model.
        positive: Prompts of one set, two or more.
        negative: Prompts of the other.
        dictionary: Whose features; the scope's default one if None.
        pool: Over the tokens of a prompt: `"max"`, `"mean"` or the `"last"` one.
        chosen: Selected features.
        tool: What is made of them, of the best three if there are none: `""`, `"edit"`, `"probe"`, `"bottleneck"`.
        kind: What the edit does: `"clamp"` to the mean of the positive prompts, or `"ablate"`.
        example: In a bottleneck, the prompt whose concepts are set; the negative ones follow the positive ones.
        corrected: Concept -> the score from 0 to 1 that it is set to.
        concepts: Name -> whether each prompt has it, the positive ones first; by default one concept, the set.
        listed: How many features are in view.
        controls: Random dictionaries; of a correction, draws of each control.
        seed: Of the draws.
        randoms: From `causes.random_like`, fitted to more text.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: Too few prompts, no such feature, prompts too few for a probe; the message says what to do.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> cats = [f"{name} saw a black cat." for name in ("Mira", "Tom", "Ida", "Leo")]
        >>> boats = [f"{name} saw a red boat." for name in ("Mira", "Tom", "Ida", "Leo")]
        >>> with sw.Contrast(sw.demo(), cats, boats, dictionary="resid_post.0@small", tool="edit", controls=1) as view:
        ...     len(view.payload.features) > 20, [edit.kind for edit in view.edits]
        (True, ['clamp', 'clamp', 'clamp'])
    """

    _view = traitlets.Unicode("contrast", read_only=True).tag(sync=True)
    positive = Checked(("",), CHECKS["positive"])
    negative = Checked(("",), CHECKS["negative"])
    chosen = Checked((), CHECKS["chosen"])
    tool = Checked("", CHECKS["tool"])
    kind = Checked("clamp", CHECKS["kind"])
    example = Checked(-1, CHECKS["example"])
    corrected = Checked((), CHECKS["corrected"])
    feature = Checked("", checks.word).tag(sync=True)
    # For linked views; ours to set.
    edits = Checked((), checks.edit_list)

    _front_traits: ClassVar[tuple[str, ...]] = ("feature",)
    _messages: ClassVar[dict[str, str]] = {
        "run": "_on_run", "undo": "_on_undo", "redo": "_on_redo", "cancel": "_on_cancel", "save": "_on_save",
        "payload": "_on_payload", "bundle": "_on_bundle",
    }  # fmt: skip

    def __init__(
        self, source: Scope | ContrastPayload, positive: Sequence[str] | None = None,
        negative: Sequence[str] | None = None, *, dictionary: str | None = None, pool: str = "max",
        chosen: Sequence[str] = (), tool: str = "", kind: str = "clamp", example: int = -1,
        corrected: Mapping[str, float] | None = None, concepts: Mapping[str, Sequence[bool]] | None = None,
        listed: int = 40, controls: int = 8, seed: int = 0, randoms: Any = None, theme: str = "auto",
        height: int = 560, bundle: str = "auto", **unknown: object,
    ) -> None:  # fmt: skip
        refuse_unknown(Contrast, unknown)
        self._source: ContrastSource | None = None
        look: dict[str, Any] = {"theme": theme, "height": height, "bundle": bundle}
        if isinstance(source, ContrastPayload):
            if positive is not None or negative is not None:
                raise WidgetError("A payload has its prompts already.", "Give a scope to choose them.")
            super().__init__(source, None, traits=self._traits_of(source, None), **look)
            return
        if not hasattr(source, "dictionaries") or not hasattr(source, "run"):
            raise WidgetError(f"A contrast of a {type(source).__name__}.", "Give a scope or a ContrastPayload.")
        if positive is None or negative is None:
            what = "A contrast needs positive and negative prompts."
            raise WidgetError(what, "Write sw.Contrast(scope, ['A happy text', …], ['A sad text', …]).")
        n = checks.whole(1, 200)("listed", listed), checks.whole(1, 1000)("controls", controls)
        asked = Asked(dictionary, pool, dict(concepts) if concepts else None, *n, seed, randoms)
        self._source = ContrastSource(source, asked)
        given = {"positive": positive, "negative": negative, "chosen": chosen, "tool": tool, "kind": kind,
                 "example": example, "corrected": corrected or {}}  # fmt: skip
        request = ContrastRequest(**{name: CHECKS[name](name, value) for name, value in given.items()})
        *_, payload = self._pictures(request, Token(), None)
        step = Step(request, History((self._undoable(request),)), {})
        super().__init__(payload, step, traits=self._traits_of(payload, request), **look)

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request(self, state: dict[str, Any]) -> ContrastRequest:
        """The newest wanted request with what `state` changes, checked."""
        before: ContrastRequest = self._need_model().request
        changed = {name: CHECKS[name](name, state[name]) for name in CHECKS if state.get(name) is not None}
        if changed.get("example", before.example) != before.example and "corrected" not in changed:
            changed["corrected"] = ()  # what was set belongs to the other prompt
        return replace(before, **changed)

    @traitlets.observe(*_WANTS)  # type: ignore[untyped-decorator]
    def _on_set(self, change: Any) -> None:
        self._want_set(change)

    def _pictures(self, request: ContrastRequest, token: Token, progress: Any) -> Iterator[ContrastPayload]:
        assert self._source is not None
        for payload in self._source.pictures(request, token):
            yield self._viewed(payload, self._view_now() if self._ready else {})

    def _is_urgent(self, request: ContrastRequest) -> bool:
        before = self._need_model().request
        return bool((request.positive, request.negative) == (before.positive, before.negative))

    def _undoable(self, request: ContrastRequest) -> Any:
        return tuple(getattr(request, name) for name in _UNDONE)

    def _restored(self, request: ContrastRequest, state: Any) -> ContrastRequest:
        return replace(request, **dict(zip(_UNDONE, state, strict=True)))

    def _is_drag(self, before: Any, after: Any) -> bool:
        return bool(before[:-1] == after[:-1] and [n for n, _ in before[-1]] == [n for n, _ in after[-1]])

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _viewed(self, payload: ContrastPayload, view: dict[str, Any]) -> ContrastPayload:
        feature = view.get("feature", payload.feature)
        return payload if feature == payload.feature else replace(payload, feature=feature)

    def _traits_of(self, payload: ContrastPayload, request: ContrastRequest | None) -> dict[str, Any]:
        if request is None:
            # The front end reads the rest from the payload.
            return {"feature": payload.feature if len(payload.feature) <= 200 else ""}
        found = {name: getattr(request, name) for name in _WANTS}
        # Linked views keep their edits until another one is made here.
        assert self._source is not None
        return {**found, "edits": self._source.edits(request)} if request.tool == "edit" else found

    def _front_value(self, name: str, value: Any) -> Any:
        return checks.word(name, value)

    def _release(self) -> None:
        self._source = self._shown = self._wanted = None

    def code(self) -> Code:
        """Python that makes this view again, with seed and versions."""
        return Code(code_of(self.payload.context, None if self._source is None else self._source.asked.randoms))

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        shown = self._picture
        return f"Contrast({len(shown.positive)} against {len(shown.negative)} prompts, {shown.verdict[:120]!r})"
