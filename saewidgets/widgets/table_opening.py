"""What of a feature table opens and leaves it: the dashboard of a feature in its place, pages and files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saewidgets.payloads import FeatureTablePayload, encode
from saewidgets.sites import FeatureId
from saewidgets.widgets import feature_request
from saewidgets.widgets import table_picture as pictures
from saewidgets.widgets.jobs import GUARD

if TYPE_CHECKING:
    from saewidgets.widgets.feature_dashboard import FeatureDashboard


class Opening:
    """Mixed into `FeatureTable`, before `BaseWidget`."""

    #: The dashboard of the open feature, `None` for none.
    dashboard: FeatureDashboard | None = None

    def open_feature(self: Any, feature: str | FeatureId) -> FeatureDashboard:
        """Open a feature in place of the table.

        Args:
            feature: `"resid_post.2/17"`.

        Returns:
            Its dashboard, also `view.dashboard`.

        Raises:
            SaewidgetsError: No such feature, or no atlas to open it from.
        """
        from saewidgets.widgets.feature_dashboard import FeatureDashboard

        name = feature_request.feature_id("feature", feature)
        self._need_model()
        scope = self._scope if self._scope and FeatureId.parse(name).dictionary in self._scope.dictionaries else None
        options: dict[str, Any] = {"theme": self.theme, "atlas": self._atlas} if scope else {"theme": self.theme}
        own = None if scope else self._labels
        opened = FeatureDashboard(scope or self._need_atlas(), name, labels=own, **options)
        with GUARD:
            self._close_dashboard()
            self.dashboard = opened
            opened.observe(self._on_moved, ["feature", "label"])
            with self.hold_sync():
                self.set_trait("feature", name)
                self._dashboard = f"anywidget:{opened.model_id}"
        return opened

    def back(self: Any) -> None:
        """Close the open feature and show the table again."""
        with GUARD:
            with self.hold_sync():
                self.set_trait("feature", "")
                self._dashboard = ""
            self._close_dashboard()

    def _on_open(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        feature = content.get("feature")
        if feature == "":
            self.back()
        else:
            self.open_feature(feature_request.feature_id("feature", feature))
        self._post({"type": "ok", "id": request_id, "result": None})

    def _on_moved(self: Any, change: Any) -> None:
        """The open dashboard went to another feature, or was named."""
        with GUARD:
            if change.owner is not self.dashboard:
                return
            if change.name == "feature":
                self.set_trait("feature", change.new)
                return
            if change.owner.label != self._labels.get(change.owner.feature, "") or self._scope is not None:
                self._labels.pop(change.owner.feature, None)
                if change.new:
                    self._labels[change.owner.feature] = change.new
                self._want(self._need_model().request, None)

    def _close_dashboard(self: Any) -> None:
        opened, self.dashboard = self.dashboard, None
        if opened is not None:
            opened.unobserve(self._on_moved, ["feature", "label"])
            opened.close()

    # -- pages and files -----------------------------------------------------------------------------------------------

    def to_html(self: Any, path: Any = None) -> Any:
        """One offline page: the first rows of the present order, and the dashboards of the chosen features inside.

        Arguments, result and errors as for the other widgets.
        """
        from saewidgets.export.page import to_page
        from saewidgets.widgets.output import written

        return written(path, to_page(self._whole()))

    def _file(self: Any, format: str) -> bytes:
        return encode(self._whole()) if format == "sae" else super()._file(format)  # type: ignore[misc]

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
