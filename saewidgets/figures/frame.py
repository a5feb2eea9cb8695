"""Heatmap payload -> pandas DataFrame: one row a token."""

from typing import TYPE_CHECKING

from saewidgets.figures.reading import site
from saewidgets.payloads.heatmap import HeatmapPayload

if TYPE_CHECKING:
    import pandas as pd


def to_frame(payload: HeatmapPayload) -> "pd.DataFrame":
    """What the heatmap shows, as a table.

    Columns: `position`, `token`, `id`, `surprise` (nats), `error` (share of the norm at the site in view), then one
    column for each chosen feature, named by its id. Under edits each of these numbers has a second column that ends
    in ` after`. Tokens are data and stay as they are: a cell may begin with `=` or `+`, so quote it before a
    spreadsheet opens it.

    Args:
        payload: Of a heatmap.

    Returns:
        A frame of `T` rows.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     list(to_frame(view.payload).columns[:5])
        ['position', 'token', 'id', 'surprise', 'error']
    """
    import pandas as pd  # late: it takes longer to import than the figure to draw

    view = site(payload)
    pairs = [("surprise", payload.surprise, payload.surprise_after)]
    pairs += [("error", view.error, view.error_after)] if view else []
    pairs += [(feature.id, feature.values, feature.after) for feature in payload.features]
    tokens = payload.tokens
    columns: dict[str, object] = {"position": range(len(tokens)), "token": tokens.text, "id": tokens.ids}
    for name, before, after in pairs:
        columns[name] = before
        if after is not None:
            columns[f"{name} after"] = after
    return pd.DataFrame(columns)
