"""The same work over several sizes, and the quality of the picks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import skactive
from benchmarks import ours, peers, pools, twins
from benchmarks.case import MAPPED, OURS, TORCH, TWIN, Case, Contender

K_CENTER_NOTE = "Row 0 is labeled at the start, so that all pick the same rows but for rounding."
NOISE_NOTE = "Noise variance 0.1, for the targets too."
SMALL = {1: "default", 3: "default", 10: "default"}
LARGE = {100: "default", 250: "default", 1000: "default"}
LATE = {100: "full", 250: "full", 1000: "full"}


def accuracies(picks: list[NDArray[np.int64]], splits: list[pools.Split], **_: Any) -> list[float]:
    """Test accuracy of logistic regression trained on the labeled rows and the picks."""
    scores = []
    for rows, split in zip(picks, splits, strict=True):
        known = np.append(split.labeled, rows)
        model = LogisticRegression(max_iter=1000).fit(split.X[known], split.y[known])
        scores.append(float(model.score(split.X_test, split.y_test)))
    return scores


def _over(
    label: str, run: Callable[..., Any], sizes: dict[int, str], make: Any = None
) -> tuple[Contender, ...]:
    """One curve of a plot: the profile of each pool size in thousands."""
    return tuple(
        Contender(label, run, {"n": 1000 * n}, profile, make) for n, profile in sizes.items()
    )


def _table3(label: str, run: Callable[..., Any], quoted: tuple[str, str, str], late: str) -> Any:
    """The 2, 5 and 10 % of the ActiveFT paper; `late` is the profile of the larger two."""
    profiles = ("default", late, late)
    return tuple(
        Contender(label, run, {"budget": budget}, profile, quoted=text)
        for budget, profile, text in zip((1_000, 2_500, 5_000), profiles, quoted, strict=True)
    )


def _on_digits(label: str, make_selector: Callable[[int, int], skactive.BaseSelector]) -> Contender:
    return Contender(label, partial(ours.on_splits, make_selector))


def _activeft(X: Any, budget: int) -> Any:
    return ours.activeft(X, budget, iterations=300, seed=pools.SEED)


SERIES = {
    "table3": Case(
        "The ActiveFT paper's Table 3: 2, 5 and 10 % of 50,000 rows",
        pools.make_pool,
        {"n": 50_000, "d": 384},
        (
            *_table3("skactive, core-set", ours.core_set, ("1h57m", "7h44m", "20h38m"), "default"),
            *_table3("skactive, ActiveFT", _activeft, ("12.6 s", "21.9 s", "37.3 s"), "full"),
            *_table3(
                "k-means of scikit-learn, then the nearest rows",
                twins.nearest_to_k_means,
                ("16.6 s", "37.0 s", "70.2 s"),
                "full",
            ),
        ),
        ratio=None,
        compares_picks=False,
        quotes="the paper",
        takes_turns=False,
        note="300 iterations of ActiveFT. The paper selects from CIFAR-100 on a GPU; here the rows "
        "are synthetic and all runs on the CPU.",
    ),
    "growth-coreset": Case(
        "Growth of core-set with the pool",
        pools.make_pool,
        {"d": 256, "budget": 200},
        (
            *_over(OURS, ours.core_set, SMALL | LARGE),
            *_over(MAPPED, ours.core_set, LARGE, pools.make_mapped_pool),
            *_over(TORCH, twins.torch_k_center, SMALL | LARGE),
            *_over(TWIN, twins.numpy_k_center, LATE),
            *_over("scikit-activeml CoreSet", peers.scikit_activeml_core_set, SMALL),
            *_over("bmdal_reg maxdist", peers.bmdal_max_dist, SMALL | LATE),
            *_over("scikit-matter FPS", peers.scikit_matter_fps, SMALL | LATE),
            *_over("apricot facility location", peers.apricot_facility_location, SMALL),
        ),
        takes_turns=False,
        plot=True,
        note=K_CENTER_NOTE + " apricot has another objective; beyond 10,000 rows its n x n matrix "
        "is not asked for.",
    ),
    "growth-itl": Case(
        "Growth of ITL with the pool",
        pools.make_directed,
        {"d": 256, "n_targets": 100, "budget": 200},
        (
            *_over(OURS, ours.itl, SMALL | LARGE),
            *_over(MAPPED, ours.itl, LARGE, pools.make_mapped_directed),
            *_over(TWIN, twins.numpy_itl, SMALL | LATE),
            *_over("activeft ITL, one mini-batch", peers.activeft_itl, {1: "default", 3: "full"}),
        ),
        takes_turns=False,
        plot=True,
        note=NOISE_NOTE,
    ),
    "large": Case(
        "A pool of the size of ImageNet",
        pools.make_directed,
        {"n": 1_281_167, "d": 384, "n_targets": 100, "budget": 12_811},
        (
            Contender("skactive, core-set", lambda X, budget, **_: ours.core_set(X, budget)),
            Contender("skactive, ITL with targets", ours.itl),
        ),
        ratio=None,
        compares_picks=False,
        takes_turns=False,
        profile="large",
        note="1 % of the rows. " + NOISE_NOTE,
    ),
    "digits": Case(
        "Quality of the picks on handwritten digits",
        pools.make_digits,
        {"n_splits": 5, "n_first": 20, "budget": 50},
        (
            _on_digits(
                "random rows", lambda b, seed: skactive.RandomSelector(b, random_state=seed)
            ),
            _on_digits("core-set", lambda b, seed: skactive.CoreSetSelector(b)),
            _on_digits("ITL", lambda b, seed: skactive.ITLSelector(b)),
            _on_digits("VTL", lambda b, seed: skactive.VTLSelector(b)),
            _on_digits("ActiveFT", lambda b, seed: skactive.ActiveFTSelector(b, random_state=seed)),
            _on_digits("MLMOC", lambda b, seed: skactive.MLMOCSelector(b, sequential=True)),
        ),
        ratio=None,
        compares_picks=False,
        judge=accuracies,
        note="Accuracy of logistic regression on the other half of the data, after training on "
        "the first labeled rows, drawn at random, and the picks: mean (smallest-largest) over the "
        "splits. Seconds are for all splits.",
    ),
}
