"""The foot of every view."""

from dataclasses import dataclass

from saewidgets.payloads.record import check


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What stands in the foot of every view: where the numbers come from.

    Args:
        model: Name of the model.
        dictionaries: One line, e.g. "TopK 16, 1 024 features a site".
        error: `"kept"` or `"dropped"`: the SAE's error term under the edits.
        propagation: `"free"`: everything after an edit is recomputed.
        seed: Of the control's random draws.
        milliseconds: Time of the model work for this picture.
        version: Version of saewidgets.
        code: Python that makes this view again.
    """

    model: str
    dictionaries: str
    error: str = "kept"
    propagation: str = "free"
    seed: int = 0
    milliseconds: float = 0.0
    version: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        check(self)
