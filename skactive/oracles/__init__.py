"""Who labels the rows: what an oracle may reply, simulated oracles, several annotators.

An oracle is any function ``oracle(X_rows, indices) -> reply``. `indices` are positions in `X`, or
`ids` where the loop has them. The reply is one of

- labels as an array-like, one a row, in the order asked, with ``DONT_KNOW`` or ``NOT_YET`` in
  place of labels that do not exist; a pandas Series counts by position, too, and one whose index
  has the rows asked in another order is refused,
- a dict from the indices answered to their labels,
- :class:`Answers`, which know costs and details as well,
- None: nothing has been answered yet.

Rows left out and rows answered with ``NOT_YET`` stay open. Rows answered with ``DONT_KNOW`` are
not asked again. Each answer costs 1 unless :class:`Answers` say otherwise.

Examples
--------
>>> from skactive.oracles import DONT_KNOW, NOT_YET, Answers
>>> def ask(X_rows, indices):
...     return {index: "cat" if row[0] > 0 else DONT_KNOW for index, row in zip(indices, X_rows)}
>>> ask([[1.0], [-1.0]], [4, 9])
{4: 'cat', 9: DONT_KNOW}
"""

from skactive._answers import DONT_KNOW, NOT_YET, Answers
from skactive.oracles._annotators import ConsensusOracle
from skactive.oracles._array import ArrayOracle
from skactive.oracles._consensus import Consensus, consensus

__all__ = [
    "DONT_KNOW",
    "NOT_YET",
    "Answers",
    "ArrayOracle",
    "Consensus",
    "ConsensusOracle",
    "consensus",
]
