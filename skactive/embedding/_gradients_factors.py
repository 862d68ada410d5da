"""Gradients of a batch of rows, kept as cheaply as their layer allows.

A factor holds, for the parameters of one layer, the gradients of k weighted sums of the outputs
for each of n rows. The entries have fixed places, its columns, among those of all parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import torch
from sklearn.utils import gen_batches
from torch import Tensor

# Numbers in the largest array between the factors and their inner products.
_BLOCK = 2**24


class Factor(ABC):
    """Gradients with respect to the parameters of one layer."""

    start: int  # first column

    @abstractmethod
    def pieces(self) -> Iterator[tuple[int, Tensor]]:
        """The entries themselves: first column and (n, k, n_columns), several times."""

    @abstractmethod
    def compact(self) -> Factor:
        """The same gradients in the form whose inner products are cheapest."""

    @abstractmethod
    def of_sum(self, j: int) -> Factor:
        """The gradients of one of the k sums."""

    @abstractmethod
    def products(self, other: Factor) -> Tensor:
        """Inner products of all gradients with all of `other`, of shape (n, k, m, l)."""

    @abstractmethod
    def own_products(self) -> Tensor:
        """Inner products of the gradients of each row, of shape (n, k, k)."""

    @abstractmethod
    def joined(self, other: Factor) -> Factor:
        """The sum with the gradients from another call of the same layer."""

    @abstractmethod
    def n_numbers(self) -> int:
        """What it keeps in memory."""


class Dense(Factor):
    """All entries, one by one.

    Parameters
    ----------
    start : int
    values : tensor of shape (n, k, n_columns)
    """

    def __init__(self, start: int, values: Tensor) -> None:
        self.start = start
        self.values = values

    def pieces(self) -> Iterator[tuple[int, Tensor]]:
        yield self.start, self.values

    def compact(self) -> Factor:
        return self

    def of_sum(self, j: int) -> Factor:
        return Dense(self.start, self.values[:, j : j + 1])

    def products(self, other: Factor) -> Tensor:
        A, B = self.values, as_dense(other).values
        flat = A.flatten(0, 1) @ B.flatten(0, 1).T
        return flat.reshape(*A.shape[:2], *B.shape[:2])

    def own_products(self) -> Tensor:
        return self.values @ self.values.mT

    def joined(self, other: Factor) -> Factor:
        return Dense(self.start, self.values + as_dense(other).values)

    def n_numbers(self) -> int:
        return self.values.numel()


class Outer(Factor):
    """Sums over positions of outer products, as in linear layers and convolutions.

    The gradient of the weight is sum_t left[:, :, t] right[:, t]ᵀ, row after row; that of the
    bias, which comes after it, sum_t left[:, :, t].

    Parameters
    ----------
    start : int
    left : tensor of shape (n, k, n_positions, n_out)
    right : tensor of shape (n, n_positions, n_in)
    has_bias : bool
    """

    def __init__(self, start: int, left: Tensor, right: Tensor, has_bias: bool) -> None:
        self.start = start
        self.left = left
        self.right = right
        self.has_bias = has_bias

    @property
    def n_entries(self) -> int:
        """Columns of the weight."""
        return self.left.shape[3] * self.right.shape[2]

    def pieces(self) -> Iterator[tuple[int, Tensor]]:
        n, k, n_positions, n_out = self.left.shape
        if n_positions == 1:
            weight = self.left.transpose(2, 3) * self.right[:, None]
        else:
            weight = self.left.transpose(2, 3).reshape(n, k * n_out, n_positions) @ self.right
        yield self.start, weight.reshape(n, k, self.n_entries)
        if self.has_bias:
            yield self.start + self.n_entries, self.left.sum(2)

    def compact(self) -> Factor:
        width = self.left.shape[3] + self.right.shape[2]
        return self if self.right.shape[1] ** 2 * width < self.n_entries else as_dense(self)

    def of_sum(self, j: int) -> Factor:
        return Outer(self.start, self.left[:, j : j + 1], self.right, self.has_bias)

    def products(self, other: Factor) -> Tensor:
        if not isinstance(other, Outer):
            return as_dense(self).products(other)
        (_, s, n_in), (m, t, _) = self.right.shape, other.right.shape
        flat = other.right.reshape(m * t, n_in).T

        def weights(rows: slice) -> Tensor:
            right = self.right[rows]
            products = (right.reshape(-1, n_in) @ flat).reshape(len(right), s, m, t)
            return products + 1 if self.has_bias else products

        return _contracted(self.left, other.left, weights)

    def own_products(self) -> Tensor:
        weights = self.right @ self.right.mT + float(self.has_bias)
        return _own_contracted(self.left, weights)

    def joined(self, other: Factor) -> Factor:
        if not isinstance(other, Outer):
            return as_dense(self).joined(other)
        left = torch.cat([self.left, other.left], 2)
        return Outer(self.start, left, torch.cat([self.right, other.right], 1), self.has_bias)

    def n_numbers(self) -> int:
        return self.left.numel() + self.right.numel()


class Lookup(Factor):
    """Gradients that fall into the rows of a table, as in embedding layers.

    Parameters
    ----------
    start : int
    left : tensor of shape (n, k, n_positions, n_out)
    numbers : int64 tensor of shape (n, n_positions)
        The row of the table at each position.
    n_table : int
        Rows of the table.
    """

    def __init__(self, start: int, left: Tensor, numbers: Tensor, n_table: int) -> None:
        self.start = start
        self.left = left
        self.numbers = numbers
        self.n_table = n_table

    def pieces(self) -> Iterator[tuple[int, Tensor]]:
        n, k, _, n_out = self.left.shape
        table = self.left.new_zeros(n, k, self.n_table, n_out)
        places = self.numbers[:, None, :, None].expand_as(self.left)
        yield self.start, table.scatter_add_(2, places, self.left).flatten(2)

    def compact(self) -> Factor:
        n_positions, n_out = self.left.shape[2:]
        # Comparing positions costs about as much as multiplying their gradients.
        is_cheap = n_positions**2 * n_out < self.n_table * n_out
        return self if is_cheap else as_dense(self)

    def of_sum(self, j: int) -> Factor:
        return Lookup(self.start, self.left[:, j : j + 1], self.numbers, self.n_table)

    def products(self, other: Factor) -> Tensor:
        if not isinstance(other, Lookup):
            return as_dense(self).products(other)

        def weights(rows: slice) -> Tensor:
            equal = self.numbers[rows, :, None, None] == other.numbers
            return equal.to(self.left.dtype)

        return _contracted(self.left, other.left, weights)

    def own_products(self) -> Tensor:
        equal = self.numbers[:, :, None] == self.numbers[:, None]
        return _own_contracted(self.left, equal.to(self.left.dtype))

    def joined(self, other: Factor) -> Factor:
        if not isinstance(other, Lookup):
            return as_dense(self).joined(other)
        left = torch.cat([self.left, other.left], 2)
        return Lookup(self.start, left, torch.cat([self.numbers, other.numbers], 1), self.n_table)

    def n_numbers(self) -> int:
        return self.left.numel() + self.numbers.numel()


def as_dense(factor: Factor) -> Dense:
    """All entries of a factor."""
    if isinstance(factor, Dense):
        return factor
    pieces = [values for _, values in factor.pieces()]
    return Dense(factor.start, pieces[0] if len(pieces) == 1 else torch.cat(pieces, 2))


def _contracted(A: Tensor, B: Tensor, weights: Callable[[slice], Tensor]) -> Tensor:
    """Sums over s and t of <A[i, :, s], B[j, :, t]> times weights of shape (n_rows, s, m, t)."""
    (n, k, s, _), (m, l, t, _) = A.shape, B.shape  # noqa: E741
    blocks = []
    for rows in gen_batches(n, max(1, _BLOCK // (k * s * m * l * t))):
        products = torch.einsum("nkso,mlto->nksmlt", A[rows], B)
        products *= weights(rows)[:, None, :, :, None]
        blocks.append(products.sum((2, 5)))
    return torch.cat(blocks)


def _own_contracted(left: Tensor, weights: Tensor) -> Tensor:
    products = torch.einsum("nkso,nlto->nkslt", left, left)
    return (products * weights[:, None, :, None]).sum((2, 4))
