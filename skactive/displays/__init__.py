"""Pictures in the manner of scikit-learn's displays: ``from_estimator``, then ``plot``.

All need matplotlib, ``pip install "skactive[plots]"``. A display keeps the numbers, so that it can
be drawn again, on axes of one's own or in another way, without computing them anew.
"""

from skactive.displays._gain import GainDisplay
from skactive.displays._labeling_curve import LabelingCurveDisplay
from skactive.displays._selection import SelectionDisplay

__all__ = ["GainDisplay", "LabelingCurveDisplay", "SelectionDisplay"]
