"""Features from gradients and tangent kernels: ``python -m benchmarks.network_gradients``.

Both are compared with a forward pass and with the plain way to compute them, on the images of
Fashion-MNIST where they have been fetched, else on random ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import images
from benchmarks.memory import Watch
from benchmarks.text import number, spread, table
from skactive.embedding._gradient_features import GradientFeatures
from skactive.embedding._tangent_kernel import TangentKernel
from skactive.embedding._view import view_network

N_IMAGES, N_KERNEL_ROWS = 10_000, 1_000
SKETCH_DIM = 2048
BATCH_SIZE = 256
N_ROUNDS, QUICK_SCALE = 5, 0.02
# The plain way takes a tenth of the rows where all would take hours or not fit into memory.
NAIVE_SHARE = 10
PROBE_SEEDS = 5

FEATURES_TEXT = """\
Gradients of the summed outputs of a convolutional network with {n_parameters:,} parameters, for
{n:,} images of 28 x 28 ({source}), each {dim} numbers where they are sketched. **x forward**:
median over {rounds} rounds of the time divided by that of a forward pass of the same round without
gradients, in batches of {batch}. **kernel error**: relative Frobenius error of the kernel of the
features on 256 images, mean (largest) over {seeds} seeds. **MiB**: peak resident memory beyond the
features themselves, the network and the images."""

KERNELS_TEXT = """\
Tangent kernels between {n:,} images and themselves, for networks with 10 outputs. The plain way
takes the gradients of one row and one output after the other by autograd, and multiplies them; for
"diagonal" and "full" it takes a tenth of the rows, its gradients are counted 10 and its products
100 times. **error**: relative Frobenius error between both."""


class Network(NamedTuple):
    """A network and the kinds of kernels to time."""

    make: Callable[[], nn.Module]
    kinds: tuple[str, ...]


def small_conv_net(n_hidden: int = 60) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1568, n_hidden),
        nn.ReLU(),
        nn.Linear(n_hidden, 10),
    )


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 700),
        nn.ReLU(),
        nn.Linear(700, 600),
        nn.ReLU(),
        nn.Linear(600, 10),
    )


def conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3136, 300),
        nn.ReLU(),
        nn.Linear(300, 10),
    )


def all_convolutional() -> nn.Module:
    layers: list[nn.Module] = []
    for n_in, n_out, stride in (
        (1, 32, 2),
        (32, 64, 2),
        (64, 128, 2),
        (128, 256, 1),
        (256, 256, 1),
    ):
        layers += [nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


NETWORKS = {
    "linear layers": Network(mlp, ("pntk", "diagonal", "full")),
    "convolutions, then linear layers": Network(conv_net, ("pntk", "diagonal", "full")),
    # "full" would take its 10^14 multiplications.
    "convolutions only": Network(all_convolutional, ("pntk", "diagonal")),
}


def section(options: argparse.Namespace) -> str:
    """Both tables."""
    torch.manual_seed(0)
    X, source = load(max(8, int(N_IMAGES * options.scale)))
    rows = X[: max(8, int(N_KERNEL_ROWS * options.scale))]
    rounds = 1 if options.scale < 1 else N_ROUNDS
    return "\n\n".join(
        ["## Gradients of networks", features_part(X, source, rounds), kernels_part(rows)]
    )


def load(n: int) -> tuple[Tensor, str]:
    """Images with pixels from 0 to 1, and where they come from."""
    try:
        pixels = images.load("fashion-mnist").X_train[:n]
    except FileNotFoundError:
        return torch.rand(n, 1, 28, 28), "random pixels: Fashion-MNIST has not been fetched"
    return torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255, "Fashion-MNIST"


def features_part(X: Tensor, source: str, rounds: int) -> str:
    net = small_conv_net().eval()
    view = view_network(net)
    sketched = GradientFeatures(view, X, sketch_dim=SKETCH_DIM, seed=0)
    whole = GradientFeatures(view, X, sketch_dim=None, seed=0)
    ways: dict[str, Callable[[], Any]] = {
        "forward pass": partial(forward, net, X),
        "features, sketched": partial(sketched.compute, X),
        "features, whole gradients": partial(whole.compute, X),
        "vmap(grad), then index_add_ with random signs": partial(vectorised, net, X),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    memory: dict[str, float] = {}
    for name, way in ways.items():  # also warms up
        with Watch() as watch:
            result = way()
        kept = 0 if result is None else 4 * result.shape[0] * result.shape[1]
        if watch.resident is not None:
            memory[name] = max(0, watch.resident - kept) / 2**20
        del result
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(clocked(way))
    errors = [
        GradientFeatures(view, X, sketch_dim=SKETCH_DIM, seed=seed).kernel_error(X)
        for seed in range(PROBE_SEEDS)
    ]
    notes = {
        "features, sketched": f"{np.mean(errors):.3f} ({max(errors):.3f})",
        "features, whole gradients": f"{whole.kernel_error(X):.1g}",
    }
    base = seconds["forward pass"]
    lines = [
        [
            name,
            spread(times),
            number(median(t / f for t, f in zip(times, base, strict=True))),
            notes.get(name, ""),
            number(memory[name]) if name in memory else "",
        ]
        for name, times in seconds.items()
    ]
    text = FEATURES_TEXT.format(
        n=len(X),
        n_parameters=n_parameters(net),
        source=source,
        dim=SKETCH_DIM,
        rounds=rounds,
        batch=BATCH_SIZE,
        seeds=PROBE_SEEDS,
    )
    header = ["", "seconds", "x forward", "kernel error", "MiB"]
    return "\n\n".join([text, table(header, lines)])


def forward(net: nn.Module, X: Tensor) -> None:
    with torch.no_grad():
        for batch in X.split(BATCH_SIZE):
            net(batch)


def vectorised(net: nn.Module, X: Tensor) -> Tensor:
    """What torch.func offers, and a CountSketch by scattered additions."""
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    size = n_parameters(net)
    columns = torch.randint(SKETCH_DIM, (size,), generator=generator)
    signs = 2.0 * torch.randint(2, (size,), generator=generator) - 1

    def summed(values: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(net, values, (x[None],)).sum() / 10**0.5

    gradient = torch.func.vmap(torch.func.grad(summed), in_dims=(None, 0))
    sketches = []
    for batch in X.split(BATCH_SIZE):
        found = gradient(parameters, batch)
        flat = torch.cat([values.flatten(1) for values in found.values()], 1) * signs
        sketches.append(torch.zeros(len(batch), SKETCH_DIM).index_add_(1, columns, flat))
    return torch.cat(sketches)


def kernels_part(X: Tensor) -> str:
    lines = []
    for name, network in NETWORKS.items():
        net = network.make().eval()
        for kind in network.kinds:
            lines.append([name, f"{n_parameters(net):,}", kind, *kernel_line(net, X, kind)])
    header = ["network", "parameters", "kind", "seconds", "plain way", "ratio", "error", "MiB"]
    return "\n\n".join([KERNELS_TEXT.format(n=len(X)), table(header, lines)])


def kernel_line(net: nn.Module, X: Tensor, kind: str) -> list[str]:
    share = 1 if kind == "pntk" else NAIVE_SHARE
    few = X[: max(2, len(X) // share)]
    with Watch() as watch:
        start = perf_counter()
        kernel = TangentKernel(view_network(net), kind, X).gram(X)
        ours = perf_counter() - start
    part = kernel[..., : len(few), : len(few)]
    if kind == "full":
        part = kernel[: 10 * len(few), : 10 * len(few)]
    expected, for_gradients, for_products = naive_kernel(net, few, kind)
    factor = len(X) / len(few)
    naive = for_gradients * factor + for_products * factor**2
    error = float((part - expected).norm() / expected.norm())
    resident = watch.resident
    size = "" if resident is None else number((resident - 8 * kernel.numel()) / 2**20)
    return [number(ours), number(naive), number(naive / ours), f"{error:.0e}", size]


def naive_kernel(net: nn.Module, X: Tensor, kind: str) -> tuple[Tensor, float, float]:
    """The kernel, the seconds for the gradients and the seconds for their products."""
    start = perf_counter()
    parameters = list(net.parameters())
    rows = []
    for x in X:
        outputs = net(x[None])[0]
        for value in [outputs.sum() / len(outputs) ** 0.5] if kind == "pntk" else outputs:
            found = torch.autograd.grad(value, parameters, retain_graph=True)
            rows.append(torch.cat([gradient.flatten() for gradient in found]))
    J = torch.stack(rows)
    middle = perf_counter()
    if kind == "diagonal":
        by_output = J.reshape(len(X), -1, J.shape[1]).transpose(0, 1)
        kernel = torch.stack([gradients @ gradients.T for gradients in by_output])
    else:
        kernel = J @ J.T
    return kernel, middle - start, perf_counter() - middle


def clocked(work: Callable[[], Any]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def n_parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.network_gradients", description=__doc__
    )
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes (default 1)")
    parser.add_argument(
        "--quick", action="store_true", help=f"no measurement: --scale {QUICK_SCALE}"
    )
    options = parser.parse_args(argv)
    if options.quick:
        options.scale = QUICK_SCALE
    if options.scale <= 0:
        parser.error("--scale must be above 0")
    print(section(options))


if __name__ == "__main__":
    main()
