"""The dashboard of a feature, opened inside another widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from saewidgets.errors import WidgetError
from saewidgets.sites import FeatureId
from saewidgets.widgets import feature_request
from saewidgets.widgets.jobs import GUARD

if TYPE_CHECKING:
    from saewidgets.widgets.feature_dashboard import FeatureDashboard


class Inside(traitlets.HasTraits):
    """Mixed into a widget, before `BaseWidget`; the widget has `_dashboard_of`."""

    #: The dashboard of the open feature, `None` for none.
    dashboard: FeatureDashboard | None = None
    # The feature that is open, and the model of its dashboard.
    feature = traitlets.Unicode("", read_only=True).tag(sync=True)
    _dashboard = traitlets.Unicode("").tag(sync=True)

    def _dashboard_of(self, name: str) -> FeatureDashboard:
        """A dashboard of a feature."""
        raise NotImplementedError

    def open_feature(self: Any, feature: str | FeatureId) -> FeatureDashboard:
        """Open a feature inside.

        Args:
            feature: `"resid_post.2/17"`.

        Returns:
            Its dashboard, also `view.dashboard`.

        Raises:
            SaewidgetsError: No such feature, or nothing to open it from.
        """
        name = feature_request.feature_id("feature", feature)
        self._need_model()
        opened: FeatureDashboard = self._dashboard_of(name)
        with GUARD:
            self._close_dashboard()
            self.dashboard = opened
            opened.observe(self._on_moved, ["feature", "label"])
            with self.hold_sync():
                self.set_trait("feature", name)
                self._dashboard = f"anywidget:{opened.model_id}"
        return opened

    def back(self: Any) -> None:
        """Close the open feature."""
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
            else:
                self._renamed(change)

    def _renamed(self, change: Any) -> None:
        """The open feature has another label."""

    def _close_dashboard(self: Any) -> None:
        opened, self.dashboard = self.dashboard, None
        if opened is not None:
            opened.unobserve(self._on_moved, ["feature", "label"])
            opened.close()


def dashboard_in(scope: Any, name: str, atlas: Any, theme: str) -> FeatureDashboard:
    """A dashboard of a scope's feature.

    Raises:
        WidgetError: There is no such dictionary.
    """
    from saewidgets.widgets.feature_dashboard import FeatureDashboard

    if FeatureId.parse(name).dictionary not in scope.dictionaries:
        raise WidgetError(f"{name} is of a dictionary that is not loaded.", "Add it to the scope.")
    return FeatureDashboard(scope, name, atlas=atlas, theme=theme)
