"""What people do in an `Explorer` from Python: select, add, pin, edit, open, compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from saewidgets.sites import FeatureId
from saewidgets.widgets import asked, feature_request
from saewidgets.widgets.circuit_request import node_ids
from saewidgets.widgets.explorer_compare import compare
from saewidgets.widgets.jobs import GUARD

if TYPE_CHECKING:
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope
    from saewidgets.widgets.compare import Compare


class Acting:
    """Mixed into `Explorer`, before `BaseWidget`."""

    def select(self: Any, token: int | None = None, feature: str | FeatureId | None = None) -> None:
        """Select a token, or focus a feature, in all panels.

        Args:
            token: Its position.
            feature: `"resid_post.2/903"`.

        Raises:
            WidgetError: There is no such token, or no model.
            FeatureError: There is no such feature.
        """
        self._need_model()
        if token is not None:
            asked.with_view(self.heatmap.payload, "selection", asked.CHECKS["selection"]("token", token))
            self.selection = token
        if feature is not None:
            self.feature = self._known(feature)

    def add(self: Any, feature: str | FeatureId) -> None:
        """Give a feature the next letter and focus it.

        Raises:
            FeatureError: There is none such.
        """
        name = self._known(feature)
        with GUARD:
            self._letter([name])
            self.feature = name

    def remove(self: Any, feature: str | FeatureId) -> None:
        """Take a feature's letter away, and what is done to it."""
        name = self._known(feature)
        with GUARD:
            self.edits = tuple(edit for edit in self.edits if name not in map(str, edit.features))
            self.features = tuple("" if one == name else one for one in self.features)

    def pin(self: Any, *nodes: str) -> None:
        """Pin nodes of the circuit, or all nodes of a feature: `"mlp_in.2/17@5"`, `"mlp_in.2/17"`.

        Raises:
            WidgetError: Something else.
        """
        self._need_model()
        with GUARD:
            wanted = [one for node in node_ids("nodes", list(nodes)) for one in self._nodes_of(node)]
            self._pin([*self._state().pinned, *wanted])

    def unpin(self: Any, *nodes: str) -> None:
        """Unpin nodes."""
        self._need_model()
        with GUARD:
            gone = {one for node in node_ids("nodes", list(nodes)) for one in self._nodes_of(node)}
            self._pin([node for node in self._state().pinned if node not in gone])

    def _nodes_of(self: Any, name: str) -> list[str]:
        """Ids of the nodes that a name stands for."""
        if "@" in name or self.circuit is None:
            return [name]
        return [node for node in self.circuit._picture.nodes.id if node.rpartition("@")[0] == name] or [name]

    def _pin(self: Any, nodes: Sequence[str]) -> None:
        self._put_pinned(tuple(dict.fromkeys(nodes)))
        if self.circuit is None:
            self._record(self._state())

    def edit(self: Any, *edits: Edit) -> None:
        """Make these the edits, in all panels; none takes all away.

        Args:
            edits: `sw.ablate(...)`, `sw.scale(...)`, ...

        Raises:
            EditError, FeatureError: One does not fit.
        """
        self._need_model()
        with GUARD:
            self.heatmap._request({"edits": edits})
            self.edits = edits

    def open(self: Any, feature: str | FeatureId | None = None) -> None:
        """Focus a feature and show its whole dashboard.

        Args:
            feature: `"resid_post.2/903"`. Without one the widget's comm is opened, as ipywidgets asks for.

        Raises:
            FeatureError: There is no such feature.
        """
        if feature is None:
            super().open()  # type: ignore[misc]
            return
        self.select(feature=feature)
        self.opened = True

    def compare(
        self: Any, prompt: str | None = None, edits: Sequence[Edit] = (), *, scope: Scope | None = None, seed: int = 0
    ) -> Compare:
        """This explorer beside another state, by default beside what the model does without its edits.

        Side A is the other state, side B follows this explorer and leads it: text, edits and token are linked.

        Args:
            prompt: Text of side A; `None` for the same.
            edits: What is done in side A.
            scope: Model and dictionaries of side A; `None` for the same.
            seed: Of the control.

        Returns:
            The view, to be shown and closed for itself.

        Raises:
            WidgetError: No model.
            SaewidgetsError: Side A cannot be shown.

        Example:
            >>> import saewidgets as sw
            >>> with sw.Explorer(sw.demo(), "Mira saw a red boat.", edits=[sw.ablate("resid_post.2/17")]) as ex:
            ...     with ex.compare() as view:
            ...         len(view.left.edits), len(view.right.edits)
            (0, 1)
        """
        return compare(self, prompt, edits, scope, seed)

    def _known(self: Any, feature: str | FeatureId) -> str:
        self._need_model()
        name = feature_request.feature_id("feature", feature)
        self.heatmap._request({"features": (name,)})
        return name
