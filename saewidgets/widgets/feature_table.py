"""`FeatureTable`: all features of a dictionary, sorted, filtered and searched; a click opens one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from saewidgets.errors import FeatureError, WidgetError, shorten
from saewidgets.payloads import FeatureTablePayload, encode
from saewidgets.payloads.feature_table import MAX_ROWS
from saewidgets.sites import FeatureId
from saewidgets.widgets import checks, feature_parts
from saewidgets.widgets import table_picture as pictures
from saewidgets.widgets import table_request as requests
from saewidgets.widgets.base import BaseWidget, Step
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.history import History
from saewidgets.widgets.jobs import GUARD, Token
from saewidgets.widgets.table_given import source_of
from saewidgets.widgets.table_opening import Opening
from saewidgets.widgets.table_request import TableRequest
from saewidgets.widgets.table_source import Found, TableSource

if TYPE_CHECKING:
    import pandas as pd

    from saewidgets.atlas.atlas import Atlas
    from saewidgets.scope import Scope

_ASKED = tuple(requests.CHECKS)
# Orders that rows may still be asked of: the one in view, and one that is on its way.
_KEPT = 3


class FeatureTable(Opening, BaseWidget):
    """Every feature of a dictionary: search, sort and filter by any statistic, choose, and open one.

    `site`, `query`, `here`, `there`, `filters`, `sort` and `descending` can be set from Python too: the table follows
    in the background (`wait()` waits for it). It needs an atlas; a scope adds what its model can say.

    Args:
        source: An atlas; a scope, with `atlas`; or a `FeatureTablePayload`.
        site: Key of the dictionary; the first of the atlas by default.
        atlas: With a scope, the atlas of its features.
        query: Words of labels, examples, promoted tokens and tokens it fires on; or a feature's number.
        here: A text: only features that fire in it. Without a model, those with an example inside it.
        there: A text: only features that do not fire in it.
        filters: `{statistic: (low, high)}`, `None` for no bound.
        sort: A statistic; "" for the best answer to `query` or `here`, else density.
        descending: The greatest first.
        columns: Statistics that have a column.
        selection: Ids of chosen features.
        feature: Id of the feature that is open.
        labels: Feature id -> a text or a `saewidgets.explain.Label`; those of the scope where there is one.
        scores: What `saewidgets.explain.scores` returned, a table indexed by feature, or several: more statistics.
            `input` and `output` make the scatter.
        promoted: What `saewidgets.explain.vocabulary_projection` returned.
        on_select: Called with the chosen ids whenever they change.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: No such dictionary, feature or statistic; a damaged atlas.
        TypeError: Unknown argument.

    Example:
        >>> import tempfile, saewidgets as sw
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     texts = ["Mira gave the red lantern to Tom."] * 8
        ...     atlas = sw.demo().sweep(texts, ["resid_post.2"], folder, length=16, progress=False)
        ...     with sw.FeatureTable(atlas, query="lantern", filters={"n_active": (8, None)}) as view:
        ...         frame = view.to_frame()
        >>> bool(len(frame)), bool((frame["n_active"] >= 8).all())
        (True, True)
    """

    _view = traitlets.Unicode("feature_table", read_only=True).tag(sync=True)
    site = Checked("", requests.CHECKS["site"])
    query = Checked("", requests.CHECKS["query"])
    here = Checked("", requests.CHECKS["here"])
    there = Checked("", requests.CHECKS["there"])
    filters = Checked((), requests.CHECKS["filters"])
    sort = Checked("", requests.CHECKS["sort"])
    descending = Checked(True, requests.CHECKS["descending"])
    # In the order of their letters, "" for a freed one; `selection` is without those.
    chosen = Checked((), requests.chosen).tag(sync=True)
    # The first row in view, so that a figure shows what is seen.
    top = Checked(0, checks.whole(0, 2**40)).tag(sync=True)

    _front_traits: ClassVar[tuple[str, ...]] = ("chosen", "top")
    _messages: ClassVar[dict[str, str]] = {
        "run": "_on_run", "undo": "_on_undo", "redo": "_on_redo", "rows": "_on_rows", "open": "_on_open",
        "cancel": "_on_cancel", "save": "_on_save", "payload": "_on_payload", "bundle": "_on_bundle",
    }  # fmt: skip

    def __init__(
        self,
        source: Atlas | Scope | FeatureTablePayload,
        site: str | None = None,
        *,
        atlas: Atlas | None = None,
        query: str = "",
        here: str = "",
        there: str = "",
        filters: Mapping[str, tuple[float | None, float | None]] | None = None,
        sort: str = "",
        descending: bool = True,
        columns: Sequence[str] = (),
        selection: Sequence[str | FeatureId] = (),
        feature: str | FeatureId | None = None,
        labels: Any = None,
        scores: Any = None,
        promoted: Any = None,
        on_select: Callable[[tuple[str, ...]], object] | None = None,
        theme: str = "auto",
        height: int = 720,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(FeatureTable, unknown)
        self._scope, self._atlas = None, atlas
        self._labels, _ = feature_parts.labels_of(labels)
        self._given, self._columns, self._on_select = (scores, promoted), tuple(map(str, columns)), on_select
        self._sources: dict[str, TableSource] = {}
        self._orders: dict[int, tuple[TableSource, Found]] = {}
        self._numbers = count(1)
        step: Step | None = None
        if isinstance(source, FeatureTablePayload):
            payload = source
        else:
            self._take(source)
            asked = {"site": site or self._need_atlas().sites[0], "query": query, "here": here, "there": there,
                     "filters": filters, "sort": sort, "descending": descending}  # fmt: skip
            request = TableRequest(**{name: requests.CHECKS[name](name, value) for name, value in asked.items()})
            slots = self._checked(requests.chosen("selection", list(selection)))
            payload = replace(next(self._pictures(request, Token(), None)), selection=slots)
            step = Step(request, History((self._undoable(request),)), {})
        traits = self._traits_of(payload, step.request if step else None)
        traits["chosen"] = payload.selection
        super().__init__(payload, step, theme=theme, height=height, bundle=bundle, traits=traits)
        if feature is not None:
            self.open_feature(feature)

    def _take(self, source: Any) -> None:
        """Keep what the table is made from.

        Raises:
            WidgetError: It is neither a scope with an atlas nor an atlas.
        """
        if hasattr(source, "dictionaries") and hasattr(source, "run"):
            if self._atlas is None:
                raise WidgetError(
                    "A table of a scope needs an atlas.", "Write sw.FeatureTable(scope, atlas=scope.sweep(...))."
                )
            self._scope = source
            source.labels.update(self._labels)
            self._labels = source.labels
        elif hasattr(source, "manifest") and hasattr(source, "stats"):
            self._atlas = source
        else:
            what = f"A table of a {type(source).__name__}."
            raise WidgetError(what, "Give an sw.Atlas, a scope with atlas=, or a FeatureTablePayload.")

    def _need_atlas(self) -> Atlas:
        if self._atlas is None:
            raise WidgetError("This table has no atlas.", "Make a new one from an atlas.")
        return self._atlas

    # -- for people ----------------------------------------------------------------------------------------------------

    @property
    def selection(self) -> tuple[str, ...]:
        """Ids of the chosen features, in the order in which they were chosen."""
        return tuple(name for name in self.chosen if name)

    @selection.setter
    def selection(self, features: Sequence[str | FeatureId]) -> None:
        self.chosen = self._checked(requests.chosen("selection", list(features)))

    @property
    def labels(self) -> Mapping[str, str]:
        """Feature id -> label: those of the scope where there is one."""
        return self._labels

    def to_frame(self) -> pd.DataFrame:
        """All features that fit, in their order: `label`, every statistic, and whether each is chosen."""
        answer = self._orders.get(self._picture.rows.order)
        if answer is None:
            frame: pd.DataFrame = super().to_frame()
            return frame
        import pandas as pd

        source, found = answer
        rows, site = found.order.astype("int64"), source.listing.site
        columns: dict[str, Any] = {"label": list(map(source.label, rows.tolist()))}
        columns |= {name: values[rows] for name, values in found.columns.items()}
        names = [f"{site}/{row}" for row in rows.tolist()]
        chosen = set(self.selection)
        return pd.DataFrame({**columns, "chosen": [name in chosen for name in names]}, pd.Index(names, name="feature"))

    @property
    def payload(self) -> FeatureTablePayload:
        """The last good picture as data, with the rows in view and the present selection."""
        return self._window(min(self.top, max(0, self._picture.n_fit - pictures.DRAWN)), pictures.FIRST)

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request(self, state: dict[str, Any]) -> TableRequest:
        """The newest wanted request with what `state` changes, checked."""
        before: TableRequest = self._need_model().request
        changed = {name: requests.CHECKS[name](name, state[name]) for name in _ASKED if name in state}
        asks = any(changed.get(name, getattr(before, name)) != getattr(before, name) for name in _ASKED[1:4])
        # What answered another question best does not sort this one.
        if asks and "sort" not in changed and before.sort in ("match", "here", "there"):
            changed["sort"] = ""
        return replace(before, **changed)

    @traitlets.observe(*_ASKED)  # type: ignore[untyped-decorator]
    def _on_set(self, change: Any) -> None:
        self._want_set(change)

    def _pictures(self, request: TableRequest, token: Token, progress: Any) -> Iterator[FeatureTablePayload]:
        source = self._source(request.site)
        found = source.find(request, token.check)
        token.check()
        with GUARD:
            number = next(self._numbers)
            self._orders[number] = (source, found)
            shown = self._picture.rows.order if self._ready else number
            for old in [n for n in list(self._orders)[:-_KEPT] if n != shown]:
                del self._orders[old]
        yield pictures.picture(source, found, request, number, self._columns, (), self._scope is not None)

    def _source(self, site: str) -> TableSource:
        """The dictionary; kept, for it is read from disk."""
        if site not in self._sources:
            self._sources[site] = source_of(self._need_atlas(), self._scope, site, self._labels, *self._given)
        return self._sources[site]

    def _on_rows(self, request_id: Any, content: dict[str, Any]) -> None:
        """Rows of an order; of one that is gone, none: a newer picture is on its way."""
        order, start = (checks.whole(0, 2**40)(name, content.get(name)) for name in ("order", "start"))
        n = checks.whole(1, MAX_ROWS)("count", content.get("count"))
        with GUARD:
            answer = self._orders.get(order)
        if answer is None:
            self._post({"type": "cancelled", "id": request_id})
            return
        rows = answer[0].rows(order, answer[1], start, n)
        self._post({"type": "ok", "id": request_id, "result": None}, [encode(rows)])

    # -- selection -----------------------------------------------------------------------------------------------------

    def _checked(self, features: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse features that the atlas does not have.

        Raises:
            FeatureError: One.
        """
        if self._atlas is None:
            return features
        widths = {site.key: site.d_dict for site in self._atlas.manifest.sites}
        for name in filter(None, features):
            found = FeatureId.parse(name)
            if found.index >= widths.get(found.dictionary, 0):
                known = ", ".join(f"{key} (0 to {width - 1})" for key, width in widths.items())
                raise FeatureError(f"There is no feature {shorten(name)}.", f"The atlas has {known}.")
        return features

    @traitlets.observe("chosen")  # type: ignore[untyped-decorator]
    def _on_chosen(self, change: Any) -> None:
        if self._ready and self._on_select is not None and change.old != change.new:
            self._on_select(self.selection)

    # -- what the base asks --------------------------------------------------------------------------------------------

    def _is_urgent(self, request: TableRequest) -> bool:
        before: TableRequest = self._need_model().request
        return all(getattr(request, name) == getattr(before, name) for name in _ASKED[1:5])

    def _viewed(self, payload: FeatureTablePayload, view: dict[str, Any]) -> FeatureTablePayload:
        return replace(payload, selection=self.chosen) if self._ready else payload

    def _traits_of(self, payload: FeatureTablePayload, request: TableRequest | None) -> dict[str, Any]:
        if request is not None:
            return {field.name: getattr(request, field.name) for field in fields(request)}
        own = {name: getattr(payload, name) for name in ("site", "query", "here", "there", "sort", "descending")}
        return {**own, "filters": tuple((f.name, f.low, f.high) for f in payload.filters)}

    def _undoable(self, request: TableRequest) -> Any:
        return request

    def _restored(self, request: TableRequest, state: Any) -> Any:
        return state

    def _is_drag(self, before: Any, after: Any) -> bool:
        same_names = [b[0] for b in before.filters] == [b[0] for b in after.filters]
        brushed = replace(before, filters=after.filters) == after and same_names
        typed = [(getattr(before, n), getattr(after, n)) for n in ("query", "here", "there")]
        rest = {"query": after.query, "here": after.here, "there": after.there}
        return brushed or (replace(before, **rest) == after and all(bool(a) == bool(b) for a, b in typed))

    def _front_value(self, name: str, value: Any) -> Any:
        if name == "top":
            return checks.whole(0, 2**40)(name, value)
        return self._checked(requests.chosen(name, value))

    def _release(self) -> None:
        self._close_dashboard()
        self._scope, self._atlas, self._shown, self._wanted, self._on_select = None, None, None, None, None
        self._sources, self._orders = {}, {}

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        payload = self._picture
        return f"FeatureTable({payload.site!r}, {payload.n_fit} of {payload.n_features} features)"
