"""How far two samples differ in the mean of their kernel features."""

from __future__ import annotations

from typing import Any

import torch

from skactive._rows import Rows
from skactive._validation import check_number
from skactive.kernels import (
    Kernel,
    RBFKernel,
    accepts_sparse,
    check_kernel,
    is_precomputed,
    resolve_kernel,
)
from skactive.metrics._inputs import two_samples

__all__ = ["maximum_mean_discrepancy"]

_BLOCK = 256  # rows that the kernel is evaluated against at a time


def maximum_mean_discrepancy(
    X: Any, Y: Any, *, kernel: Any = "rbf", gamma: float | None = None, unbiased: bool = False
) -> float:
    r"""Squared maximum mean discrepancy (MMD²) between two samples.

    The squared distance between the mean feature maps of `X` and `Y`,

    .. math::

        \Big\| \frac1n \sum_i \phi(x_i) - \frac1m \sum_j \phi(y_j) \Big\|^2
        = \frac1{n^2} \sum_{i,i'} k(x_i, x_{i'}) + \frac1{m^2} \sum_{j,j'} k(y_j, y_{j'})
        - \frac2{nm} \sum_{i,j} k(x_i, y_j),

    0 where the samples are equal. Its root bounds by how much the means of a function of norm 1
    in the space of the kernel differ between the two.

    Time is O((n + m)² d) for samples of n and m rows of d features, O((n + m) d) for the linear
    and the cosine kernel. Nothing of size n × n is kept.

    Parameters
    ----------
    X : array-like or CSR matrix of shape (n_samples, n_features)
        A sample, usually the pool. Settings of the kernel that depend on data come from it, so
        that values for different picks from one pool compare.
    Y : array-like or CSR matrix of shape (n_samples_Y, n_features)
        The other sample, usually the picks, ``X[selector.indices_]``.
    kernel : {"rbf", "linear", "cosine"}, kernel object or callable, default="rbf"
        As in :mod:`skactive.kernels`, which also says what a callable is asked.
    gamma : float > 0 or None, default=None
        Of the RBF kernel, :math:`k(x, x') = \exp(-\gamma \|x - x'\|^2)`. None means
        :math:`1 / (d \operatorname{Var}(X))`, the ``gamma="scale"`` of
        :class:`sklearn.svm.SVC`.
    unbiased : bool, default=False
        Leave out the pairs of a row with itself, for an estimate of the MMD² of the
        distributions that has the right mean if the samples are independent. It may be negative.
        Picks from a pool are not independent of it; between these the biased one is at home.

    Returns
    -------
    mmd2 : float
        At least 0 unless `unbiased`.

    References
    ----------
    A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf, A. Smola: A Kernel Two-Sample Test. Journal
    of Machine Learning Research 13, 2012.

    Examples
    --------
    >>> from skactive.metrics import maximum_mean_discrepancy
    >>> X = [[0.0], [1.0], [2.0], [3.0]]
    >>> maximum_mean_discrepancy(X, [[1.0], [2.0]]) < maximum_mean_discrepancy(X, [[0.0], [1.0]])
    True
    >>> maximum_mean_discrepancy(X, [[0.0], [1.0]], kernel="linear")
    1.0
    """
    _check_kernel(kernel, gamma)
    first, second = two_samples(X, Y, accept_sparse=accepts_sparse(kernel))
    if unbiased and min(first.n_samples, second.n_samples) < 2:
        raise ValueError(
            f"unbiased == True needs at least two rows in each sample; got {first.n_samples} and "
            f"{second.n_samples}. Use unbiased=False."
        )
    if kernel == "rbf" and gamma is not None:
        function: Kernel = RBFKernel(float(gamma), first.mean().cpu().numpy())
    else:
        function = resolve_kernel(kernel, first)
    first, second = function.prepare(first), function.prepare(second)
    if function.is_linear:
        return _linear_mmd2(first, second, unbiased)
    mixed = _mean_kernel(function, first, second)
    own = [_mean_kernel(function, rows) for rows in (first, second)]
    if not unbiased:
        # Below 0 by rounding only.
        return float(max(0.0, own[0] + own[1] - 2 * mixed))
    for place, rows in enumerate((first, second)):
        n = rows.n_samples
        diagonal = float(function.diagonal(rows).mean())
        own[place] = (n * own[place] - diagonal) / (n - 1)
    return float(own[0] + own[1] - 2 * mixed)


def _linear_mmd2(first: Rows, second: Rows, unbiased: bool) -> float:
    """From means and variances, which lose no digits where rows lie far from the origin."""
    means = first.mean(), second.mean()
    mmd2 = float((means[0] - means[1]).square().sum())
    if unbiased:
        for rows, mean in zip((first, second), means, strict=True):
            variance = float(rows.distances(mean[None]).square().mean())
            mmd2 -= variance / (rows.n_samples - 1)
    return mmd2


def _mean_kernel(kernel: Kernel, rows: Rows, others: Rows | None = None) -> float:
    """Mean of k(x, y) over all pairs of two samples, or of one with itself."""
    samples = rows if others is None else others
    total = 0.0
    for start in range(0, samples.n_samples, _BLOCK):
        points = samples.take(slice(start, start + _BLOCK))
        for block, part in rows.parts(len(points)):
            if others is None and block.stop <= start:
                continue
            sums = kernel.cross(part, points).sum(1)
            if others is None:
                # k(x, y) = k(y, x): rows beyond the points count twice, those before not at all.
                places = torch.arange(block.start, block.stop, device=sums.device)
                sums *= (places >= start).double() + (places >= start + _BLOCK).double()
            total += float(sums.sum())
    return float(total / rows.n_samples / samples.n_samples)


def _check_kernel(kernel: Any, gamma: Any) -> None:
    check_kernel(kernel)
    if is_precomputed(kernel):
        raise ValueError(
            "kernel == 'precomputed', must be one of 'rbf', 'linear', 'cosine', a kernel object or "
            "a callable: the measure reads features. Pass a callable that computes the kernel."
        )
    if gamma is None:
        return
    if kernel != "rbf":
        raise ValueError(
            f"gamma == {gamma!r} belongs to kernel='rbf'; got kernel == {kernel!r}. Leave gamma "
            "out."
        )
    check_number(gamma, "gamma")
