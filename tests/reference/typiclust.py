"""TypiClust by the book, for clusters that are given."""

import numpy as np

from tests.reference.coreset import pairwise_distances


def mean_distances(X, members, n_neighbors):
    """Of each member of a cluster to its nearest neighbours among the others."""
    distances = pairwise_distances(X[members])
    np.fill_diagonal(distances, np.inf)
    k = min(n_neighbors, len(members) - 1)
    return np.sort(distances, axis=1)[:, :k].mean(1) if k else np.full(1, np.inf)


def typiclust(X, clusters, labeled, budget, n_neighbors, min_cluster_size):
    """The most typical row of the largest of the least known clusters; small ones last."""
    available = (clusters >= 0) & ~np.isin(np.arange(len(X)), labeled)
    known = list(labeled)
    rounding = 1e-12 * np.linalg.norm(X - X.mean(0), axis=1).max()
    picks, scores = [], []

    def order(cluster):
        size = int((clusters == cluster).sum())
        return size < min_cluster_size, int((clusters[known] == cluster).sum()), -size, cluster

    for _ in range(min(budget, int(available.sum()))):
        members = np.flatnonzero(clusters == min(np.unique(clusters[available]), key=order))
        means = mean_distances(X, members, n_neighbors)
        best = means[available[members]].min()
        ties = available[members] & (means <= best * (1 + 1e-9) + rounding)
        at = np.flatnonzero(ties)[0]
        picks.append(int(members[at]))
        scores.append(1 / means[at] if means[at] > 0 else np.inf)
        available[picks[-1]] = False
        known.append(picks[-1])
    return picks, scores
