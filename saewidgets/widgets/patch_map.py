"""`PatchMap`: a clean and a corrupted prompt, and which cell of the clean run brings the answer back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from saewidgets.errors import WidgetError
from saewidgets.payloads import PatchMapPayload
from saewidgets.widgets import checks
from saewidgets.widgets import patch_request as requests
from saewidgets.widgets.asked import code_of, comment
from saewidgets.widgets.base import BaseWidget, Step
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.history import History
from saewidgets.widgets.jobs import Token
from saewidgets.widgets.output import Code
from saewidgets.widgets.patch_request import CHECKS, Asked, PatchRequest
from saewidgets.widgets.patch_source import PatchSource

if TYPE_CHECKING:
    from saewidgets.causes import Template
    from saewidgets.scope import Scope

# Seconds a new map may keep its cell waiting; one that takes longer goes on behind its first picture.
PATIENCE = 30.0
_WANTS = tuple(CHECKS)
_UNDONE = ("show", "corruption", "propagation", "error_term", "cell", "path")


class PatchMap(BaseWidget):
    """Where a clean run, put into a corrupted one cell by cell, restores the answer.

    `clean`, `corrupt`, `show`, `corruption`, `propagation`, `error_term`, `cell` and `path` can be set from Python too.

    Args:
        source: A scope, or a `PatchMapPayload` for a view without a model.
        clean: The prompt with the answer; a list of prompts of one length, of which the first is in view; or a
            `causes.Template`, which has both prompts, the target and the regions.
        corrupt: The same with something changed, of as many tokens.
        target: As in `causes.patch_map`; by default the likeliest token of the clean prompt minus that of the other.
        position: After which token it is predicted.
        show: `"streams"` (residual stream, attention, MLP), `"heads"` or `"features"`.
        corruption: `"swap"`: the corrupted prompt; `"noise"`: the clean one with noise on the embeddings of the tokens
            in which the two differ.
        propagation: `"free"`, `"frozen_attention"` or `"direct"`, as in `causes.patch_map`.
        error_term: `"kept"` or `"dropped"`, while features are patched.
        cell: The chosen cell, `"attn_out.2:14"`; `None` for the strongest one of attention, `""` for none.
        path: Two cells, or a cell and `"logits"`: what the first sends the second.
        dictionary: Whose features.
        top: How many cells of features.
        controls: Draws of each control.
        seed: Of the draws.
        regions: Name -> token positions, over which the effect is added up.
        randoms: From `causes.random_like`, for features.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: The prompts have not equally many tokens, or nothing differs; the message says what to do.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> clean, corrupt = "Today is Monday. Tomorrow will be", "Today is Friday. Tomorrow will be"
        >>> with sw.PatchMap(sw.demo(), clean, corrupt, controls=1) as view:
        ...     view.payload.target, view.payload.details[0].node.split(".")[0]
        ('Tuesday − Saturday', 'attn_out')
    """

    _view = traitlets.Unicode("patch_map", read_only=True).tag(sync=True)
    clean = Checked(("",), CHECKS["clean"]).tag(sync=True, to_json=lambda value, _: value[0])
    corrupt = Checked(("",), CHECKS["corrupt"]).tag(sync=True, to_json=lambda value, _: value[0])
    show = Checked("streams", CHECKS["show"]).tag(sync=True)
    corruption = Checked("swap", CHECKS["corruption"]).tag(sync=True)
    propagation = Checked("free", CHECKS["propagation"]).tag(sync=True)
    error_term = Checked("kept", CHECKS["error_term"]).tag(sync=True)
    cell = Checked("", CHECKS["cell"]).tag(sync=True)
    path = Checked((), CHECKS["path"]).tag(sync=True, to_json=lambda value, _: list(value))

    _messages: ClassVar[dict[str, str]] = {
        "run": "_on_run", "undo": "_on_undo", "redo": "_on_redo", "cancel": "_on_cancel", "save": "_on_save",
        "payload": "_on_payload", "bundle": "_on_bundle",
    }  # fmt: skip

    def __init__(
        self, source: Scope | PatchMapPayload, clean: str | Sequence[str] | Template | None = None,
        corrupt: str | Sequence[str] | None = None, *, target: Any = None, position: int = -1, show: str = "streams",
        corruption: str = "swap", propagation: str = "free", error_term: str = "kept", cell: str | None = None,
        path: Sequence[str] = (), dictionary: str | None = None, top: int = 20, controls: int = 8, seed: int = 0,
        regions: Mapping[str, Sequence[int]] | None = None, randoms: Any = None, theme: str = "auto",
        height: int = 560, bundle: str = "auto", **unknown: object,
    ) -> None:  # fmt: skip
        refuse_unknown(PatchMap, unknown)
        self._source: PatchSource | None = None
        step, late = None, None
        if isinstance(source, PatchMapPayload):
            if clean is not None or corrupt is not None:
                raise WidgetError("A payload has its prompts already.", "Give a scope to choose them.")
            payload = source
        else:
            if not hasattr(source, "dictionaries") or not hasattr(source, "run"):
                raise WidgetError(f"A patch map of a {type(source).__name__}.", "Give a scope or a PatchMapPayload.")
            template: Any = clean if hasattr(clean, "regions") else None
            if template is not None:
                target, regions, corrupt = template.target, regions or template.regions, corrupt or template.corrupt
                clean = template.clean
            if clean is None or corrupt is None:
                what = "A patch map needs a clean and a corrupted prompt."
                raise WidgetError(what, "Write sw.PatchMap(scope, 'Today is Monday. …', 'Today is Friday. …').")
            asked = Asked(target, position, dictionary, top, controls, seed, dict(regions or {}), randoms)
            self._source = PatchSource(source, asked)
            given = {"clean": clean, "corrupt": corrupt, "show": show, "corruption": corruption,
                     "propagation": propagation, "error_term": error_term, "path": path}  # fmt: skip
            checked = {name: CHECKS[name](name, value) for name, value in given.items()}
            request = PatchRequest(**checked, cell=None if cell is None else CHECKS["cell"]("cell", cell))
            payload = self._first(request)
            late = request if not payload.verdict else None
            step = Step(request, History((self._undoable(request),)), {})
        traits = self._traits_of(payload, step.request if step else None)
        super().__init__(payload, step, theme=theme, height=height, bundle=bundle, traits=traits)
        if late is not None:
            self._want(late, None)

    def _first(self, request: PatchRequest) -> PatchMapPayload:
        """The whole picture, or the first one if the whole would keep the cell waiting."""
        began, payload = time.monotonic(), None
        for payload in self._pictures(request, Token(), None):
            spent = time.monotonic() - began
            # The controls of what is in the first picture take as many times as long.
            coming = 1 if payload.blocks[0].band is not None else 2 * payload.controls
            if not payload.verdict and spent * coming > PATIENCE:
                break
        assert payload is not None
        return payload

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request(self, state: dict[str, Any]) -> PatchRequest:
        """The newest wanted request with what `state` changes, checked."""
        before: PatchRequest = self._need_model().request
        changed = {name: CHECKS[name](name, state[name]) for name in CHECKS if state.get(name) is not None}
        for name in ("clean", "corrupt"):  # the front end edits the first of several pairs
            if name in changed and len(changed[name]) == 1 < len(getattr(before, name)):
                changed[name] = (*changed[name], *getattr(before, name)[1:])
        request = replace(before, **changed)
        same = all(getattr(request, name) == getattr(before, name) for name in ("clean", "corrupt", "show"))
        if not same and "cell" not in changed:
            request = replace(request, cell=None, path=())
        elif same and request.cell != before.cell and request.cell and self._picture.where(request.cell) is None:
            raise WidgetError(f"The map has no cell {checks.brief(request.cell)}.", "Choose one of its cells.")
        return request

    @traitlets.observe(*_WANTS)  # type: ignore[untyped-decorator]
    def _on_set(self, change: Any) -> None:
        self._want_set(change)

    def _pictures(self, request: PatchRequest, token: Token, progress: Any) -> Iterator[PatchMapPayload]:
        assert self._source is not None
        return self._source.pictures(request, token, progress)

    def _is_urgent(self, request: PatchRequest) -> bool:
        before = self._need_model().request
        return bool(request.clean == before.clean and request.corrupt == before.corrupt)

    def _undoable(self, request: PatchRequest) -> Any:
        return tuple(getattr(request, name) for name in _UNDONE)

    def _restored(self, request: PatchRequest, state: Any) -> PatchRequest:
        return replace(request, **dict(zip(_UNDONE, state, strict=True)))

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _viewed(self, payload: PatchMapPayload, view: dict[str, Any]) -> PatchMapPayload:
        del view  # the chosen cell is asked for, for it is patched
        return payload

    def _traits_of(self, payload: PatchMapPayload, request: PatchRequest | None) -> dict[str, Any]:
        if request is None:
            path = payload.paths[-1] if payload.paths else None
            ends = () if path is None else (f"{path.sender}:{path.sender_position}", _end(path))
            context = payload.context
            modes = {"propagation": context.propagation, "error_term": context.error}
            known = {n: v if v in _allowed(n) else _allowed(n)[0] for n, v in modes.items()}
            path_ = ends if all(len(end) <= 300 for end in ends) else ()
            return {"clean": (payload.clean,), "corrupt": (payload.corrupt,), "show": payload.show,
                    "corruption": payload.corruption, "cell": "", "path": path_, **known}  # fmt: skip
        return {**{name: getattr(request, name) for name in _WANTS}, "cell": payload.cell}

    def _release(self) -> None:
        self._source = self._shown = self._wanted = None

    def code(self) -> Code:
        """Python that makes this view again, with seed and versions."""
        return Code(code_of(self.payload.context, None if self._source is None else self._source.asked.randoms))

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        shown = self._picture
        return f"PatchMap({comment(shown.target)[:60]!r}, {len(shown.tokens)} tokens, {shown.verdict[:120]!r})"


def _end(path: Any) -> str:
    return requests.LOGITS if path.receiver_position < 0 else f"{path.receiver}:{path.receiver_position}"


def _allowed(name: str) -> tuple[str, ...]:
    return requests.PROPAGATIONS if name == "propagation" else ("kept", "dropped")
