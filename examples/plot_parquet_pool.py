"""Which rows of a folder of Parquet files to label, without ever loading it whole?

The usual way to keep embeddings of many images is a folder of Parquet files: an id and the
features, some hundred thousand rows a file. Here it is written first, to a temporary folder, from
scikit-learn's handwritten digits; then come the ten lines that matter. Dask opens the folder, the
selector reads one file after the other, and the ids of the picks come back. The picks are those
for the same rows in one array. ``--workers 2`` does the same on two worker processes, each with
its files; any other cluster of dask is used likewise: make a Client of its address, then fit.

Prints the ids to label and draws these digits to parquet_pool.png.
"""

import argparse
import tempfile
from contextlib import nullcontext
from pathlib import Path

import dask.dataframe as dd
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from skactive import CoreSetSelector
from skactive.distributed import take_rows

N_FILES = 6
N_PICKS = 20


def write_pool(folder, X):
    """Some files of ids and features, as a job that embeds images leaves them."""
    frame = pd.DataFrame(X, columns=[f"feature_{j}" for j in range(X.shape[1])])
    frame.insert(0, "id", [f"digit-{i:04d}" for i in range(len(X))])
    for part, rows in enumerate(np.array_split(np.arange(len(X)), N_FILES)):
        frame.iloc[rows].to_parquet(folder / f"part-{part}.parquet")


def start_workers(n_workers):
    """A client of a cluster on this machine; nothing where no workers are wanted."""
    if not n_workers:
        return nullcontext()
    from distributed import Client

    return Client(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0")


def select(folder, budget):
    """Positions and ids of the rows to label, and the covering radius."""
    pool = dd.read_parquet(folder)
    features = pool[[name for name in pool.columns if name != "id"]]  # still on disk
    selector = CoreSetSelector(budget).fit(features)
    ids = take_rows(pool["id"], selector.indices_)  # reads the files that have some of them
    return selector.indices_, ids, selector.covering_radius_


def draw(images, ids, path):
    figure, axes = plt.subplots(2, -(-len(ids) // 2), figsize=(10, 2.8), layout="constrained")
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, name in zip(axes.flat, images, ids, strict=False):
        ax.imshow(image, cmap="gray_r")
        ax.set_title(name, fontsize=7)
    figure.suptitle("The digits to label first, picked from Parquet files")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=0, help="worker processes (default: none)")
    parser.add_argument(
        "--output", type=Path, default=Path("parquet_pool.png"), help="picture to write"
    )
    options = parser.parse_args()
    digits = load_digits()
    X = (digits.data / 16).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        write_pool(Path(folder), X)
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        print(f"pool: {N_FILES} Parquet files, {len(X):,} rows, {size / 1e6:.1f} MB on disk")
        with start_workers(options.workers):
            positions, ids, radius = select(folder, N_PICKS)
    print(f"label these {len(ids)} first: {', '.join(ids)}")
    print(f"then no row is farther than {radius:.2f} from a labeled one")
    same = np.array_equal(positions, CoreSetSelector(N_PICKS).fit(X).indices_)
    print(f"the same rows as from one array in memory: {'yes' if same else 'no'}")
    draw(digits.images[positions], list(ids), options.output)
    print(f"picture: {options.output}")


if __name__ == "__main__":
    main()
