"""Prior covariances between rows, on top of scikit-learn's kernels.

Every selector with a ``kernel`` parameter accepts

- ``"linear"``: :math:`k(x, x') = \\langle x, x' \\rangle`;
- ``"cosine"``: the same on rows of unit norm, :math:`k(x, x) = 1` exactly;
- ``"rbf"``: :math:`\\exp(-\\gamma \\|x - x'\\|^2)` with
  :math:`\\gamma = 1 / (d \\operatorname{Var}(X))`, the ``gamma="scale"`` of
  :class:`sklearn.svm.SVC`;
- ``"precomputed"``: `X` is the Gram matrix of the pool;
- a kernel of :mod:`sklearn.gaussian_process.kernels`, used as it is, without tuning;
- a callable ``kernel(A, B)`` that returns the (len(A), len(B)) matrix, as for ``SVC``;
- :class:`OuterProductKernel`, for rows that hold the two factors of an outer product.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._distances import squared_distances
from skactive._rows import Rows

__all__ = ["KERNEL_NAMES", "Kernel", "OuterProductKernel", "resolve_kernel"]

KERNEL_NAMES = ("linear", "cosine", "rbf", "precomputed")

_BLOCK = 256  # rows per call of a kernel function, whose memory use is not known


class Kernel(ABC):
    """A covariance function between prepared rows."""

    # Kernels of the form ⟨φ(x), φ(x')⟩ with φ at hand have an exact weight-space posterior.
    is_linear = False

    def prepare(self, rows: Rows) -> Rows:
        """The rows φ(x) on which `cross` and `diagonal` work."""
        return rows

    @abstractmethod
    def diagonal(self, rows: Rows) -> Tensor:
        """k(x, x), of shape (n_samples,)."""

    @abstractmethod
    def cross(self, rows: Rows, points: Tensor) -> Tensor:
        """k(x, p) for points of shape (k, n_features), of shape (n_samples, k)."""


class LinearKernel(Kernel):
    """Inner products of the rows as they are."""

    is_linear = True

    def diagonal(self, rows: Rows) -> Tensor:
        return rows.squared_norms()

    def cross(self, rows: Rows, points: Tensor) -> Tensor:
        return rows.matmul(points.T)


class CosineKernel(LinearKernel):
    """Inner products of the rows after division by their norms."""

    def prepare(self, rows: Rows) -> Rows:
        return rows.unit()


class RBFKernel(Kernel):
    """exp(-gamma · squared distance).

    Parameters
    ----------
    gamma : float
    origin : ndarray of shape (n_features,)
        A place amid the data, from which distances are computed.
    """

    def __init__(self, gamma: float, origin: NDArray[np.float64]) -> None:
        self.gamma = gamma
        self.origin = origin  # not a tensor: pickles must load where there is no GPU

    def diagonal(self, rows: Rows) -> Tensor:
        return torch.ones(rows.n_samples, dtype=torch.float64, device=rows.device)

    def cross(self, rows: Rows, points: Tensor) -> Tensor:
        squares = squared_distances(rows, points, points.new_tensor(self.origin))
        return squares.mul_(-self.gamma).exp_()


@dataclass(frozen=True)
class OuterProductKernel:
    r"""Inner products of outer products :math:`g \otimes h`, from rows that hold ``[g, h]``.

    .. math:: k(x, x') = \langle g, g' \rangle \langle h, h' \rangle

    The products, with len(g) · len(h) entries a row, are never formed. Loss gradients have this
    shape: ``NetworkEmbedding(kind="loss_gradient", factored=True)`` gives their factors.

    Parameters
    ----------
    n_outputs : int
        Width of the first factor g; the other columns are h.
    normalize : bool, default=True
        Divide by the norms, as the cosine kernel does: :math:`k(x, x) = 1`, but for rows with a
        factor of zeros, where it is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skactive.kernels import OuterProductKernel
    >>> factors = np.array([[1.0, -1.0, 2.0, 0.0], [0.5, -0.5, 1.0, 1.0]])
    >>> OuterProductKernel(2, normalize=False)(factors, factors)
    array([[8., 2.],
           [2., 1.]])
    """

    n_outputs: int
    normalize: bool = True

    def __call__(self, A: Any, B: Any) -> NDArray[np.float64]:
        """The matrix of k(a, b), of shape (len(A), len(B))."""
        left, right = (torch.as_tensor(np.asarray(M), dtype=torch.float64) for M in (A, B))
        return self.product(left, right).numpy()

    def product(self, A: Tensor, B: Tensor) -> Tensor:
        """The same on float64 tensors."""
        if not 0 < self.n_outputs < A.shape[1]:
            raise ValueError(
                f"n_outputs == {self.n_outputs}, must lie between 1 and {A.shape[1] - 1} for rows "
                f"of {A.shape[1]} columns. It is the width of the first factor."
            )
        k = self.n_outputs
        product = (A[:, :k] @ B[:, :k].T) * (A[:, k:] @ B[:, k:].T)
        if self.normalize:
            product *= self._scale(A)[:, None] * self._scale(B)
        return product

    def squared_norms(self, A: Tensor) -> Tensor:
        """k(a, a) before it is normalized."""
        k = self.n_outputs
        return A[:, :k].square().sum(1) * A[:, k:].square().sum(1)

    def _scale(self, A: Tensor) -> Tensor:
        squares = self.squared_norms(A)
        return torch.where(squares > 0, squares, torch.inf).rsqrt()


class FactoredKernel(Kernel):
    """An OuterProductKernel on chunks of rows."""

    def __init__(self, kernel: OuterProductKernel) -> None:
        self.kernel = kernel

    def diagonal(self, rows: Rows) -> Tensor:
        squares = torch.cat([self.kernel.squared_norms(chunk) for _, chunk in rows.chunks()])
        return (squares > 0).double() if self.kernel.normalize else squares

    def cross(self, rows: Rows, points: Tensor) -> Tensor:
        return torch.cat([self.kernel.product(chunk, points) for _, chunk in rows.chunks()])


class PrecomputedKernel(Kernel):
    """Rows of a Gram matrix; points are rows of the same matrix, found by their positions."""

    def diagonal(self, rows: Rows) -> Tensor:
        diagonal = torch.empty(rows.n_samples, dtype=torch.float64, device=rows.device)
        for block, chunk in rows.chunks():
            diagonal[block] = chunk[:, block].diagonal()
        return diagonal

    def cross(self, rows: Rows, points: Tensor) -> Tensor:
        return torch.stack([rows.column(int(j)) for j in points.reshape(-1)], dim=1)


class FunctionKernel(Kernel):
    """A kernel object of scikit-learn or any callable on two NumPy matrices."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def diagonal(self, rows: Rows) -> Tensor:
        blocks = []
        for start in range(0, rows.n_samples, _BLOCK):
            block = rows.take(slice(start, start + _BLOCK)).cpu().numpy()
            # Not `diag`: with a WhiteKernel it holds noise that kernel(A, B) does not.
            values = np.diagonal(self._evaluate(block, block))
            blocks.append(torch.tensor(values, device=rows.device))
        return torch.cat(blocks)

    def cross(self, rows: Rows, points: Tensor) -> Tensor:
        landmarks = points.cpu().numpy()
        blocks = [
            self._evaluate(rows.take(slice(start, start + _BLOCK)).cpu().numpy(), landmarks)
            for start in range(0, rows.n_samples, _BLOCK)
        ]
        return torch.from_numpy(np.concatenate(blocks)).to(rows.device)

    def _evaluate(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        values = np.asarray(self.function(A, B), dtype=np.float64)
        if values.shape != (len(A), len(B)):
            raise ValueError(
                f"kernel {self.function!r} must return a matrix of shape (len(A), len(B)) == "
                f"{(len(A), len(B))}; got {values.shape}. For a function of two single rows use "
                "lambda A, B: sklearn.metrics.pairwise_kernels(A, B, metric=function)."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"kernel {self.function!r} must return finite values; got NaN or inf.")
        return values


def is_precomputed(kernel: Any) -> bool:
    """Whether X is a Gram matrix."""
    return isinstance(kernel, str) and kernel == "precomputed"


def accepts_sparse(kernel: Any) -> bool:
    """Whether the kernel can be evaluated on a CSR matrix."""
    return isinstance(kernel, str) and kernel in ("linear", "cosine", "rbf")


def check_kernel(kernel: Any) -> None:
    """Refuse what is neither a known name nor callable."""
    if isinstance(kernel, str) and kernel in KERNEL_NAMES:
        return
    if isinstance(kernel, (str, type)) or not callable(kernel):
        raise ValueError(
            f"kernel == {kernel!r}, must be one of {', '.join(map(repr, KERNEL_NAMES))}, a kernel "
            "object of sklearn.gaussian_process.kernels such as RBF(1.0), or a callable "
            "kernel(A, B) -> matrix."
        )


def resolve_kernel(kernel: Any, rows: Rows | None = None) -> Kernel:
    """The kernel named by a parameter, with data-dependent settings taken from the pool.

    Parameters
    ----------
    kernel : str, kernel object or callable
        See the module's description.
    rows : Rows or None
        The pool, which "rbf" looks at.
    """
    check_kernel(kernel)
    if isinstance(kernel, OuterProductKernel):
        return FactoredKernel(kernel)
    if not isinstance(kernel, str):
        return FunctionKernel(kernel)
    if kernel == "rbf":
        assert rows is not None  # pools in parts are not asked for it
        mean = rows.mean()
        return RBFKernel(_scale_gamma(rows, mean), mean.cpu().numpy())
    fixed = {"linear": LinearKernel, "cosine": CosineKernel, "precomputed": PrecomputedKernel}
    return fixed[kernel]()


def _scale_gamma(rows: Rows, mean: Tensor) -> float:
    """1 / (n_features · variance of all entries), 1 for constant data."""
    overall = mean.mean()
    if rows.is_sparse:
        spread = rows.squared_norms().mean() - 2 * overall * mean.sum()
        variance = float(spread / rows.n_features + overall**2)
    else:
        total = sum(float((chunk - overall).square_().sum()) for _, chunk in rows.chunks())
        variance = total / (rows.n_samples * rows.n_features)
    return 1.0 if variance <= 0 else 1.0 / (rows.n_features * variance)
