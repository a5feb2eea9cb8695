"""Payload -> files and cell outputs that others open: one offline page, or an iframe that holds it. No torch."""

from saewidgets.export.page import layered, to_iframe, to_page

__all__ = ["layered", "to_iframe", "to_page"]
