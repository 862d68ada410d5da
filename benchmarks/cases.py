"""What is measured: the work to be done, on which data, and who does it."""

from __future__ import annotations

from benchmarks import ours, peers, pools, twins
from benchmarks.case import (
    DENSE,
    DENSE_COVARIANCE,
    DENSE_TWIN,
    OURS,
    ROOFLINE,
    TORCH,
    TWIN,
    TWO_COLUMNS,
    Case,
    Contender,
)
from benchmarks.roofline import activeft_roofline, roofline, two_columns
from benchmarks.series import K_CENTER_NOTE, NOISE_NOTE, SERIES

ACTIVEFT_NOTE = "As many centers as picks, started at the same rows. "
# The dense form takes as long for each iteration: a few of them tell its seconds.
ACTIVEFT_TWINS = (
    Contender(DENSE, twins.torch_activeft, {"iterations": 10}),
    Contender(OURS, ours.activeft, {"iterations": 100}, "full"),
    Contender(DENSE_TWIN, twins.torch_activeft_float64, {"iterations": 100}, "full"),
    Contender(OURS, ours.activeft, {"iterations": 10}),
    Contender(DENSE_TWIN, twins.torch_activeft_float64, {"iterations": 10}),
    Contender(ROOFLINE, activeft_roofline, {"iterations": 10}),
)

CASES = {
    "kcenter-10k": Case(
        "Core-set (k-center)",
        pools.make_pool,
        {"n": 10_000, "d": 384, "budget": 500},
        (
            Contender(OURS, ours.core_set),
            Contender(TORCH, twins.torch_k_center),
            Contender(TWIN, twins.numpy_k_center),
            Contender("scikit-activeml CoreSet", peers.scikit_activeml_core_set),
            Contender("bmdal_reg maxdist", peers.bmdal_max_dist),
            Contender("scikit-matter FPS", peers.scikit_matter_fps),
            Contender("apricot facility location", peers.apricot_facility_location),
            Contender(ROOFLINE, roofline(1)),
        ),
        profile="full",
        note=K_CENTER_NOTE + " apricot has no k-center: another objective, for its cost.",
    ),
    "kcenter-50k": Case(
        "Core-set (k-center), 50,000 rows",
        pools.make_pool,
        {"n": 50_000, "d": 384, "budget": 1_000},
        (
            Contender(OURS, ours.core_set),
            Contender(TORCH, twins.torch_k_center),
            Contender(TWIN, twins.numpy_k_center),
            Contender("scikit-activeml CoreSet", peers.scikit_activeml_core_set),
            Contender("bmdal_reg maxdist", peers.bmdal_max_dist),
            Contender("scikit-matter FPS", peers.scikit_matter_fps, profile="full"),
            Contender(ROOFLINE, roofline(1)),
        ),
        note=K_CENTER_NOTE,
    ),
    "kcenter-narrow": Case(
        "Core-set (k-center), 64 features",
        pools.make_pool,
        {"n": 50_000, "d": 64, "budget": 1_000},
        (
            Contender(OURS, ours.core_set),
            Contender(TORCH, twins.torch_k_center),
            Contender(TWIN, twins.numpy_k_center),
            Contender(ROOFLINE, roofline(1)),
        ),
        note="One column at a time runs from the caches here, so that less can be won.",
    ),
    "itl": Case(
        "ITL with targets",
        pools.make_directed,
        {"n": 5_000, "d": 384, "n_targets": 100, "budget": 50},
        (
            Contender(OURS, ours.itl),
            Contender("activeft ITL, one mini-batch", peers.activeft_itl),
            Contender(TWIN, twins.numpy_itl),
            Contender(ROOFLINE, roofline(2)),
        ),
        note=NOISE_NOTE + " activeft leaves the noise of a candidate's own label out of the score, "
        "so that its picks may differ.",
    ),
    "vtl": Case(
        "VTL with targets",
        pools.make_directed,
        {"n": 5_000, "d": 384, "n_targets": 100, "budget": 50},
        (
            Contender(OURS, ours.vtl),
            Contender("activeft VTL, one mini-batch", peers.activeft_vtl),
            Contender(TWIN, twins.numpy_vtl),
            Contender(ROOFLINE, roofline(2)),
        ),
        note="Noise variance 0.1.",
    ),
    "itl-50k": Case(
        "ITL with targets, 50,000 rows",
        pools.make_directed,
        {"n": 50_000, "d": 384, "n_targets": 100, "budget": 200},
        (
            Contender(OURS, ours.itl),
            Contender(TWO_COLUMNS, two_columns),
            Contender(TWIN, twins.numpy_itl),
            Contender(ROOFLINE, roofline(2)),
        ),
        note=NOISE_NOTE,
    ),
    "vtl-50k": Case(
        "VTL with targets, 50,000 rows",
        pools.make_directed,
        {"n": 50_000, "d": 384, "n_targets": 100, "budget": 200},
        (
            Contender(OURS, ours.vtl),
            Contender(TWO_COLUMNS, two_columns),
            Contender(TWIN, twins.numpy_vtl),
            Contender(ROOFLINE, roofline(2)),
        ),
        note="Noise variance 0.1.",
    ),
    "itl-undirected": Case(
        "ITL without targets (greedy log-determinant)",
        pools.make_noisy_pool,
        {"n": 50_000, "d": 384, "budget": 1_000},
        (
            Contender(OURS, ours.itl_undirected),
            Contender("bmdal_reg maxdet", peers.bmdal_max_det),
            Contender(TWIN, twins.numpy_log_det),
            Contender(ROOFLINE, roofline(1)),
        ),
        note="Noise variance 0.1. Row 0 is labeled at the start. bmdal_reg computes in float32, "
        "where rows nearly orthogonal to it tie: its picks part early.",
    ),
    "activeft": Case(
        "ActiveFT",
        pools.make_centers,
        {"n": 10_000, "d": 384, "budget": 500, "iterations": 20},
        (
            Contender(OURS, ours.activeft),
            Contender(DENSE, twins.torch_activeft),
            Contender(ROOFLINE, activeft_roofline),
        ),
        step="iterations",
        note=ACTIVEFT_NOTE,
    ),
    "activeft-50k": Case(
        "ActiveFT, 50,000 rows",
        pools.make_centers,
        {"n": 50_000, "d": 384, "budget": 1_000, "iterations": 300},
        (
            Contender(OURS, ours.activeft),
            *ACTIVEFT_TWINS,
        ),
        step="iterations",
        note=ACTIVEFT_NOTE
        + "Later iterations of ours are faster, those of the dense form are not.",
    ),
    "activeft-real": Case(
        "ActiveFT, features of CIFAR-10",
        pools.make_real_centers,
        {"n": 50_000, "budget": 1_000, "iterations": 300},
        (
            Contender(OURS, ours.activeft),
            *ACTIVEFT_TWINS,
        ),
        step="iterations",
        note=ACTIVEFT_NOTE + "The features are those that `python -m benchmarks.features` makes.",
    ),
    "activeft-memory": Case(
        "ActiveFT, 5,000 centers",
        pools.make_centers,
        {"n": 50_000, "d": 384, "budget": 5_000, "iterations": 3},
        (
            Contender(OURS, ours.activeft),
            Contender(DENSE, twins.torch_activeft),
            Contender(ROOFLINE, activeft_roofline),
        ),
        step="iterations",
        note="A few iterations show the peak of memory.",
    ),
    "mlmoc": Case(
        "MLMOC",
        pools.make_labeled,
        {"n": 4_500, "d": 384, "n_labeled": 500, "budget": 10},
        (
            Contender(OURS, ours.mlmoc),
            Contender(DENSE_COVARIANCE, twins.numpy_mlmoc),
            Contender("skactive, sequential=True", ours.mlmoc_sequential),
        ),
        ratio="ratio to the first line",
        note=f"{pools.N_CLASSES} classes; every unlabeled row is a candidate and is summed over. "
        "Another order of work, sequential picks differ.",
    ),
    **SERIES,
}
