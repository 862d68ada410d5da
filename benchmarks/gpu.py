"""Check that a GPU picks the rows that the CPU picks, then time it: ``python benchmarks/gpu.py``.

One file that needs torch, NumPy, scikit-learn and skactive. Without a CUDA device it runs small, on
the CPU, which tests the script itself. Prints a Markdown table; fails if picks differ.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import skactive

CPU_SCALE = 0.01
ITERATIONS = 300
CHECK_ROWS, CHECK_PICKS, CHECK_ITERATIONS = 20_000, 200, 20
CHUNK = 16_384
# Two rows tie where their scores differ by no more than this share.
TIE = 1e-9
LOSS_TOLERANCE = 1e-5
ASSIGNED_ALIKE = 0.999


class Work(NamedTuple):
    """A line of the table."""

    title: str
    n: int
    budget: int
    goal: float
    make: Callable[[int, Any], Any]
    """From budget and device to a selector."""
    n_targets: int = 0
    labeled: tuple[int, ...] = ()


def core_set(budget: int, device: Any) -> Any:
    return skactive.CoreSetSelector(budget, device=device)


def itl(budget: int, device: Any) -> Any:
    return skactive.ITLSelector(budget, device=device)


def vtl(budget: int, device: Any) -> Any:
    return skactive.VTLSelector(budget, device=device)


def activeft(budget: int, device: Any, iterations: int | None = None) -> Any:
    return skactive.ActiveFTSelector(
        budget, max_iter=iterations or ITERATIONS, random_state=0, device=device
    )


def mlmoc(budget: int, device: Any) -> Any:
    return skactive.MLMOCSelector(budget, device=device)


WORK = [
    Work("k-center, 1.28M rows, 12,800 picks", 1_280_000, 12_800, 10, core_set, labeled=(0,)),
    Work("ITL, 1.28M rows, 1,000 targets, 1,000 picks", 1_280_000, 1_000, 3, itl, 1_000),
    Work("ActiveFT, 50k rows, 5,000 picks", 50_000, 5_000, 3, activeft),
    Work("ActiveFT, 1.28M rows, 12,811 picks", 1_280_000, 12_811, 60, activeft),
]


def clustered(n: int, d: int, device: Any, seed: int = 0) -> Tensor:
    """Unit rows around 100 random centers, made where they are used; float32."""
    centers = torch.randn(100, d, generator=torch.Generator().manual_seed(0)).to(device)
    generator = torch.Generator(device).manual_seed(seed + 1)
    X = torch.empty(n, d, device=device)
    for chunk in X.split(CHUNK):
        chunk.normal_(generator=generator).mul_(0.7)
        chunk += centers[torch.randint(100, (len(chunk),), generator=generator, device=device)]
        chunk /= chunk.norm(dim=1, keepdim=True)
    return X


# Correctness


def check(device: Any, scale: float, d: int) -> list[list[str]]:
    """A line for each selector: what, whether it is right, and in which sense."""
    n, budget = max(500, int(CHECK_ROWS * scale)), max(10, int(CHECK_PICKS * scale))
    X = clustered(n, d, "cpu")
    targets = clustered(100, d, "cpu", seed=1)
    y, labeled = np.arange(n) % 10, list(range(100))

    def fits(make: Callable[[int, Any], Any], **arguments: Any) -> list[Any]:
        moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in arguments.items()}
        one = make(budget, "cpu").fit(X, **arguments)
        return [one, make(budget, device).fit(X.to(device), **moved)]

    greedy = {
        "core-set": fits(core_set),
        "core-set, row 0 labeled": fits(core_set, labeled=[0]),
        "ITL": fits(itl, X_target=targets),
        "VTL": fits(vtl, X_target=targets),
        "undirected ITL": fits(itl),
        "MLMOC": fits(mlmoc, y=y, labeled=labeled),
    }
    lines = [[name, *compare_picks(*both)] for name, both in greedy.items()]
    both = fits(lambda b, where: activeft(b, where, CHECK_ITERATIONS))
    return [*lines, ["ActiveFT", *compare_centers(X, *both)]]


def compare_picks(one: Any, other: Any) -> tuple[str, str]:
    """Equal picks, or a tie where they part."""
    differ = np.flatnonzero(one.indices_ != other.indices_)
    if not len(differ):
        return "yes", f"all {len(one.indices_)} picks equal"
    t = differ[0]
    a, b = one.scores_[t], other.scores_[t]
    verdict = "yes" if abs(a - b) <= TIE * max(abs(a), abs(b)) else "**no**"
    return verdict, f"equal up to pick {t}, then scores {a:.12g} and {b:.12g}"


def compare_centers(X: Tensor, one: Any, other: Any) -> tuple[str, str]:
    """Losses of all iterations, and which rows belong together at the end."""
    loss = np.max(np.abs(one.loss_curve_ / other.loss_curve_ - 1))
    alike = (_assigned_pick(X, one) == _assigned_pick(X, other)).double().mean().item()
    picks = int((one.indices_ == other.indices_).sum())
    right = loss <= LOSS_TOLERANCE and alike >= ASSIGNED_ALIKE
    text = f"loss differs by {loss:.1e}, {alike:.3%} of the rows assigned alike, {picks} of "
    return "yes" if right else "**no**", text + f"{len(one.indices_)} picks equal"


def _assigned_pick(X: Tensor, selector: Any) -> Tensor:
    """For each row the pick of its center."""
    centers = torch.as_tensor(selector.centers_, dtype=torch.float64).T
    nearest = torch.cat([(chunk.double() @ centers).argmax(1) for chunk in X.split(CHUNK)])
    return torch.as_tensor(selector.indices_)[nearest]


# Seconds


def _scaled(work: Work, scale: float) -> tuple[int, int]:
    return max(200, int(work.n * scale)), max(2, int(work.budget * scale))


def time_work(work: Work, device: Any, scale: float, d: int, runs: int) -> list[str]:
    n, budget = _scaled(work, scale)
    X = clustered(n, d, device)
    arguments: dict[str, Any] = {"labeled": list(work.labeled)} if work.labeled else {}
    if work.n_targets:
        arguments["X_target"] = clustered(max(2, int(work.n_targets * scale)), d, device, seed=1)
    work.make(2, device).fit(X[:200], **arguments)  # warm-up
    before = _start_peak(device)
    clocked = [
        _seconds(lambda: work.make(budget, device).fit(X, **arguments), device) for _ in range(runs)
    ]
    seconds = median(clocked)
    met = ("yes" if seconds < work.goal else "**no**") if scale == 1 else "scaled"
    sizes = f"n = {n:,}, {budget:,} picks"
    return [work.title, sizes, f"{work.goal:g}", f"{seconds:.3g}", met, _peak(device, before)]


def time_products(work: Work, device: Any, scale: float, d: int, runs: int) -> list[str]:
    """ActiveFT's product in both precisions, and how many rows bfloat16 leaves open."""
    n, budget = _scaled(work, scale)
    X = clustered(n, d, device)
    fitted = activeft(budget, device, CHECK_ITERATIONS).fit(X[: 10 * budget])
    centers = torch.as_tensor(fitted.centers_, dtype=torch.float32, device=device)
    clocked = []
    for pair in ((X, centers), (X.bfloat16(), centers.bfloat16())):
        largest = partial(_largest, *pair)
        largest()  # warm-up
        clocked.append(median(_seconds(largest, device) for _ in range(runs)))
    seconds = [f"{one:.3g}" for one in clocked]
    return [f"{n:,} x {budget:,}", *seconds, f"{_doubtful(X, centers):.1%}"]


def _largest(X: Tensor, centers: Tensor) -> None:
    for chunk in X.split(CHUNK):
        (chunk @ centers.T).max(1)


def _doubtful(X: Tensor, centers: Tensor) -> float:
    """Share of rows whose two largest bfloat16 products are closer than their errors may be.

    A product of unit vectors f and t computed from rounded ones is off by no more than
    |f - f'| + |t - t'| and, being rounded itself, 2^-8 of its size.
    """
    rough_centers = centers.bfloat16()
    center_error = (centers - rough_centers).norm(dim=1).max()
    count = 0
    for chunk in X.split(CHUNK):
        rough = chunk.bfloat16()
        two = (rough @ rough_centers.T).topk(2, dim=1).values.float()
        error = (chunk - rough).norm(dim=1) + center_error
        bound = 2 * error + 2**-8 * two.abs().sum(1)
        count += int((two[:, 0] - two[:, 1] <= bound).sum())
    return count / len(X)


def _seconds(run: Callable[[], object], device: Any) -> float:
    _wait(device)
    start = perf_counter()
    run()
    _wait(device)
    return perf_counter() - start


def _wait(device: Any) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _start_peak(device: Any) -> int:
    if torch.device(device).type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _peak(device: Any, before: int) -> str:
    if torch.device(device).type != "cuda":
        return "not known"
    return f"{(torch.cuda.max_memory_allocated(device) - before) / 2**20:,.0f}"


# The page


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    device, scale, d = options.device, options.scale, options.features
    print(f"{describe(device)}, scale {scale:g}, {d} features, float32\n")
    checks = check(device, min(1.0, 10 * scale), d)
    show(["same as on the CPU", "", ""], checks)
    if any(verdict != "yes" for _, verdict, _ in checks):
        return 1
    if options.bfloat16:
        lines = [time_products(work, device, scale, d, options.runs) for work in WORK[2:]]
        show(["ActiveFT's product", "float32, s", "bfloat16, s", "rows left open"], lines)
        return 0
    timed = [time_work(work, device, scale, d, options.runs) for work in WORK]
    show(["work", "sizes", "goal, s", "seconds", "met", "MiB beyond the pool"], timed)
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    has_cuda = torch.cuda.is_available()
    parser.add_argument("--device", default="cuda" if has_cuda else "cpu")
    parser.add_argument(
        "--scale", type=float, help=f"factor on the sizes (default 1, on the CPU {CPU_SCALE:g})"
    )
    parser.add_argument("--features", type=int, default=384, help="default 384")
    parser.add_argument("--runs", type=int, default=3, help="the median counts (default 3)")
    parser.add_argument("--bfloat16", action="store_true", help="time ActiveFT's products instead")
    options = parser.parse_args(argv)
    if options.scale is None:
        options.scale = CPU_SCALE if torch.device(options.device).type == "cpu" else 1.0
    return options


def describe(device: Any) -> str:
    is_cuda = torch.device(device).type == "cuda"
    name = torch.cuda.get_device_name(device) if is_cuda else f"CPU ({platform.machine()})"
    return f"{name}, torch {torch.__version__}, skactive {skactive.__version__}"


def show(header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    for row in (header, ["---"] * len(header), *lines):
        print("| " + " | ".join(row) + " |", flush=True)
    print()


if __name__ == "__main__":
    sys.exit(main())
