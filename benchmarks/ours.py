"""The pieces of work, done by skactive."""

import skactive


def core_set(X, budget):
    return skactive.CoreSetSelector(budget).fit(X, labeled=[0]).indices_


def itl(X, targets, budget, noise):
    selector = skactive.ITLSelector(budget, noise_ratio=noise, target_noise_ratio=noise)
    return selector.fit(X, X_target=targets).indices_


def vtl(X, targets, budget, noise):
    return skactive.VTLSelector(budget, noise_ratio=noise).fit(X, X_target=targets).indices_


def itl_undirected(X, budget, noise):
    return skactive.ITLSelector(budget, noise_ratio=noise).fit(X, labeled=[0]).indices_


def activeft(X, budget, iterations, seed):
    selector = skactive.ActiveFTSelector(budget, max_iter=iterations, random_state=seed)
    return selector.fit(X).indices_


def mlmoc(X, y, labeled, budget, noise):
    return skactive.MLMOCSelector(budget, noise_ratio=noise).fit(X, y, labeled=labeled).indices_


def mlmoc_sequential(X, y, labeled, budget, noise):
    selector = skactive.MLMOCSelector(budget, noise_ratio=noise, sequential=True)
    return selector.fit(X, y, labeled=labeled).indices_


def on_splits(make_selector, splits, budget):
    """Picks from the pool of each split; `make_selector(budget, seed)` makes the selector."""
    return [
        make_selector(budget, seed).fit(split.X, split.y, labeled=split.labeled).indices_
        for seed, split in enumerate(splits)
    ]
