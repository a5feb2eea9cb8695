"""Contrast payload -> figure: bars beside their control, confounds, what was made of the selection."""

from saewidgets.figures import causal_report
from saewidgets.figures.contrast_text import alt_text, report_of
from saewidgets.figures.files import Files
from saewidgets.figures.scene import Scene
from saewidgets.payloads.contrast import ContrastPayload


def scene(payload: ContrastPayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a contrast.
        width_mm: Width in millimetres, 60 to 400.
        theme: `"light"` or `"dark"`.
        portable: The reader's fonts will draw the text, so no character is missing.

    Returns:
        The finished scene.

    Raises:
        FigureError: Width or theme is out of range.
    """
    return causal_report.scene(report_of(payload), width_mm, theme, portable)


FILES = Files(scene, alt_text)
