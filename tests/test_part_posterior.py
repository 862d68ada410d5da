"""The posterior of a pool in parts, which hear of the weights by messages only."""

import pickle
from copy import copy, deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skactive import ITLSelector, VTLSelector
from skactive._rows import Rows
from skactive._shortlist import Rivals
from skactive.kernels import resolve_kernel
from skactive.posterior import (
    PartPosterior,
    Proposal,
    Weights,
    WeightSpacePosterior,
    WeightsProposal,
)
from skactive.posterior._observations import Observations
from skactive.posterior._weights import QuadraticForms
from skactive.selection._transductive import count_below
from tests.reference.transductive import observe

CPU = torch.device("cpu")
N, D = 90, 12
BORDERS = [(0, 7), (7, 60), (60, 90)]
NOISE, TARGET_NOISE = 0.3, 0.8
LABELED = {"few": [3, 40, 88], "many": [*range(0, 90, 5)]}


def travel(message):
    return pickle.loads(pickle.dumps(message))


class Parts:
    """Parts of a pool, each kept without its matrix between two calls, as a pickle."""

    def __init__(self, X, kernel_name):
        self.blocks = [X[start:stop].copy() for start, stop in BORDERS]
        self.states = [{"rows": Rows(block, CPU)} for block in self.blocks]
        self.kernel_name = kernel_name

    def map(self, function, *arguments, own=None):
        replies = []
        for p, block in enumerate(self.blocks):
            state = travel(deepcopy(self.states[p]))
            state["rows"].attach(block)
            extra = () if own is None else (own[p],)
            replies.append(travel(function(state, *travel((*arguments, *extra)))))
            state["rows"].detach()
            self.states[p] = state
        return replies


def start(state, kernel, n_targets, has_targets, n_posteriors, fast, gram):
    rows = kernel.prepare(state["rows"])
    rows = rows if fast else rows.precise()
    state["posteriors"] = [
        PartPosterior(
            rows,
            kernel.diagonal(rows),
            NOISE,
            n_targets=n_targets,
            has_targets=has_targets,
            reduction=None if gram is None else rows.quadratic_form(torch.as_tensor(gram)),
        )
        for _ in range(n_posteriors)
    ]


def follow(state, position, update):
    state["posteriors"][position].follow(update)


def points_of(state, rows):
    posterior = state["posteriors"][0]
    return posterior.rows.take(rows).numpy(), posterior.running.variance[rows].numpy()


def set_exactly(state, values, rows):
    positions, taken = rows
    for posterior, (variance, reduction) in zip(state["posteriors"], values, strict=True):
        own = None if reduction is None else reduction[taken]
        posterior.set_exactly(positions, variance[taken], own)


def largest_rivals(state, Selector, observations, mask):
    state["proposal"] = PartPosterior.propose(state["posteriors"], observations)
    return Selector._largest_rivals(
        state["posteriors"], state["proposal"], torch.tensor(mask)
    ).numpy()


def accept(state, count):
    proposal = state.pop("proposal")
    proposal.accept(count)
    return proposal.pool_falls.numpy()


def propose_and_accept(state, observations, count):
    state["proposal"] = PartPosterior.propose(state["posteriors"], observations)
    return accept(state, count)


def running_values(state):
    values = []
    for posterior in state["posteriors"]:
        running = posterior.running
        bound = None if running.reduction is None else running.reduction_bound().numpy()
        reduction = None if bound is None else running.reduction.numpy()
        values.append((posterior.variance.numpy(), *running.bounds(), reduction, bound))
    return values


class Setting:
    """The same posteriors over a whole pool and, by a driver, over its parts."""

    def __init__(self, Selector, m, kernel_name="linear", fast=True, seed=0):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(N, D)).astype(np.float32)
        self.Selector = Selector
        tracks = Selector is VTLSelector
        base = Rows(X, CPU)
        kernel = resolve_kernel(kernel_name, base)
        self.rows = kernel.prepare(base) if fast else kernel.prepare(base).precise()
        T = rng.normal(size=(m, D)) if m else None
        targets = None if T is None else kernel.prepare(Rows(T, CPU))
        has_targets = targets is not None
        n_posteriors = 2 if has_targets and not tracks else 1
        self.whole = [
            WeightSpacePosterior(
                self.rows, kernel.diagonal(self.rows), NOISE, targets, track_reduction=tracks
            )
            for _ in range(n_posteriors)
        ]
        self.target_rows = targets
        points = self.rows.dense() if targets is None else targets.dense()
        gram = points.T @ points
        self.driver = [
            Weights(
                D,
                NOISE,
                lambda: gram,
                n_targets=m or N,
                has_targets=has_targets,
                tracks_reduction=tracks,
            )
            for _ in range(n_posteriors)
        ]
        self.parts = Parts(X, kernel_name)
        self.parts.map(
            start, kernel, m or N, has_targets, n_posteriors, fast, gram.numpy() if tracks else None
        )
        phi = self.rows.dense().numpy()
        everything = phi if targets is None else np.vstack([phi, targets.dense().numpy()])
        self.K = everything @ everything.T
        self.targets = list(range(N, N + m)) if m else list(range(N))
        self.known = []
        self.directed = bool(m) and not tracks

    def condition(self, labeled):
        """On labeled rows, and the second posterior on the targets."""
        points = self.rows.take(labeled)
        for position, (posterior, weights) in enumerate(zip(self.whole, self.driver, strict=True)):
            posterior.condition_on_rows(np.array(labeled))
            self.parts.map(follow, position, weights.condition_on(points))
        self.known += labeled
        if self.directed:
            self.whole[1].condition_on_targets(TARGET_NOISE)
            update = self.driver[1].condition_on_targets(self.target_rows, TARGET_NOISE)
            self.parts.map(follow, 1, update)

    def restrict(self, rows):
        """Set a few rows exactly, everywhere; returns the local posteriors of both sides."""
        own = [rows[(rows >= first) & (rows < stop)] - first for first, stop in BORDERS]
        replies = self.parts.map(points_of, own=own)
        points, prior = (
            torch.as_tensor(np.concatenate(some)) for some in zip(*replies, strict=True)
        )
        here = [weights.restrict(points, prior) for weights in self.driver]
        values = [
            (local.variance.numpy(), None if local.reduction is None else local.reduction.numpy())
            for local in here
        ]
        ends = np.cumsum([0, *map(len, own)])
        taken = [slice(*pair) for pair in zip(ends[:-1], ends[1:], strict=True)]
        self.parts.map(set_exactly, values, own=list(zip(own, taken, strict=True)))
        return WeightSpacePosterior.restrict(self.whole, rows), here

    def exact(self, position=0, picks=()):
        """Dense posterior covariances of pool rows, then targets."""
        targets = self.targets if position == 1 else ()
        return observe(self.K, [*self.known, *picks], NOISE, targets, TARGET_NOISE)

    def exact_scores(self, picks):
        """What is compared with the limits, for every row."""
        P = self.exact(picks=picks)
        variance = np.diag(P)[:N] + NOISE
        if self.Selector is VTLSelector:
            return (P[self.targets, :N] ** 2).sum(0) / variance
        return variance / (np.diag(self.exact(1, picks))[:N] + NOISE)

    def assert_same(self, rtol):
        """Parts and whole agree to rtol of the prior; the bounds of the parts hold."""
        replies = self.parts.map(running_values)
        for position, posterior in enumerate(self.whole):
            joined = [
                None if values[0] is None else np.concatenate(values)
                for values in zip(*(reply[position] for reply in replies), strict=True)
            ]
            variance, lower, upper, reduction, reduction_bound = joined
            P = self.exact(position)
            exact = np.diag(P)[:N]
            scale = float(np.diag(self.K)[:N].max())
            np.testing.assert_allclose(variance, posterior.variance, atol=rtol * scale)
            np.testing.assert_allclose(variance, exact, atol=rtol * scale)
            assert (lower <= exact + 1e-12 * scale).all()
            assert (upper >= exact - 1e-12 * scale).all()
            assert (upper - lower).max() <= 1e3 * rtol * scale
            assert (reduction is None) == (posterior.running.reduction is None)
            if reduction is not None:
                exact = (P[self.targets, :N] ** 2).sum(0)
                scale = (self.K[self.targets, :N] ** 2).sum(0).max()
                np.testing.assert_allclose(
                    reduction, posterior.running.reduction, atol=rtol * scale
                )
                np.testing.assert_allclose(reduction, exact, atol=rtol * scale)
                assert (reduction_bound >= exact - 1e-12 * scale).all()
            ours, theirs = self.driver[position], posterior.weights
            np.testing.assert_allclose(ours.weight_covariance, theirs.weight_covariance, atol=1e-13)
            assert ours.target_variance == pytest.approx(np.diag(P)[self.targets].mean())


SETTINGS = pytest.mark.parametrize(
    "Selector, m", [(ITLSelector, 4), (ITLSelector, 30), (VTLSelector, 4), (VTLSelector, 0)]
)


@SETTINGS
@pytest.mark.parametrize("kernel_name", ["linear", "cosine"])
@pytest.mark.parametrize("labeled", ["few", "many"])
@pytest.mark.parametrize("count", [1, 3, None])
@pytest.mark.parametrize("fast", [False, True])
def test_parts_and_driver_are_one_posterior(Selector, m, kernel_name, labeled, count, fast):
    setting = Setting(Selector, m, kernel_name, fast)
    rtol = 1e-6 if fast else 1e-12
    setting.condition(LABELED[labeled])
    setting.assert_same(rtol)
    rng = np.random.default_rng(5)
    for _ in range(2):
        shortlist = np.sort(rng.permutation(N)[:20])
        for one, other in zip(*setting.restrict(shortlist), strict=True):
            np.testing.assert_allclose(one.variance, other.variance, rtol=1e-10)
            for position in (4, 11):
                one.condition_on(position)
                other.condition_on(position)
            np.testing.assert_allclose(one.variance, other.variance, rtol=1e-10)
            if one.reduction is not None:
                np.testing.assert_allclose(one.reduction, other.reduction, rtol=1e-9)
        setting.assert_same(rtol)

        picks = rng.choice(shortlist, size=5, replace=False)
        mask = ~np.isin(np.arange(N), shortlist)
        mask[:7] = False  # a part without a rival
        proposal = WeightsProposal(setting.driver, setting.rows.take(picks))
        masks = [mask[first:stop] for first, stop in BORDERS]
        largest = setting.parts.map(largest_rivals, Selector, proposal.observations, own=masks)
        exact = [setting.exact_scores(picks[:t])[mask].max() for t in range(5)]
        together = np.max(largest, axis=0)
        assert (largest[0] <= 0).all()
        assert (together >= np.array(exact) * (1 - 1e-6)).all()
        np.testing.assert_allclose(together, exact, rtol=1e-2 if fast else 1e-9)
        at_once = type(setting.whole[0]).propose(setting.whole, picks)
        expected = Selector._largest_rivals(setting.whole, at_once, torch.as_tensor(mask))
        assert expected.dtype == torch.float64
        np.testing.assert_allclose(together, expected, rtol=1e-5 if fast else 1e-10)

        at_once.accept(count)
        proposal.accept(count)
        pool_falls = np.sum(setting.parts.map(accept, count), axis=0)
        setting.known += picks[:count].tolist()
        for ours, batch in zip(proposal.pivots, at_once.batches, strict=True):
            np.testing.assert_allclose(ours, batch.pivots, rtol=1e-10)
        falls = proposal.target_falls(torch.as_tensor(pool_falls))
        np.testing.assert_allclose(falls, at_once.target_falls(), rtol=1e-5, atol=1e-12)
        setting.assert_same(rtol)


@pytest.mark.parametrize("kernel_name", ["linear", "cosine"])
@pytest.mark.parametrize("count", [2, None])
def test_a_pool_that_is_its_own_target(kernel_name, count):
    """Undirected: the parts report by how much the variances of their rows fall."""
    setting = Setting(ITLSelector, 0, kernel_name)
    picks = np.array([70, 2, 30, 31])
    _, (local,) = setting.restrict(np.sort(picks))
    prior = setting.rows.squared_norms()[np.sort(picks)]  # 1, where the kernel says so
    np.testing.assert_array_equal(local.variance, prior)
    setting.condition(LABELED["few"])
    before = setting.whole[0].target_variance
    proposal = WeightsProposal(setting.driver, setting.rows.take(picks))
    pool_falls = setting.parts.map(propose_and_accept, proposal.observations, count)
    proposal.accept(count)
    falls = proposal.target_falls(torch.as_tensor(np.sum(pool_falls, axis=0)))
    at_once = type(setting.whole[0]).propose(setting.whole, picks)
    at_once.accept(count)
    np.testing.assert_allclose(falls, at_once.target_falls(), rtol=1e-5)
    setting.known += picks[:count].tolist()
    assert len(falls) == len(picks[:count])
    after = np.diag(setting.exact())[:N].mean()
    assert before - float(falls.sum()) == pytest.approx(after, rel=1e-5)
    setting.assert_same(1e-6)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    case=st.sampled_from([(ITLSelector, 4), (ITLSelector, 30), (VTLSelector, 3), (VTLSelector, 0)]),
    blocks=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=4),
)
def test_parts_keep_their_bounds(seed, case, blocks):
    setting = Setting(*case, seed=seed)
    rng = np.random.default_rng(seed)
    setting.condition(rng.permutation(N)[: rng.integers(1, 20)].tolist())
    for size, count in blocks:
        setting.restrict(np.sort(rng.permutation(N)[:10]))
        picks = rng.integers(0, N, size=size)
        proposal = WeightsProposal(setting.driver, setting.rows.take(picks))
        setting.parts.map(propose_and_accept, proposal.observations, min(size, count))
        proposal.accept(min(size, count))
        setting.whole[0].propose(setting.whole, picks).accept(min(size, count))
        setting.known += picks[:count].tolist()
        setting.assert_same(2e-6)


@pytest.mark.parametrize("Selector", [ITLSelector, VTLSelector])
@pytest.mark.parametrize("n_rivals", [0, 1])
def test_few_rivals_or_none(Selector, n_rivals):
    setting = Setting(Selector, 4)
    setting.condition(LABELED["few"])
    picks = np.array([5, 50, 61])
    mask = torch.zeros(N, dtype=torch.bool)
    mask[80 : 80 + n_rivals] = True
    propose = type(setting.whole[0]).propose
    limits = setting.exact_scores([])[picks]
    limits = (0.5 * np.log(limits) if Selector is ITLSelector else limits).tolist()
    largest = Selector._largest_rivals(setting.whole, propose(setting.whole, picks), mask)
    assert largest.shape == (3,)
    nothing = torch.full((3,), -torch.inf, dtype=torch.float64)
    confirmed = Selector()._count_confirmed(
        setting.whole, propose(setting.whole, picks), Rivals(mask, limits)
    )
    assert count_below([nothing, largest], Selector._limits(limits)) == confirmed
    if n_rivals:
        assert bool((largest > 0).all())
        beaten = Selector._limits([0.0, 0.0, 0.0])
        assert count_below([nothing, largest], beaten) == 1
    else:
        assert bool((largest <= 0).all())
        assert confirmed == 3


@pytest.mark.parametrize("copied", [copy, deepcopy, travel])
@pytest.mark.parametrize("tracks", [False, True])
def test_messages_survive_a_journey(copied, tracks):
    gram = torch.eye(D, dtype=torch.float64)
    weights = Weights(
        D, NOISE, lambda: gram, n_targets=3, has_targets=True, tracks_reduction=tracks
    )
    points = torch.as_tensor(np.random.default_rng(0).normal(size=(5, D)))
    observations = weights.condition_on(points)
    forms = weights.condition_on(torch.cat([points] * 3))
    assert isinstance(observations, Observations)
    assert isinstance(forms, QuadraticForms)
    assert (forms.reduction is None) == (observations.turns is None) == (not tracks)
    for message in (observations, observations.first(2), forms):
        other = copied(message)
        assert type(other) is type(message)
        assert vars(other).keys() == vars(message).keys()
        for name, value in vars(message).items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(getattr(other, name), value)
            else:
                assert getattr(other, name) == value


def test_a_message_takes_nothing_else_along():
    weights = Weights(500, NOISE, lambda: torch.eye(500), n_targets=3, has_targets=True)
    points = torch.as_tensor(np.random.default_rng(0).normal(size=(40, 500)))
    observations = weights.observe(points)
    assert len(pickle.dumps(observations)) < 8 * 40 * 501 + 2000
    assert len(pickle.dumps(observations.first(1))) < 8 * 501 + 2000


def test_forms_stay_as_they_were_sent():
    """Though the covariance of the weights changes in place."""
    weights = Weights(3, NOISE, lambda: torch.eye(3), n_targets=3, has_targets=True)
    points = torch.as_tensor(np.random.default_rng(0).normal(size=(5, 3)))
    forms = weights.condition_on(points)
    sent = forms.variance.clone()
    weights.condition_on(points[:1])
    assert torch.equal(forms.variance, sent)
    assert not torch.equal(weights.weight_covariance, sent)


def test_a_copy_of_a_part_goes_its_own_way():
    X = np.random.default_rng(1).normal(size=(20, D)).astype(np.float32)
    rows = Rows(X, CPU)
    part = PartPosterior(rows, rows.squared_norms(), NOISE, n_targets=3, has_targets=True)
    weights = Weights(D, NOISE, lambda: torch.eye(D), n_targets=3, has_targets=True)
    proposal = PartPosterior.propose([part], [weights.observe(rows.take([1, 2]))])
    proposal.sweep()
    rows.detach()
    other, own_proposal = deepcopy((part, proposal))
    before = part.variance.clone()
    own_proposal.accept()  # swept already
    assert own_proposal.running[0] is other.running
    other.set_exactly(np.array([4]), np.array([7.0]), None)
    assert torch.equal(part.variance, before)
    assert float(other.variance[4]) == 7.0
    rows.attach(X)
    proposal.accept()
    changed = part.variance != other.variance
    assert torch.nonzero(changed)[:, 0].tolist() == [4]
    assert isinstance(proposal, Proposal)
