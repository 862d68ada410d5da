"""Processes killed at random moments lose no label and change no pick.

``SKACTIVE_KILLS`` says how many; ``make soak`` takes hundreds.
"""

import multiprocessing
import os

import numpy as np
import pytest

from tests import killed

N_KILLS = int(os.environ.get("SKACTIVE_KILLS", "12"))


@pytest.fixture(scope="module")
def context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.killed"])
    return context


@pytest.mark.parametrize("work", [killed.fit, killed.ask_or_tell])
def test_killed_runs_end_as_if_they_had_not_been(work, context, tmp_path):
    expected = killed.make_loop(None).fit(killed.X, killed.Y)
    seconds = killed.seconds_of(context, work, tmp_path / "alone")
    rng, n_kills, n_runs = np.random.default_rng(0), 0, 0
    while n_kills < N_KILLS:
        folder = tmp_path / str(n_runs)
        folder.mkdir()
        delays = rng.uniform(0, 1.2 * seconds, min(N_KILLS - n_kills, 20))
        n_new = killed.run_killed(context, work, folder, delays)
        check(folder, expected, n_new)
        n_kills, n_runs = n_kills + n_new, n_runs + 1


def check(folder, expected, n_kills):
    result = np.load(folder / "result.npz")
    np.testing.assert_array_equal(result["rows"], expected.labeled_indices_)
    np.testing.assert_array_equal(result["labels"], expected.y_labeled_)
    np.testing.assert_array_equal(result["predictions"], expected.predict_proba(killed.X))
    asked = killed.noted(folder / "asked")
    n_again = sum(map(len, asked)) - len({row for rows in asked for row in rows})
    assert n_again <= n_kills * killed.BATCH  # the batch in flight, no more
    told = {row for rows in killed.noted(folder / "told") for row in rows}
    assert told <= set(result["rows"].tolist())
