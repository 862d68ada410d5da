"""The same pieces of work, done by other packages and by plain NumPy or torch.

A peer is a function with the arguments of its counterpart in `ours`; it imports what it needs
itself, so that a missing package fails only the lines that need it.
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
    squares = (X * X).sum(1)
    nearest = squares + squares[0] - 2 * (X @ X[0])
    picks = []
    for _ in range(budget):
        row = int(nearest.argmax())
        picks.append(row)
        nearest = np.minimum(nearest, squares + squares[row] - 2 * (X @ X[row]))
    return picks


def scikit_activeml_core_set(X, budget):
    from skactiveml.pool import CoreSet

    y = np.full(len(X), np.nan)  # not a number: not labeled
    y[0] = 0
    return CoreSet(random_state=0).query(X, y, batch_size=budget)


# Transductive selection


def activeft_itl(X, targets, budget, noise):
    from activeft.acquisition_functions.itl import ITL

    return _active_data_loader(ITL, X, targets, budget, noise)


def activeft_vtl(X, targets, budget, noise):
    from activeft.acquisition_functions.vtl import VTL

    return _active_data_loader(VTL, X, targets, budget, noise)


def _active_data_loader(acquisition, X, targets, budget, noise):
    import torch
    from activeft import ActiveDataLoader

    torch.manual_seed(0)  # rows and targets are shuffled
    function = acquisition(
        target=torch.from_numpy(targets), noise_std=noise**0.5, mini_batch_size=len(X)
    )
    indices, _ = ActiveDataLoader(torch.from_numpy(X), budget, function).next()
    return indices.numpy()


def numpy_itl(X, targets, budget, noise):
    """Two dense posterior covariances of the pool: given the picks, and given the targets too."""
    n = len(X)
    K = _cosine_gram(X, targets)
    cross = K[n:, :n]
    given_targets = K[:n, :n] - cross.T @ np.linalg.solve(
        K[n:, n:] + noise * np.eye(len(targets)), cross
    )
    covariance = K[:n, :n].copy()
    available = np.ones(n, dtype=bool)
    picks = []
    for _ in range(budget):
        scores = (covariance.diagonal() + noise) / (given_targets.diagonal() + noise)
        picks.append(_best(scores, available))
        _condition_on(covariance, picks[-1], noise)
        _condition_on(given_targets, picks[-1], noise)
    return picks


def numpy_vtl(X, targets, budget, noise):
    """One dense posterior covariance of pool and targets."""
    n = len(X)
    covariance = _cosine_gram(X, targets)
    available = np.ones(n, dtype=bool)
    picks = []
    for _ in range(budget):
        reduction = np.square(covariance[n:, :n]).sum(0)
        picks.append(_best(reduction / (covariance.diagonal()[:n] + noise), available))
        _condition_on(covariance, picks[-1], noise)
    return picks


def numpy_log_det(X, budget, noise):
    """The dense kernel matrix, and the picks' columns of its Cholesky factor."""
    K = _cosine_gram(X)
    variance = K.diagonal().copy()
    available = np.ones(len(X), dtype=bool)
    factor = np.empty((budget, len(X)))
    picks = []
    for t in range(budget):
        row = _best(variance, available)
        picks.append(row)
        column = K[row] - factor[:t, row] @ factor[:t]
        factor[t] = column / np.sqrt(variance[row] + noise)
        variance -= factor[t] ** 2
    return picks


def _cosine_gram(*blocks):
    X = np.concatenate(blocks, dtype=np.float64)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    K = X @ X.T
    np.fill_diagonal(K, 1.0)  # all rows tie for the first undirected pick: no rounding here
    return K


def _best(scores, available):
    row = int(np.where(available, scores, -np.inf).argmax())
    available[row] = False
    return row


def _condition_on(covariance, row, noise):
    column = covariance[row] / np.sqrt(covariance[row, row] + noise)
    covariance -= np.outer(column, column)


# ActiveFT


def torch_activeft(X, budget, iterations, seed, temperature=0.07):
    """The loss as it is written, float32, with autograd through the whole similarity matrix."""
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


# The roofline


def torch_products(X, budget):
    """Products of the pool with one column, as many as there are picks."""
    import torch

    X = torch.from_numpy(X)
    column = X[0].clone()
    product = torch.empty(len(X))
    for _ in range(budget):
        torch.mv(X, column, out=product)
