"""Labels that people gave in other programs: what can be used, and a report of the rest."""

from __future__ import annotations

from skactive.annotations._annotations import Annotations
from skactive.annotations._records import Annotation, Unused

__all__ = ["Annotation", "Annotations", "Unused"]
