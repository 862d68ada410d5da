"""The same pieces of work, done slowly: one column at a time, by plain NumPy or torch.

Arguments are those of the counterparts in `ours`. What is float64 decides whether picks are right.
"""

import numpy as np

# k-center, row 0 being the first center


def torch_k_center(X, budget):
    """One float32 product with a single column for each pick."""
    import torch

    X = torch.from_numpy(X)
    squares = (X * X).sum(1)
    nearest = squares + squares[0] - 2 * (X @ X[0])
    picks = []
    for _ in range(budget):
        row = int(nearest.argmax())
        picks.append(row)
        nearest = torch.minimum(nearest, squares + squares[row] - 2 * (X @ X[row]))
    return picks


def numpy_k_center(X, budget):
    """The same in float64."""
    X = X.astype(np.float64)
    squares = np.einsum("ij,ij->i", X, X)
    nearest = squares + squares[0] - 2 * (X @ X[0])
    picks = []
    for _ in range(budget):
        row = int(nearest.argmax())
        picks.append(row)
        nearest = np.minimum(nearest, squares + squares[row] - 2 * (X @ X[row]))
    return picks


# Transductive selection: cosine kernel, posterior covariance k(x, x') = x S x' of the pool


def numpy_itl(X, targets, budget, noise):
    """Variances given the picks, and given the targets too."""
    X, targets = unit(X), unit(targets)
    known, available = np.eye(X.shape[1]), np.ones(len(X), dtype=bool)
    informed = known - targets.T @ np.linalg.solve(
        targets @ targets.T + noise * np.eye(len(targets)), targets
    )
    variance = np.ones(len(X))
    informed_variance = np.einsum("ij,ij->i", X @ informed, X)
    picks = []
    for _ in range(budget):
        picks.append(_best((variance + noise) / (informed_variance + noise), available))
        variance -= _condition(known, X, picks[-1], noise) ** 2
        informed_variance -= _condition(informed, X, picks[-1], noise) ** 2
    return picks


def numpy_vtl(X, targets, budget, noise):
    """Variances of the pool, and the covariances of all rows with all targets."""
    X, targets = unit(X), unit(targets)
    known, available = np.eye(X.shape[1]), np.ones(len(X), dtype=bool)
    variance = np.ones(len(X))
    cross = X @ targets.T
    picks = []
    for _ in range(budget):
        reduction = np.einsum("ij,ij->i", cross, cross)
        row = _best(reduction / (variance + noise), available)
        picks.append(row)
        to_targets = cross[row] / np.sqrt(variance[row] + noise)
        column = _condition(known, X, row, noise)
        variance -= column**2
        cross -= np.outer(column, to_targets)
    return picks


def numpy_log_det(X, budget, noise):
    """Largest variance given the picks; row 0 is known from the start."""
    X = unit(X)
    known, available = np.eye(X.shape[1]), np.ones(len(X), dtype=bool)
    available[0] = False
    variance = 1 - _condition(known, X, 0, noise) ** 2
    picks = []
    for _ in range(budget):
        picks.append(_best(variance, available))
        variance -= _condition(known, X, picks[-1], noise) ** 2
    return picks


def unit(X):
    """A float64 copy with rows of norm 1."""
    X = X.astype(np.float64)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X


def _best(scores, available):
    row = int(np.where(available, scores, -np.inf).argmax())
    available[row] = False
    return row


def _condition(S, X, row, noise):
    """Observe a row: update S, and return what squared is the fall of the variances."""
    direction = S @ X[row]
    direction /= np.sqrt(X[row] @ direction + noise)
    S -= np.outer(direction, direction)
    return X @ direction


# MLMOC


def numpy_mlmoc(X, y, labeled, budget, noise):
    """Dense posterior covariance; each candidate's likely label changes all outputs."""
    X = unit(X)
    K = X @ X.T
    known = K[:, labeled]
    noisy = K[np.ix_(labeled, labeled)] + noise * np.eye(len(labeled))
    outputs = known @ np.linalg.solve(noisy, np.eye(y.max() + 1)[y[labeled]])
    posterior = K - known @ np.linalg.solve(noisy, known.T)
    unlabeled = np.setdiff1d(np.arange(len(X)), labeled)
    residual = np.eye(y.max() + 1)[outputs.argmax(1)] - outputs
    steps = np.linalg.norm(residual, axis=1) / (posterior.diagonal() + noise)
    scores = steps[unlabeled] * np.abs(posterior[np.ix_(unlabeled, unlabeled)]).sum(1)
    return unlabeled[np.argsort(-scores)[:budget]]


# ActiveFT


def torch_activeft(X, budget, iterations, seed):
    """The loss as it is written, with autograd through the whole similarity matrix; float32."""
    return _dense_activeft(X, budget, iterations, seed)


def torch_activeft_float64(X, budget, iterations, seed):
    return _dense_activeft(X.astype(np.float64), budget, iterations, seed)


def _dense_activeft(X, budget, iterations, seed, temperature=0.07):
    import torch
    from torch.nn.functional import normalize

    starts = np.random.RandomState(seed).permutation(len(X))[:budget]  # those of ActiveFTSelector
    X = normalize(torch.from_numpy(X))
    centers = X[torch.from_numpy(starts)].clone().requires_grad_()
    itself = torch.eye(budget, dtype=torch.bool)
    optimizer = torch.optim.Adam([centers], lr=1e-3)
    for _ in range(iterations):
        attraction = (X @ centers.T / temperature).amax(1).mean()
        repulsion = (centers @ centers.T / temperature).masked_fill(itself, -torch.inf)
        optimizer.zero_grad()
        (repulsion.logsumexp(1).mean() - attraction).backward()
        optimizer.step()
        with torch.no_grad():
            centers.copy_(normalize(centers))
    return _rows_next_to(centers.detach(), X)


def _rows_next_to(centers, X):
    """For each center its most similar row, no row twice; centers of many rows first."""
    similarity = X @ centers.T
    mass = similarity.argmax(1).bincount(minlength=len(centers))
    picks = []
    for center in mass.argsort(descending=True, stable=True):
        picks.append(int(similarity[:, center].argmax()))
        similarity[picks[-1]] = -2.0
    return picks


# k-means


def nearest_to_k_means(X, budget, seed=0):
    """The rows nearest to the centers that Lloyd's algorithm ends with."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances_argmin

    centers = KMeans(budget, init="random", n_init=1, random_state=seed).fit(X).cluster_centers_
    return np.unique(pairwise_distances_argmin(centers, X))
