"""Random numbers that depend on what they are for, never on what was drawn before."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# What random numbers are for.
STEPS, SELECTION, RANDOM_PICKS, TRAINING = range(4)


class Seeds(NamedTuple):
    """All generators of one loop, so that a restarted one draws what the first would have drawn."""

    root: int | None  # None seeds nothing

    def of(self, purpose: int, counter: int = 0) -> np.random.RandomState | None:
        """The generator for one purpose; None where nothing is seeded."""
        if self.root is None:
            return None
        sequence = np.random.SeedSequence(self.root, spawn_key=(purpose, counter))
        return np.random.RandomState(np.random.MT19937(sequence))


def root_of(random_state: Any) -> int | None:
    """One number for all seeds, from a parameter `random_state`."""
    if random_state is None:
        return None
    if isinstance(random_state, (int, np.integer)) and random_state >= 0:
        return int(random_state)
    if isinstance(random_state, np.random.RandomState) or random_state is np.random:
        return int(random_state.randint(np.iinfo(np.int32).max))
    raise ValueError(
        f"random_state == {random_state!r}, must be None, an int >= 0 or a "
        "numpy.random.RandomState. Try random_state=0."
    )


def seeded(estimator: Any, random_state: np.random.RandomState | None) -> Any:
    """Give every `random_state` parameter that is None a seed of its own."""
    if random_state is None:
        return estimator
    seeds = {
        name: random_state.randint(np.iinfo(np.int32).max)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    return estimator.set_params(**seeds)
