"""Payload -> figure: matplotlib for paper (SVG, PNG, PDF) and script-free HTML for places that run no code. No torch.

`heatmap` draws, `html` writes the fallback, `frame` makes the table, `alt` the sentence for screen readers. A payload
becomes a `scene` (boxes, lines and labels in points) and `draw` turns any scene into a matplotlib figure.
"""
