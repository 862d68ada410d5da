"""The matrix that a view of rows reads, which may be away while nothing reads it."""

from __future__ import annotations

from typing import Any

from scipy import sparse

from skactive._memmap import page_release


class Matrix:
    """A feature matrix in the form in which it is read; several views may share it.

    Parameters
    ----------
    X : ndarray, tensor or CSR matrix
    """

    def __init__(self, X: Any) -> None:
        self.attach(X)

    def attach(self, X: Any) -> None:
        """Read X from now on: the same numbers as before."""
        self.values = _canonical(X)
        self.shape = X.shape
        self.release = page_release(X)

    def detach(self) -> None:
        """Let go of the numbers."""
        self.values = self.release = None


def _canonical(X: Any) -> Any:
    """CSR without duplicate entries, whose squares may then be taken entry by entry."""
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X
