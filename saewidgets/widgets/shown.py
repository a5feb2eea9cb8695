"""The base of widgets that show a payload as it is: nothing is asked, the front end only turns what it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import traitlets

from saewidgets.errors import PayloadError, WidgetError
from saewidgets.widgets import checks
from saewidgets.widgets.base import BaseWidget


class ShownWidget(BaseWidget):
    """A widget whose traits are the payload's fields of the same name.

    Args:
        payload: The picture.
        theme, height, bundle: As in `BaseWidget`.
        view: First values of the traits of the view; `None` takes the payload's.
    """

    # Traits of the view, each with its check; those that are fields of the payload are kept in it.
    _view_checks: ClassVar[dict[str, checks.Check]] = {}
    _messages: ClassVar[dict[str, str]] = {
        "save": "_on_save",
        "payload": "_on_payload",
        "bundle": "_on_bundle",
        "cancel": "_on_cancel",
    }

    def __init__(self, payload: Any, *, theme: str, height: int, bundle: str, view: Mapping[str, Any]) -> None:
        for name, value in view.items():
            if value is not None and hasattr(payload, name):
                payload = self._turned(payload, name, self._view_checks[name](name, value))
        traits = {name: getattr(payload, name, value) for name, value in view.items()}
        super().__init__(payload, None, theme=theme, height=height, bundle=bundle, traits={"live": True, **traits})

    @staticmethod
    def _turned(payload: Any, name: str, value: Any) -> Any:
        """The payload with another view.

        Raises:
            WidgetError: It has none such.
        """
        if not hasattr(payload, name) or getattr(payload, name) == value:
            return payload
        try:
            return replace(payload, **{name: value})
        except PayloadError as error:
            raise WidgetError(error.what, error.todo) from None

    def _viewed(self, payload: Any, view: dict[str, Any]) -> Any:
        for name, value in view.items():
            try:
                payload = self._turned(payload, name, value)
            except WidgetError:
                continue
        return payload

    def _front_value(self, name: str, value: Any) -> Any:
        value = self._view_checks[name](name, value)
        self._turned(self._picture, name, value)
        return value

    @traitlets.validate("selected", "feature", "x", "y", "scale")  # type: ignore[untyped-decorator]
    def _valid_view(self, proposal: Any) -> Any:
        """Refuse what the picture does not have."""
        return proposal.value if self._is_setting else self._front_value(proposal.trait.name, proposal.value)
