"""What a feature dashboard is asked: its values, their checks, the edits they stand for, the code that asks again."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

from saewidgets.errors import WidgetError
from saewidgets.sites import FeatureId
from saewidgets.widgets import checks

if TYPE_CHECKING:
    from saewidgets.interventions import Edit


@dataclass(frozen=True, slots=True)
class DashboardRequest:
    """What a dashboard should show. Hashable.

    Args:
        feature: Its id.
        text: A text of one's own; "" for none.
        scale: Factor of the feature in it: 1 leaves it alone, 0 ablates it.
        steer: Added to the feature at every token, in units of activation.
        positions: Predictions after these positions too (long texts).
    """

    feature: str
    text: str = ""
    scale: float = 1.0
    steer: float = 0.0
    positions: tuple[int, ...] = ()


def feature_id(name: str, value: Any) -> str:
    """The id of one feature.

    Raises:
        FeatureError: It is none.
    """
    return str(FeatureId.parse(value if isinstance(value, FeatureId) else checks.word(name, value)))


def factor(name: str, value: Any) -> float:
    """A factor of a feature.

    Raises:
        WidgetError: It is no number from 0 to 100.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 100:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "It must be a number from 0 (ablate) to 100.")
    return float(value)


def strength(name: str, value: Any) -> float:
    """What is added to a feature.

    Raises:
        WidgetError: It is no number, or a huge one.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not abs(float(value)) <= 1e6:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "It must be a number from -1e6 to 1e6, 0 for none.")
    return float(value)


def label_text(name: str, value: Any) -> str:
    """A label on one line: control characters become spaces.

    Raises:
        WidgetError: It is no string, or a long one.
    """
    if not isinstance(value, str) or len(value) > 2_000:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "It must be a string of at most 2000 characters.")
    return "".join(c if c.isprintable() or ord(c) > 0xFF else " " for c in value).strip()


def edits_of(request: DashboardRequest) -> tuple[Edit, ...]:
    """What the slider does to the feature."""
    from saewidgets.interventions import ablate, scale, steer

    found: list[Edit] = []
    if request.scale != 1:
        found.append(ablate(request.feature) if request.scale == 0 else scale(request.feature, request.scale))
    if request.steer:
        found.append(steer(request.feature, request.steer))
    return tuple(found)


def code(request: DashboardRequest, with_scope: bool, with_atlas: bool) -> str:
    """Python that shows this view again.

    Example:
        >>> print(code(DashboardRequest("resid_post.2/17", "A boat.", 0.0), True, True))
        sw.FeatureDashboard(scope, 'resid_post.2/17', atlas=atlas, text='A boat.', scale=0.0)
    """
    arguments = ["scope" if with_scope else "atlas", repr(request.feature)]
    arguments += ["atlas=atlas"] if with_scope and with_atlas else []
    arguments += [f"text={request.text!r}"] if request.text else []
    arguments += [f"scale={request.scale!r}"] if request.scale != 1 else []
    arguments += [f"steer={request.steer!r}"] if request.steer else []
    return f"sw.FeatureDashboard({', '.join(arguments)})"
