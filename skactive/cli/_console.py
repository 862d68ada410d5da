"""What commands say on standard error, and options that several of them have."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from skactive.files import PoolFile, read_pool


class UsageError(ValueError):
    """Options that do not go together; the exit code is 2."""


def say(message: str) -> None:
    """One line, or a few, for the person at the terminal."""
    print(f"skactive: {message}", file=sys.stderr, flush=True)


def add_pool_options(parser: argparse.ArgumentParser) -> None:
    """Which file holds the pool, and which of its columns is what."""
    parser.add_argument(
        "pool",
        metavar="FILE",
        help=".npy or .npz of features, .csv, .tsv or .parquet, .txt (a text a line), or a "
        "folder of images",
    )
    group = parser.add_argument_group("the pool")
    group.add_argument(
        "--features", metavar="F.npy", help=".npy or .npz with the features of these rows"
    )
    group.add_argument(
        "--columns",
        type=names,
        metavar="A,B",
        help="columns of numbers that are the features (default: all)",
    )
    group.add_argument(
        "--ids",
        metavar="COLUMN",
        help="column of ids (default: 'id' where there is one, else row numbers from 0)",
    )
    group.add_argument(
        "--text", metavar="COLUMN", help="column of texts; without features, its words count"
    )
    group.add_argument(
        "--images", metavar="COLUMN", help="column of image files, relative to the pool's folder"
    )
    group.add_argument(
        "--embedding",
        metavar="MODULE:NAME",
        help="transformer that makes the features of texts, image files or numbers, such as "
        "mine:embedding for the object `embedding` in mine.py of this folder",
    )


def names(text: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in text.split(",")]


def pool_from(
    options: argparse.Namespace, *, ignore: Sequence[str] = (), quiet: bool = False
) -> PoolFile:
    """The pool that the options name; says what its features are."""
    pool = read_pool(
        options.pool,
        features=options.features,
        columns=options.columns,
        id_column=options.ids,
        text_column=options.text,
        image_column=options.images,
        embedding=options.embedding,
        ignore=ignore,
    )
    if not quiet:
        n_samples, n_features = pool.X.shape
        say(f"{options.pool}: {n_samples:,} rows, {n_features:,} features")
        for note in pool.notes:
            say(note)
    return pool
