"""A page in the browser on which people label the rows that a selector picks."""

from __future__ import annotations

from skactive.labelling._page import LabellingPage

__all__ = ["LabellingPage"]
