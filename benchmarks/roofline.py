"""The fastest that this machine multiplies a pool with as many columns as a method needs."""

from time import perf_counter

from benchmarks.case import Clocked

# One column is bound by memory, many by arithmetic.
WIDTHS = (32, 128, 512)
REPEATS = 3


def products(X, columns):
    """The best of several block widths for a product with that many columns, clocked here.

    The columns of a width are multiplied a few times and the seconds of one column multiplied by
    their number: the product of a large pool with thousands of columns would not fit memory.
    """
    import torch

    X = torch.from_numpy(X)
    best = float("inf")
    for width in sorted({min(width, columns, len(X)) for width in WIDTHS}):
        V = X[:width].T.contiguous()
        for _ in range(REPEATS):
            start = perf_counter()
            for part in X.split(4096):
                part @ V
            best = min(best, (perf_counter() - start) / width)
    return Clocked(best * columns)


def roofline(columns_per_pick):
    """A contender of k-center, ITL and VTL: arguments beside the pool do not matter."""

    def run(X, budget, **others):
        return products(X, columns_per_pick * budget)

    return run


def activeft_roofline(X, budget, iterations, seed):
    """All rows times all centers, once an iteration."""
    return Clocked(products(X, budget).seconds * iterations)


def two_columns(X, budget, **others):
    """One product of the pool with two columns for each pick."""
    import torch

    X = torch.from_numpy(X)
    V = X[:2].T.contiguous()
    product = torch.empty(len(X), V.shape[1])
    for _ in range(budget):
        torch.mm(X, V, out=product)
