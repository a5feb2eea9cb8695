"""`Compare`: two heatmaps side by side, with what is different between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets

from saewidgets.errors import SaewidgetsError, WidgetError
from saewidgets.payloads import ComparePayload, encode
from saewidgets.widgets import checks
from saewidgets.widgets.asked import comment
from saewidgets.widgets.base import BaseWidget, Step
from saewidgets.widgets.checks import refuse_unknown
from saewidgets.widgets.compare_sides import OF, CompareRequest, asked_sides, of, open_sides, scopes_of
from saewidgets.widgets.heatmap import TokenHeatmap
from saewidgets.widgets.history import History
from saewidgets.widgets.jobs import GUARD, Token
from saewidgets.widgets.link import set_word
from saewidgets.widgets.output import Code

if TYPE_CHECKING:
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope


class Compare(BaseWidget):
    """Two texts, edits, dictionaries or models side by side: tokens aligned, differences marked, one selection.

    `left` and `right` are two views (`TokenHeatmap`), each with its own text, edits and undo. Below them stands what
    differs at the selected pair of tokens: next tokens (tick A, bar B), KL divergence both ways, features. Where only
    the edits differ, the control stands with it: random features of like density, random directions of the same norm.

    Args:
        source: A scope; two scopes `(a, b)`; or a `ComparePayload` for a view without a model.
        prompt: The text, or two `(a, b)`; needed with a scope.
        features: Chosen feature ids of both sides; `None` for the strongest at the last token.
        site: Key of the dictionary that is compared, or two.
        edits: What is done, or two lists.
        error_term: `"kept"` or `"dropped"`, or two.
        selection: Selected token of the left side; `None` for the last.
        seed: Of the control.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the first picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: A side cannot be shown; the message says why.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> with sw.Compare(sw.demo(), ("Mira saw a red boat.", "Mira saw a blue boat.")) as view:
        ...     view.payload.name_a, len(view.payload.left_token)
        ('first text', 7)
    """

    _view = traitlets.Unicode("compare", read_only=True).tag(sync=True)
    # Models of the two heatmaps.
    _left = traitlets.Unicode("").tag(sync=True)
    _right = traitlets.Unicode("").tag(sync=True)

    _messages: ClassVar[dict[str, str]] = {
        "cancel": "_on_cancel", "save": "_on_save", "payload": "_on_payload", "bundle": "_on_bundle",
    }  # fmt: skip

    def __init__(
        self,
        source: Scope | tuple[Scope, Scope] | ComparePayload,
        prompt: str | tuple[str, str] | None = None,
        *,
        features: Sequence[str] | None = None,
        site: str | tuple[str, str] | None = None,
        edits: Sequence[Edit] | tuple[Sequence[Edit], Sequence[Edit]] = (),
        error_term: str | tuple[str, str] = "kept",
        selection: int | None = None,
        seed: int = 0,
        theme: str = "auto",
        height: int = 720,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(Compare, unknown)
        self._scopes: tuple[Scope, Scope] | None = None
        self._pair = 0
        look: dict[str, Any] = {"theme": theme, "bundle": bundle}
        step: Step | None = None
        if isinstance(source, ComparePayload):
            if prompt is not None or features is not None or edits:
                raise WidgetError("A payload has its prompts and edits already.", "Give a scope to choose them.")
            sides = source.sides
            if sides is None:
                raise WidgetError("This payload is without its two heatmaps.", "Save the view with view.save.")
            self.left, self.right = (TokenHeatmap(one, **look) for one in sides)
            payload = replace(source, left=None, right=None)
        else:
            self._scopes, seed = scopes_of(source), checks.whole(0, 2**31)("seed", seed)
            self.left, self.right = self._open(prompt, features, site, edits, error_term, selection, **look)
            request = CompareRequest(of(self.left), of(self.right), -1, seed)
            payload = self._first(request)
            step = Step(request, History((None,)), {})
        self._pair = payload.pair
        refs = {"_left": f"anywidget:{self.left.model_id}", "_right": f"anywidget:{self.right.model_id}"}
        super().__init__(payload, step, theme=theme, height=height, bundle=bundle, traits=refs)
        for view in self._sides().values():
            view.observe(self._on_asked, list(OF))
            view.observe(self._on_selected, "selection")
            view.observe(self._on_filled, "fill")
        if step is not None:
            self._lead()

    def _open(self, *given: Any, **look: Any) -> tuple[TokenHeatmap, TokenHeatmap]:
        assert self._scopes is not None
        return open_sides(self._scopes, *given, **look)

    def _first(self, request: CompareRequest) -> ComparePayload:
        """The comparison that the cell waits for."""
        try:
            *_, payload = self._pictures(request, Token(), None)
        except BaseException:
            for view in self._sides().values():
                view.close()
            raise
        return payload

    # -- for people ----------------------------------------------------------------------------------------------------

    @property
    def pair(self) -> int:
        """Number of the pair of tokens in view."""
        return self._pair

    @property
    def payload(self) -> ComparePayload:
        """The last good picture as data, with the two heatmaps as they are."""
        with GUARD:
            sides: dict[str, Any] = {n: np.frombuffer(encode(v.payload), np.uint8) for n, v in self._sides().items()}
            return replace(self._viewed(self._picture, {}), **sides)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until both sides and the comparison are up to date; `False` when `timeout` seconds were not enough."""
        return self.left.wait(timeout) and self.right.wait(timeout) and super().wait(timeout)

    def _sides(self) -> dict[str, TokenHeatmap]:
        return {"left": self.left, "right": self.right}

    # -- the two sides -------------------------------------------------------------------------------------------------

    def _on_asked(self, change: Any) -> None:
        """A side shows something else: compare again."""
        with GUARD:
            if self.closed or self._wanted is None:
                return
            request = replace(self._wanted.request, left=of(self.left), right=of(self.right))
            if request != self._wanted.request:
                self._want(request, None)

    def _lead(self) -> None:
        """The left side says which token is selected."""
        self._select(self.left, self.left.selection)

    def _on_selected(self, change: Any) -> None:
        with GUARD:
            self._select(change.owner, change.new)

    def _select(self, view: TokenHeatmap, token: int) -> None:
        """Select the token of the other side that stands against this one, where there is one."""
        picture: ComparePayload = self._picture
        own, others = picture.left_token, picture.right_token
        other = self.right
        if view is self.right:
            own, others, other = others, own, self.left
        found = np.flatnonzero(own == token)
        if not len(found):
            return
        self._pair = int(found[0])
        partner = int(others[self._pair])
        if other.selection != partner:
            try:
                other.selection = partner
            except SaewidgetsError:
                return  # its picture is on its way; the comparison that follows it selects again
        shown = picture.predictions
        if self._wanted is not None and shown is not None and self._pair not in shown.positions:
            self._want(replace(self._wanted.request, pair=self._pair), None)

    def _on_filled(self, change: Any) -> None:
        """A feature that both sides have is looked at on both."""
        with GUARD:
            key = str(change.new).rpartition("/")[0]
            other = self.right if change.owner is self.left else self.left
            one = self._picture.match == "same" and key in self._picture.shared
            if one and (other.live or change.new in other.features):
                set_word(other, "feature", change.new)

    # -- what the base asks --------------------------------------------------------------------------------------------

    def _request(self, state: dict[str, Any]) -> CompareRequest:
        raise WidgetError("A comparison is asked for by its two sides.", "Change view.left or view.right.")

    def _pictures(self, request: CompareRequest, token: Token, progress: Any) -> Iterator[ComparePayload]:
        from saewidgets.causes.compare import compare_payload

        assert self._scopes is not None
        one, other = asked_sides(self._scopes, request)
        pair = None if request.pair < 0 else request.pair
        for control in (False, True) if one.edits != other.edits else (False,):
            picture = compare_payload(
                one, other, pair, seed=request.seed, control=control, check=token.check, progress=progress
            )
            yield self._viewed(picture, {})

    def _is_urgent(self, request: CompareRequest) -> bool:
        before: CompareRequest = self._need_model().request
        return (request.left[0], request.right[0]) == (before.left[0], before.right[0])

    def _undoable(self, request: CompareRequest) -> Any:
        return None

    def _restored(self, request: CompareRequest, state: Any) -> CompareRequest:
        return request

    def _viewed(self, payload: ComparePayload, view: dict[str, Any]) -> ComparePayload:
        fits = self._ready and payload.pair != self._pair < len(payload.left_token)
        return replace(payload, pair=self._pair) if fits else payload

    def _traits_of(self, payload: ComparePayload, request: Any) -> dict[str, Any]:
        return {}

    def _front_value(self, name: str, value: Any) -> Any:
        raise WidgetError(f"{name} cannot be set.", "Change view.left or view.right.")

    def _show(self, step: Step, payload: ComparePayload) -> None:
        super()._show(step, payload)
        self._pair = payload.pair
        self._lead()

    def _release(self) -> None:
        for view in self._sides().values():
            view.close()
        self._scopes, self._shown, self._wanted = None, None, None

    def code(self) -> Code:
        """Python that makes this view again: version, scope, prompts, edits, dictionaries, seed.

        Returns:
            The text; at the end of a cell it prints as it is.
        """
        context = self._picture.context
        return Code(
            f"import saewidgets as sw  # {context.version}\n"
            f"# scope: {comment(context.model)}, {comment(context.dictionaries)}; seed {context.seed}\n{context.code}"
        )

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        shown = self._picture
        return f"Compare({shown.name_a!r}, {shown.name_b!r}, {len(shown.left_token)} pairs of tokens)"
