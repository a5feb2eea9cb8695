"""One sentence for people who hear the picture instead of seeing it. No matplotlib."""

from saewidgets.figures import text
from saewidgets.figures.reading import chosen, fill_name, peaks, prediction_row
from saewidgets.payloads.heatmap import HeatmapPayload


def alt_text(payload: HeatmapPayload) -> str:
    """What the picture shows, in one sentence of at most about 400 characters.

    Args:
        payload: Of a heatmap.

    Returns:
        The sentence: the prompt, what fills it and where it is strongest, and the likeliest next token.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     alt_text(view.payload).startswith("Token heatmap of “Mira saw a red boat.”")
        True
    """
    n = len(payload.tokens)
    parts = [f"Token heatmap of “{text.plain(payload.prompt, 100)}”, {text.count(n)} token{'s' * (n != 1)}"]
    parts.append(f"filled by {fill_name(payload)}")
    feature = chosen(payload)
    if feature is not None:
        for top in peaks(feature):
            word = text.name(payload.tokens, top)
            parts.append(f"strongest at token {top} “{word}” with {text.activation(float(feature.values[top]))}")
    if payload.n_edits:
        parts.append(f"before and after {payload.n_edits} edit{'s' * (payload.n_edits != 1)}")
    row = prediction_row(payload)
    predictions = payload.predictions
    if row is not None and predictions.token.shape[1]:
        column = int(predictions.before[row].argmax())
        words = text.plain(predictions.vocabulary[int(predictions.token[row, column])], 30).strip()
        chance = text.probability(float(predictions.before[row, column]))
        after = predictions.after
        changed = "" if after is None else f", after the edits {text.probability(float(after[row, column]))}"
        parts.append(f"likeliest next token “{words}” {chance}{changed}")
        parts += _effect(payload, row)
    return "; ".join(parts) + "."


def _effect(payload: HeatmapPayload, row: int) -> list[str]:
    """How far the edits move the whole prediction, and what the same edits do at random: one is not said alone."""
    kl, control = payload.predictions.kl, payload.control
    if kl is None:
        return []
    said = f"KL {text.probability(float(kl[row]))} nats"
    if control is None:
        return [said]
    bands = (control.kl_features[row], control.kl_directions[row])
    features, directions = (text.interval(*map(float, band)) for band in bands)
    return [f"{said}; the same on {control.n} random features {features}, on random directions {directions}"]
