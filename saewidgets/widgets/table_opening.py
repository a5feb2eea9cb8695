"""What of a feature table opens and leaves it: the dashboard of a feature in its place, pages and files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saewidgets.payloads import FeatureTablePayload, encode
from saewidgets.sites import FeatureId
from saewidgets.widgets import table_picture as pictures
from saewidgets.widgets.inside import Inside
from saewidgets.widgets.jobs import GUARD

if TYPE_CHECKING:
    from saewidgets.widgets.feature_dashboard import FeatureDashboard


class Opening(Inside):
    """Mixed into `FeatureTable`, before `BaseWidget`: a feature opens in place of the table."""

    def _dashboard_of(self: Any, name: str) -> FeatureDashboard:
        from saewidgets.widgets.feature_dashboard import FeatureDashboard

        scope = self._scope if self._scope and FeatureId.parse(name).dictionary in self._scope.dictionaries else None
        options: dict[str, Any] = {"theme": self.theme, "atlas": self._atlas} if scope else {"theme": self.theme}
        return FeatureDashboard(scope or self._need_atlas(), name, labels=None if scope else self._labels, **options)

    def _renamed(self: Any, change: Any) -> None:
        if change.owner.label != self._labels.get(change.owner.feature, "") or self._scope is not None:
            self._labels.pop(change.owner.feature, None)
            if change.new:
                self._labels[change.owner.feature] = change.new
            self._want(self._need_model().request, None)

    # -- pages and files -----------------------------------------------------------------------------------------------

    def to_html(self: Any, path: Any = None) -> Any:
        """One offline page: the first rows of the present order, and the dashboards of the chosen features inside.

        Arguments, result and errors as for the other widgets.
        """
        from saewidgets.export.page import to_page
        from saewidgets.widgets.output import written

        return written(path, to_page(self._whole()))

    def _file(self: Any, format: str) -> bytes:
        return encode(self._whole()) if format == "sae" else super()._file(format)

    def _whole(self: Any) -> FeatureTablePayload:
        """The picture that a page or a file carries."""
        payload = self._window(0, pictures.IN_PAGE)
        if self._atlas is None or payload.dashboards:
            return payload
        names = dict.fromkeys([*self.selection, *([self.feature] if self.feature else [])])
        loaded = self._scope if self._scope and payload.site in self._scope.dictionaries else None
        dashboards = pictures.opened(list(names), self._atlas, loaded, self._labels)
        return replace(payload, dashboards=dashboards, feature=self.feature)

    def _window(self: Any, start: int, rows: int) -> FeatureTablePayload:
        with GUARD:
            payload = replace(self._picture, selection=self.chosen)
            answer = self._orders.get(payload.rows.order)
        inside = payload.rows.start == start and len(payload.rows.index) >= min(rows, payload.n_fit - start)
        if answer is None or inside:
            return payload
        source, found = answer
        return replace(payload, rows=source.rows(payload.rows.order, found, start, rows))
