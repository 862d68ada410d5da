"""Files for Label Studio: tasks to be labeled there, and the annotations that come back.

No server is needed. ``labeling_config`` writes what a project of Label Studio shows,
``export_tasks`` the file to import there, and ``read_annotations`` reads its export, as JSON or
JSON-MIN.
"""

from __future__ import annotations

from skactive.labelstudio._config import labeling_config
from skactive.labelstudio._reading import read_annotations
from skactive.labelstudio._tasks import export_tasks

__all__ = ["export_tasks", "labeling_config", "read_annotations"]
