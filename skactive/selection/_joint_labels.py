"""The labels of several rows jointly, as the members of an ensemble expect them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive._threads import for_each
from skactive.selection._member_table import MemberTable

_BLOCK_BYTES = 2**23  # of probabilities under all configurations, for some rows


class JointLabels:
    r"""Configurations of the labels of the rows so far, and what each says about the members.

    All configurations that are possible are enumerated while there are few, and are drawn where
    there are too many: the same number for each member, with the labels it expects.

    Parameters
    ----------
    posterior : tensor of shape (n_configurations, n_members)
        :math:`p(k \mid y)`, which sums to 1 in each row.
    weights : tensor of shape (n_configurations,)
        :math:`p(y)`, or equal weights of configurations that were drawn.
    drawn_by : tensor of shape (n_configurations,) or None
        The member each was drawn from; None where all are enumerated.
    limit : int
        Most configurations.
    seed : int
    n_rows : int
        Rows so far.
    """

    def __init__(
        self,
        posterior: Tensor,
        weights: Tensor,
        drawn_by: Tensor | None,
        limit: int,
        seed: int,
        n_rows: int,
    ) -> None:
        self.posterior = posterior
        self.weights = weights
        self._drawn_by = drawn_by
        self._limit = limit
        self._seed = seed
        self._n_rows = n_rows

    @classmethod
    def empty(cls, n_members: int, limit: int, seed: int, device: torch.device) -> JointLabels:
        """No labels: every member is as likely as any other."""
        posterior = torch.full((1, n_members), 1 / n_members, dtype=torch.float64, device=device)
        return cls(posterior, posterior.new_ones(1), None, limit, seed, 0)

    @property
    def is_exact(self) -> bool:
        """Whether all configurations are enumerated."""
        return self._drawn_by is None

    @property
    def information(self) -> float:
        """Mutual information of the labels and the member, in nats."""
        left = self.weights @ torch.special.entr(self.posterior).sum(1)
        return math.log(self.posterior.shape[1]) - float(left)

    def add(self, probabilities: Tensor) -> JointLabels:
        """The labels of one row more, given its probabilities (n_members, n_classes)."""
        if self.is_exact and len(self.weights) * probabilities.shape[1] <= self._limit:
            return self._enumerated(probabilities)
        rng = np.random.default_rng([self._seed, self._n_rows])
        return (self._drawn(rng) if self.is_exact else self)._extended(probabilities, rng)

    def _enumerated(self, probabilities: Tensor) -> JointLabels:
        joint = self.weights[:, None, None] * self.posterior[:, None] * probabilities.T
        joint = joint.reshape(-1, joint.shape[2])
        weights = joint.sum(1)
        joint, weights = joint[weights > 0], weights[weights > 0]
        return self._with(joint / weights[:, None], weights, None, self._n_rows + 1)

    def _drawn(self, rng: np.random.Generator) -> JointLabels:
        """Configurations drawn from each member in turn."""
        n_members = self.posterior.shape[1]
        n_each = max(1, self._limit // n_members)
        chosen = _draw((self.weights[:, None] * self.posterior).T, n_each, rng).reshape(-1)
        drawn_by = torch.arange(n_members, device=chosen.device).repeat_interleave(n_each)
        weights = torch.full_like(self.posterior[chosen, 0], 1 / len(chosen))
        return self._with(self.posterior[chosen], weights, drawn_by, self._n_rows)

    def _extended(self, probabilities: Tensor, rng: np.random.Generator) -> JointLabels:
        """Each configuration with a label that its member draws for one row more."""
        labels = _draw(probabilities[self._drawn_by], 1, rng)[:, 0]
        joint = self.posterior * probabilities.T[labels]
        posterior = joint / joint.sum(1, keepdim=True)
        return self._with(posterior, self.weights, self._drawn_by, self._n_rows + 1)

    def _with(
        self, posterior: Tensor, weights: Tensor, drawn_by: Tensor | None, n_rows: int
    ) -> JointLabels:
        return type(self)(posterior, weights, drawn_by, self._limit, self._seed, n_rows)

    def entropies(self, rows: Rows) -> Tensor:
        r"""Expected entropy of the label of each row, given those so far.

        Parameters
        ----------
        rows : Rows of n_members · n_classes features
            Probabilities by the first member, by the second, ...

        Returns
        -------
        entropies : tensor of shape (n_rows,)
            :math:`\sum_y p(y) H\big(\sum_k p(k \mid y)\, p_k(\cdot \mid x)\big)`, in nats.
        """
        return expected_entropies(rows, self.posterior, self.weights)

    def upper_entropies(self, rows: Rows) -> Tensor:
        """Upper bounds of the same at a fraction of the cost.

        Configurations that point to the same member are replaced by their mean. Entropy is
        concave: that can only raise it.
        """
        n_configurations, n_members = self.posterior.shape
        if n_configurations <= n_members:
            return self.entropies(rows)
        group = self.posterior.argmax(1)
        weights = self.weights.new_zeros(n_members).index_add_(0, group, self.weights)
        sums = torch.zeros_like(self.posterior[:n_members])
        sums.index_add_(0, group, self.weights[:, None] * self.posterior)
        used = weights > 0
        return expected_entropies(rows, sums[used] / weights[used, None], weights[used])


class BatchInformation(NamedTuple):
    """What the labels of the picks, and then that of each row, tell about the member."""

    table: MemberTable
    labels: JointLabels  # of the picks
    gained: tuple[float, ...] = ()  # information of their labels, after each

    @classmethod
    def before_any_pick(cls, table: MemberTable, limit: int, seed: int) -> BatchInformation:
        """At most `limit` configurations of labels will be looked at."""
        device = table.own_entropy.device
        return cls(table, JointLabels.empty(table.n_members, limit, seed, device))

    @property
    def rounding(self) -> float:
        """By how much scores may be off."""
        return self.table.rounding

    @property
    def scores(self) -> Tensor:
        """Information that the label of each row would add, in nats."""
        return self._gains(self.labels.entropies(self.table.rows))

    @property
    def upper_scores(self) -> Tensor:
        """Upper bounds of the scores."""
        return self._gains(self.labels.upper_entropies(self.table.rows))

    def _gains(self, entropies: Tensor) -> Tensor:
        return (entropies - self.table.own_entropy).clamp_(min=0)

    def add(self, row: int) -> BatchInformation:
        """The same after a pick."""
        probabilities = self.table.rows.take([row]).view(self.table.n_members, -1)
        labels = self.labels.add(probabilities)
        return self._replace(labels=labels, gained=(*self.gained, labels.information))

    def restrict(self, rows: NDArray[np.int64]) -> BatchInformation:
        """The same for a few rows."""
        return self._replace(table=self.table.restrict(rows))


def expected_entropies(rows: Rows, posterior: Tensor, weights: Tensor) -> Tensor:
    """Mean over configurations of the entropies of rows, each under its mixture of members."""
    n_configurations, n_members = posterior.shape
    n_classes = rows.n_features // n_members
    result = torch.empty(rows.n_samples, dtype=torch.float64, device=rows.device)

    def work(part: slice) -> None:
        chunk = rows.take(part).view(-1, n_members, n_classes)
        by_member = chunk.transpose(0, 1).reshape(n_members, -1)
        values = torch.zeros_like(by_member[0])
        for p, w in zip(
            torch.split(posterior, at_once), torch.split(weights, at_once), strict=True
        ):
            values += w @ torch.special.entr(p @ by_member)
        result[part] = values.view(-1, n_classes).sum(1)

    # Of mixtures and their entropies.
    at_once = max(1, min(n_configurations, _BLOCK_BYTES // (16 * n_classes)))
    n_columns = 2 * (at_once + n_members) * n_classes
    slices = rows.slices(n_columns, limit=_BLOCK_BYTES)
    if rows.device.type == "cpu":
        for_each(slices, work)
    else:
        for part in slices:
            work(part)
    return result


def _draw(shares: Tensor, n_draws: int, rng: np.random.Generator) -> Tensor:
    """Columns drawn for each row in proportion to its entries, of shape (n_rows, n_draws)."""
    cumulative = shares.cumsum(1)
    total = cumulative[:, -1:]
    targets = torch.as_tensor(rng.random((len(shares), n_draws)), device=shares.device) * total
    # Rounding up to the total would choose the last column, though its share may be 0.
    targets = torch.minimum(targets, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, targets, right=True)
