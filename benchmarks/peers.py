"""The same pieces of work, done by other packages.

A peer is a function with the arguments of its counterpart in `ours`; it imports what it needs
itself, so that a package that is missing or broken fails only the lines that need it.
"""

import numpy as np

# k-center, row 0 being the first center


def scikit_activeml_core_set(X, budget):
    from skactiveml.pool import CoreSet

    y = np.full(len(X), np.nan)  # not a number: not labeled
    y[0] = 0
    return CoreSet(random_state=0).query(X, y, batch_size=budget)


def bmdal_max_dist(X, budget):
    return _bmdal(X, budget, "maxdist")


def scikit_matter_fps(X, budget):
    """Farthest point sampling; the row to start at counts as one of its picks."""
    from skmatter.sample_selection import FPS

    return FPS(n_to_select=budget + 1, initialize=0).fit(X).selected_idx_[1:]


def apricot_facility_location(X, budget):
    """Another objective, the nearest that apricot has: no picks to compare."""
    from apricot import FacilityLocationSelection

    FacilityLocationSelection(budget).fit(X)


# ITL without targets: the greedy log-determinant, row 0 being known


def bmdal_max_det(X, budget, noise):
    return _bmdal(X, budget, "maxdet", maxdet_sigma=noise**0.5)


def _bmdal(X, budget, method, **options):
    import torch

    np.Inf = np.inf  # bmdal_reg 3.0.2 asks for a name that NumPy 2 has dropped
    from bmdal_reg.bmdal.algorithms import select_batch
    from bmdal_reg.bmdal.feature_data import TensorFeatureData

    pool = torch.from_numpy(X)
    rows, details = select_batch(
        batch_size=budget,
        models=[None],
        data={"train": TensorFeatureData(pool[:1]), "pool": TensorFeatureData(pool)},
        y_train=None,
        base_kernel="linear",
        kernel_transforms=[],
        selection_method=method,
        sel_with_train=True,
        verbosity=0,
        **options,
    )
    if details["selection_status"] is not None:
        raise RuntimeError(details["selection_status"])
    return rows.numpy()


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
