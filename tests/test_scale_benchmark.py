"""The benchmark of pools in parts: its pools, its model, and a tiny run of each section."""

import re

import numpy as np
import pytest

pytest.importorskip("distributed")

from benchmarks import scale, scale_memory, scale_simulation, scale_tools  # noqa: E402
from benchmarks.scale_simulation import Run  # noqa: E402
from benchmarks.scale_tools import Call, Meter, make_task, rows_of  # noqa: E402
from skactive import CoreSetSelector  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:Port .* is already in use",
    "ignore:unclosed",
    "ignore::ResourceWarning",
    # It measures that on purpose.
    "ignore:Running on a single-machine scheduler:UserWarning",
)


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.setenv("SKACTIVE_FEATURES", str(tmp_path / "none.npz"))
    return make_task(tmp_path, 900, 8)[0]


def cells(text, column):
    header, _, *lines = [
        re.split(r" \| ", line[2:-2]) for line in text.splitlines() if line.startswith("| ")
    ]
    return [line[header.index(column)] for line in lines if len(line) == len(header)]


def test_pools_do_not_depend_on_how_they_are_cut(task):
    whole = task.X
    assert whole.dtype == np.float32 and whole.shape == (900, 8)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-6)
    pieces = [rows_of(task.path, a, b) for a, b in task.bounds(170)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    g = scale_tools.GRANULE
    across = rows_of(task.path, g - 5, g + 5)
    np.testing.assert_array_equal(across[5:], rows_of(task.path, g, g + 5))
    assert len(np.unique(whole, axis=0)) == 900
    assert not np.isin(task.targets[:, 0], whole[:, 0]).any()


@pytest.mark.parametrize("kind", scale_memory.FORMATS)
def test_what_is_written_is_the_pool(task, tmp_path, kind):
    path = tmp_path / "pool"
    scale_memory.write(task, path, kind, 400)
    X = scale_memory.opened(str(path), kind)
    np.testing.assert_array_equal(np.asarray(X.compute()), task.X)
    scale_memory.remove(path)
    assert not path.exists()


def test_model_finds_what_made_the_times(monkeypatch):
    monkeypatch.setattr(scale_simulation, "_cores", lambda: 4)
    compute, latency, per_worker = 3e-6, 0.01, 0.002
    latencies = {w: latency + per_worker * w for w in range(1, 9)}
    meter = Meter([Call("advance", 0.1, 10, 10)] * 7)
    runs = [
        Run("core-set", n, w, compute * n / min(w, 4) + 7 * latencies[w], 1.0, meter, 5)
        for n in (10**5, 10**6)
        for w in range(1, 9)
    ]
    model = scale_simulation.fitted(runs, "core-set", latencies)
    np.testing.assert_allclose(model, (compute, latency, per_worker), rtol=1e-6)
    waiting = 7 * (latency + per_worker * 1000)
    np.testing.assert_allclose(model.parts(10**9, 1000, 7), (3.0, waiting), rtol=1e-6)


def test_meter_counts_round_trips_in_this_process(task):
    da = pytest.importorskip("dask.array")
    with Meter().running() as meter:
        CoreSetSelector(5).fit(da.from_array(task.X, chunks=(300, -1)))
    names = [call.name for call in meter.calls]
    assert meter.blocks == names.count("advance") >= 2
    assert all(call.up > 0 and call.seconds > 0 for call in meter.calls)
    assert set(meter.by_name()) == set(names)
    assert sum(meter.by_name().values()) == pytest.approx(meter.seconds)


def test_wrong_picks_end_the_benchmark():
    with pytest.raises(AssertionError, match="picks differ"):
        scale_tools.check_same([1, 2], [1, 3], "core-set")


def test_simulation_runs(tmp_path):
    text = scale.section(
        "simulation", tmp_path, "command", quick=True, n=400, d=8, budget=4, most_workers=1
    )
    assert text.startswith("## Workers, round trips, bytes\n\n`command`")
    assert "### Projected, not measured" in text
    assert cells(text, "workers")[:4] == ["1"] * 4
    assert all(float(x) > 0 for x in cells(text, "KB a pick")[:4])


def test_overhead_runs(tmp_path):
    text = scale.section("overhead", tmp_path, "command", quick=True, n=600, d=8, budgets=(4,))
    assert "Goal: two workers take at most 1.5 times" in text
    assert all(float(x) > 0 for x in cells(text, "ratio"))
    assert len(cells(text, "ratio")) == 8


def test_memory_runs_and_the_page_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(scale_memory, "FORMATS", ("npy",))
    monkeypatch.setattr(scale_memory, "SELECTORS", {"core-set": None})
    page = tmp_path / "page.md"
    page.write_text("# Pools in parts\n\n## Other\n\nkept\n")
    scale.main(
        ["--quick", "--sections", "memory", "--rows", "600", "--folder", str(tmp_path)]
        + ["--output", str(page)]
    )
    text = page.read_text()
    assert text.startswith("# Pools in parts\n\n## Other\n\nkept\n\n## More rows than memory")
    assert cells(text, "lost workers") == ["0", "0"]
    assert all(float(x) > 0 for x in cells(text, "seconds"))
