"""Payload -> figure: matplotlib for paper (SVG, PNG, PDF) and script-free HTML for places that run no code. No torch.

`views` says which modules belong to which payload. A module named like the view lays its payload out as a `scene`
(boxes, lines and labels in points), `draw` turns any scene into a matplotlib figure, `files` into SVG, PNG and PDF.
Words need no matplotlib: the heatmap's are in `html`, `frame` and `alt`, the others' in modules ending in `_text`.
"""
